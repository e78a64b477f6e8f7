"""The chain of seals: which log this is, and what was sealed last."""

import contextlib
import logging
import uuid
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, IntegrityError, connections, router, transaction

from credfirewall.audit import anchor, rows, seals
from credfirewall.audit.keys import AuditKey, ring
from credfirewall.audit.models import AuditSeal

logger = logging.getLogger("credfirewall.audit")
_logs: dict[str, uuid.UUID] = {}
_begun: set[uuid.UUID] = set()
"""Those that this process began in a transaction which may yet be rolled back."""


def log_id(using: str) -> uuid.UUID:
    """Return the random id of the log in database ``using``; the first to ask makes it.

    It is in each row's MAC, so a row of another log is no row of this one, whatever the keys.
    """
    known = _logs.get(using)
    if known is None:
        first = AuditSeal.objects.using(using).filter(position=0).first() or _begin(using)
        known = first.log
        if known not in _begun or not connections[using].in_atomic_block:
            _logs[using] = known
    return known


def others(using: str) -> set[str]:
    """Return the ids of the logs in the other databases of this project, which may have the same
    anchor."""
    found = set()
    for alias in connections:
        if alias != using and router.allow_migrate_model(alias, AuditSeal):
            with contextlib.suppress(Error, ImproperlyConfigured):
                genesis = AuditSeal.objects.using(alias).filter(position=0).first()
                found |= {genesis.log.hex} if genesis else set()
    return found


def is_known(using: str) -> bool:
    """Whether ``log_id`` answers without a query."""
    return using in _logs


def forget(using: str | None = None, **_signal: Any) -> None:
    """Read the id anew: tables were emptied, or made."""
    _logs.clear()
    _begun.clear()


def last(using: str) -> AuditSeal:
    """Return the newest seal."""
    newest = AuditSeal.objects.using(using).order_by("-position").first()
    return newest or _begin(using)


def make(
    previous: AuditSeal | None, root: str, count: int, at: datetime, key: AuditKey
) -> AuditSeal:
    """Return the seal that follows ``previous``, not saved."""
    seal = AuditSeal(
        position=previous.position + 1 if previous else 0,
        log=previous.log if previous else uuid.uuid4(),
        previous=previous.head if previous else "",
        root=root,
        count=count,
        at=at,
        key=key.id,
    )
    seal.head = head_of(seal)
    seal.mac = seals.mac(key.seal, seal.head.encode())
    return seal


def head_of(seal: AuditSeal) -> str:
    """Compute the head of a seal from its other columns."""
    at = rows.microseconds(seal.at)
    return seals.head(
        seal.log.hex, seal.position, seal.previous, seal.root, seal.count, at, seal.key
    )


def _begin(using: str) -> AuditSeal:
    genesis = make(None, seals.EMPTY_ROOT, 0, datetime.now(UTC), ring().first)
    try:
        with transaction.atomic(using=using):
            genesis.save(force_insert=True, using=using)
    except IntegrityError:  # another process was first
        return AuditSeal.objects.using(using).get(position=0)
    if connections[using].in_atomic_block:
        _begun.add(genesis.log)
    transaction.on_commit(lambda: _announce(genesis), using=using)
    return genesis


def _announce(genesis: AuditSeal) -> None:
    """Tell that a log begins: once after the first `migrate`, and never again by rights."""
    _begun.discard(genesis.log)
    logger.warning("a new log begins: %s", genesis.log, extra={"audit_seal": genesis})
    anchor.publish(genesis)
