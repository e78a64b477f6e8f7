"""Places for requests: in the order of coming, for threads and event loops alike."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.slots import Granted, Slots
from credfirewall.screening.steps import arun, run
from credfirewall.screening.verdict import Reason
from tests.screening.asking import eventually


def busy(slots: Slots, seconds: float = 0.01) -> bool:
    try:
        run(slots.enter(seconds))
    except SourceUnavailable as error:
        return error.reason == Reason.BUSY
    return False


def test_so_many_and_no_more() -> None:
    slots = Slots(2, queue=5)
    assert [busy(slots) for _ in range(4)] == [False, False, True, True]
    slots.leave()
    assert [busy(slots) for _ in range(2)] == [False, True]
    assert slots.free == 0


def test_who_cannot_even_wait_is_told_at_once() -> None:
    assert busy(Slots(0, queue=0), seconds=3600)


def test_first_come_first_served() -> None:
    slots, served = Slots(0, queue=9), list[str]()

    def wait(name: str) -> None:
        run(slots.enter(30))
        served.append(name)

    async def wait_on_a_loop(name: str) -> None:
        await arun(slots.enter(30))
        served.append(name)

    with ThreadPoolExecutor(4) as pool:
        for number, name in enumerate("abcd", start=1):
            work = (lambda n=name: asyncio.run(wait_on_a_loop(n))) if name in "bd" else wait
            pool.submit(work, *(() if name in "bd" else (name,)))
            assert eventually(lambda: len(slots._waiting) == number)  # noqa: B023 - asked at once
        for number in range(1, 5):
            slots.leave()
            assert eventually(lambda: len(served) == number)  # noqa: B023 - asked at once
    assert served == list("abcd")
    assert slots.free == 0


def test_a_place_that_is_late_by_a_hair_is_taken() -> None:
    """It was granted when the time ended, so it is nobody else's."""
    slots = Slots(0, queue=1)
    flow = slots.enter(5)
    step = cast(Granted, next(flow))
    slots.leave()
    assert step.place.done()
    with pytest.raises(StopIteration):
        flow.send(False)
    assert slots.free == 0


@pytest.mark.parametrize("in_time", [False, True], ids=["late", "cancelled"])
def test_a_place_that_was_passed_over_was_not_granted(in_time: bool) -> None:
    """A loop cancels what it waits for a moment before its caller knows."""
    slots = Slots(0, queue=1)
    flow = slots.enter(5)
    cast(Granted, next(flow)).place.cancel()
    slots.leave()
    with pytest.raises(asyncio.CancelledError if in_time else SourceUnavailable):
        flow.throw(asyncio.CancelledError()) if in_time else flow.send(False)
    assert slots.free == 1


@pytest.mark.parametrize("granted", [True, False])
def test_who_is_cancelled_takes_no_place_along(granted: bool) -> None:
    slots = Slots(0, queue=1)

    async def cancelled() -> None:
        task = asyncio.create_task(arun(slots.enter(30)))
        await asyncio.sleep(0)
        if granted:
            slots.leave()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    if not granted:
        slots.leave()
    assert slots.free == 1


def test_none_is_lost_among_many() -> None:
    slots, inside, most = Slots(3, queue=99), 0, 0
    lock = threading.Lock()

    def work(number: int) -> bool:
        nonlocal inside, most
        try:
            run(slots.enter(0.0005 * (number % 3)))
        except SourceUnavailable:
            return False
        with lock:
            inside += 1
            most = max(most, inside)
        with lock:
            inside -= 1
        slots.leave()
        return True

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(work, range(3000)))
    assert any(results)
    assert most <= 3
    assert slots.free == 3
