"""Group commit: threads that record at the same time have their rows committed together.

Whoever comes while nobody writes does so at once. Who comes meanwhile waits, and the first of those
then writes for all that wait. Each goes on once its own rows are committed, so that nothing is
acknowledged that a crash could take; and no thread writes that has not come to write anyway.
"""

import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import Error, connections, models
from django.utils.asyncio import async_unsafe

from credfirewall.audit.inserting import insert

MOST = 32
"""Threads whose rows are written together. SQLite once took 999 values in a statement."""


def _taken() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Place:
    """In the queue, with the rows of one thread, which ``turn`` wakes."""

    rows: Sequence[models.Model]
    turn: threading.Lock = field(default_factory=_taken)
    leads: bool = False
    stored: bool = False


class Group:
    """The threads of this process that write to one database."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._lock = threading.Lock()
        self._waiting: deque[_Place] = deque()
        self._busy = False
        self._writer = 0

    @async_unsafe("credfirewall.audit waits for a database here.")
    def insert(self, rows: Sequence[models.Model]) -> None:
        """Insert ``rows``, all or none, and return when they are committed. Raises
        django.db.Error.

        Not for a thread with a transaction: they are no part of it.
        """
        if self._writer == threading.get_ident():  # something that hears of its own statement
            insert(rows, self._using)
            return
        place = _Place(rows)
        self._queue(place)
        if not place.leads:
            self._wait(place)
        if not (place.stored or (place.leads and self._lead(place))):
            self._by_itself(place)

    def _queue(self, place: _Place) -> None:
        with self._lock:
            place.leads, self._busy = not self._busy, True
            if not place.leads:
                self._waiting.append(place)

    def _wait(self, place: _Place) -> None:
        try:
            place.turn.acquire()
        except BaseException:  # this thread is to end, and others wait for it
            with self._lock:
                if place in self._waiting:
                    self._waiting.remove(place)
            if place.leads:
                self._pass_on()
            raise

    def _lead(self, place: _Place) -> bool:
        """Write for all that wait, and say whether that was done. Raises what the database does
        where nobody else waits, and the connection was a good one."""
        with self._lock:
            others = [self._waiting.popleft() for _ in range(min(MOST - 1, len(self._waiting)))]
        self._writer = threading.get_ident()
        unchecked = _goes_unchecked(connections[self._using])
        try:
            insert([row for each in (place, *others) for row in each.rows], self._using)
        except Error:
            if not (others or unchecked):
                raise
            connections[self._using].close_if_unusable_or_obsolete()
            return False
        else:
            for each in others:
                each.stored = True
            return True
        finally:
            for each in others:
                each.turn.release()
            self._pass_on()

    def _pass_on(self) -> None:
        with self._lock:
            self._writer = 0
            self._busy = bool(self._waiting)
            if self._busy:
                first = self._waiting.popleft()
                first.leads = True
                first.turn.release()

    def _by_itself(self, place: _Place) -> None:
        """Write the rows of one thread, after somebody's, not necessarily these, failed for all."""
        last = place.rows[-1]
        known = type(last)._base_manager.using(self._using).filter(pk=last.pk)
        # The connection may have been lost after the database had committed.
        if not known.exists():
            insert(place.rows, self._using)


def _goes_unchecked(connection: Any) -> bool:
    """Have a connection used without the query that CONN_HEALTH_CHECKS makes before, if it does.

    That would cost as much as the row. If the connection is dead the row is written again, on
    another one.
    """
    if connection.connection is None or connection.health_check_done:
        return False
    connection.health_check_done = True
    return bool(connection.health_check_enabled)


_groups: dict[str, Group] = {}


def together(rows: Sequence[models.Model], using: str) -> None:
    """Insert ``rows`` as ``Group.insert`` does, into the database ``using``."""
    group = _groups.get(using)
    if group is None:
        group = _groups.setdefault(using, Group(using))
    group.insert(rows)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_groups.clear)
