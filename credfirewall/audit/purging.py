"""Retention: whole sealed batches that are old are removed, and what remains still verifies."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from django.db import connections, router, transaction

from credfirewall.audit import rows, seals
from credfirewall.audit.keys import ring
from credfirewall.audit.models import AuditEvent, AuditIdentity, AuditMember, AuditSeal, AuditStub
from credfirewall.conf import conf
from credfirewall.exceptions import AuditRefused

PCI_DAYS = 365
"""PCI DSS 10.5.1: twelve months."""
LONGEST_SILENCE = timedelta(days=31)
"""A clock that is so far ahead of the newest seal has probably jumped."""


def retention() -> timedelta:
    """Return for how long rows are kept. Raises AuditRefused for less than the profile allows."""
    days = conf.AUDIT_RETENTION_DAYS
    if conf.PROFILE == "pci" and days < PCI_DAYS:
        raise AuditRefused(f"PCI DSS 10.5.1 asks for {PCI_DAYS} days: raise AUDIT_RETENTION_DAYS")
    return timedelta(days=days)


def purgeable(using: str | None = None, *, now: datetime | None = None) -> list[AuditSeal]:
    """Return the seals whose batches may go: all that was recorded in them is too old.

    A batch was sealed after its rows, so its own time is that of none of them, or later. Raises
    AuditRefused when the clock cannot be right: a log must not be emptied by one that jumped.
    """
    alias = using or router.db_for_write(AuditSeal)
    today = now or datetime.now(UTC)
    newest = AuditSeal.objects.using(alias).order_by("-position").first()
    if newest is None:
        return []
    if today < newest.at:
        raise AuditRefused(f"the clock is behind the newest seal ({newest.at:%Y-%m-%d %H:%M} UTC)")
    if today - newest.at > LONGEST_SILENCE:
        raise AuditRefused(
            f"the newest seal is of {newest.at:%Y-%m-%d}: if the clock is right, seal first"
        )
    gone = AuditStub.objects.using(alias).values("seal")
    old = AuditSeal.objects.using(alias).filter(position__gt=0, at__lt=today - retention())
    return list(old.exclude(position__in=gone).order_by("position"))


def purge(
    sealed: list[AuditSeal],
    using: str | None = None,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[int]:
    """Remove the rows of ``sealed``, batch by batch, and yield the number that went each time.

    The seal stays, and a stub says under a MAC that its rows were purged. Each batch is one
    transaction, so that a purge may be stopped anywhere.
    """
    alias = using or router.db_for_write(AuditSeal)
    for seal in sealed:
        with transaction.atomic(using=alias):
            _leave_stub(seal, alias, clock())
            yield _remove(seal, alias)
    _remove_names(alias)


def _leave_stub(seal: AuditSeal, using: str, at: datetime) -> None:
    key = ring().first
    message = seals.stub(seal.log.hex, seal.position, seal.head, seal.count, rows.microseconds(at))
    AuditStub.objects.using(using).create(
        seal=seal.position, count=seal.count, at=at, key=key.id, mac=seals.mac(key.stub, message)
    )


def _remove(seal: AuditSeal, using: str) -> int:
    # In SQL, because the models refuse it; the triggers allow it for what has a stub.
    connection = connections[using]
    event, member = (
        connection.ops.quote_name(model._meta.db_table) for model in (AuditEvent, AuditMember)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {event} WHERE id IN (SELECT event_id FROM {member} WHERE seal = %s)",  # noqa: S608 - names of ours
            [seal.position],
        )
        removed = cursor.rowcount
        cursor.execute(f"DELETE FROM {member} WHERE seal = %s", [seal.position])  # noqa: S608 - as above
    return int(removed)


def _remove_names(using: str) -> None:
    """Remove names that no row is committed to any more."""
    events = AuditEvent.objects.using(using)
    for identity in AuditIdentity.objects.using(using).iterator():
        party = {"type": identity.type, "id": identity.party_id}
        used = any(
            events.filter(**{f"{role}_{name}": value for name, value in party.items()})
            .filter(**{role: identity.ref})
            .exists()
            for role in ("actor", "subject")
        )
        if not used:
            identity.delete(using=using)
