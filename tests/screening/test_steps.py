"""One flow, two drivers: what one does the other does."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import pytest
from django.dispatch import Signal

from credfirewall.screening.steps import Blocking, Pause, Send, Steps, Turn, arun, run

Drive = Callable[[Steps[Any]], Any]


@pytest.fixture(params=[run, lambda steps: asyncio.run(arun(steps))], ids=["run", "arun"])
def drive(request: pytest.FixtureRequest) -> Drive:
    return cast(Drive, request.param)


@dataclass
class Give:
    """Yields a value, or raises it."""

    value: object

    def run(self) -> object:
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value

    async def arun(self) -> object:
        await asyncio.sleep(0)
        return self.run()


class TestDriving:
    def test_what_is_no_exception_ends_the_flow_too(self, drive: Drive) -> None:
        """A worker's timeout, say: what the flow holds has to be given back at once."""
        ended = []

        def steps() -> Steps[None]:
            try:
                yield Give(SystemExit())
            finally:
                ended.append(True)

        with pytest.raises(SystemExit) as raised:
            drive(steps())
        assert ended == [True]
        assert raised.tb is not None  # which holds all its frames: nothing was merely collected

    def test_each_step_gives_its_result_back(self, drive: Drive) -> None:
        def steps() -> Steps[list[object]]:
            return [(yield Give(1)), (yield Give(None)), (yield Give("c"))]

        assert drive(steps()) == [1, None, "c"]

    def test_a_flow_without_steps(self, drive: Drive) -> None:
        def steps() -> Steps[str]:
            yield from ()
            return "at once"

        assert drive(steps()) == "at once"

    def test_flows_within_flows(self, drive: Drive) -> None:
        def inner() -> Steps[object]:
            return [(yield Give(1))]

        def outer() -> Steps[object]:
            return [(yield from inner()), (yield Give(2))]

        assert drive(outer()) == [[1], 2]

    def test_an_error_arrives_where_the_step_is(self, drive: Drive) -> None:
        def steps() -> Steps[object]:
            try:
                yield Give(KeyError("a"))
            except KeyError:
                return (yield Give("caught"))
            return "missed"

        assert drive(steps()) == "caught"

    def test_an_error_that_the_flow_lets_pass(self, drive: Drive) -> None:
        cleaned = []

        def steps() -> Steps[None]:
            try:
                yield Give(KeyError("a"))
            finally:
                cleaned.append(True)

        with pytest.raises(KeyError):
            drive(steps())
        assert cleaned == [True]

    def test_an_error_of_the_flow_itself(self, drive: Drive) -> None:
        def steps() -> Steps[None]:
            yield Give(1)
            raise LookupError

        with pytest.raises(LookupError):
            drive(steps())

    def test_a_stop_that_is_a_step_s_error(self, drive: Drive) -> None:
        """It must not pass for the end of the flow."""

        def steps() -> Steps[str]:
            try:
                yield Give(StopAsyncIteration())
            except StopAsyncIteration:
                return "caught"
            return "missed"

        assert drive(steps()) == "caught"

    def test_an_interrupt_is_no_answer(self, drive: Drive) -> None:
        def steps() -> Steps[str]:
            try:
                yield Give(KeyboardInterrupt())
            except Exception:  # noqa: BLE001 - that is the point
                return "swallowed"
            return ""

        with pytest.raises(KeyboardInterrupt):
            drive(steps())


def test_a_cancelled_flow_cleans_up_before_its_task_ends() -> None:
    cleaned = []

    def steps() -> Steps[None]:
        try:
            yield Pause(60)
        finally:
            cleaned.append(True)

    async def cancel() -> list[bool]:
        task = asyncio.create_task(arun(steps()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return list(cleaned)

    assert asyncio.run(cancel()) == [True]


class TestSteps:
    def test_a_pause(self, drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
        slept = []

        async def asleep(seconds: float) -> None:
            slept.append(seconds)

        monkeypatch.setattr(time, "sleep", slept.append)
        monkeypatch.setattr(asyncio, "sleep", asleep)

        def steps() -> Steps[None]:
            yield Pause(0.25)

        drive(steps())
        assert slept == [0.25]

    def test_a_pause_lets_others_run(self) -> None:
        def steps() -> Steps[float]:
            started = time.monotonic()
            yield Pause(0.05)
            return time.monotonic() - started

        async def beat() -> tuple[float, int]:
            task, beats = asyncio.create_task(arun(steps())), 0
            while not task.done():
                await asyncio.sleep(0.005)
                beats += 1
            return task.result(), beats

        seconds, beats = asyncio.run(beat())
        assert seconds >= 0.05
        assert beats > 1

    def test_a_turn_is_had_by_one_in_each_pass(self) -> None:
        """Between two of a burst everything else in the loop goes on."""
        order: list[str] = []

        def steps(name: str) -> Steps[None]:
            yield Turn()
            order.append(name)

        async def beat() -> None:
            while order.count("beat") < 8:
                order.append("beat")
                await asyncio.sleep(0)

        async def burst() -> None:
            await asyncio.gather(beat(), *(arun(steps(name)) for name in "abc"))

        for _loop in range(2):
            order.clear()
            asyncio.run(burst())
            checks = [name for name in order if name != "beat"]
            together = [pair for pair in pairwise(order) if "beat" not in pair]
            assert (checks, together) == (["a", "b", "c"], [])

    def test_who_leaves_while_waiting_for_a_turn_holds_nobody_up(self) -> None:
        def steps() -> Steps[str]:
            yield Turn()
            return "done"

        async def leave() -> list[str]:
            tasks = [asyncio.create_task(arun(steps())) for _ in range(5)]
            await asyncio.sleep(0)
            for task in tasks[:4]:
                task.cancel()
            await asyncio.gather(*tasks[:4], return_exceptions=True)
            return [await tasks[4], await arun(steps())]

        assert asyncio.run(leave()) == ["done", "done"]

    def test_what_blocks_does_not_block_the_loop(self) -> None:
        def steps() -> Steps[Any]:
            return (yield Blocking(threading.get_ident))

        assert run(steps()) == threading.get_ident()
        assert asyncio.run(arun(steps())) != threading.get_ident()

    def test_what_blocks_may_raise(self, drive: Drive) -> None:
        def steps() -> Steps[object]:
            return (yield Blocking(lambda: 1 / 0))

        with pytest.raises(ZeroDivisionError):
            drive(steps())

    def test_a_signal_reaches_receivers_of_both_kinds(self, drive: Drive) -> None:
        signal, heard = Signal(), []

        def receiver(sender: object, **arguments: object) -> None:
            heard.append(arguments.pop("signal") is signal and arguments)

        async def areceiver(sender: object, **arguments: object) -> None:
            await asyncio.sleep(0)
            receiver(sender, **arguments)

        signal.connect(receiver)
        signal.connect(areceiver)

        def steps() -> Steps[None]:
            yield Send(signal, {"a": 1})

        drive(steps())
        assert heard == [{"a": 1}] * 2

    def test_a_receiver_that_fails_stops_nothing(
        self, drive: Drive, caplog: pytest.LogCaptureFixture
    ) -> None:
        signal, heard = Signal(), []

        def bad(**arguments: object) -> None:
            raise RuntimeError("no")

        def good(**arguments: object) -> None:
            heard.append(True)

        signal.connect(bad)
        signal.connect(good)

        def steps() -> Steps[str]:
            yield Send(signal, {})
            return "went on"

        assert drive(steps()) == "went on"
        assert heard == [True]
        assert [record.name for record in caplog.records] == ["django.dispatch"]
