"""Seal the rows of the audit log that no seal covers yet."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from credfirewall.audit import anchor, chain
from credfirewall.audit.sealing import demand, seal, unsealed
from credfirewall.conf import conf
from credfirewall.management.audit_command import PARTIAL, AuditCommand, counted, private_key


class Command(AuditCommand):
    help = (
        "Seals what waits in the audit log, however late its transaction was. Run it every minute: "
        "what is not sealed can vanish without a trace."
    )
    examples = """\
examples:
  manage.py seal_audit
  manage.py seal_audit --signing-key /etc/credfirewall/sealer.pem --json

exit status: 0 sealed, or nothing to seal, 1 refused, 2 rows wait that could not be sealed now, or
AUDIT_ANCHOR could not be told (the next run makes good) or has just begun, 3 the command failed
A key: openssl genpkey -algorithm ed25519 -out sealer.pem; its public half is AUDIT_PUBLIC_KEY.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--signing-key", metavar="FILE", help="Sign seals with this Ed25519 key."
        )

    def perform(self, options: Mapping[str, Any]) -> int:
        using, path = options["database"], options["signing_key"]
        key = private_key(path) if path else None
        newest = chain.last(using)  # a database without a log says so here
        demand(key, newest.position + 1)
        waiting = unsealed(using).count()
        made = []
        with self.progress(waiting, "rows", options) as advance:
            for each in seal(using, signing_key=key):
                made.append(each)
                advance(each.count)
        rows = sum(each.count for each in made)
        text = f"{counted(rows, 'row')} sealed in {counted(len(made), 'batch', 'batches')}."
        text = text if made else "Nothing to seal."
        stuck = not made and waiting and unsealed(using).count() >= waiting
        if stuck:  # nor has another process, which would explain it
            text = f"{counted(waiting, 'row')} could not be sealed: the database was too busy."
        missed = self._anchor(using)
        self.report(
            options,
            f"{text} {missed}".rstrip(),
            rows=rows,
            seals=[each.position for each in made],
            head=made[-1].head if made else None,
            anchored=None if conf.AUDIT_ANCHOR is None else not missed,
        )
        return PARTIAL if stuck or missed else 0

    def _anchor(self, using: str) -> str:
        """Tell the anchor what it does not know yet; return what is to be said if that fails."""
        if conf.AUDIT_ANCHOR is None:
            return ""
        try:
            caught = anchor.catch_up(conf.AUDIT_ANCHOR, using)
        except OSError as error:
            return f"The anchor {conf.AUDIT_ANCHOR} cannot be brought up to date: {error.strerror}."
        except ValueError as error:
            return f"The anchor {conf.AUDIT_ANCHOR} is none: {error}."
        if caught.begun:  # either it is new, or what was there has gone
            return f"The anchor {conf.AUDIT_ANCHOR} begins with {counted(caught.heads, 'head')}."
        return ""
