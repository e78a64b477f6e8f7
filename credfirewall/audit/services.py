"""Recording: an act and its record stand or fall together, and a refusal is never lost."""

import atexit
import contextlib
import logging
import secrets
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.core import mail
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.db import Error, connections, router, transaction
from django.utils.connection import ConnectionDoesNotExist

from credfirewall.addresses import kept
from credfirewall.audit import chain, origin, rows, seals
from credfirewall.audit.events import NOBODY, Event, Outcome, Party
from credfirewall.audit.keys import ring
from credfirewall.audit.models import SCHEMA, AuditEvent, AuditIdentity
from credfirewall.audit.origin import Origin
from credfirewall.conf import conf
from credfirewall.exceptions import AuditUnavailable
from credfirewall.signals import audit_recorded

logger = logging.getLogger("credfirewall.audit")
"""Gets every event once, with the row as ``record.audit``: see ``handlers.JSONLinesFormatter``."""

MOST_PENDING = 1000
"""Events that one thread keeps for a time without a transaction. Their log lines are out."""

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

    def complete(self) -> None:
        """Bind the row to its log and its names, and authenticate it."""
        if self.row.mac:
            return
        self.row.log = chain.log_id(self.using)
        for role, party in self.names.items():
            if party.text:
                identity, is_new = _identity(party, self.using)
                setattr(self.row, role, identity.ref)
                self.identities += [identity] * is_new
        rows.authenticate(self.row, ring().first)


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
    is in the log handler, and the site goes on.
    """
    draft = _draft(event, actor, subject, request, using)
    flush()
    try:
        draft.complete()
        _write(draft)
    except NO_DATABASE as error:
        _emit(draft.row, failed=type(error).__name__)
        if event.vital or conf.AUDIT_ON_FAILURE == "raise":
            raise AuditUnavailable(f"{event.name} could not be recorded") from error
    return draft.row


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
    waiting = _pending()
    if not waiting or any(_in_transaction(draft.using) for draft in waiting):
        return
    drafts = waiting[:]
    waiting.clear()
    for draft in drafts:
        try:
            draft.complete()
            if AuditEvent.objects.using(draft.using).filter(pk=draft.row.pk).exists():
                _after(draft, emitted=True)  # it was kept after all, in a test's transaction
            else:
                _insert(draft, emitted=True)
        except NO_DATABASE as error:
            if not quietly:
                _emit(draft.row, failed=type(error).__name__)


def _draft(event: Event, actor: Any, subject: Any, request: Any, using: str | None) -> Draft:
    where = Origin.of_request(request) if request is not None else origin.current()
    now = datetime.now(UTC)
    names = {"actor": _actor(actor, where), "subject": _party(subject)}
    row = AuditEvent(
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
    )
    row.names = {role: party.text for role, party in names.items()}
    return Draft(row, names, using or router.db_for_write(AuditEvent), event.vital)


def _actor(actor: Any, where: Origin | None) -> Party:
    if actor is not None:
        return Party.of(actor)
    return where.actor() if where else NOBODY


def _party(subject: Any) -> Party:
    return NOBODY if subject is None else Party.of(subject)


# Personal text

_identities: dict[tuple[str, Party], AuditIdentity] = {}
"""Those that are committed, so that a name is stored once and not with each event."""
_MOST_IDENTITIES = 4096


def _identity(party: Party, using: str) -> tuple[AuditIdentity, bool]:
    known = _identities.get((using, party))
    if known is not None:
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
    if not _in_transaction(draft.using):
        _insert(draft)
        return
    if draft.row.outcome == Outcome.SUCCESS:
        with _guard(draft):
            _insert(draft)
        return
    # The caller's transaction may well be rolled back because of this very refusal.
    _emit(draft.row)
    waiting = _wait(draft)
    with transaction.atomic(using=draft.using):
        _store(draft)
    committed = partial(_committed, draft, waiting)
    transaction.on_commit(committed, using=draft.using, robust=True)


def _guard(draft: Draft) -> Any:
    """A savepoint, where the caller's transaction has to survive a failure of the log."""
    if draft.vital or conf.AUDIT_ON_FAILURE == "raise":
        return nullcontext()
    return transaction.atomic(using=draft.using)


def _insert(draft: Draft, *, emitted: bool = False) -> None:
    """Write the row, and tell of it once it is committed."""
    _store(draft)
    after = partial(_after, draft, emitted=emitted)
    if _in_transaction(draft.using):
        transaction.on_commit(after, using=draft.using, robust=True)
    else:
        after()


def _store(draft: Draft) -> None:
    if not draft.identities:
        draft.row.insert(draft.using)
        return
    with transaction.atomic(using=draft.using):
        for identity in draft.identities:
            identity.save(force_insert=True, using=draft.using)
        draft.row.insert(draft.using)


def _committed(draft: Draft, waiting: list[Draft]) -> None:
    waiting[:] = [each for each in waiting if each is not draft]
    _after(draft, emitted=True)


def _after(draft: Draft, *, emitted: bool = False) -> None:
    """What follows a committed row."""
    if not connections[draft.using].in_atomic_block:  # else it is a test's, which rolls back
        if len(_identities) > _MOST_IDENTITIES:
            _identities.clear()
        for identity in draft.identities:
            party = Party(identity.type, identity.party_id, identity.text)
            _identities[draft.using, party] = identity
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
    logger.log(level, text, *arguments, extra={"audit": row})


def _in_transaction(using: str) -> bool:
    """Whether a transaction of the host's is open; that of a ``TestCase`` is none."""
    connection = connections[using]
    if not connection.in_atomic_block:
        return not connection.get_autocommit() if connection.connection is not None else False
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


# What waits

_waiting = threading.local()


def _wait(draft: Draft) -> list[Draft]:
    waiting = _pending()
    if origin.current() is None and hasattr(mail, "outbox"):
        return waiting  # a test's: at the end of the process its database is another one
    if len(waiting) < MOST_PENDING:
        waiting.append(draft)
    return waiting


def _pending() -> list[Draft]:
    where = origin.current()
    if where is not None:
        return where.pending
    if not hasattr(_waiting, "drafts"):
        _waiting.drafts = []
    drafts: list[Draft] = _waiting.drafts
    return drafts


@atexit.register
def _flush_at_exit() -> None:
    """Write what a command of the host's left. Its lines are in the log already."""
    with contextlib.suppress(Exception):
        flush(quietly=True)
