"""The table of profiles, and what reads it."""

from pathlib import Path

import pytest
from pytest_django import Settings

import credfirewall
from credfirewall import audit_checks
from credfirewall.audit import purging
from credfirewall.conf import SETTINGS, assuming, conf
from credfirewall.passwords.profiles import DAY, PROFILES, active
from credfirewall.validators import LengthValidator


def test_each_profile_of_the_setting_is_in_the_table() -> None:
    problem = SETTINGS["PROFILE"].problem
    assert [*PROFILES] == ["nist", "asvs", "pci"]
    assert not any(map(problem, PROFILES))


@pytest.mark.parametrize(
    ("name", "alone", "with_mfa"), [("nist", 15, 8), ("asvs", 15, 8), ("pci", 12, 12)]
)
def test_lengths(settings: Settings, name: str, alone: int, with_mfa: int) -> None:
    settings.CREDFIREWALL = {"PROFILE": name}
    assert (active().name, active().length) == (name, alone)
    assert LengthValidator().min_length == alone
    assert LengthValidator(mfa=True).min_length == with_mfa
    settings.CREDFIREWALL = {"PROFILE": name, "MFA_ASSERTED": True}
    assert active().length == LengthValidator().min_length == with_mfa


def test_nist_and_asvs_forbid_what_pci_demands() -> None:
    for name in ("nist", "asvs"):
        profile = PROFILES[name]
        assert not (profile.composition or profile.rotation_days or profile.history)
        assert profile.most_failures == 100 and not profile.departures
    pci = PROFILES["pci"]
    assert (pci.composition, pci.rotation_days, pci.history) == (True, 90, 4)
    assert (pci.most_failures, pci.lockout_seconds, pci.retention_days) == (10, 1800, 365)
    assert len(pci.departures) == 3


@pytest.mark.parametrize("wrong", ["hipaa", None, 1, ["pci"]])
def test_a_profile_that_does_not_exist_opens_no_door(settings: Settings, wrong: object) -> None:
    settings.CREDFIREWALL = {"PROFILE": wrong}
    assert active().name == "nist"


def test_a_profile_is_assumed_for_a_while(settings: Settings) -> None:
    settings.CREDFIREWALL = {"PROFILE": "asvs"}
    with pytest.raises(RuntimeError), assuming("pci"):
        assert conf.PROFILE == active().name == "pci"
        raise RuntimeError
    assert conf.PROFILE == "asvs"


def test_the_audit_log_goes_by_the_same() -> None:
    days = {name: profile.retention_days for name, profile in PROFILES.items()}
    assert days == {"nist": 0, "asvs": 0, "pci": purging.PCI_DAYS}
    assert audit_checks.PCI_DAYS == purging.PCI_DAYS


def test_the_table_is_documented() -> None:
    page = Path(credfirewall.__file__).parent.parent / "docs" / "passwords.md"
    rows = [line.strip("| ").split(" | ") for line in page.read_text("utf-8").splitlines()]
    table = {row[0]: row[1:] for row in rows if len(row) == 4 or row[0].endswith("refused")}
    for column, profile in enumerate(PROFILES.values()):
        shown = {
            name: cells[column] if column < len(cells) else "" for name, cells in table.items()
        }
        least = f"{profile.minimum} ({profile.minimum_with_mfa})"
        assert shown["Least length (beside a second factor)"].startswith(least)
        assert shown["Accepted at least"].startswith(str(profile.accepted))
        mixed = "a letter and a digit" if profile.composition else "forbidden"
        assert shown["A mix of kinds of characters"].startswith(mixed)
        expiry = f"{profile.rotation_days} days" if profile.rotation_days else "forbidden"
        assert shown["Expiry by the calendar"].startswith(expiry)
        assert shown["Words of the context"].startswith("refused") == profile.context_words
        assert shown["Breached passwords"].startswith("refused") == profile.screening
        failures = str(profile.most_failures)
        if profile.lockout_seconds:
            failures += f", then {profile.lockout_seconds // 60} minutes"
        assert shown["Failures in a row"].startswith(failures)
        power = profile.scrypt_cost.bit_length() - 1
        assert shown["Least work factor of scrypt"].startswith(f"2^{power}")
        length = profile.session_seconds
        told = f"{length // 60} minutes when idle" if profile.idle else f"{length // DAY} days"
        assert shown["A session lasts at most"].startswith(told)
