"""Many checks at once: one fetch for all who ask the same, and nothing left of those who go."""

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.cache import cache
from django_redis.cache import RedisCache

from credfirewall.screening import ascreen, screen, transport
from credfirewall.screening.cache import SharedCache, key_for
from credfirewall.screening.digest import Candidate, Digest
from credfirewall.screening.slots import Slots
from credfirewall.screening.sources import chain
from credfirewall.screening.sources import hibp as hibp_module
from credfirewall.screening.sources.bundled import _list
from credfirewall.screening.sources.hibp import HibpSource
from credfirewall.screening.steps import run
from credfirewall.screening.verdict import Reason
from credfirewall.testing import faults
from credfirewall.testing.faults import Exchange, Fault
from credfirewall.testing.server import RangeServer
from credfirewall.testing.tls import TlsContexts
from tests.screening.asking import BREACHED, CLEAN, DEADLINE, Check, eventually, unknown
from tests.screening.conftest import Configure
from tests.screening.forking import holds_in_child
from tests.screening.outages import Large

MANY = [f"password {number}" for number in range(12)]


def source() -> Any:
    return chain.source("hibp")


def lock_of(password: str, server: RangeServer) -> str:
    return key_for("lock", key_for("range", server.url, Digest.of(password).prefix))


class TestOneFetch:
    def test_in_memory(self, check: Check, hibp: RangeServer) -> None:
        hibp.fault = faults.Delay(0.2)
        assert check.together(*["hunter2"] * 100) == [BREACHED] * 100
        assert hibp.count == 1

    def test_on_valkey(
        self, check: Check, hibp: RangeServer, valkey_cache: RedisCache, patient: None
    ) -> None:
        hibp.fault = faults.Delay(0.3)
        check("another one")
        hibp.reset()
        assert check.together(*["hunter2"] * 30) == [BREACHED] * 30
        assert hibp.count == 1

    def test_of_each_prefix(self, check: Check, hibp: RangeServer) -> None:
        hibp.fault = faults.Delay(0.1)
        assert check.together(*MANY * 5) == [CLEAN] * 60
        assert hibp.count == len(MANY)

    def test_a_failure_is_not_everybody_s(self, check: Check, hibp: RangeServer) -> None:
        """The next one tries, and the others wait for that."""
        hibp.faults([faults.Delay(0.1, faults.Status(503)), faults.Delay(0.1)])
        verdicts = check.together(*["hunter2"] * 10)
        assert verdicts.count(unknown(Reason.HTTP_SERVER_ERROR)) == 1
        assert verdicts.count(BREACHED) == 9
        assert hibp.count == 2

    def test_a_lock_that_nobody_gives_up(
        self, check: Check, hibp: RangeServer, configure: Configure
    ) -> None:
        """Its holder died: then it is waited for during a part of the deadline only."""
        configure(HIBP_DEADLINE=1)
        cache.add(lock_of("hunter2", hibp), 1, 60)
        assert check("hunter2") == BREACHED

    def test_who_is_done_between_two_looks_was_not_in_vain(self, hibp: RangeServer) -> None:
        """The lock is free again, and so the range is there."""

        class Racing(SharedCache):
            adds = 0

            def add(self, key: str, seconds: int) -> Any:
                self.adds += 1
                if self.adds == 2:
                    screen("hunter2")
                return super().add(key, seconds)

        racing = Racing()
        cache.add(lock_of("hunter2", hibp), 1, 60)

        def give_up(seconds: float) -> None:
            cache.delete(lock_of("hunter2", hibp))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("credfirewall.screening.steps.time.sleep", give_up)
            answer = run(HibpSource(hibp.url, cache=racing).steps(Candidate.of("hunter2")))
        assert (answer.count, hibp.count) == (17, 1)
        assert cache.add(lock_of("hunter2", hibp), 1, 60)


class Crowded(Fault):
    """Counts who is there at once."""

    kind = "crowded"
    now = most = 0

    async def answer(self, exchange: Exchange) -> bool:
        cls = type(self)
        cls.now += 1
        cls.most = max(cls.most, cls.now)
        await asyncio.sleep(0.05)
        cls.now -= 1
        return await super().answer(exchange)


class TestSlots:
    def test_no_more_requests_at_once_than_may_be(
        self, check: Check, hibp: RangeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hibp_module, "CONCURRENCY", 3)
        chain.forget()
        hibp.fault, Crowded.most = Crowded(), 0
        assert check.together(*MANY) == [CLEAN] * len(MANY)
        assert Crowded.most == 3

    def test_who_gets_none_says_nothing_of_the_service(
        self, check: Check, hibp: RangeServer, configure: Configure
    ) -> None:
        configure(HIBP_DEADLINE=DEADLINE)
        source()._slots = Slots(0, queue=5)
        assert check.together(*MANY) == [unknown(Reason.BUSY)] * len(MANY)
        source()._slots.leave()
        assert check.each("hunter2", MANY[0]) == [BREACHED, CLEAN]

    @pytest.mark.parametrize("fault", [faults.Reset(), faults.Empty(), faults.Hang()], ids=str)
    def test_a_failure_gives_its_own_back(
        self, check: Check, hibp: RangeServer, configure: Configure, fault: Fault
    ) -> None:
        configure(HIBP_DEADLINE=DEADLINE)
        source()._slots = Slots(1, queue=1)
        hibp.fault = fault
        check("hunter2")
        hibp.fault = None
        assert check("hunter2") == BREACHED


class TestFlood:
    """A flood here must not become an outage there, nor look like one."""

    def test_who_is_late_because_of_us_does_not_count_against_the_service(
        self, check: Check, hibp: RangeServer, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configure(HIBP_DEADLINE=1)
        source()._slots = Slots(1, queue=99)
        hibp.fault = faults.Delay(0.3)
        verdicts = check.together(*MANY)
        assert CLEAN in verdicts
        assert {each.reason for each in verdicts} <= {"", Reason.BUSY, Reason.TIMEOUT}
        assert len(set(verdicts)) > 1
        assert not source().breaker.is_open
        hibp.fault = None
        assert check("hunter2") == BREACHED

    def test_too_many_are_refused_and_the_others_answered(self, hibp: RangeServer) -> None:
        source()._slots = Slots(8, queue=16)

        async def flood() -> list[Any]:
            return await asyncio.gather(*(ascreen(f"{number}") for number in range(600)))

        verdicts = asyncio.run(flood())
        assert verdicts.count(unknown(Reason.BUSY)) + verdicts.count(CLEAN) == 600
        assert verdicts.count(CLEAN) >= 24
        assert not source().breaker.is_open


class TestCancelling:
    @pytest.fixture(autouse=True)
    def _hanging(self, hibp: RangeServer) -> None:
        hibp.fault = faults.Hang()

    def test_within_the_request(self, hibp: RangeServer) -> None:
        async def cancel() -> None:
            await cancelled(ascreen("hunter2"), when=lambda: hibp.count == 1)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert cache.get(lock_of("hunter2", hibp)) is None
            assert source()._slots.free == hibp_module.CONCURRENCY
            hibp.fault = None
            assert await ascreen("hunter2") == BREACHED

        asyncio.run(cancel())

    def test_a_probe(self, hibp: RangeServer, monkeypatch: pytest.MonkeyPatch) -> None:
        async def cancel() -> None:
            source().breaker._open_for = 5.0  # its time is up, and somebody has to probe
            await cancelled(ascreen("hunter2"), when=lambda: hibp.count == 1)
            hibp.fault = None
            assert await ascreen("hunter2") == BREACHED
            assert not source().breaker.is_open

        asyncio.run(cancel())

    def test_waiting_for_somebody_else_s_lock(self, hibp: RangeServer) -> None:
        async def cancel() -> None:
            lock = lock_of("hunter2", hibp)
            cache.add(lock, 1, 60)
            await cancelled(ascreen("hunter2"), when=lambda: waiting(asyncio.all_tasks()))
            assert cache.get(lock) == 1

        asyncio.run(cancel())

    def test_it_is_no_failure_of_the_service(self, hibp: RangeServer) -> None:
        async def cancel() -> None:
            for number in range(10):
                seen = number + 1
                await cancelled(ascreen(f"{number}"), when=lambda: hibp.count == seen)  # noqa: B023
            hibp.fault = None
            assert await ascreen("hunter2") == BREACHED

        asyncio.run(cancel())

    def test_on_valkey(self, hibp: RangeServer, valkey_cache: RedisCache, patient: None) -> None:
        async def cancel() -> None:
            await cancelled(ascreen("hunter2"), when=lambda: hibp.count == 1)
            hibp.fault = None
            assert await ascreen("hunter2") == BREACHED

        asyncio.run(cancel())
        assert eventually(lambda: valkey_cache.get(lock_of("hunter2", hibp)) is None)


def waiting(tasks: set[asyncio.Task[Any]]) -> bool:
    return len(tasks) > 1


async def cancelled(check: Any, *, when: Callable[[], bool]) -> None:
    task = asyncio.create_task(check)
    while not when():  # noqa: ASYNC110 - the server is in another thread
        await asyncio.sleep(0.002)
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


class TestLoops:
    """A process sees many event loops, and each has its own connections."""

    def test_one_after_the_other(self, hibp: RangeServer) -> None:
        loops = []

        async def ask() -> object:
            loops.append(weakref.ref(asyncio.get_running_loop()))
            return await ascreen("hunter2")

        for _ in range(4):
            cache.clear()
            assert asyncio.run(ask()) == BREACHED
        gc.collect()
        assert [loop() for loop in loops[:-1]] == [None] * 3
        assert hibp.count == 4

    def test_one_in_each_thread(self, hibp: RangeServer) -> None:
        barrier = threading.Barrier(8)

        def ask(number: int) -> object:
            barrier.wait()
            return [asyncio.run(ascreen("hunter2")), async_to_sync(ascreen)(f"{number}")]

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(8))) == [[BREACHED, CLEAN]] * 8

    def test_a_view_in_a_view(self, hibp: RangeServer) -> None:
        """A synchronous view under ASGI that calls the native form, and the other way round."""

        async def view() -> object:
            inner = await sync_to_async(async_to_sync(ascreen))("hunter2")
            return [inner, await ascreen("another"), await sync_to_async(screen)("a third")]

        assert asyncio.run(view()) == [BREACHED, CLEAN, CLEAN]

    @pytest.mark.parametrize(
        ("fault", "over_tls"),
        [
            (None, False),
            (faults.Hang("body"), False),
            (None, True),
            (faults.Hang(), True),
            (faults.Hang("body"), True),
            (faults.Hang("accept"), True),
            (faults.Drip(0.01), True),
            (faults.Truncate(), True),
            (faults.Status(500), True),
            (Large(), True),
        ],
        ids=str,
    )
    def test_nothing_stays_open(
        self, hibp: RangeServer, configure: Configure, tls: TlsContexts, fault: Fault | None,
        over_tls: bool, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """A warning of something unclosed would fail this test."""
        if over_tls:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.ca_file))
            hibp.ssl_context = tls.trusted
        configure(HIBP_URL=hibp.url, HIBP_DEADLINE=0.1)
        hibp.fault = fault
        asyncio.run(ascreen("warm up"))
        before = open_connections()
        asyncio.run(ascreen("another one"))
        gc.collect()
        assert open_connections() <= before


def open_connections() -> int:
    """Connections of ours that are not the server's; it may still be closing its ends."""
    return sum(each.status == "ESTABLISHED" for each in psutil.Process().net_connections("tcp"))


class TestForks:
    def test_a_child_asks_on_connections_of_its_own(
        self, hibp: RangeServer, tls: TlsContexts, configure: Configure,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Two processes that write to one TLS connection break it for both."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.ca_file))
        hibp.ssl_context = tls.trusted
        configure(HIBP_URL=hibp.url)
        assert [screen("a"), asyncio.run(ascreen("b"))] == [CLEAN, CLEAN]
        session = transport.client._get_session()

        def asks() -> bool:
            verdicts = [screen("hunter2"), asyncio.run(ascreen("c"))]
            return verdicts == [BREACHED, CLEAN] and transport.client._get_session() is not session

        assert holds_in_child(asks)
        assert holds_in_child(asks)
        assert [screen("d"), screen("hunter2"), asyncio.run(ascreen("e"))] == [
            CLEAN,
            BREACHED,
            CLEAN,
        ]
        assert transport.client._get_session() is session

    def test_what_the_parent_was_doing_holds_nobody_up(self, hibp: RangeServer) -> None:
        """Its threads are not in the child, and would have given up their locks."""
        screen("a")
        local: Any = chain.local()
        lists = [_list, *(each._source for each in local)]
        with contextlib.ExitStack() as stack:
            for each in lists:
                if hasattr(each, "_lock"):
                    stack.enter_context(each._lock)
            table, _list.table = _list.table, None
            stack.enter_context(transport.client._lock)
            stack.enter_context(source().breaker._lock)
            stack.enter_context(source()._slots._lock)
            try:
                assert holds_in_child(lambda: bool(_list.load()))
                assert holds_in_child(lambda: screen("hunter2") == BREACHED)
            finally:
                _list.table = table

    def test_a_child_reaches_the_cache(
        self, hibp: RangeServer, valkey_cache: RedisCache, patient: None
    ) -> None:
        """Its parent's threads, which did that, are not in the child."""
        assert check_both("hunter2") == [BREACHED] * 2
        key = key_for("range", hibp.url, Digest.of("hunter2").prefix)
        assert eventually(lambda: valkey_cache.has_key(key))
        asked = hibp.count
        assert holds_in_child(lambda: check_both("hunter2") == [BREACHED] * 2)
        assert hibp.count == asked


def check_both(password: str) -> list[object]:
    return [asyncio.run(ascreen(password)), screen(password)]
