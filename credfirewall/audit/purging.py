"""Retention: whole sealed batches that are old are removed, and what remains still verifies."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import IntegrityError, connections, router, transaction

from credfirewall.audit import anchor, chain, rows, seals
from credfirewall.audit.keys import ring
from credfirewall.audit.models import AuditEvent, AuditIdentity, AuditMember, AuditSeal, AuditStub
from credfirewall.audit.signing import signers
from credfirewall.conf import conf
from credfirewall.exceptions import AuditRefused

logger = logging.getLogger("credfirewall.audit")

PCI_DAYS = 365
"""PCI DSS 10.5.1: twelve months."""
LONGEST_SILENCE = timedelta(days=31)
"""A clock that is so far ahead of the seals has probably jumped."""
SETTLED = timedelta(days=1)
"""Who sets a clock that has jumped does it within this time."""


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
    gone = AuditStub.objects.using(alias).values("seal")
    sealed = AuditSeal.objects.using(alias).filter(position__gt=0)
    old = sealed.filter(at__lt=today - retention()).exclude(position__in=gone)
    # One row that was sealed after a jump says nothing: there have to be days of it.
    lately = sealed.filter(at__gte=today - LONGEST_SILENCE, at__lte=today - SETTLED)
    if old.exists() and not lately.exists():
        raise AuditRefused(
            f"nothing was sealed between a day and {LONGEST_SILENCE.days} days ago, so the clock "
            "may have jumped: if it is right, seal now, and purge tomorrow"
        )
    return list(old.order_by("position"))


def purge(
    sealed: list[AuditSeal],
    using: str | None = None,
    *,
    signing_key: Ed25519PrivateKey | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[int]:
    """Remove the rows of ``sealed``, batch by batch, and yield the number that went each time.

    The seal stays, and a stub says under a MAC, and a signature, that its rows were purged. Each
    batch is one transaction, so that a purge may be stopped anywhere. Raises AuditRefused without
    the key that AUDIT_PUBLIC_KEY asks for, OSError when the anchor cannot be told, django.db.Error.
    """
    alias = using or router.db_for_write(AuditSeal)
    demand(signing_key, chain.last(alias).position)
    kept = retention()
    for seal in sealed:
        at = clock()
        if at < seal.at + kept:  # which verification would find, for ever
            raise AuditRefused(f"batch {seal.position} is not old enough to go")
        with transaction.atomic(using=alias):
            stub = _stub(seal, at, kept.days, signing_key)
            try:
                with transaction.atomic(using=alias):
                    stub.save(force_insert=True, using=alias)
            except IntegrityError as error:
                raise AuditRefused("another purge is at work") from error
            removed = _remove(seal, alias)
            # Ahead of the commit: what the anchor does not know of was no purge. One that it
            # knows of and that was undone is made anew by the next.
            _publish(seal, stub)
        yield removed
    _remove_names(alias)


def demand(signing_key: Ed25519PrivateKey | None, newest: int) -> None:
    """Raise AuditRefused when a purge has to be signed, and not with ``signing_key``.

    It is the key that has signed the newest seal: one that was replaced signs nothing more.
    """
    expected = signers().at(newest)
    if expected is None:
        return
    if signing_key is None:
        raise AuditRefused("AUDIT_PUBLIC_KEY is set, so purges are signed: give --signing-key")
    if signing_key.public_key() != expected:
        raise AuditRefused(f"--signing-key is not the key that signs seal {newest}, the newest")


def message(seal: AuditSeal, stub: AuditStub) -> bytes:
    """Return what the MAC and the signature of ``stub`` cover."""
    return seals.stub(
        seal.log.hex,
        seal.position,
        seal.head,
        stub.count,
        rows.microseconds(stub.at),
        stub.retention,
    )


def _stub(
    seal: AuditSeal, at: datetime, days: int, signing_key: Ed25519PrivateKey | None
) -> AuditStub:
    key = ring().first
    stub = AuditStub(seal=seal.position, count=seal.count, at=at, retention=days, key=key.id)
    stub.mac = seals.mac(key.stub, message(seal, stub))
    if signing_key is not None:
        stub.signature = signing_key.sign(message(seal, stub)).hex()
    return stub


def _publish(seal: AuditSeal, stub: AuditStub) -> None:
    if (path := conf.AUDIT_ANCHOR) is not None:
        anchor.append(path, [anchor.purge_line(seal, stub)])
    logger.info("purged %d", seal.position, extra={"audit_purge": (seal, stub)})


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
