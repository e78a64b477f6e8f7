"""Remove the rows of the audit log that are older than AUDIT_RETENTION_DAYS."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from credfirewall.audit import anchor, chain
from credfirewall.audit.events import AuditPurged
from credfirewall.audit.findings import OF_TRIGGERS
from credfirewall.audit.purging import demand, purge, purgeable
from credfirewall.audit.services import record
from credfirewall.audit.verifying import verify
from credfirewall.conf import conf
from credfirewall.exceptions import AuditRefused
from credfirewall.management.audit_command import AuditCommand, counted, private_key


class Command(AuditCommand):
    help = (
        "Removes whole sealed batches that are older than AUDIT_RETENTION_DAYS. Their seals and a "
        "signed stub stay, so that the log still verifies."
    )
    examples = """\
examples:
  manage.py purge_audit --dry-run
  manage.py purge_audit --signing-key /etc/credfirewall/sealer.pem --json

exit status: 0 done, or nothing to do, 1 refused, 3 the command itself failed
"""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="Only say what would go.")
        parser.add_argument(
            "--despite-findings",
            action="store_true",
            help="Purge what verify_audit has findings about. How many is recorded.",
        )
        parser.add_argument(
            "--signing-key", metavar="FILE", help="Sign the stubs with this Ed25519 key."
        )

    def perform(self, options: Mapping[str, Any]) -> int:
        using, path = options["database"], options["signing_key"]
        key = private_key(path) if path else None
        sealed = purgeable(using)
        rows = sum(seal.count for seal in sealed)
        if options["dry_run"] or not sealed:
            text = f"Old enough to go: {_number(rows, len(sealed))}."
            self.report(options, text, rows=rows, seals=len(sealed), purged=False)
            return 0
        demand(key, chain.last(using).position)
        # A stub would make what was tampered with, such as the age of a batch, look right for ever.
        found = self._findings(using)
        if found and not options["despite_findings"]:
            raise AuditRefused(
                f"verify_audit has {counted(found, 'finding')}: look into them, keep what shows "
                "them, and give --despite-findings"
            )
        # Ahead of it, because what is about to go must not go unrecorded.
        record(AuditPurged(seals=len(sealed), rows=rows, findings=found), using=using)
        removed = 0
        with self.progress(rows, "rows", options) as advance:
            for number in purge(sealed, using, signing_key=key):
                removed += number
                advance(number)
        text = f"Removed: {_number(removed, len(sealed))}."
        self.report(options, text, rows=removed, seals=len(sealed), purged=True)
        return 0

    def _findings(self, using: str) -> int:
        """Return how much is wrong with the log, but for its fence."""
        path = conf.AUDIT_ANCHOR
        heads = anchor.read(path) if path is not None and Path(path).exists() else None
        counts = verify(using, anchor=heads).counts
        return sum(number for fault, number in counts.items() if fault not in OF_TRIGGERS)


def _number(rows: int, batches: int) -> str:
    return f"{counted(rows, 'row')} in {counted(batches, 'batch', 'batches')}"
