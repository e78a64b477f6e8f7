"""What the commands of the audit log have in common."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.utils.connection import ConnectionDoesNotExist

from credfirewall.audit import origin, services
from credfirewall.exceptions import AuditUnavailable, CredfirewallError
from credfirewall.management.progress import Advance, progress

FINDING, PARTIAL, FAILED = 1, 2, 3
MISTAKES = (CommandError, OSError, ValueError, ImproperlyConfigured, ConnectionDoesNotExist)
"""What is wrong with what the command was given."""


class AuditCommand(BaseCommand):
    """A command with ``--json``, examples, a database, and no traceback for a user's mistake.

    Exit status: 0 fine, 1 a finding or a refusal, 2 less than all, 3 the command itself failed.
    """

    requires_system_checks = []
    examples = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(
            prog_name,
            subcommand,
            epilog=self.examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )
        leave = parser.exit  # argparse would exit with 2, which says "partial" here

        def leave_as_failed(status: int = 0, message: str | None = None) -> NoReturn:
            leave(FAILED if status else 0, message)

        parser.exit = leave_as_failed  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help="The log's alias.",
        )

    def perform(self, options: Mapping[str, Any]) -> int:
        """Do the work and return the exit status."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        name = type(self).__module__.rpartition(".")[2]
        try:
            with origin.acting(origin.command(name)):
                try:
                    status = self.perform(options)
                finally:
                    services.flush()
        except CredfirewallError as error:
            is_failure = isinstance(error, AuditUnavailable)  # nothing was found, or refused
            status = self._fail(FAILED if is_failure else FINDING, error.code, str(error), options)
        except Error as error:
            status = self._fail(FAILED, "database", str(error), options)
        except MISTAKES as error:
            status = self._fail(FAILED, "input", _sentence(error), options)
        except KeyboardInterrupt:
            text = "Interrupted: what was done so far stays done."
            status = self._fail(FAILED, "interrupted", text, options)
        if status:
            sys.exit(status)

    def report(self, options: Mapping[str, Any], text: str, **facts: Any) -> None:
        """Print the result, for people or as JSON."""
        self.stdout.write(json.dumps(facts) if options["json"] else text)

    def _fail(self, status: int, code: str, text: str, options: Mapping[str, Any]) -> int:
        if options["json"]:
            self.stdout.write(json.dumps({"error": code, "message": text}))
        else:
            self.stderr.write(self.style.ERROR(text))
        return status

    @contextlib.contextmanager
    def progress(
        self, total: int | Callable[[], int] | None, unit: str, options: Mapping[str, Any]
    ) -> Iterator[Advance]:
        """Show a bar on a terminal; yield what is called with each number of things done."""
        silent = options["json"] or options["verbosity"] == 0
        with progress(total, unit, quiet=silent) as advance:
            yield advance


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def private_key(path: str) -> Ed25519PrivateKey:
    """Read an Ed25519 key in PEM, as ``openssl genpkey -algorithm ed25519`` writes it.

    Raises CommandError and OSError.
    """
    descriptor = Path(path)
    if os.name == "posix" and descriptor.stat().st_mode & 0o077:
        raise CommandError(f"{path} can be read by others: chmod 600 it")
    try:
        key = serialization.load_pem_private_key(descriptor.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise CommandError(f"{path} holds no unencrypted Ed25519 key in PEM")
    return key


def counted(number: int, one: str, many: str = "") -> str:
    """Return "1 row", "2,000 rows"."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
