"""Sealing: rows that were committed become a batch, under one root, in the chain.

Any process may seal, and by itself does so after ``ROWS`` rows of its own or ``SECONDS`` seconds.
The position of a seal is unique: of several that begin at once one commits, and the others leave
the rows to it. A row whose transaction commits late joins the next seal.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import Error, IntegrityError, OperationalError, connections, router, transaction
from django.db.models import Exists, OuterRef, QuerySet

from credfirewall.audit import anchor, chain, seals
from credfirewall.audit.keys import ring
from credfirewall.audit.models import AuditEvent, AuditMember, AuditSeal, AuditTally
from credfirewall.audit.signing import signers
from credfirewall.conf import conf
from credfirewall.exceptions import AuditRefused

logger = logging.getLogger("credfirewall.audit")

ROWS, SECONDS = 1000, 60.0
"""After so many rows, or so long, a process seals: the window in which a row can vanish without
a trace is about that, times the processes, or the interval of ``seal_audit`` on a quiet site."""
BATCH = 10_000
"""Rows in one seal at most."""
LATE = timedelta(seconds=30)
"""A process that seals by itself looks for rows from so long before the newest seal: those whose
transaction took longer are found by ``seal_audit`` only, which looks at all of the log."""


def unsealed(using: str, since: datetime | None = None) -> QuerySet[AuditEvent]:
    """Return the rows that no seal covers."""
    members = AuditMember.objects.using(using).filter(event_id=OuterRef("pk"))
    waiting = AuditEvent.objects.using(using).filter(~Exists(members))
    return waiting if since is None else waiting.filter(at__gte=since)


def seal(
    using: str | None = None,
    *,
    signing_key: Ed25519PrivateKey | None = None,
    since: datetime | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[AuditSeal]:
    """Seal what waits, a batch at a time, and yield each seal once it is committed.

    Stops where another process is sealing the same. Raises AuditRefused without the key that
    AUDIT_PUBLIC_KEY asks for, and django.db.Error.
    """
    alias = using or router.db_for_write(AuditSeal)
    while made := _seal_batch(alias, signing_key, since, clock()):
        _publish(made)
        yield made
        if made.count < BATCH:
            return


def _seal_batch(
    using: str, signing_key: Ed25519PrivateKey | None, since: datetime | None, now: datetime
) -> AuditSeal | None:
    previous = None
    try:
        with transaction.atomic(using=using):
            previous = chain.last(using)
            columns = ("pk", "mac", "at", "event", "outcome", "source",
                       "actor_type", "actor_id", "address")  # fmt: skip
            batch = list(unsealed(using, since).order_by("at", "id").values_list(*columns)[:BATCH])
            if not batch:
                return None
            demand(signing_key, previous.position + 1)
            made = _make(previous, batch, signing_key, now)
            made.save(force_insert=True, using=using)
            _add_members(made, batch, using)
            _count(batch, using)
    except (IntegrityError, OperationalError) as error:
        if not _is_contention(error, previous, using):
            raise
        # Another one has this position, or the database's only write lock: the rows are its.
        logger.debug("Somebody else seals (%s).", type(error).__name__)
        return None
    return made


def _is_contention(error: Error, previous: AuditSeal | None, using: str) -> bool:
    """Whether another transaction was first; anything else is a fault that has to be told."""
    if isinstance(error, IntegrityError):
        return previous is not None and chain.last(using).position > previous.position
    state = getattr(error.__cause__, "sqlstate", "")
    number = error.args[0] if error.args else ""
    # Serialisation, deadlock, lock not to be had: PostgreSQL's, MariaDB's, SQLite's words.
    return (
        state in ("40001", "40P01", "55P03")
        or number in (1205, 1213, 1020)
        or "locked" in str(error)
    )


def demand(signing_key: Ed25519PrivateKey | None, position: int) -> None:
    """Refuse what verification would refuse: seals are for ever, and so is a missing signature.

    Raises AuditRefused when ``signing_key`` is not the one that signs the seal at ``position``.
    """
    expected = signers().at(position)
    if expected is None:
        return
    if signing_key is None:
        raise AuditRefused("AUDIT_PUBLIC_KEY is set, so seals are signed: give --signing-key")
    if signing_key.public_key() != expected:
        raise AuditRefused(
            f"--signing-key is not the key that signs seal {position}: AUDIT_PUBLIC_KEY has another"
        )


def _make(
    previous: AuditSeal, batch: list[Any], signing_key: Ed25519PrivateKey | None, now: datetime
) -> AuditSeal:
    leaves = [seals.leaf(identity.hex, mac) for identity, mac, *_ in batch]
    # Time does not go back in the chain, whatever the clock does.
    at = max(now, previous.at + timedelta(microseconds=1))
    made = chain.make(previous, seals.root(leaves), len(batch), at, ring().first)
    if signing_key is not None:
        made.signature = signing_key.sign(made.head.encode()).hex()
    return made


def _add_members(made: AuditSeal, batch: list[Any], using: str) -> None:
    key, log = ring().first.seal, made.log.hex
    AuditMember.objects.using(using).bulk_create(
        [
            AuditMember(
                event_id=identity,
                seal=made.position,
                leaf=index,
                mac=seals.mac(key, seals.membership(log, made.position, index, identity.hex, mac)),
            )
            for index, (identity, mac, *_) in enumerate(batch)
        ],
        batch_size=1000,
    )


def _count(batch: list[Any], using: str) -> None:
    """Add the batch to the tallies. The seal's own position keeps others from doing so now."""
    counts: Counter[tuple[datetime, str, str]] = Counter()
    for _, _, at, event, outcome, source, actor_type, actor_id, address in batch:
        hour = at.replace(minute=0, second=0, microsecond=0)
        counts[hour, "event", f"{event} {outcome} {source}"] += 1
        if actor_id:
            counts[hour, "actor", f"{actor_type} {actor_id}"] += 1
        if address:
            counts[hour, "address", address] += 1
    tallies = AuditTally.objects.using(using)
    known = {
        (tally.hour, tally.kind, tally.value): tally
        for tally in tallies.filter(hour__in={hour for hour, _, _ in counts})
    }
    new = []
    for (hour, kind, value), count in counts.items():
        tally = known.get((hour, kind, value))
        if tally is None:
            new.append(AuditTally(hour=hour, kind=kind, value=value, count=count))
        else:
            tally.count += count
    changed = [known[place] for place in counts if place in known]
    tallies.bulk_update(changed, ["count"], batch_size=500)
    tallies.bulk_create(new, batch_size=500)


def _publish(made: AuditSeal) -> None:
    """Tell of a seal outside of the database."""
    logger.info("sealed %d", made.position, extra={"audit_seal": made})
    anchor.publish(made)


# By itself

_state = threading.local()


def after_commit(using: str, clock: Callable[[], float] = time.monotonic) -> None:
    """Count a row that this thread has committed, and seal when it is time."""
    if conf.AUDIT_PUBLIC_KEY is not None or connections[using].in_atomic_block:
        return  # a sealer of its own does it, or this is a test's transaction
    now = clock()
    if not hasattr(_state, "since"):
        _state.since, _state.rows = now, 0
    _state.rows += 1
    if _state.rows < ROWS and now - _state.since < SECONDS:
        return
    _state.since, _state.rows = now, 0
    try:
        for _ in seal(using, since=chain.last(using).at - LATE):
            continue
    except Error as error:
        logger.error("Sealing failed (%s).", type(error).__name__)  # noqa: TRY400 - values of rows would be in the traceback
