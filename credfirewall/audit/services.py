"""Recording: an act and its record stand or fall together, and a refusal is never lost."""

import atexit
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.db import Error, connections, router, transaction
from django.utils.connection import ConnectionDoesNotExist

from credfirewall.addresses import kept
from credfirewall.audit import chain, origin, rows, seals
from credfirewall.audit.events import NOBODY, Event, Outcome, Party
from credfirewall.audit.grouping import together
from credfirewall.audit.keys import ring
from credfirewall.audit.models import SCHEMA, AuditEvent, AuditIdentity, event_id
from credfirewall.audit.origin import Origin
from credfirewall.conf import conf
from credfirewall.exceptions import AuditUnavailable
from credfirewall.signals import audit_recorded

logger = logging.getLogger("credfirewall.audit")
"""Gets every event once, with the row as ``record.audit``: see ``handlers.JSONLinesFormatter``."""

LATER = ("key", "actor", "subject", "mac")
"""Columns that a row gets when it is complete. Named, so that no defaults are looked up."""

NO_DATABASE = (
    Error,
    ImproperlyConfigured,
    ConnectionDoesNotExist,
    SynchronousOnlyOperation,
    RuntimeError,  # pytest-django's way to say that a test may not use the database
    AssertionError,  # the same from Django's SimpleTestCase
)
"""What keeps a row from being written."""


@dataclass(slots=True, eq=False)
class Draft:
    """A row to be written: what it says, and the names that belong to it."""

    row: AuditEvent
    names: dict[str, Party]
    using: str
    vital: bool
    identities: list[AuditIdentity] = field(default_factory=list)
    is_settled: bool = False
    """Whether the row is committed, and was told of."""

    @property
    def must_not_fail(self) -> bool:
        return self.vital or conf.AUDIT_ON_FAILURE == "raise"

    def complete(self) -> None:
        """Bind the row to its log and its names, and authenticate it.

        Once, unless the log was begun in a transaction that took it back: then it is another one.
        """
        log = chain.log_id(self.using)
        if self.row.mac and self.row.log == log:
            return
        if not self.row.mac:
            self._name()
        self.row.log = log
        rows.authenticate(self.row, ring().first)

    def _name(self) -> None:
        refs: dict[Party, str] = {}  # somebody may be both actor and subject
        for role, party in self.names.items():
            if party.text and party not in refs:
                identity, is_new = _identity(party, self.using)
                refs[party] = identity.ref
                self.identities += [identity] * is_new
            setattr(self.row, role, refs.get(party, ""))


def record(
    event: Event,
    *,
    actor: Any = None,
    subject: Any = None,
    request: Any = None,
    using: str | None = None,
) -> AuditEvent:
    """Record ``event`` in the caller's transaction, and return its row.

    ``actor`` and ``subject`` are users or ``Party``s. Without an actor or a request the current
    ones count (see ``origin`` and ``middleware``). An event that is refused or a mere notice
    survives a transaction that is rolled back. Raises AuditUnavailable where the log does not
    take an event that is vital, or any with AUDIT_ON_FAILURE "raise"; else what cannot be written
    is in the log handler, and the site goes on. In a coroutine, where Django lets nobody write,
    it is written at the end of the request: better await ``arecord``.
    """
    draft = _draft(event, actor, subject, request, using)
    flush()
    try:
        _write(draft)
    except SynchronousOnlyOperation as error:
        if not draft.must_not_fail and _wait(draft):
            _emit(draft.row)
        else:
            _fail(draft, error)
    except NO_DATABASE as error:
        _fail(draft, error)
    return draft.row


def _fail(draft: Draft, error: Exception) -> None:
    """Keep the event in the log handler, and raise where that is not enough."""
    _emit(draft.row, failed=type(error).__name__)
    if draft.must_not_fail:
        raise AuditUnavailable(f"{draft.row.event} could not be recorded") from error


async def arecord(event: Event, **how: Any) -> AuditEvent:
    """Record ``event`` as ``record`` does, from asynchronous code."""
    return await sync_to_async(record)(event, **how)


def later(
    event: Event, *, actor: Any = None, subject: Any = None, using: str | None = None
) -> None:
    """Record ``event`` where nothing may be written now: at the end of the request or command.

    Its line in the log is written at once.
    """
    draft = _draft(event, actor, subject, None, using)
    _emit(draft.row)
    _wait(draft)


def flush(*, quietly: bool = False) -> None:
    """Write what waits for the end of a transaction, if it has ended."""
    waiting = origin.pending() or []
    while (draft := next(filter(_may_be_written, waiting), None)) is not None:
        waiting.remove(draft)
        try:
            _write_late(draft)
        except SynchronousOnlyOperation:
            waiting.append(draft)
            return
        except NO_DATABASE as error:
            if not quietly:
                _emit(draft.row, failed=type(error).__name__)


def _write_late(draft: Draft) -> None:
    if draft.is_settled:
        return
    _complete(draft, guarded=True)
    # It may have been kept after all: in a test's transaction, which never commits.
    if not AuditEvent.objects.using(draft.using).filter(pk=draft.row.pk).exists():
        _store(draft, guarded=True)
    _after(draft, emitted=True)


def _may_be_written(draft: Draft) -> bool:
    try:
        return draft.is_settled or not _in_transaction(draft.using)
    except NO_DATABASE:
        return True  # it cannot, and to try is to say so


def _draft(event: Event, actor: Any, subject: Any, request: Any, using: str | None) -> Draft:
    where = Origin.of_request(request) if request is not None else origin.current()
    now = datetime.now(UTC)
    names = {"actor": _actor(actor, where), "subject": _party(subject)}
    row = AuditEvent(
        id=event_id(),
        schema=SCHEMA,
        at=now,
        event=event.name,
        outcome=event.outcome.value,
        source=str(getattr(event, "source", "")),
        actor_type=names["actor"].type,
        actor_id=names["actor"].id,
        subject_type=names["subject"].type,
        subject_id=names["subject"].id,
        address=kept(where.address, ring().first.address, now) if where else "",
        user_agent=where.user_agent if where else "",
        request_id=where.request_id if where else "",
        details=event.canonical_details(),
        **dict.fromkeys(LATER, ""),
    )
    row.names = {role: party.text for role, party in names.items()}
    return Draft(row, names, using or router.db_for_write(AuditEvent), event.vital)


def acting_party(actor: Any = None) -> Party:
    """Return who acts: ``actor``, or else the one of the current request or command."""
    return _actor(actor, origin.current())


def _actor(actor: Any, where: Origin | None) -> Party:
    if actor is not None:
        return Party.of(actor)
    try:
        return where.actor() if where else NOBODY
    except NO_DATABASE:  # a session or a user that cannot be read just now
        return NOBODY


def _party(subject: Any) -> Party:
    return NOBODY if subject is None else Party.of(subject)


# Personal text

_identities: dict[tuple[str, Party], tuple[AuditIdentity, float]] = {}
"""Those that are committed, and since when: a name is stored once and not with each event."""
_MOST_IDENTITIES = 4096
_LONGEST_KNOWN = 12 * 3600.0
"""Seconds. Less than the shortest AUDIT_RETENTION_DAYS: a purge, which is another process, removes
a name that no row refers to, and until then there is the row with which it was stored."""


def _identity(party: Party, using: str) -> tuple[AuditIdentity, bool]:
    known, since = _identities.get((using, party), (None, 0.0))
    if known is not None and time.monotonic() - since < _LONGEST_KNOWN:
        return known, False
    salt = secrets.token_hex(16)
    ref = seals.commitment(salt, party.type, party.id, party.text)
    identity = AuditIdentity(
        ref=ref, salt=salt, type=party.type, party_id=party.id, text=party.text
    )
    return identity, True


def forget_identities(**_signal: Any) -> None:
    """Store names anew: tables were emptied, or somebody was erased."""
    _identities.clear()


# Writing


def _write(draft: Draft) -> None:
    if draft.row.outcome != Outcome.SUCCESS and _in_transaction(draft.using):
        _write_refusal(draft)
        return
    # Where the caller's transaction has to survive a failure of the log: within a savepoint.
    guarded = not draft.must_not_fail
    _complete(draft, guarded=guarded)
    _store(draft, guarded=guarded)
    after = partial(_after, draft)
    if not _when_committed(draft.using, after):
        after()


def _write_refusal(draft: Draft) -> None:
    """Write in a transaction that may well be rolled back because of this very refusal.

    So it waits for the end of that, to be written again. This also makes up for a transaction
    that is broken already.
    """
    waits = _wait(draft)
    try:
        _complete(draft, guarded=True)
        _store(draft, guarded=True)
    except NO_DATABASE:
        if draft.must_not_fail or not waits:
            raise
    else:
        _when_committed(draft.using, partial(_after, draft, emitted=True))
    _emit(draft.row)


def _complete(draft: Draft, *, guarded: bool) -> None:
    """Make the row ready; the id of the log may have to be looked up for that."""
    looks = not chain.is_known(draft.using) and connections[draft.using].in_atomic_block
    with transaction.atomic(using=draft.using) if guarded and looks else nullcontext():
        draft.complete()


def _when_committed(using: str, after: Callable[[], None]) -> bool:
    """Have ``after`` called at the end of a transaction, if there is one that can do so: not where
    the host has switched autocommit off, and commits by hand."""
    if not (connections[using].in_atomic_block and _in_transaction(using)):
        return False
    transaction.on_commit(after, using=using, robust=True)
    return True


def _store(draft: Draft, *, guarded: bool) -> None:
    if _in_any_transaction(draft.using):
        draft.row.insert(draft.using, draft.identities, guarded)
    else:
        together([*draft.identities, draft.row], draft.using)


def _after(draft: Draft, *, emitted: bool = False) -> None:
    """What follows a committed row, once."""
    if draft.is_settled:
        return
    draft.is_settled = True
    if not connections[draft.using].in_atomic_block:  # else it is a test's, which rolls back
        if len(_identities) > _MOST_IDENTITIES:
            _identities.clear()
        for identity in draft.identities:
            party = Party(identity.type, identity.party_id, identity.text)
            _identities[draft.using, party] = identity, time.monotonic()
    if not emitted:
        _emit(draft.row)
    audit_recorded.send_robust(sender=None, event=draft.row)
    for follow in AFTER_COMMIT:
        follow(draft.using)


AFTER_COMMIT: list[Callable[[str], None]] = []
"""Called with the alias after each committed row; sealing hangs here."""


def _emit(row: AuditEvent, failed: str = "") -> None:
    level = logging.ERROR if failed else logging.INFO
    text = "%s could not be stored (%s)" if failed else "%s"
    arguments = (row.event, failed) if failed else (row.event,)
    if logger.isEnabledFor(level):
        # As ``logger.log`` does, which would also look up the stack who calls: it is always this.
        record = logger.makeRecord(
            logger.name, level, __file__, 0, text, arguments, None, "_emit", {"audit": row}
        )
        logger.handle(record)


def _in_transaction(using: str) -> bool:
    """Whether a transaction of the host's is open; that of a ``TestCase`` is none."""
    connection = connections[using]
    if not connection.in_atomic_block:
        return _in_any_transaction(using)
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def _in_any_transaction(using: str) -> bool:
    connection = connections[using]
    if connection.in_atomic_block or connection.connection is None:
        return connection.in_atomic_block
    return not connection.get_autocommit()


def _wait(draft: Draft) -> bool:
    """Keep ``draft`` for later, where there is place for it."""
    waiting = origin.pending()
    if waiting is None:
        return False
    if len(waiting) >= origin.MOST_PENDING:
        waiting[:] = [each for each in waiting if not each.is_settled]
    if len(waiting) >= origin.MOST_PENDING:
        return False
    waiting.append(draft)
    return True


@atexit.register
def _flush_at_exit() -> None:
    """Write what a command of the host's left. Its lines are in the log already."""
    with contextlib.suppress(Exception):
        flush(quietly=True)
