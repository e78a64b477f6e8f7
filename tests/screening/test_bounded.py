"""A pool for calls that may hang: bounded in threads and in what waits for them."""

import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial

import pytest

from credfirewall.screening.bounded import BoundedPool, Saturated
from tests.screening.asking import eventually
from tests.screening.forking import holds_in_child


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hangs does so until the test ends."""
    gate = threading.Event()
    yield gate
    gate.set()


def threads(pool: str) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith(f"credfirewall-{pool}")]


def test_a_call_in_another_thread() -> None:
    pool = BoundedPool("one", threads=2, backlog=2)
    assert pool.submit(threading.get_ident).result(5) != threading.get_ident()


def test_its_error() -> None:
    pool = BoundedPool("two", threads=1, backlog=2)
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 / 0).result(5)
    with pytest.raises(SystemExit):
        pool.submit(lambda: sys.exit(1)).result(5)
    assert pool.submit(lambda: "still there").result(5) == "still there"
    assert len(threads("two")) == 1


def test_no_more_threads_than_are_needed(gate: threading.Event) -> None:
    pool = BoundedPool("three", threads=3, backlog=10)
    assert threads("three") == []
    for _ in range(5):
        pool.submit(lambda: None).result(5)
    assert len(threads("three")) <= 2  # a thread may be about to be idle again
    hanging = [pool.submit(gate.wait) for _ in range(6)]
    assert len(threads("three")) == 3
    gate.set()
    assert all(future.result(5) for future in hanging)


def test_no_more_waits_than_may(gate: threading.Event) -> None:
    pool = BoundedPool("four", threads=2, backlog=3)
    futures = [pool.submit(gate.wait) for _ in range(5)]
    for _ in range(3):
        with pytest.raises(Saturated):
            pool.submit(gate.wait)
    gate.set()
    assert all(future.result(5) for future in futures)
    assert pool.submit(lambda: 1).result(5) == 1


def test_what_is_cancelled_while_it_waits_never_runs(gate: threading.Event) -> None:
    pool = BoundedPool("five", threads=1, backlog=1)
    ran = []
    running = pool.submit(gate.wait)
    waiting = pool.submit(lambda: ran.append(True))
    assert waiting.cancel()
    gate.set()
    assert running.result(5)
    with pytest.raises(CancelledError):
        waiting.result(0)
    assert pool.submit(lambda: "room again").result(5) == "room again"
    assert ran == []


def test_a_call_that_hangs_keeps_its_thread_alone(gate: threading.Event) -> None:
    pool = BoundedPool("six", threads=2, backlog=5)
    with pytest.raises(FutureTimeout):
        pool.submit(gate.wait).result(0)
    assert [pool.submit(lambda: 1).result(5) for _ in range(5)] == [1] * 5


def test_an_idle_thread_keeps_nothing_alive() -> None:
    class Thing:
        pass

    pool = BoundedPool("seven", threads=1, backlog=1)
    thing = Thing()
    trace = weakref.ref(thing)
    assert pool.submit(partial(id, thing)).result(5) == id(thing)
    del thing
    assert eventually(lambda: trace() is None)


def test_the_process_ends_while_calls_hang() -> None:
    program = (
        "import threading; from credfirewall.screening.bounded import BoundedPool\n"
        "pool = BoundedPool('end', threads=2, backlog=2)\n"
        "[pool.submit(threading.Event().wait) for _ in range(4)]; print('end')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=20, check=True
    )
    assert (ended.stdout, ended.stderr) == (b"end\n", b"")


def test_a_child_has_threads_of_its_own(gate: threading.Event) -> None:
    """Whatever its parent's are doing: they do not exist in the child."""
    pool = BoundedPool("eight", threads=2, backlog=0)
    hanging = [pool.submit(gate.wait) for _ in range(2)]
    assert holds_in_child(lambda: pool.submit(lambda: 7).result(5) == 7)
    with pytest.raises(Saturated):
        pool.submit(gate.wait)
    gate.set()
    assert all(future.result(5) for future in hanging)
