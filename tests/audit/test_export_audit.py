"""The command that exports the log: where the rows go, what it says, what it exits with."""

import io
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from credfirewall.audit import exporting, lines
from credfirewall.audit.events import AuditExported, Code, LoginRefused
from credfirewall.audit.models import AuditEvent
from credfirewall.management.progress import progress
from dev import ROOT
from tests.audit.outage import taking_no_rows
from tests.audit.seeding import add, ago

EVENT = LoginRefused(reason=Code("exposed"))


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    try:
        call_command("export_audit", *arguments, stdout=out, stderr=err)
    except SystemExit as end:
        status = end.code
    return status, out.getvalue(), err.getvalue()


@pytest.fixture
def _rows(db: None) -> None:
    for hour in range(1, 8):
        add(EVENT, ago(hours=hour))


def last_state() -> str:
    details = AuditEvent.objects.filter(event=AuditExported.name).latest("at", "id").details
    state: str = json.loads(details)["state"]
    return state


@pytest.mark.usefixtures("_rows")
class TestOutput:
    def test_rows_go_to_standard_output_and_the_rest_elsewhere(self) -> None:
        status, out, err = run()
        assert status == 0
        assert [json.loads(line)["event"] for line in out.splitlines()] == ["login_refused"] * 7
        assert err == "7 rows exported.\n"

    def test_a_file_is_for_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "log.csv"
        status, out, err = run("--format", "csv", "--output", str(path))
        assert (status, out) == (0, "")
        assert err == f"7 rows exported to {path}.\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes().count(b"\r\n") == 8

    def test_json_says_what_was_done(self, tmp_path: Path) -> None:
        path = tmp_path / "log.jsonl"
        status, out, err = run("--json", "--output", str(path))
        assert json.loads(err) == {
            "state": "complete",
            "rows": 7,
            "problem": "",
            "format": "jsonl",
            "output": str(path),
            "bytes": path.stat().st_size,
        }
        assert (status, out, err.count("\n")) == (0, "", 1)

    @pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("elsewhere")])
    def test_what_is_there_is_left_alone(
        self, make: Callable[[Path], None], tmp_path: Path
    ) -> None:
        path = tmp_path / "log.jsonl"
        make(path)
        before = path.lstat()
        status, _, err = run("--output", str(path))
        assert (status, err) == (3, f"{path} is there already: name a new file.\n")
        assert path.lstat() == before
        assert not (tmp_path / "elsewhere").exists()
        assert not AuditEvent.objects.filter(event=AuditExported.name).exists()

    def test_a_file_that_cannot_be_made(self, tmp_path: Path) -> None:
        status, _, err = run("--json", "--output", str(tmp_path / "no/log.jsonl"))
        assert status == 3
        assert json.loads(err)["problem"].endswith("cannot be made: No such file or directory.")

    @pytest.mark.parametrize(
        ("arguments", "number"),
        [
            (["--since", "2020-01-01"], 7),
            (["--until", "2020-01-01T00:00:00+01:00"], 0),
            (["--event", "login_refused", "--event", "limit_hit"], 7),
            (["--event", "limit_hit"], 0),
            (["--outcome", "refused"], 7),
            (["--outcome", "success"], 0),
        ],
    )
    def test_filters(self, arguments: list[str], number: int) -> None:
        assert run(*arguments)[1].count("\n") == number

    def test_names(self) -> None:
        assert '"actor_name":' in run("--names")[1]

    def test_the_command_is_the_actor(self) -> None:
        run()
        found = AuditEvent.objects.filter(event=AuditExported.name)
        assert {(each.actor_type, each.actor_id) for each in found} == {("command", "export_audit")}


@pytest.mark.usefixtures("_rows")
class TestFailure:
    def test_what_cannot_be_recorded_is_refused_and_leaves_no_file(self, tmp_path: Path) -> None:
        path = tmp_path / "log.jsonl"
        with taking_no_rows():
            status, out, err = run("--output", str(path))
        assert (status, out) == (3, "")
        assert "could not be recorded" in err
        assert not path.exists()

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (OperationalError("gone"), "the database failed (OperationalError)."),
            (KeyboardInterrupt(), "interrupted."),
            (OSError(28, "No space left on device"), "No space left on device."),
        ],
    )
    def test_one_that_is_broken_off_keeps_what_it_has(
        self, error: BaseException, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pages = iter([lines.json_lines])

        def render(*how: Any) -> bytes:
            for page in pages:
                return page(*how)
            raise error

        monkeypatch.setattr(exporting, "PAGE", 3)
        monkeypatch.setattr(lines, "json_lines", render)
        path = tmp_path / "log.jsonl"
        status, _, err = run("--output", str(path))
        assert (status, err) == (2, f"Broken off after 3 rows: {said}\n")
        assert path.read_bytes().count(b"\n") == 3
        assert last_state() == "broken_off"

    @pytest.mark.parametrize(
        "arguments",
        [["--since", "yesterday"], ["--until", "2026-13-01"], ["--json", "--since", ""]],
    )
    def test_times_that_are_none(self, arguments: list[str]) -> None:
        status, out, err = run(*arguments)
        assert (status, out) == (3, "")
        assert "A time looks like 2026-11-22" in err

    @pytest.mark.parametrize(
        "arguments", [["--event", "odd"], ["--format", "xml"], ["--outcome", "odd"], ["extra"]]
    )
    def test_arguments_that_are_not_understood(self, arguments: list[str]) -> None:
        with pytest.raises(CommandError):
            run(*arguments)


class TestProcess:
    """As a shell sees it. The database is one of its own."""

    @pytest.fixture
    def command(self, tmp_path: Path) -> Callable[..., "subprocess.Popen[bytes]"]:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path}/process.sqlite3",
            "PYTHONPATH": str(ROOT),
        }

        def start(*arguments: str, **how: Any) -> "subprocess.Popen[bytes]":
            return subprocess.Popen(
                [sys.executable, "-m", "django", *arguments], env=environment, cwd=tmp_path, **how
            )

        assert start("migrate", "-v", "0", "--skip-checks").wait() == 0
        fill = (
            "from credfirewall.audit import record; from credfirewall.audit.events import *; "
            "[record(LoginRefused(reason=Code('x'))) for _ in range(1200)]"
        )
        assert start("shell", "-v", "0", "-c", fill).wait() == 0
        return start

    @pytest.mark.slow
    def test_a_reader_that_goes_away_breaks_it_off_without_a_traceback(
        self, command: Callable[..., "subprocess.Popen[bytes]"]
    ) -> None:
        with command("export_audit", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout and process.stderr
            process.stdout.read(1000)
            process.stdout.close()
            said = process.stderr.read().decode()
            assert process.wait() == 2
        assert said.startswith("Broken off after ")
        assert said.endswith(" rows: Broken pipe.\n")
        assert said.count("\n") == 1

    @pytest.mark.slow
    def test_statuses_and_streams(
        self, command: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path
    ) -> None:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with command("export_audit", "--json", **pipes) as process:
            out, err = process.communicate()
        assert process.returncode == 0
        assert out.count(b"\n") == 1200
        assert json.loads(err)["rows"] == 1200
        assert json.loads(err)["bytes"] == len(out)
        with command("export_audit", "--bogus", **pipes) as process:
            out, err = process.communicate()
        assert (process.returncode, out) == (3, b"")
        with command("export_audit", "--help", **pipes) as process:
            out, err = process.communicate()
        assert process.returncode == 0
        assert b"examples:" in out and b"exit status:" in out

    @pytest.mark.slow
    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
    def test_one_that_is_killed_has_begun_and_never_ended(
        self, command: Callable[..., "subprocess.Popen[bytes]"]
    ) -> None:
        with command("export_audit", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout
            process.stdout.read(1000)
            process.kill()
        with command(
            "export_audit", "--event", "audit_exported", stdout=subprocess.PIPE
        ) as process:
            assert process.stdout
            (killed, *_) = map(json.loads, process.stdout.read().splitlines())
        assert killed["details"]["state"] == "begun"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestProgress:
    def test_a_bar_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress(lambda: 10, "rows") as advance:
            advance(4)
            advance(6)
        assert "10.0/10.0" in terminal.getvalue()
        assert "rows/s" in terminal.getvalue()

    @pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
    def test_nothing_elsewhere_and_nothing_is_counted(
        self, stream: io.StringIO, quiet: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stderr", stream)
        with progress(lambda: pytest.fail("counted"), "rows", quiet) as advance:
            advance(4)
        assert stream.getvalue() == ""

    def test_without_standard_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stderr", None)
        with progress(3, "rows") as advance:
            advance(3)
