"""The command that makes the demo's accounts."""

import os
import re
import shlex
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.management import CommandError, call_command
from pytest_django import Settings

from credfirewall.testing import breached, unknown
from dev import ROOT
from project.demo.management.commands import demo_data
from project.demo.management.commands.demo_data import Command

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site")]


def run(**options: bool) -> str:
    out = StringIO()
    call_command(Command(), stdout=out, no_color=True, **options)
    return out.getvalue()


def passwords(output: str) -> dict[str, str]:
    return dict(re.findall(r"^  (demo|admin) +(\S{20,}) ", output, re.MULTILINE))


def test_makes_accounts_that_can_sign_in() -> None:
    with breached():
        printed = passwords(run())
        for username, password in printed.items():
            user = authenticate(username=username, password=password)
            assert isinstance(user, User)
            validate_password(password, user)
    assert set(printed) == {"demo", "admin"}
    demo, admin = User.objects.get(username="demo"), User.objects.get(username="admin")
    assert not demo.is_staff
    assert admin.is_staff
    assert admin.is_superuser
    assert demo.email


def test_second_run_keeps_them() -> None:
    with breached():
        printed = passwords(run())
        again = run()
    assert not passwords(again)
    assert again.count("its password stays") == 2
    assert authenticate(username="demo", password=printed["demo"])


def test_second_run_prints_a_command_that_can_be_run() -> None:
    with breached():
        run()
        (line,) = re.findall(r"^  New passwords: (.*)$", run(), re.MULTILINE)
    environment = {
        "PATH": os.defpath,
        "SECRET_KEY": "x",
        "AUDIT_KEY": "x",
        "DATABASE_URL": "sqlite:///:memory:",
    }
    done = subprocess.run(
        [*shlex.split(line), "--help"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--reset" in done.stdout
    assert line.endswith(" manage.py demo_data --reset")


@pytest.mark.parametrize(
    ("executable", "shown"),
    [
        (ROOT / ".venv" / "bin" / "python", ".venv/bin/python"),
        (Path("/elsewhere/my env/bin/python"), "'/elsewhere/my env/bin/python'"),
    ],
)
def test_the_command_has_the_interpreter_that_runs(
    monkeypatch: pytest.MonkeyPatch, executable: Path, shown: str
) -> None:
    monkeypatch.setattr(sys, "executable", str(executable))
    assert demo_data.reset_command() == f"{shown} manage.py demo_data --reset"


def test_every_run_prints_the_addresses() -> None:
    with breached():
        for output in (run(), run(), run(reset=True)):
            assert re.findall(r"\w+@example\.com", output) == [
                "demo@example.com",
                "admin@example.com",
            ]


def test_reset_makes_new_passwords() -> None:
    with breached():
        first, second = passwords(run()), passwords(run(reset=True))
    assert set(second) == {"demo", "admin"}
    assert not set(first.values()) & set(second.values())
    assert authenticate(username="demo", password=second["demo"])
    assert not authenticate(username="demo", password=first["demo"])
    assert User.objects.count() == 2


def test_says_whether_the_breach_service_answers() -> None:
    with breached():
        assert "memory answers: breached passwords are refused" in run()
    with unknown("timeout"):
        assert "did not answer (timeout): only the bundled list refuses" in run()


def test_refuses_outside_the_demo(settings: Settings) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="createsuperuser"):
        run()
    assert not User.objects.exists()


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Command().run_from_argv(["manage.py", "demo_data", "--help"])
    assert "manage.py demo_data --reset" in capsys.readouterr().out
