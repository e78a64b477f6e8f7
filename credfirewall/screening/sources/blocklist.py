"""The project's own words, from its settings and from the table that its staff keeps."""

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.db import Error, InternalError, connections, router, transaction
from django.db.models.signals import post_delete, post_migrate, post_save
from django.db.transaction import TransactionManagementError
from django.utils.connection import ConnectionDoesNotExist

from credfirewall.conf import conf
from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.cache import shared
from credfirewall.screening.digest import Candidate, fold
from credfirewall.screening.models import BlockedWord
from credfirewall.screening.verdict import Answer, Reason

LOOK_EVERY = 5.0
"""Seconds between looks at the version that the processes share."""
RELOAD_EVERY = 60.0
"""Seconds after which the table is read again, whatever the version says: a cache of this process
alone does not tell of changes elsewhere."""
RETRY_AFTER = 5.0
"""Seconds for which a failure of the database is remembered."""
VERSION_KEY = "credfirewall:blocklist:version"

FOUND = Answer(found=True)
NOT_FOUND = Answer(found=False)

NOT_USABLE_HERE = (
    TransactionManagementError,  # the caller's transaction is broken already
    InternalError,  # the same from PostgreSQL
    SynchronousOnlyOperation,
    ImproperlyConfigured,  # no database at all
    ConnectionDoesNotExist,
    RuntimeError,  # pytest-django's way to say that a test may not use the database
    AssertionError,  # the same from Django's SimpleTestCase
)
"""Errors that speak of the caller's situation and cost nothing: they are not remembered."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The table at one moment.

    ``own`` and ``shared`` are the versions of this process and of all, from just before it.
    ``uncommitted`` says that the transaction which read it had changed it: it may never become
    true for others.
    """

    words: frozenset[str] = field(repr=False)
    own: str
    shared: str | None
    loaded_at: float
    looked_at: float
    uncommitted: bool


class BlocklistSource:
    """Words blocked by CONTEXT_WORDS and by ``BlockedWord``, compared folded and whole.

    It answers from memory. The process that changes a word sees that at once, others within 5
    seconds, or within 60 when they share no working cache.
    """

    name = "blocklist"
    authoritative = False

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._snapshot: _Snapshot | None = None
        self._failed: tuple[float, str] | None = None
        """When the database failed last, and the process's version at that time."""

    def ready(self) -> bool:
        """Whether ``lookup`` answers from what is current, without any input or output."""
        snapshot, now = self._snapshot, self._clock()
        return (
            snapshot is not None
            and not snapshot.uncommitted
            and snapshot.own == _version.own
            and now - snapshot.looked_at < LOOK_EVERY
            and now - snapshot.loaded_at < RELOAD_EVERY
            and not _has_uncommitted_changes()
        )

    def refresh(self) -> None:
        """Read the table if that is due. Raises SourceUnavailable("database")."""
        with self._lock:
            if self.ready():
                return
            own, now = _version.own, self._clock()
            if self._failed and self._failed[1] == own and now - self._failed[0] < RETRY_AFTER:
                raise SourceUnavailable(Reason.DATABASE)
            # Versions are read before the table: a change in between shows at the next look.
            shared = self._shared_version()
            self._snapshot = self._renewed(own, shared, now)

    def lookup(self, candidate: Candidate) -> Answer:
        """Answer from memory; only what was never loaded is loaded here.

        What memory holds is refused even when it could not be brought up to date. Raises
        SourceUnavailable("database").
        """
        if candidate.folded in _own_words(tuple(conf.CONTEXT_WORDS)):
            return FOUND
        if self._snapshot is None:
            self.refresh()
        snapshot = self._snapshot
        return FOUND if snapshot and candidate.folded in snapshot.words else NOT_FOUND

    def _shared_version(self) -> str | None:
        """Return the version in the cache, "" when it holds none, None when it does not answer."""
        value = shared.call(lambda cache: cache.get(VERSION_KEY, ""), None).run()
        return None if value is None else str(value)

    def _renewed(self, own: str, shared: str | None, now: float) -> _Snapshot:
        old, uncommitted = self._snapshot, _has_uncommitted_changes()
        unchanged = (
            old is not None
            and not (old.uncommitted or uncommitted)
            and old.own == own
            and (shared is None or shared == old.shared)
            and now - old.loaded_at < RELOAD_EVERY
        )
        if old is not None and unchanged:
            return _Snapshot(old.words, own, old.shared, old.loaded_at, now, uncommitted=False)
        return _Snapshot(self._read(own, uncommitted), own, shared, now, now, uncommitted)

    def _read(self, own: str, uncommitted: bool) -> frozenset[str]:
        try:
            route = router.db_for_write if uncommitted else router.db_for_read
            return _read_words(route(BlockedWord))
        except NOT_USABLE_HERE as error:
            raise SourceUnavailable(Reason.DATABASE) from error
        except Error as error:
            self._failed = (self._clock(), own)
            raise SourceUnavailable(Reason.DATABASE) from error


def invalidate(using: str | None = None, **_signal: Any) -> None:
    """Make every process read the table again.

    ``save`` and ``delete`` do this by themselves; call it after bulk operations, in the same
    transaction. This process reads at once, the others after the commit.
    """
    _version.own = secrets.token_hex(8)
    transaction.on_commit(_publish, using=using or router.db_for_write(BlockedWord))


def connect() -> None:
    """Follow changes of the table. Called once the apps are ready."""
    identity = "credfirewall.blocklist"
    post_save.connect(invalidate, sender=BlockedWord, dispatch_uid=identity)
    post_delete.connect(invalidate, sender=BlockedWord, dispatch_uid=identity)
    # A migration may have made the missing table; emptying a test database ends here as well.
    post_migrate.connect(_forget, dispatch_uid=identity)


def _forget(**_signal: Any) -> None:
    _version.own = secrets.token_hex(8)


def _publish() -> None:
    _version.own = version = secrets.token_hex(8)
    shared.call(lambda cache: cache.set(VERSION_KEY, version, None), None).run()


def _has_uncommitted_changes() -> bool:
    """Whether this thread's transaction has changed the table.

    Django drops the callbacks of what is rolled back, savepoints included, so a waiting callback
    is the one sign that stays true.
    """
    if not _version.own:
        return False  # most processes never change a word, and save the way to the connection
    try:
        connection = connections[router.db_for_write(BlockedWord)]
    except (ImproperlyConfigured, ConnectionDoesNotExist):
        return False
    return any(_publish in callback for callback in connection.run_on_commit)


def _read_words(alias: str) -> frozenset[str]:
    # A failing query must not take the caller's transaction with it, as it does on PostgreSQL.
    # Outside one there is nothing to guard, and opening one would lock out SQLite's writers.
    guard: AbstractContextManager[None] = nullcontext()
    if not connections[alias].get_autocommit():
        guard = transaction.atomic(using=alias)
    with guard:
        words = list(BlockedWord.objects.using(alias).order_by().values_list("word", flat=True))
    return frozenset(map(fold, words))


@lru_cache(maxsize=8)
def _own_words(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(fold, words))


_version = SimpleNamespace(own="")
"""A token that changes with every change that this process sees. A counter could lose one."""
