"""The names behind the commitments of rows, as far as they are those that were recorded.

Whoever owns the database can change a name, and add one that looks right: a commitment needs no
key. What row refers to it is under the row's MAC, so a name is only ever reached from a row, and
never looked up by whom it is said to be of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from credfirewall.audit import rows
from credfirewall.audit.keys import ring
from credfirewall.audit.models import AuditEvent, AuditIdentity

AT_ONCE = 500
"""Commitments in one query: what every database takes."""
NEWEST = 20
"""Rows of somebody among which one is looked for that carries a name."""

Party = tuple[str, str]
"""The type and the id of who acts, or whom it concerns."""


@dataclass(frozen=True, slots=True)
class Name:
    """``text`` is empty where no name was recorded, or it was erased, or somebody changed it."""

    text: str = ""
    erased: bool = False
    changed: bool = False


NONE, ERASED, CHANGED = Name(), Name(erased=True), Name(changed=True)


class Names:
    """The names to which some rows are committed."""

    def __init__(self, found: Iterable[AuditIdentity] = ()) -> None:
        self._by_ref: dict[str, tuple[Party, str] | None] = {
            each.ref: ((each.type, each.party_id), each.text) if each.is_sound() else None
            for each in found
        }

    @classmethod
    def behind(cls, refs: Iterable[str], using: str) -> "Names":
        """Return what is known of the commitments ``refs``."""
        wanted = sorted(set(refs) - {""})
        identities = AuditIdentity.objects.using(using)
        return cls(
            each
            for first in range(0, len(wanted), AT_ONCE)
            for each in identities.filter(ref__in=wanted[first : first + AT_ONCE])
        )

    @classmethod
    def of(cls, events: Iterable[AuditEvent], using: str) -> "Names":
        """Return what is known of the parties of ``events``."""
        return cls.behind((ref for event in events for ref in (event.actor, event.subject)), using)

    def name(self, ref: str, kind: str, identity: str) -> Name:
        """Return the name to which a row commits by ``ref``, as that of this very party."""
        if not ref:
            return NONE
        if ref not in self._by_ref:
            return ERASED
        known = self._by_ref[ref]
        return Name(known[1]) if known and known[0] == (kind, identity) else CHANGED

    def actor(self, row: AuditEvent) -> Name:
        return self.name(row.actor, row.actor_type, row.actor_id)

    def subject(self, row: AuditEvent) -> Name:
        return self.name(row.subject, row.subject_type, row.subject_id)

    def texts(self, events: Iterable[AuditEvent], party: Party) -> list[str]:
        """Return the names that ``party`` has in ``events``."""
        found = set()
        for row in events:
            if (row.actor_type, row.actor_id) == party:
                found.add(self.actor(row).text)
            if (row.subject_type, row.subject_id) == party:
                found.add(self.subject(row).text)
        return sorted(found - {""})


def current(parties: Sequence[Party], using: str) -> dict[Party, Name]:
    """Return the name of each who acted, from the newest row that carries one.

    Nothing else of that row is shown next to it, so the row is verified here.
    """
    found = {party: row for party in parties if (row := _naming(party, using))}
    names = Names.of(found.values(), using)
    return {party: _verified(row, names.actor(row)) for party, row in found.items()}


def _naming(party: Party, using: str) -> AuditEvent | None:
    """Return the newest row by ``party`` with a commitment; None if the NEWEST have none."""
    kind, identity = party
    acted = AuditEvent.objects.using(using).filter(actor_type=kind, actor_id=identity)
    newest = acted.order_by("-at", "-pk").values_list("pk", "actor")[:NEWEST]
    for pk, ref in newest:
        if ref:
            return acted.filter(pk=pk).first()
    return None


def _verified(row: AuditEvent, name: Name) -> Name:
    key = ring().by_id.get(row.key)
    if key is None:  # nobody can tell any more
        return NONE
    columns = tuple(getattr(row, column) for column in rows.COLUMNS)
    return name if rows.is_authentic(columns, row.mac, key) else CHANGED
