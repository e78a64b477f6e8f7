"""`manage.py conformance`: what it prints, and with which status it ends."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command, execute_from_command_line
from django.utils import translation
from django.utils.translation import gettext_lazy
from pytest_django import Settings

from credfirewall import conformance
from credfirewall.conformance import Finding, Row, met
from tests.conforming import Project

pytestmark = pytest.mark.django_db

Make = Callable[[str], Project]


@pytest.fixture
def project(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda profile: Project(settings, monkeypatch, profile)


def run(*arguments: str, status: int = 0) -> str:
    out = StringIO()
    try:
        call_command("conformance", *arguments, stdout=out, no_color=True)
        ended: Any = 0
    except SystemExit as end:
        ended = end.code
    assert ended == status
    return out.getvalue()


def test_a_project_that_is_right(project: Make) -> None:
    project("nist")
    text = run()
    assert text.startswith("Profile nist: NIST SP 800-63B-4\n")
    assert "NOT MET" not in text and "     met  " in text and "   yours  " in text
    assert "ASVS 6.2.12" in text and "seen: " in text and "to do: " in text
    assert ", 0 not met, " in text.splitlines()[-1]


def test_one_that_is_not(project: Make) -> None:
    project("nist").set(SESSION_COOKIE_SECURE=False)
    text = run(status=1)
    assert text.count("NOT MET") == 1
    assert "SESSION_COOKIE_SECURE = False" in text
    assert ", 1 not met, " in text.splitlines()[-1]


def test_pci_prints_where_it_departs(project: Make) -> None:
    project("pci")
    assert run().count("Departs from NIST SP 800-63B-4") == 3
    assert "PCI DSS 8.3.6" in run()


def test_another_profile_than_that_of_the_settings(project: Make) -> None:
    project("nist")
    text = run("--profile", "pci", status=1)
    assert text.startswith("Profile pci:") and "PCI DSS 8.3.9" in text


def test_json(project: Make) -> None:
    project("nist").set(DEBUG=True)
    data = json.loads(run("--json", status=1))
    assert data["profile"] == "nist" and data["departures"] == []
    assert data["not_met"] == 1 and data["met"] + data["host"] + 1 == len(data["rows"])
    (row,) = [each for each in data["rows"] if each["state"] == "not_met"]
    assert row == {
        "key": "site-debug",
        "area": "site",
        "clauses": ["ASVS 13.4.2", "ASVS 16.5.1"],
        "force": "must",
        "demand": "No page shows what is for developers.",
        "state": "not_met",
        "evidence": "DEBUG = True",
        "fix": "Set DEBUG to False where others reach the site.",
        "failed": False,
    }


def test_the_same_in_every_language(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a terminal or a program reads is in English, as with the other commands."""
    project("pci")
    monkeypatch.setattr(conformance, "_rows", dict(conformance.registered()))
    demand = gettext_lazy("Audit events")
    conformance.register(Row("site-own", "site", ("House rule 7",), demand, lambda: met("yes")))
    english = run("--json")
    assert "Audit events" in english
    with translation.override("de"):
        assert run("--json") == english


def test_no_key_and_no_address_is_shown(project: Make) -> None:
    site = project("nist")
    site.set({"HIBP_URL": "https://user:hunter2@mirror.example/range/"})
    text = run(status=1) + run("--json", status=1)
    site.set({"HIBP_URL": "https://mirror.example/hunter2/range/"})
    text += run() + run("--json")
    assert "hunter2" not in text and site.own["AUDIT_KEY"] not in text


def test_a_project_that_is_broken(project: Make) -> None:
    project("nist").set(AUTH_PASSWORD_VALIDATORS=[{"NAME": "nowhere.Validator"}], CACHES={})
    assert "could not be looked at" in run(status=1)


def unsure() -> Finding:
    raise RuntimeError("secret words")


def test_what_could_not_be_looked_at(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows, unless something else is known to be wrong."""
    site = project("nist")
    monkeypatch.setattr(conformance, "_rows", dict(conformance.registered()))
    conformance.register(Row("own", "site", ("House rule 7",), "Ours.", unsure))
    assert "RuntimeError" in run(status=2)
    (row,) = [each for each in json.loads(run("--json", status=2))["rows"] if each["failed"]]
    assert row["key"] == "own" and row["state"] == "not_met"
    site.set(DEBUG=True)
    assert "secret words" not in run(status=1)


def test_a_profile_that_does_not_exist(project: Make) -> None:
    project("nist").set({"PROFILE": "PCI"})
    with pytest.raises(CommandError, match=r"PROFILE.* must be one of") as caught:
        run()
    assert caught.value.returncode == 3
    assert "NOT MET" in run("--profile", "nist", status=1)


@pytest.mark.parametrize("arguments", [["--profile", "hipaa"], ["--jsn"], ["more"]])
def test_arguments_that_are_not_understood(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        execute_from_command_line(["manage.py", "conformance", *arguments])
    assert caught.value.code == 3
    assert "usage:" in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        execute_from_command_line(["manage.py", "conformance", "--help"])
    assert caught.value.code == 0
    assert "examples:" in capsys.readouterr().out


class Full(StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_report_that_cannot_be_written(project: Make) -> None:
    project("nist")
    with pytest.raises(CommandError, match="No space left") as caught:
        call_command("conformance", stdout=Full())
    assert caught.value.returncode == 3


def test_what_a_project_has_registered(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    project("nist")
    monkeypatch.setattr(conformance, "_rows", dict(conformance.registered()))
    conformance.register(Row("own", "site", ("House rule 7",), "Ours.", lambda: met("yes")))
    assert "House rule 7" in run()
