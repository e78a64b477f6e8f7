"""Screen one password, typed or piped in; never an argument, which `ps` and histories show."""

import argparse
import contextlib
import json
import logging
import sys
import warnings
from getpass import GetPassWarning, getpass
from typing import Any, NoReturn, TextIO

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.views.decorators.debug import sensitive_variables

from credfirewall.conf import conf
from credfirewall.exceptions import PasswordNotText, PasswordTooLong, UnusablePassword
from credfirewall.management.streams import abandon
from credfirewall.screening.digest import MAX_CODE_POINTS
from credfirewall.screening.services import screen
from credfirewall.screening.verdict import Reason, Status, Verdict

FIELDS = ("status", "count", "source", "reason")
EXIT_STATUS = {Status.CLEAN: 0, Status.BREACHED: 1, Status.UNKNOWN: 2}
FAILED = 3
MOST_BYTES = 4 * MAX_CODE_POINTS
TERMINAL_LINE = 4095
"""Bytes of a line that a terminal passes on; it drops what is beyond them without a word."""

EXAMPLES = """\
examples:
  manage.py screen_password                      ask for the password without showing it
  manage.py screen_password < password.txt       one password, on one line, in UTF-8
  pass show shop | manage.py screen_password --json

exit status: 0 clean, 1 breached, 2 unknown (no source could answer), 3 the command itself failed
"""

PROBLEMS = {
    PasswordTooLong.code: f"The password is longer than {MAX_CODE_POINTS:,} characters.",
    PasswordNotText.code: "The password is not plain UTF-8 text (no byte order mark, no NUL).",
    "input_empty": "There is no password in the input.",
    "input_many_lines": "The input has more than one line: give one password, on one line.",
    "terminal_cuts": f"A terminal cuts lines at {TERMINAL_LINE:,} bytes: use standard input.",
    "terminal_echoes": "This terminal cannot hide a password: use standard input.",
    "interrupted": "Interrupted: there is no result.",
    "usage": "The arguments are not understood: see --help. A password must not be one of them, "
    "because others can read it there.",
}


class Failure(Exception):  # noqa: N818 - an outcome, named as one
    """Why there is no verdict: a stable word, and a sentence without any of the input."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or PROBLEMS[reason])
        self.reason = reason


class Command(BaseCommand):
    help = (
        "Says whether a password is known from a data breach. It is asked for without being "
        "shown, or read from standard input when that is not a terminal."
    )
    # What is wrong with the rest of a project, its database included, is no reason to fail.
    requires_system_checks = []
    stealth_options = ("stdin",)
    _called_from_command_line: bool

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(
            prog_name,
            subcommand,
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )
        # argparse's own would repeat a password given as an argument, and exit as if "unknown".
        parser.error = self._refuse_arguments  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json",
            action="store_true",
            help="Print one JSON object: status, count, source, reason.",
        )

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        # What no handler of the project's wants would come out between the command's own lines.
        logging.getLogger("credfirewall").addHandler(logging.NullHandler())
        try:
            verdict = screen(self._password(options.get("stdin") or sys.stdin))
            self._print(_as_json(verdict) if options["json"] else self._coloured(verdict))
        except BaseException as error:  # noqa: BLE001 - Ctrl-C too: each has its sentence
            failure = _failure(error)
        else:
            if status := EXIT_STATUS[verdict.status]:
                sys.exit(status)
            return
        self._fail(failure, as_json=options["json"])

    @sensitive_variables()
    def _password(self, stdin: TextIO | None) -> str:
        """Return the password. Raises Failure."""
        if stdin is None:
            raise Failure("input_empty")
        return self._asked() if stdin.isatty() else _read(stdin)

    @sensitive_variables()
    def _asked(self) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("error", GetPassWarning)
            try:
                password = getpass("Password (it is not shown): ")
            except GetPassWarning:
                raise Failure("terminal_echoes") from None
            except (EOFError, KeyboardInterrupt):
                self.stderr.write("")  # the cursor still stands behind the question
                raise Failure("interrupted") from None
        if not password:
            raise Failure("input_empty")
        if len(password.encode()) >= TERMINAL_LINE:
            raise Failure("terminal_cuts")
        return password

    def _print(self, text: str) -> None:
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except (OSError, ValueError, AttributeError) as error:  # broken, closed, or not there
            if self._called_from_command_line:
                abandon(sys.stdout)
            reason = getattr(error, "strerror", None) or "there is no output"
        else:
            return
        raise Failure("output", f"The result could not be written: {reason}.")

    def _coloured(self, verdict: Verdict) -> str:
        text = _sentence(verdict)
        style = {
            Status.CLEAN: self.style.SUCCESS,
            Status.BREACHED: self.style.ERROR,
            Status.UNKNOWN: self.style.WARNING,
        }[verdict.status]
        label, colon, rest = text.partition(":")
        return f"{style(label)}{colon}{rest}"

    def _refuse_arguments(self, message: str) -> NoReturn:
        try:
            self._fail(Failure("usage"), as_json="--json" in sys.argv)
        except CommandError as error:
            # Django handles what a command raises there, but not what its parser does.
            if not self._called_from_command_line:
                raise
            self.stderr.write(f"CommandError: {error}")
        sys.exit(FAILED)

    def _fail(self, failure: Failure, *, as_json: bool) -> NoReturn:
        """Raise CommandError, which Django prints as one line."""
        if as_json:
            fields = {"status": "error", "count": None, "source": None, "reason": failure.reason}
            with contextlib.suppress(Failure):
                self._print(json.dumps({**fields, "message": str(failure)}))
        raise CommandError(str(failure), returncode=FAILED)


def _failure(error: BaseException) -> Failure:
    """Return what to say of ``error``: nothing that could have come out of the password."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Failure("interrupted")
    if isinstance(error, UnusablePassword):
        return Failure(error.code)
    if isinstance(error, UnicodeError):
        return Failure(PasswordNotText.code)
    if isinstance(error, ImproperlyConfigured):
        return Failure("misconfigured", " ".join(str(error).split()))
    return Failure("failed", f"Screening failed ({type(error).__name__}): see `manage.py check`.")


@sensitive_variables()
def _read(stdin: TextIO) -> str:
    """Return the one line of ``stdin``. Raises Failure."""
    most = MOST_BYTES + len("\r\n")
    binary = getattr(stdin, "buffer", None)
    data = binary.read(most + 1) if binary else stdin.read(most + 1).encode()
    if len(data) > most:
        raise Failure(PasswordTooLong.code)
    text: str = data.decode()
    end = next(filter(text.endswith, ("\r\n", "\n", "\r")), "")
    line = text.removesuffix(end)
    if not line:
        raise Failure("input_empty")
    if "\n" in line or "\r" in line:
        raise Failure("input_many_lines")
    if line.startswith("\ufeff"):
        raise Failure(PasswordNotText.code)
    return line


def _as_json(verdict: Verdict) -> str:
    return json.dumps({name: getattr(verdict, name) for name in FIELDS})


def _sentence(verdict: Verdict) -> str:
    """Say what the verdict is and what to do about it."""
    if verdict.status is Status.UNKNOWN:
        return (
            f"Unknown: no source could answer ({verdict.reason}). Try again in a minute; if it "
            "stays like this, look at the network and at SOURCES in CREDFIREWALL."
        )
    times = "time" if verdict.count == 1 else "times"
    seen = f"seen {verdict.count:,} {times}" if verdict.count else ""
    if verdict.status is Status.BREACHED:
        if not seen:
            return (
                f"Breached: on a list of common or forbidden passwords ({verdict.source}), which "
                "attackers try first. Choose another one."
            )
        return (
            f"Breached: {seen} in known data breaches ({verdict.source}). Choose another one, and "
            "change it wherever it is in use."
        )
    if verdict.reason == Reason.BELOW_MIN_COUNT:
        return (
            f"Clean: {seen} in known data breaches ({verdict.source}), which is fewer than "
            f"MIN_COUNT = {conf.MIN_COUNT:,}. Better choose another one."
        )
    if verdict.count is None:
        return (
            f"Clean: on none of the lists ({verdict.source}). They hold common passwords only; to "
            'ask for known breaches, add "hibp" to SOURCES in CREDFIREWALL.'
        )
    earlier = ", as of an earlier answer, because there was none now"
    return (
        f"Clean: not in known data breaches ({verdict.source}"
        f"{earlier if verdict.reason == Reason.STALE else ''}). It is a good one if it is also "
        "long and used nowhere else."
    )
