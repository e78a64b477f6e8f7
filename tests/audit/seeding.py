"""Rows of a chosen time, as if they had been recorded then."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from credfirewall.audit import chain, rows, sealing, seals
from credfirewall.audit.events import Event, Party
from credfirewall.audit.keys import ring
from credfirewall.audit.models import SCHEMA, AuditEvent, AuditIdentity, AuditSeal


def ago(**how: float) -> datetime:
    return datetime.now(UTC) - timedelta(**how)


def row(
    event: Event,
    at: datetime | None = None,
    actor: Any = None,
    subject: Any = None,
    address: str = "",
    request_id: str = "",
) -> AuditEvent:
    """A row that is authentic, not stored. Its parties' names are."""
    made = AuditEvent(
        log=chain.log_id("default"),
        schema=SCHEMA,
        at=at or datetime.now(UTC),
        event=event.name,
        outcome=event.outcome.value,
        source=str(getattr(event, "source", "")),
        address=address,
        request_id=request_id,
        details=event.canonical_details(),
    )
    for role, who in (("actor", actor), ("subject", subject)):
        if who is None:
            continue
        party = Party.of(who)
        setattr(made, f"{role}_type", party.type)
        setattr(made, f"{role}_id", party.id)
        if party.text:
            setattr(made, role, _named(party))
    rows.authenticate(made, ring().first)
    return made


def add(event: Event, at: datetime | None = None, **how: Any) -> AuditEvent:
    made = row(event, at, **how)
    made.insert("default")
    return made


def seal(at: datetime | None = None) -> list[AuditSeal]:
    """Seal what waits."""
    moment = at or datetime.now(UTC)
    made: Iterator[AuditSeal] = sealing.seal("default", clock=lambda: moment)
    return list(made)


def begin(at: datetime) -> None:
    """Have the log begin then. A seal is never older than the one before it."""
    AuditSeal.objects.all().delete()
    chain.make(None, seals.EMPTY_ROOT, 0, at, ring().first).save(force_insert=True)
    chain.forget()


def _named(party: Party) -> str:
    salt = "0" * 32
    ref = seals.commitment(salt, party.type, party.id, party.text)
    AuditIdentity.objects.get_or_create(
        ref=ref,
        defaults={"salt": salt, "type": party.type, "party_id": party.id, "text": party.text},
    )
    return ref
