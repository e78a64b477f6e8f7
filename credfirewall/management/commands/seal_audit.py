"""Seal the rows of the audit log that no seal covers yet."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from credfirewall.audit import chain
from credfirewall.audit.sealing import seal, unsealed
from credfirewall.conf import conf
from credfirewall.exceptions import AuditRefused
from credfirewall.management.audit_command import PARTIAL, AuditCommand, private_key, public_key


class Command(AuditCommand):
    help = (
        "Seals what waits in the audit log, however late its transaction was. Run it every minute: "
        "what is not sealed can vanish without a trace."
    )
    examples = """\
examples:
  manage.py seal_audit
  manage.py seal_audit --signing-key /etc/credfirewall/sealer.pem --json

exit status: 0 sealed, or nothing to seal, 1 refused, 2 rows wait that could not be sealed now,
3 the command itself failed
A key: openssl genpkey -algorithm ed25519 -out sealer.pem; its public half is AUDIT_PUBLIC_KEY.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--signing-key", metavar="FILE", help="Sign seals with this Ed25519 key."
        )

    def perform(self, options: Mapping[str, Any]) -> int:
        using, path = options["database"], options["signing_key"]
        if conf.AUDIT_PUBLIC_KEY is not None and path is None:
            raise AuditRefused("AUDIT_PUBLIC_KEY is set, so seals are signed: give --signing-key")
        key = private_key(path) if path else None
        expected = public_key(conf.AUDIT_PUBLIC_KEY) if conf.AUDIT_PUBLIC_KEY else None
        if key and expected and key.public_key() != expected:
            # Seals are for ever, and so would be what verify_audit says of these.
            raise AuditRefused("AUDIT_PUBLIC_KEY is not the public half of --signing-key")
        chain.last(using)  # a database without a log says so here
        waiting = unsealed(using).count()
        made = []
        with self.progress(waiting, "rows", options) as advance:
            for each in seal(using, signing_key=key):
                made.append(each)
                advance(each.count)
        rows = sum(each.count for each in made)
        text = f"{rows:,} rows sealed in {len(made)} batches." if made else "Nothing to seal."
        facts = {"rows": rows, "seals": [each.position for each in made]}
        stuck = not made and waiting and unsealed(using).count() >= waiting
        if stuck:  # nor has another process, which would explain it
            text = f"{waiting:,} rows wait, and the database was too busy to seal them."
        self.report(options, text, **facts, head=made[-1].head if made else None)
        return PARTIAL if stuck else 0
