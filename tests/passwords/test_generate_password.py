"""The command that generates: what it takes, prints, records and exits with."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from credfirewall.audit.models import AuditEvent
from credfirewall.exceptions import RandomnessFailed
from credfirewall.management.commands import generate_password
from credfirewall.passwords.generator import KINDS
from credfirewall.passwords.passphrase import words
from dev import ROOT

pytestmark = pytest.mark.django_db

Result = tuple[int, str, str]


def run(*arguments: str, terminal: bool = False) -> Result:
    """Run in this process: the exit status and both outputs."""
    out, err = io.StringIO(), io.StringIO()
    out.isatty = lambda: terminal  # type: ignore[method-assign]
    status: Any = 0
    try:
        call_command("generate_password", *arguments, stdout=out, stderr=err)
    except SystemExit as end:
        status = end.code
    assert "Traceback" not in err.getvalue()
    return status, out.getvalue(), err.getvalue()


@pytest.fixture(autouse=True)
def _no_policy(settings: Settings) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = []


class TestOutput:
    def test_one_on_a_line(self) -> None:
        status, out, err = run()
        assert status == 0
        assert re.fullmatch(r"[!-~]{20}\n", out)
        assert err == ""

    def test_several(self) -> None:
        out = run("--count", "7", "--length", "24")[1]
        lines = out.splitlines()
        assert len(set(lines)) == 7
        assert set(map(len, lines)) == {24}

    def test_a_terminal_is_told_the_entropy_beside_it(self) -> None:
        status, out, err = run("--length=30", terminal=True)
        assert status == 0
        assert re.fullmatch(r"[!-~]{30}\n", out)
        assert err == "196.6 bits\n"
        assert run("--verbosity=0", terminal=True)[2] == ""

    @pytest.mark.parametrize("kind", [each.kind for each in KINDS])
    def test_json(self, kind: str) -> None:
        status, out, err = run("--kind", kind, "--count=2", "--json", terminal=True)
        assert (status, err) == (0, "")
        assert out.count("\n") == 1
        found = json.loads(out)["passwords"]
        assert len(found) == 2
        for each in found:
            assert each["kind"] == kind
            assert each["length"] == len(each["password"])
            assert each["entropy_bits"] > 19
            assert each["policy_checked"] is (kind != "pin")
        assert [*found[0]] == ["password", "kind", "length", "entropy_bits", "policy_checked"]


class TestOptions:
    def test_classes(self) -> None:
        assert re.fullmatch(r"[a-z]{128}\n", run(
            "--length=128", "--no-uppercase", "--no-digits", "--no-special"
        )[1])  # fmt: skip

    def test_exclusions(self) -> None:
        out = run("--length=128", "--exclude", "]\\^-", "--exclude-ambiguous")[1]
        assert not set(out) & set("]\\^-0Oo1Il|")

    def test_one_of_each(self) -> None:
        for line in run("--length=4", "--require-each", "--count=50")[1].splitlines():
            assert (
                re.search("[a-z]", line) and re.search("[A-Z]", line) and re.search("[0-9]", line)
            )

    def test_alphabet(self) -> None:
        assert re.fullmatch(r"[xyz→]{40}\n", run("--alphabet=xyz→", "--length=40")[1])

    def test_passphrase(self) -> None:
        options = ("--words=4", "--separator=. ", "--capitals", "--digit")
        out = run("--kind=passphrase", *options)[1]
        parts = [part.rstrip("0123456789").lower() for part in out.strip().split(". ")]
        assert len(parts) == 4
        assert set(parts) <= set(words())
        assert len(re.findall("[0-9]", out)) == 1

    def test_pronounceable_and_pin(self) -> None:
        assert re.fullmatch(
            r"([^aeiou\W\d][aeiou]){3}\n", run("--kind=pronounceable", "--length=6")[1]
        )
        assert re.fullmatch(r"[0-9]{4}\n", run("--kind=pin", "--length=4")[1])

    def test_options_of_call_command(self) -> None:
        out = io.StringIO()
        call_command("generate_password", length=8, digits=False, special=False, stdout=out)
        assert re.fullmatch(r"[a-zA-Z]{8}\n", out.getvalue())


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "field", "code"),
        [
            (["--length=3"], "--length", "option_out_of_range"),
            (["--length=12abc"], "--length", "option_wrong_type"),
            (["--count=101"], "--count", "option_out_of_range"),
            (["--count=x"], "--count", "option_wrong_type"),
            (["--kind=pins"], "--kind", "option_not_a_choice"),
            (["--words=6"], "--words", "option_not_for_kind"),
            (["--kind=pin", "--exclude-ambiguous"], "--exclude-ambiguous", "option_not_for_kind"),
            (["--kind=pin", "--no-special"], "--special", "option_not_for_kind"),
            (["--alphabet=aa"], "--alphabet", "character_repeated"),
            (["--alphabet=ab", "--digits"], "--digits", "option_conflict"),
            (["--kind=pin", "--exclude=0123456789"], "--exclude", "nothing_to_draw_from"),
        ],
    )
    def test_what_cannot_be(self, arguments: list[str], field: str, code: str) -> None:
        status, out, err = run(*arguments)
        assert (status, out) == (3, "")
        assert err.startswith(f"{field}: ")
        assert err.endswith(".\n")
        status, out, err = run(*arguments, "--json")
        assert (status, err) == (3, "")
        assert json.loads(out)["error"] == code
        assert json.loads(out)["message"].startswith(f"{field}: ")
        assert not AuditEvent.objects.exists()

    def test_what_the_project_does_not_take(self, settings: Settings) -> None:
        settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": "credfirewall.validators.LengthValidator"}]
        status, out, err = run("--length=8")
        assert (status, out) == (1, "")
        assert "password_too_short" in err
        status, out, _ = run("--length=8", "--json")
        assert status == 1
        assert json.loads(out)["error"] == "policy_unsatisfiable"

    def test_no_randomness(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RandomnessFailed("there is none")

        monkeypatch.setattr(generate_password, "issue", fail)
        assert run()[::2] == (3, "there is none\n")

    @pytest.mark.parametrize("arguments", [["--colour"], ["hunter2"], ["--database=none"]])
    def test_usage(self, arguments: list[str]) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", "generate_password", *arguments],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (3, "")
        assert "usage: " in done.stderr


class TestRecord:
    def test_what_was_asked_for_is_on_record_and_no_value(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG")
        out = run("--count=3", "--length=24", "--exclude=xyz")[1]
        (row,) = AuditEvent.objects.filter(event="password_generated")
        assert (row.actor_type, row.outcome) == ("command", "success")
        details = json.loads(row.details)
        assert (details["kind"], details["count"], details["length"]) == ("password", 3, 24)
        assert details["entropy_bits"] == pytest.approx(24 * 6.507794640198696)
        assert caplog.records
        written = row.details + "".join(str(vars(each)) for each in caplog.records)
        assert not any(value in written for value in out.splitlines())


class TestStreams:
    """In a process of its own, as at a shell."""

    def start(self, *arguments: str, **how: Any) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "manage.py", "generate_password", *arguments]
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, **how)

    def test_a_pipe_that_nobody_reads(self, tmp_path: Path) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        with self.start("--count=100", stdout=writing, env=self.environment(tmp_path)) as process:
            os.close(writing)
            said = process.stderr.read().decode() if process.stderr else ""
        assert process.returncode == 3
        assert said.splitlines()[-1].startswith("The output takes no more (BrokenPipeError)")
        assert "Traceback" not in said and "Exception ignored" not in said

    def test_an_encoding_without_these_characters(self, tmp_path: Path) -> None:
        environment = {**self.environment(tmp_path), "PYTHONIOENCODING": "ascii"}
        options = ("--alphabet=→←↑↓", "--length=80")
        with self.start(*options, stdout=subprocess.PIPE, env=environment) as process:
            out, err = (
                stream.read().decode() for stream in (process.stdout, process.stderr) if stream
            )
        assert (process.returncode, out) == (3, "")
        assert "UnicodeEncodeError" in err
        assert not set("→←↑↓") & set(err)
        assert "u219" not in err

    def environment(self, folder: Path) -> dict[str, str]:
        # Buffered, as it is at most shells: then it is the end of the process that complains.
        other = ("DJANGO_SETTINGS_MODULE", "PYTHONUNBUFFERED")
        kept = {name: value for name, value in os.environ.items() if name not in other}
        return {**kept, "DATABASE_URL": f"sqlite:///{folder}/none.sqlite3"}


def test_help_has_examples_that_work() -> None:
    examples = re.findall(
        r"manage\.py generate_password([^|\n]*)", generate_password.Command.examples
    )
    assert len(examples) >= 5
    for example in examples:
        status, _, err = run(*shlex.split(re.split(r"\s{3,}", example)[0]))
        assert (status, err) == (0, ""), example
