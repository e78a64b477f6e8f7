"""Verify the audit log, and name whatever is wrong with it."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser
from django.db import Error

from credfirewall.audit import anchor
from credfirewall.audit.events import AuditVerified
from credfirewall.audit.models import AuditEvent
from credfirewall.audit.services import record
from credfirewall.audit.verifying import Report, remember, verify
from credfirewall.conf import conf
from credfirewall.exceptions import AuditUnavailable
from credfirewall.management.audit_command import FAILED, FINDING, AuditCommand, counted

SHOWN = 50
"""Findings in the text; the JSON has more, and how many there were of each kind."""


class Command(AuditCommand):
    help = "Verifies every row, batch and seal of the audit log, and names what is wrong."
    examples = """\
examples:
  manage.py verify_audit                        all of it, against AUDIT_ANCHOR if that is set
  manage.py verify_audit --resume               what was sealed since the last sound verification
  manage.py verify_audit --anchor /mnt/worm/heads.jsonl --json

exit status: 0 nothing found, 1 findings, 3 the command itself failed
Without an anchor the result is "not proven against truncation".
"""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--anchor", action="append", metavar="FILE", help="Seal heads kept outside; repeatable."
        )
        parser.add_argument(
            "--resume", action="store_true", help="Read only what was sealed since the last time."
        )

    def perform(self, options: Mapping[str, Any]) -> int:
        using = options["database"]
        files = options["anchor"] or ([conf.AUDIT_ANCHOR] if conf.AUDIT_ANCHOR else [])
        for file in files:
            anchor.read(file)  # what is wrong with one is said here, and not after an hour
        # Read at the end, when it knows of all that the log had at the beginning.
        anchored = (each for file in files for each in anchor.read(file)) if files else None
        total = None if options["resume"] else AuditEvent.objects.using(using).count()
        with self.progress(total, "rows", options) as advance:
            report = verify(
                using,
                anchor=anchored,
                resume=options["resume"],
                progress=advance,
            )
        # Ahead of all writing: what was found must not be lost with a database that takes no more.
        self.report(options, self._text(report), **_facts(report))
        status = 0 if report.is_sound else FINDING
        try:
            remember(report, using)
            found = AuditVerified(seals=report.seal, rows=report.rows, findings=report.total)
            record(found, using=using)
        # The last three are what Django raises over a log that cannot be read.
        except (Error, AuditUnavailable, AttributeError, TypeError, ValueError) as error:
            self.stderr.write(f"This verification could not be recorded: {error}")
            return status or FAILED
        return status

    def _text(self, report: Report) -> str:
        lines = [
            f"{finding.fault} {finding.where}: {finding.text}"
            for finding in report.findings[:SHOWN]
        ]
        if (more := report.total - len(lines)) > 0:
            lines.append(f"... and {more:,} more: see --json")
        lines.append(_summary(report))
        style = self.style.SUCCESS if report.is_sound else self.style.ERROR
        return style("\n".join(lines))


def _summary(report: Report) -> str:
    read = (
        f"{counted(report.rows, 'row')} read, {counted(report.seal, 'seal')}, "
        f"{counted(report.waiting, 'row')} not sealed."
    )
    if report.since:
        read = f"Rows sealed since seal {report.since}: {read}"
    found = "Nothing is wrong." if report.is_sound else f"{counted(report.total, 'finding')}."
    if report.anchored is None:
        proof = "Not proven against truncation: there is no anchor."
    elif report.anchored < report.seal:
        proof = (
            f"The anchor ends at seal {report.anchored}: not proven against truncation after it."
        )
    else:
        proof = f"Compared with an anchor up to seal {report.anchored}."
    return f"{found} {read} {proof}"


def _facts(report: Report) -> dict[str, Any]:
    return {
        "sound": report.is_sound,
        "log": report.log,
        "seal": report.seal,
        "since": report.since,
        "rows": report.rows,
        "waiting": report.waiting,
        "anchored": report.anchored,
        "proven_against_truncation": report.anchored is not None and report.anchored >= report.seal,
        "found": report.total,
        "counts": report.counts,
        "findings": [
            {"fault": finding.fault, "where": finding.where, "text": finding.text}
            for finding in report.findings
        ],
    }
