"""The table of profiles, and what reads it."""

import pytest
from pytest_django import Settings

from credfirewall.conf import SETTINGS, assuming, conf
from credfirewall.passwords.profiles import PROFILES, active
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
