"""The command that screens one password: what it reads, says and exits with."""

import copy
import io
import json
import os
import select
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from getpass import GetPassWarning
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, ClassVar, Self

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from pytest_django import Settings

from credfirewall.exceptions import SourceUnavailable
from credfirewall.management.commands import screen_password
from credfirewall.screening.sources import chain
from credfirewall.screening.verdict import Answer, Reason
from credfirewall.testing import breached, unknown
from credfirewall.testing.faults import Exchange, Fault, Status
from credfirewall.testing.server import RangeServer
from dev import ROOT

BREACHED = "swordfish \N{SNOWMAN} 4711"
CLEAN = "nobody has thought of this one"
SECONDS = 60

Result = tuple[int, str]


def call(password: str | bytes, *arguments: str) -> Result:
    """Run in this process: the exit status and the output."""
    data = password.encode() if isinstance(password, str) else password
    out = io.StringIO()
    status: Any = 0
    try:
        call_command(
            "screen_password", *arguments, stdin=io.TextIOWrapper(io.BytesIO(data)), stdout=out
        )
    except SystemExit as end:
        status = end.code
    except CommandError as error:
        chained = "".join(traceback.format_exception(error)).count("Traceback") - 1
        return error.returncode, out.getvalue() + str(error) + "!" * chained
    return status, out.getvalue()


class TestVerdicts:
    def test_clean(self) -> None:
        with breached():
            status, said = call(CLEAN)
        assert status == 0
        assert said == (
            "Clean: not in known data breaches (memory). It is a good one if it is also long and "
            "used nowhere else.\n"
        )

    def test_breached(self) -> None:
        with breached({BREACHED: 1234}):
            status, said = call(BREACHED)
        assert status == 1
        assert said.startswith("Breached: seen 1,234 times in known data breaches (memory). ")
        assert "change it wherever it is in use" in said

    def test_seen_once(self) -> None:
        with breached(BREACHED):
            assert "Breached: seen 1 time in" in call(BREACHED)[1]

    def test_unknown(self) -> None:
        with unknown("timeout"):
            status, said = call(CLEAN)
        assert status == 2
        assert said.startswith("Unknown: no source could answer (timeout). Try again in a minute")

    def test_listed(self, settings: Settings) -> None:
        settings.CREDFIREWALL = {"SOURCES": ["bundled"]}
        status, said = call("iloveyouiloveyou")
        assert status == 1
        assert said.startswith("Breached: on a list of common or forbidden passwords (bundled), ")

    def test_lists_alone_say_so(self, settings: Settings) -> None:
        settings.CREDFIREWALL = {"SOURCES": ["bundled"]}
        status, said = call(CLEAN)
        assert status == 0
        assert "on none of the lists (bundled)" in said
        assert 'add "hibp" to SOURCES' in said

    def test_too_few_to_count(self, settings: Settings) -> None:
        settings.CREDFIREWALL = {"MIN_COUNT": 5}
        with breached({BREACHED: 4}):
            status, said = call(BREACHED)
        assert status == 0
        assert said.startswith("Clean: seen 4 times in known data breaches (memory), which is ")
        assert "MIN_COUNT = 5" in said

    def test_an_earlier_answer_says_so(self, settings: Settings) -> None:
        settings.CREDFIREWALL = {"SOURCES": [f"{__name__}.Stale"]}
        status, said = call(CLEAN)
        assert status == 0
        assert "(stale-source, as of an earlier answer, because there was none now)" in said

    @pytest.mark.parametrize(
        ("context", "expected"),
        [
            (breached(), {"status": "clean", "count": 0, "source": "memory", "reason": ""}),
            (
                breached({CLEAN: 3}),
                {"status": "breached", "count": 3, "source": "memory", "reason": ""},
            ),
            (
                unknown("dns"),
                {"status": "unknown", "count": None, "source": None, "reason": "dns"},
            ),
        ],
    )
    def test_json(self, context: breached, expected: Mapping[str, object]) -> None:
        with context:
            status, said = call(CLEAN, "--json")
        assert status == {"clean": 0, "breached": 1, "unknown": 2}[str(expected["status"])]
        assert said.count("\n") == 1
        assert json.loads(said) == expected


class Stale:
    name: ClassVar[str] = "stale-source"
    authoritative = True

    def lookup(self, candidate: object) -> Answer:
        return Answer(found=False, count=0, note=Reason.STALE)


class TestInput:
    @pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r"])
    def test_only_the_line_end_is_taken_off(self, end: str) -> None:
        password = " \t kept as it is \N{NO-BREAK SPACE}\N{LINE SEPARATOR}\x0b "
        with breached(password):
            assert call(password + end)[0] == 1
            assert call(password.strip() + end)[0] == 0

    @pytest.mark.parametrize("password", ["ä" * 4096, "\U0001f511" * 4096])
    def test_the_longest_is_read_whole(self, password: str) -> None:
        with breached(password):
            assert call(password + "\r\n")[0] == 1

    @pytest.mark.parametrize(
        ("data", "reason", "message"),
        [
            (b"", "input_empty", "no password"),
            (b"\n", "input_empty", "no password"),
            (b"\r\n", "input_empty", "no password"),
            (b"one\ntwo\n", "input_many_lines", "more than one line"),
            (b"one\n\n", "input_many_lines", "more than one line"),
            (b"one\r\ntwo", "input_many_lines", "more than one line"),
            (b"one\rtwo", "input_many_lines", "more than one line"),
            (b"\none", "input_many_lines", "more than one line"),
            (b"a" * 4097, "password_too_long", "longer than 4,096 characters"),
            ("\U0001f511".encode() * 4096 + b"\r\na", "password_too_long", "longer than"),
            (b"\n" * 100_000, "password_too_long", "longer than"),
            ("pässword".encode("latin-1"), "password_not_text", "not plain UTF-8"),
            ("password".encode("utf-16"), "password_not_text", "not plain UTF-8"),
            ("password".encode("utf-16-le"), "password_not_text", "not plain UTF-8"),
            ("password".encode("utf-8-sig"), "password_not_text", "not plain UTF-8"),
            (b"pass\0word", "password_not_text", "no NUL"),
            ("\ud800".encode(errors="surrogatepass"), "password_not_text", "not plain UTF-8"),
        ],
        ids=lambda value: f"{value[:12]!r}" if isinstance(value, bytes) else "",
    )
    def test_anything_else_is_an_error(self, data: bytes, reason: str, message: str) -> None:
        with breached() as passwords:
            passwords.unavailable("asked")
            status, said = call(data)
            assert status == 3
            assert message in said
            status, said = call(data, "--json")
        assert status == 3
        shown = json.loads(said.splitlines()[0])
        assert shown == {
            "status": "error",
            "count": None,
            "source": None,
            "reason": reason,
            "message": shown["message"],
        }
        assert said.splitlines()[1:] == [shown["message"]]

    def test_no_more_is_read_than_a_password_can_have(self) -> None:
        class Endless(io.RawIOBase):
            given = 0

            def readable(self) -> bool:
                return True

            def readinto(self, buffer: Any) -> int:
                self.given += len(buffer)
                buffer[:] = b"a" * len(buffer)
                return len(buffer)

        source = Endless()
        stdin = io.TextIOWrapper(io.BufferedReader(source, 512))
        with pytest.raises(CommandError, match=r"longer than 4,096"):
            call_command("screen_password", stdin=stdin)
        assert source.given < 20_000

    def test_text_without_bytes_behind_it(self) -> None:
        with breached(BREACHED), pytest.raises(SystemExit) as end:
            call_command("screen_password", stdin=io.StringIO(f"{BREACHED}\n"))
        assert end.value.code == 1

    def test_no_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", None)
        with pytest.raises(CommandError, match="no password") as error:
            call_command("screen_password")
        assert error.value.returncode == 3

    def test_no_argument_is_taken_or_repeated(self) -> None:
        for arguments in (["swordfish"], ["--password", "swordfish"], ["--password=swordfish"]):
            with pytest.raises(CommandError, match="arguments are not understood") as error:
                call_command("screen_password", *arguments)
            assert error.value.returncode == 3
            assert "swordfish" not in str(error.value)


class Broken:
    """A source that cannot even be made."""

    def __init__(self) -> None:
        raise ImproperlyConfigured("There is no\n  such file.")


class Exploding:
    name = "exploding"
    authoritative = True
    error: ClassVar[BaseException]

    def lookup(self, candidate: object) -> Answer:
        raise self.error


class TestFailure:
    @pytest.mark.parametrize(
        ("sources", "message"),
        [
            (["nothing"], "CREDFIREWALL['SOURCES']: there is no source 'nothing'."),
            (["nowhere.Source"], "CREDFIREWALL['SOURCES']: No module named 'nowhere'"),
        ],
    )
    def test_misconfigured(self, settings: Settings, sources: list[str], message: str) -> None:
        settings.CREDFIREWALL = {"SOURCES": sources}
        assert call(CLEAN) == (3, message)
        shown = json.loads(call(CLEAN, "--json")[1].splitlines()[0])
        assert (shown["status"], shown["reason"]) == ("error", "misconfigured")

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            (KeyboardInterrupt(), "Interrupted: there is no result."),
            (SystemExit(0), "Screening failed (SystemExit): see `manage.py check`."),
        ],
    )
    def test_what_is_no_verdict_is_no_clean_one(
        self, settings: Settings, error: BaseException, message: str
    ) -> None:
        Exploding.error = error
        settings.CREDFIREWALL = {"SOURCES": [f"{__name__}.Exploding"]}
        assert call(CLEAN) == (3, message)

    def test_a_source_that_cannot_be_made_is_unknown(self, settings: Settings) -> None:
        settings.CREDFIREWALL = {"SOURCES": [f"{__name__}.Broken"]}
        assert call(CLEAN)[0] == 2

    def test_a_source_without_an_answer_is_unknown(self, settings: Settings) -> None:
        Exploding.error = SourceUnavailable("down")
        settings.CREDFIREWALL = {"SOURCES": [f"{__name__}.Exploding"]}
        assert call(CLEAN)[0] == 2

    def test_an_unexpected_error_shows_its_class_alone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def active() -> None:
            raise LookupError(CLEAN)

        monkeypatch.setattr(chain, "active", active)
        assert call(CLEAN) == (3, "Screening failed (LookupError): see `manage.py check`.")

    def test_an_output_that_is_closed(self) -> None:
        out = io.StringIO()
        out.close()
        with breached(), pytest.raises(CommandError, match="could not be written") as error:
            call_command("screen_password", stdin=io.StringIO(CLEAN), stdout=out)
        assert error.value.returncode == 3


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        screen_password.Command().run_from_argv(["manage.py", "screen_password", "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert "manage.py screen_password < password.txt" in said
    assert "exit status: 0 clean, 1 breached, 2 unknown" in said


SETTINGS = """
from tests.settings import *

DATABASES = {{
    "default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{folder}/not/there.sqlite3"}}
}}
CREDFIREWALL = {{"HIBP_URL": "{url}", "HIBP_DEADLINE": 30}}
"""


class Asked(Fault):
    """Never answers, but tells that it was asked."""

    kind = "asked"
    event: ClassVar[threading.Event]

    async def answer(self, exchange: Exchange) -> bool:
        self.event.set()
        await exchange.hang()
        return False


class Project:
    """A project whose database cannot be opened, with commands run as a user runs them."""

    def __init__(self, folder: Path) -> None:
        self.hibp = RangeServer({BREACHED: 1234})
        self.hibp.start()
        (folder / "broken_settings.py").write_text(
            SETTINGS.format(folder=folder, url=self.hibp.url)
        )
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "broken_settings",
            "PYTHONPATH": str(folder),
            "PYTHONDEVMODE": "1",
        }
        self.command = [sys.executable, str(ROOT / "manage.py"), "screen_password"]

    def start(self, *arguments: str, wrapper: Sequence[str] = (), **how: Any) -> Popen[bytes]:
        pipes = {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}
        return Popen(
            [*wrapper, *self.command, *arguments],
            env=self.environment,
            cwd=ROOT,
            **{**pipes, **how},
        )

    def run(self, data: bytes, *arguments: str, **how: Any) -> tuple[int, str, str]:
        with self.start(*arguments, **how) as process:
            out, errors = process.communicate(data, SECONDS)
        return process.returncode, (out or b"").decode(), (errors or b"").decode()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("project"))
    yield project
    project.hibp.stop()


@pytest.fixture(autouse=True)
def _healthy(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "project" in request.fixturenames:
        request.getfixturevalue("project").hibp.fault = None


@pytest.mark.slow
class TestProcess:
    def test_breached(self, project: Project) -> None:
        status, out, errors = project.run(BREACHED.encode() + b"\n", "--json")
        assert (status, errors) == (1, "")
        assert json.loads(out) == {
            "status": "breached",
            "count": 1234,
            "source": "hibp",
            "reason": "",
        }

    def test_clean(self, project: Project) -> None:
        status, out, errors = project.run(CLEAN.encode())
        assert (status, errors) == (0, "")
        assert out.startswith("Clean: not in known data breaches (hibp).")

    def test_unknown(self, project: Project) -> None:
        project.hibp.fault = Status(503)
        status, out, errors = project.run(CLEAN.encode())
        assert (status, errors) == (2, "")
        assert out.startswith("Unknown: no source could answer (http_server_error).")

    @pytest.mark.parametrize("arguments", [("swordfish",), ("--password=swordfish",)])
    def test_an_argument(self, project: Project, arguments: tuple[str]) -> None:
        status, out, errors = project.run(b"", "--json", *arguments)
        assert status == 3
        assert json.loads(out)["reason"] == "usage"
        assert errors == f"CommandError: {json.loads(out)['message']}\n"
        assert "swordfish" not in out + errors

    def test_bad_input(self, project: Project) -> None:
        status, out, errors = project.run(b"one\ntwo\n")
        assert (status, out) == (3, "")
        assert errors == (
            "CommandError: The input has more than one line: give one password, on one line.\n"
        )

    @pytest.mark.parametrize("arguments", [(), ("--json",)])
    def test_a_broken_pipe(self, project: Project, arguments: tuple[str, ...]) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        status, _out, errors = project.run(CLEAN.encode(), *arguments, stdout=writer)
        os.close(writer)
        assert status == 3
        assert errors == "CommandError: The result could not be written: Broken pipe.\n"

    def test_ctrl_c_while_it_waits_for_an_answer(self, project: Project) -> None:
        Asked.event = threading.Event()
        project.hibp.fault = Asked()
        with project.start("--json", start_new_session=True) as process:
            assert process.stdin
            process.stdin.write(CLEAN.encode())
            process.stdin.close()
            process.stdin = None
            assert Asked.event.wait(SECONDS)
            shown = [Path(f"/proc/{process.pid}/{name}") for name in ("cmdline", "environ")]
            for file in shown:
                if file.exists():  # where there is no /proc, ps shows the same arguments
                    assert CLEAN.encode() not in file.read_bytes()
            process.send_signal(2)
            out, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 3
        assert json.loads(out)["reason"] == "interrupted"
        assert errors == b"CommandError: Interrupted: there is no result.\n"


TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A person at a terminal."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.own, theirs = os.openpty()
        self.process = project.start(
            "--no-color",
            *arguments,
            wrapper=(sys.executable, "-c", TAKE_TERMINAL),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.own)

    def read(self) -> bool:
        """Take in what is shown next; False when there is no more to come."""
        ready, _, _ = select.select([self.own], [], [], SECONDS)
        assert ready, f"nothing more came after {self.seen!r}"
        try:
            data = os.read(self.own, 4096)
        except OSError:  # how Linux says that the other end is closed
            return False
        self.seen += data.decode()
        return bool(data)

    def answer(self, typed: bytes) -> int:
        """Type when the question has come; return the exit status."""
        while "it is not shown" not in self.seen:
            assert self.read(), self.seen
        os.write(self.own, typed)
        while self.read():
            pass
        status: int = self.process.wait(SECONDS)
        return status


@pytest.mark.slow
class TestPrompt:
    def test_what_is_typed_is_screened_and_not_shown(self, project: Project) -> None:
        with Terminal(project) as terminal:
            assert terminal.answer(f"{BREACHED}\n".encode()) == 1
        assert "swordfish" not in terminal.seen
        assert "4711" not in terminal.seen
        assert "Breached" in terminal.seen
        assert "seen 1,234 times" in terminal.seen

    def test_json_goes_elsewhere_without_the_question(
        self, project: Project, tmp_path: Path
    ) -> None:
        output = tmp_path / "verdict.json"
        shell = ["/bin/sh", "-c", 'out=$1; shift; exec "$@" >"$out"', "sh", str(output)]
        redirected = copy.copy(project)
        redirected.command = [*shell, *project.command]
        with Terminal(redirected, "--json") as terminal:
            assert terminal.answer(f"{CLEAN}\n".encode()) == 0
        assert json.loads(output.read_text())["status"] == "clean"

    @pytest.mark.parametrize(
        ("typed", "message"),
        [
            (b"\x03", "Interrupted: there is no result."),
            (b"\x04", "Interrupted: there is no result."),
            (b"\n", "There is no password in the input."),
            # Linux keeps 4095 bytes of a line and drops the rest.
            (b"a" * 5000 + b"\n", "A terminal cuts lines at 4,095 bytes: use standard input."),
        ],
        ids=["ctrl-c", "ctrl-d", "nothing", "long"],
    )
    def test_no_password(self, project: Project, typed: bytes, message: str) -> None:
        with Terminal(project) as terminal:
            assert terminal.answer(typed) == 3
        assert f"CommandError: {message}" == terminal.seen.splitlines()[-1]
        assert "Traceback" not in terminal.seen


def test_a_terminal_that_would_show_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    def getpass(prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", GetPassWarning, stacklevel=2)
        return "shown to everybody"

    monkeypatch.setattr(screen_password, "getpass", getpass)
    with pytest.raises(CommandError, match="cannot hide a password") as error:
        call_command("screen_password", stdin=Screen())
    assert error.value.returncode == 3
