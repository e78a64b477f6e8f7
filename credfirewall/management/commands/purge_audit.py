"""Remove the rows of the audit log that are older than AUDIT_RETENTION_DAYS."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from credfirewall.audit.events import AuditPurged
from credfirewall.audit.purging import purge, purgeable
from credfirewall.audit.services import record
from credfirewall.audit.verifying import Fault, verify
from credfirewall.exceptions import AuditRefused
from credfirewall.management.audit_command import AuditCommand


class Command(AuditCommand):
    help = (
        "Removes whole sealed batches that are older than AUDIT_RETENTION_DAYS. Their seals and a "
        "signed stub stay, so that the log still verifies."
    )
    examples = """\
examples:
  manage.py purge_audit --dry-run
  manage.py purge_audit --json

exit status: 0 done, or nothing to do, 1 refused, 3 the command itself failed
"""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="Only say what would go.")

    def perform(self, options: Mapping[str, Any]) -> int:
        using = options["database"]
        sealed = purgeable(using)
        rows = sum(seal.count for seal in sealed)
        if options["dry_run"] or not sealed:
            text = f"{rows:,} rows in {len(sealed)} batches are old enough to go."
            self.report(options, text, rows=rows, seals=len(sealed), purged=False)
            return 0
        # A stub would make what was tampered with, such as the age of a batch, look right for ever.
        report = verify(using)
        if any(finding.fault != Fault.TRIGGER_MISSING for finding in report.findings):
            raise AuditRefused(
                "verify_audit has findings: nothing is removed before they are settled"
            )
        # Ahead of it, because what is about to go must not go unrecorded.
        record(AuditPurged(seals=len(sealed), rows=rows), using=using)
        removed = 0
        with self.progress(rows, "rows", options) as advance:
            for number in purge(sealed, using):
                removed += number
                advance(number)
        text = f"{removed:,} rows in {len(sealed)} batches were removed."
        self.report(options, text, rows=removed, seals=len(sealed), purged=True)
        return 0
