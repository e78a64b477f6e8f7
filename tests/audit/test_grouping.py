"""Rows that are recorded at the same time are committed together, and fail each for itself."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, Error, OperationalError, connection, connections, models

from credfirewall.audit import grouping
from credfirewall.audit.events import Code, KeyRotated, Party
from credfirewall.audit.findings import Fault
from credfirewall.audit.grouping import MOST, Group
from credfirewall.audit.inserting import insert
from credfirewall.audit.models import AuditEvent, AuditIdentity
from credfirewall.audit.services import record
from credfirewall.audit.verifying import verify
from tests.audit.recording import Heard
from tests.audit.seeding import row

pytestmark = pytest.mark.django_db(transaction=True)
EVENT = KeyRotated(ring=Code("a"), key=Code("b"))
PATIENCE = 30.0


class Gate:
    """Stands before the database: holds the first who writes, and keeps what each wrote."""

    def __init__(self) -> None:
        self.arrived, self.opened = threading.Event(), threading.Event()
        self.written: list[int] = []
        self.failing: Callable[[Sequence[models.Model]], bool] = lambda _: False
        self.after: Exception | None = None

    def insert(self, rows: Sequence[models.Model], using: str) -> None:
        self.written.append(len(rows))
        if len(self.written) == 1:
            self.arrived.set()
            assert self.opened.wait(PATIENCE)
        if self.failing(rows):
            raise OperationalError("not this one")
        insert(rows, using)
        if self.after is not None and len(rows) > 1:
            raise self.after


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(grouping, "insert", gate.insert)
    return gate


def waiting(group: Group, number: int) -> None:
    """Wait until so many are in the queue."""
    deadline = threading.Event()
    for _ in range(int(PATIENCE * 1000)):
        if len(group._waiting) == number:
            return
        deadline.wait(0.001)
    pytest.fail("they do not wait")


@contextmanager
def threads(number: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that close their connections."""
    with ThreadPoolExecutor(number) as pool:
        yield pool


def stored(group: Group, made: AuditEvent) -> Exception | None:
    try:
        group.insert([made])
    except Error as error:
        return error
    finally:
        connections.close_all()
    return None


def written_together(gate: Gate, rows: Sequence[AuditEvent]) -> list[Exception | None]:
    """Write the first of ``rows``, and all others while that goes on."""
    group = Group("default")
    with threads(len(rows)) as pool:
        first = pool.submit(stored, group, rows[0])
        assert gate.arrived.wait(PATIENCE)
        others = [pool.submit(stored, group, each) for each in rows[1:]]
        waiting(group, len(rows) - 1)
        gate.opened.set()
        found = [each.result(PATIENCE) for each in (first, *others)]
    assert not group._busy
    return found


def ids() -> set[Any]:
    return set(AuditEvent.objects.values_list("pk", flat=True))


def unwanted(*_: Any) -> None:
    pytest.fail("this is not to happen")


def test_who_comes_meanwhile_is_written_together(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Group, "_by_itself", unwanted)
    rows = [row(EVENT) for _ in range(6)]
    assert written_together(gate, rows) == [None] * 6
    assert gate.written == [1, 5]
    assert ids() == {each.pk for each in rows}
    assert not any(each._state.adding for each in rows)


def test_no_more_than_the_database_takes(gate: Gate) -> None:
    rows = [row(EVENT) for _ in range(MOST + 3)]
    assert written_together(gate, rows) == [None] * len(rows)
    assert gate.written == [1, MOST, 2]
    assert ids() == {each.pk for each in rows}


def test_what_fails_takes_nobody_along(gate: Gate) -> None:
    rows = [row(EVENT) for _ in range(5)]
    rows[3].details = None  # type: ignore[assignment]  # the database refuses it
    found = written_together(gate, rows)
    assert [isinstance(each, DatabaseError) for each in found] == [False] * 3 + [True, False]
    assert ids() == {each.pk for each in rows} - {rows[3].pk}


def test_a_leader_that_fails_takes_nobody_along(gate: Gate) -> None:
    rows = [row(EVENT) for _ in range(4)]
    rows[1].details = None  # type: ignore[assignment]
    found = written_together(gate, rows)
    assert [isinstance(each, DatabaseError) for each in found] == [False, True, False, False]
    assert ids() == {each.pk for each in rows} - {rows[1].pk}


def test_a_commit_whose_answer_is_lost_is_none_too_many(gate: Gate) -> None:
    gate.after = OperationalError("server closed the connection unexpectedly")
    rows = [row(EVENT) for _ in range(4)]
    assert written_together(gate, rows) == [None] * 4
    assert gate.written == [1, 3]
    assert ids() == {each.pk for each in rows}


def test_who_is_alone_is_told_at_once_what_is_wrong(gate: Gate) -> None:
    gate.opened.set()
    gate.failing = lambda _: True
    group = Group("default")
    for _ in range(2):
        with pytest.raises(OperationalError):
            group.insert([row(EVENT)])
    assert gate.written == [1, 1]


class Interrupted:
    """The turn of a thread that is made to end while it waits, or just as it is woken."""

    def __init__(self, *, woken: bool) -> None:
        self._lock, self._woken = grouping._taken(), woken

    def acquire(self) -> None:
        if self._woken:
            self._lock.acquire()
        raise KeyboardInterrupt

    def release(self) -> None:
        self._lock.release()


def test_who_stops_waiting_holds_nobody_up() -> None:
    group = Group("default")
    group._queue(grouping._Place([row(EVENT)]))  # who writes
    gone = [row(EVENT) for _ in range(2)]
    for made, woken in zip(gone, (False, True), strict=True):
        turn: Any = Interrupted(woken=woken)
        place = grouping._Place([made], turn)
        group._queue(place)
        if woken:
            group._pass_on()
        with pytest.raises(KeyboardInterrupt):
            group._wait(place)
    group.insert([row(EVENT)])
    assert not ids() & {each.pk for each in gone}
    assert AuditEvent.objects.count() == 1


def test_what_hears_of_its_own_statement_does_not_wait_for_itself() -> None:
    heard: list[str] = []

    def listening(execute: Any, sql: str, *how: Any) -> Any:
        if "INSERT" in sql and not heard:
            heard.append(sql)
            group.insert([row(EVENT)])
        return execute(sql, *how)

    group = Group("default")
    with connection.execute_wrapper(listening):
        group.insert([row(EVENT)])
    assert heard
    assert AuditEvent.objects.count() == 2


def test_an_event_loop_is_not_kept_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Group, "_wait", unwanted)
    group = Group("default")
    group._queue(grouping._Place([row(EVENT)]))  # who writes

    async def record_there() -> None:
        group.insert([row(EVENT)])

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(record_there())


def test_threads_record_exactly_once(heard: Heard) -> None:
    record(EVENT)  # the log begins
    number, each = 8, 25

    def recording(thread: int) -> None:
        try:
            for act in range(each):
                who = Party("user", str(thread), f"Ännchen {thread}")
                record(EVENT, actor=who, subject=Party("act", f"{thread}-{act}"))
        finally:
            connections.close_all()

    with threads(number) as pool:
        for done in [pool.submit(recording, thread) for thread in range(number)]:
            done.result(PATIENCE)
    acts = AuditEvent.objects.filter(subject_type="act").values_list("subject_id", flat=True)
    assert sorted(acts) == sorted(f"{t}-{a}" for t in range(number) for a in range(each))
    assert len(heard.lines) == len(heard.signals) == number * each + 1
    assert AuditIdentity.objects.count() == number
    assert {each.fault for each in verify().findings} <= {Fault.TRIGGER_MISSING}


@pytest.fixture
def _health_checks() -> Iterator[None]:
    """As with CONN_HEALTH_CHECKS, at the beginning of a request."""
    used: Any = connection
    used.ensure_connection()
    used.health_check_enabled, used.health_check_done = True, False
    yield
    used.health_check_enabled, used.health_check_done = False, False


@pytest.mark.usefixtures("_health_checks")
def test_a_row_is_the_check_of_its_connection(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.opened.set()
    monkeypatch.setattr(connection, "is_usable", unwanted)
    Group("default").insert([row(EVENT)])
    assert gate.written == [1]
    assert AuditEvent.objects.count() == 1


@pytest.mark.usefixtures("_health_checks")
def test_a_dead_connection_costs_no_row(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.opened.set()
    gate.failing = lambda _: len(gate.written) == 1
    dead = connection.connection
    connection.errors_occurred = True
    monkeypatch.setattr(connection, "is_usable", lambda: connection.connection is not dead)
    Group("default").insert([row(EVENT)])
    assert gate.written == [1, 1]
    assert AuditEvent.objects.count() == 1
    assert connection.connection is not dead


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="it ends connections by command")
@pytest.mark.usefixtures("_health_checks")
def test_a_connection_that_the_server_has_closed_costs_no_row() -> None:
    used: Any = connection
    server_side = used.connection.info.backend_pid

    def end() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [server_side])
        connections.close_all()

    with threads(1) as pool:
        pool.submit(end).result(PATIENCE)
    group = Group("default")
    rows = [row(EVENT) for _ in range(2)]
    for made in rows:
        group.insert([made])
    assert ids() == {each.pk for each in rows}
