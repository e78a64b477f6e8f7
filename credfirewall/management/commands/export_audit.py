"""Export the audit log, to a file or to standard output."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error

from credfirewall.audit.events import EVENTS, Outcome
from credfirewall.audit.exporting import FORMATS, Export, export, select
from credfirewall.exceptions import AuditUnavailable
from credfirewall.management.audit_command import AuditCommand, counted

PARTIAL = 2
STDOUT = "-"


class Command(AuditCommand):
    help = (
        "Exports the audit log, oldest rows first, and records that it does. JSON lines are exact; "
        "CSV is for spreadsheets, with an apostrophe before what they would take for a formula."
    )
    examples = """\
examples:
  manage.py export_audit --output log.jsonl                 a new file, readable by you only
  manage.py export_audit --format csv --since 2026-11-01 --until 2026-12-01 --output november.csv
  manage.py export_audit --event login_refused --outcome refused | gzip > refused.jsonl.gz
  manage.py export_audit --output log.jsonl --json          what was done, as JSON on standard error

Times are in UTC unless they say otherwise; --since is included, --until is not.
exit status: 0 complete, 1 refused because it could not be recorded, 2 broken off: what was written
so far stays, 3 the command itself failed
"""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--format", choices=FORMATS, default="jsonl", help="Default: jsonl.")
        for name in ("--since", "--until"):
            parser.add_argument(name, metavar="TIME", help="A day or a time, as ISO 8601 has it.")
        for name, known in (("--event", sorted(EVENTS)), ("--outcome", [*Outcome])):
            text = f"Only this {name[2:]}; repeatable."
            parser.add_argument(
                name, action="append", choices=known, default=[], metavar="NAME", help=text
            )
        parser.add_argument(
            "--names",
            action="store_true",
            help="Add the names of who acted and whom it concerned. Erasures do not reach copies.",
        )
        parser.add_argument(
            "--output", metavar="FILE", default=STDOUT, help='A new file; default "-": stdout.'
        )

    def perform(self, options: Mapping[str, Any]) -> int:
        using = options["database"]
        filters: dict[str, Any] = {name: _time(options[name]) for name in ("since", "until")}
        filters |= {name: tuple(options[name]) for name in ("event", "outcome")}
        target = Target(options["output"], self.stdout)
        try:
            exported = export(options["format"], using=using, names=options["names"], **filters)
        except BaseException:
            target.discard()
            raise
        count = select(using=using, **filters).count
        problem = self._write(exported, target, count, options)
        state = "broken_off" if problem else "complete"
        text = f"{counted(exported.rows, 'row')} exported{target.where}."
        if problem:
            text = f"Broken off after {counted(exported.rows, 'row')}: {problem}"
        facts = {"format": options["format"], "output": options["output"], "bytes": target.bytes}
        self.report(options, text, state=state, rows=exported.rows, problem=problem, **facts)
        return PARTIAL if problem else 0

    def _write(
        self, exported: Export, target: "Target", count: Any, options: Mapping[str, Any]
    ) -> str:
        """Write it all; return what went wrong, if anything did."""
        shown = 0
        quiet = {**options, "json": options["json"] or target.is_terminal}
        try:
            with exported, self.progress(count, "rows", quiet) as advance:
                for data in exported:
                    target.write(data)
                    advance(exported.rows - shown)
                    shown = exported.rows
                target.finish()
        except AuditUnavailable:
            return "all is written, but the log does not take that it is."
        except OSError as error:
            return f"{error.strerror}."
        except Error as error:
            return f"the database failed ({type(error).__name__})."
        except KeyboardInterrupt:
            return "interrupted."
        finally:
            target.close()
        return ""

    def report(self, options: Mapping[str, Any], text: str, **facts: Any) -> None:
        """Say what was done on standard error: standard output is for the rows."""
        if options["json"]:
            self.stderr.write(json.dumps(facts), str)
        elif options["verbosity"] or facts["problem"]:
            self.stderr.write(text, self.style.ERROR if facts["problem"] else str)

    def _fail(self, status: int, code: str, text: str, options: Mapping[str, Any]) -> int:
        self.report(options, text, state="error", rows=0, error=code, problem=text)
        return status


class Target:
    """Where the rows go: a file that this command makes, or standard output.

    Written without a buffer: nothing is left to be written by a process that is ending.
    """

    def __init__(self, output: str, stdout: Any) -> None:
        self.bytes = 0
        self._stdout = stdout
        self._path = None if output == STDOUT else Path(output)
        self._descriptor = self._open()

    @property
    def is_terminal(self) -> bool:
        return self._path is None and bool(self._stdout.isatty())

    @property
    def where(self) -> str:
        return f" to {self._path}" if self._path else ""

    def write(self, data: bytes) -> None:
        """Write all of ``data``. Raises OSError."""
        if self._descriptor is None:
            self._stdout.write(data.decode(), ending="")
            self.bytes += len(data)
            return
        left = memoryview(data)
        while left:
            written = os.write(self._descriptor, left)
            self.bytes += written
            left = left[written:]

    def finish(self) -> None:
        """Have a file on the disk when this returns. Raises OSError."""
        if self._path and self._descriptor is not None:
            os.fsync(self._descriptor)

    def close(self) -> None:
        if self._path and self._descriptor is not None:
            os.close(self._descriptor)

    def discard(self) -> None:
        """Leave no empty file behind."""
        self.close()
        if self._path:
            with suppress(OSError):
                self._path.unlink()

    def _open(self) -> int | None:
        """Return the descriptor to write to; None for what is no file, as in tests."""
        if self._path is None:
            try:
                self._stdout.flush()
                return int(self._stdout.fileno())
            except (OSError, ValueError, AttributeError):
                return None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):
            flags |= getattr(os, name, 0)
        try:
            return os.open(self._path, flags, 0o600)
        except FileExistsError:
            raise CommandError(f"{self._path} is there already: name a new file.") from None
        except OSError as error:
            raise CommandError(f"{self._path} cannot be made: {error.strerror}.") from None


def _time(text: str | datetime | None) -> datetime | None:
    """Read a day or a time. Raises CommandError."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else text
    except ValueError:
        raise CommandError(
            "A time looks like 2026-11-22, 2026-11-22T14:02 or 2026-11-22T14:02:00+01:00."
        ) from None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
