"""The breaker: while the service is down nobody waits for it, and nobody can keep it open."""

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import override_settings

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.breaker import Breaker, Permit
from credfirewall.screening.cache import SharedCache, key_for, seal
from credfirewall.screening.health import Health, State
from credfirewall.screening.sources import chain
from credfirewall.screening.steps import run
from credfirewall.screening.verdict import Reason
from credfirewall.signals import source_degraded
from credfirewall.testing import faults
from credfirewall.testing.server import RangeServer
from tests.screening.asking import BREACHED, CLEAN, Check, Clock, unknown

KEY = ("breaker", "hibp", "state")
PROBE = ("breaker", "hibp", "probe")
DOWN = SourceUnavailable(Reason.HTTP_SERVER_ERROR)
MANY = "abcdefghijklm"

Heard = list[dict[str, Any]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Callable[[], Breaker]:
    """Breakers of one service, as in so many processes."""
    return lambda: Breaker("hibp", SharedCache(), Health("hibp"), clock)


@pytest.fixture
def breaker(make: Callable[[], Breaker]) -> Breaker:
    return make()


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What ``source_degraded`` said."""
    heard: Heard = []

    def listen(sender: object, signal: object, **arguments: Any) -> None:
        heard.append(arguments)

    source_degraded.connect(listen)
    yield heard
    source_degraded.disconnect(listen)


def enter(breaker: Breaker) -> Permit | None:
    try:
        return run(breaker.enter(2.0))
    except SourceUnavailable as error:
        if error.reason != Reason.BREAKER_OPEN:
            raise
        return None


def fail(breaker: Breaker, times: int = 1, error: SourceUnavailable = DOWN) -> None:
    for _ in range(times):
        permit = enter(breaker)
        assert permit is not None
        run(breaker.failed(permit, error))


def succeed(breaker: Breaker) -> None:
    assert enter(breaker) is not None
    run(breaker.succeeded())


def open_for(breaker: Breaker, clock: Clock) -> float:
    """How long it stays open from now, to an eighth of a second, which a float holds exactly."""
    started = clock.now
    while enter_would_be_refused(breaker):
        clock.forward(0.125)
    return clock.now - started


def enter_would_be_refused(breaker: Breaker) -> bool:
    try:
        run(breaker.guard())
    except SourceUnavailable:
        return True
    return False


class TestStates:
    def test_four_failures_leave_it_closed_and_the_fifth_opens_it(self, breaker: Breaker) -> None:
        fail(breaker, 4)
        assert enter(breaker) == Permit(probe=False)
        fail(breaker)
        assert breaker.is_open
        assert enter(breaker) is None

    def test_only_failures_in_a_row_count(self, breaker: Breaker) -> None:
        for _ in range(5):
            fail(breaker, 4)
            succeed(breaker)
        assert not breaker.is_open

    def test_it_stays_open_for_five_seconds(self, breaker: Breaker, clock: Clock) -> None:
        fail(breaker, 5)
        assert open_for(breaker, clock) == 5.0

    def test_then_one_may_probe(self, breaker: Breaker, clock: Clock) -> None:
        fail(breaker, 5)
        clock.forward(5)
        assert [enter(breaker) for _ in range(3)] == [Permit(probe=True), None, None]

    def test_a_probe_that_succeeds_closes_it(self, breaker: Breaker, clock: Clock) -> None:
        fail(breaker, 5)
        clock.forward(5)
        succeed(breaker)
        assert not breaker.is_open
        assert [enter(breaker) for _ in range(3)] == [Permit(probe=False)] * 3
        fail(breaker, 4)
        assert not breaker.is_open

    def test_each_probe_that_fails_doubles_the_time_up_to_half_a_minute(
        self, breaker: Breaker, clock: Clock
    ) -> None:
        fail(breaker, 5)
        times = []
        for _ in range(5):
            times.append(open_for(breaker, clock))
            fail(breaker)
        assert times == [5.0, 10.0, 20.0, 30.0, 30.0]

    def test_after_a_success_it_starts_anew(self, breaker: Breaker, clock: Clock) -> None:
        fail(breaker, 5)
        for _ in range(3):
            open_for(breaker, clock)
            fail(breaker)
        open_for(breaker, clock)
        succeed(breaker)
        fail(breaker, 5)
        assert open_for(breaker, clock) == 5.0

    def test_a_probe_that_never_ends_blocks_others_for_its_time_only(
        self, breaker: Breaker, clock: Clock
    ) -> None:
        fail(breaker, 5)
        clock.forward(5)
        assert enter(breaker) == Permit(probe=True)
        clock.forward(1.9)
        assert enter(breaker) is None
        cache.delete(key_for(*PROBE))  # which the cache would do by now
        clock.forward(0.1)
        assert enter(breaker) == Permit(probe=True)

    def test_a_probe_that_was_abandoned_leaves_room_for_the_next(
        self, breaker: Breaker, clock: Clock
    ) -> None:
        fail(breaker, 5)
        clock.forward(5)
        for _ in range(3):
            permit = enter(breaker)
            assert permit == Permit(probe=True)
            breaker.abandoned(permit)

    def test_abandoning_says_nothing_of_the_service(self, breaker: Breaker) -> None:
        fail(breaker, 4)
        permit = enter(breaker)
        assert permit is not None
        breaker.abandoned(permit)
        fail(breaker)
        assert enter(breaker) is None

    def test_failures_of_requests_on_their_way_do_not_prolong_it(
        self, breaker: Breaker, clock: Clock
    ) -> None:
        permits = [run(breaker.enter(2.0)) for _ in range(20)]
        for permit in permits:
            run(breaker.failed(permit, DOWN))
            clock.forward(0.125)
        assert open_for(breaker, clock) == 5.0 - 16 * 0.125

    def test_the_success_of_one_on_its_way_closes_it(self, breaker: Breaker) -> None:
        late = enter(breaker)
        fail(breaker, 5)
        assert late is not None
        run(breaker.succeeded())
        assert enter(breaker) == Permit(probe=False)

    def test_a_clock_that_is_set_back_does_not_keep_it_open(
        self, breaker: Breaker, clock: Clock
    ) -> None:
        fail(breaker, 5)
        clock.forward(5)
        enter(breaker)
        clock.forward(-3600)
        cache.clear()
        assert enter(breaker) == Permit(probe=True)


class TestRateLimit:
    @pytest.mark.parametrize(
        ("asked", "seconds"),
        [(None, 5.0), (0.0, 5.0), (2.0, 5.0), (12.0, 12.0), (30.0, 30.0), (86_400.0, 30.0)],
    )
    def test_it_opens_at_once_for_as_long_as_asked(
        self, breaker: Breaker, clock: Clock, asked: float | None, seconds: float
    ) -> None:
        fail(breaker, error=SourceUnavailable(Reason.RATE_LIMITED, retry_after=asked))
        assert open_for(breaker, clock) == seconds

    def test_what_a_probe_is_told_counts_too(self, breaker: Breaker, clock: Clock) -> None:
        fail(breaker, 5)
        open_for(breaker, clock)
        fail(breaker, error=SourceUnavailable(Reason.RATE_LIMITED, retry_after=25))
        assert open_for(breaker, clock) == 25.0

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [("12", 12.0), (" 12 ", 12.0), ("999999999999", 5.0), ("-1", 5.0), ("1e9", 5.0),
         ("\u0661\u0662".encode().decode("latin-1"), 5.0), ("soon", 5.0), ("", 5.0),
         ("Wed, 21 Oct 2026 07:28:00 GMT", 5.0), ("3600", 30.0)],
    )  # fmt: skip
    def test_the_header(
        self, check: Check, hibp: RangeServer, clock: Clock, header: str, seconds: float
    ) -> None:
        hibp.fault = faults.Status(429, {"Retry-After": header})
        source: Any = chain.source("hibp")
        source.breaker._clock = clock
        verdicts = check.each("a", "b")
        assert verdicts == [unknown(Reason.RATE_LIMITED), unknown(Reason.BREAKER_OPEN)]
        assert (open_for(source.breaker, clock), hibp.count) == (seconds, 1)


class TestShared:
    def test_others_see_it_within_a_second(self, make: Callable[[], Breaker], clock: Clock) -> None:
        one, two = make(), make()
        succeed(two)
        fail(one, 5)
        assert enter(two) is not None
        clock.forward(1)
        assert enter(two) is None
        assert open_for(two, clock) == 4.0

    def test_one_that_comes_later_sees_it_at_once(self, make: Callable[[], Breaker]) -> None:
        fail(make(), 5)
        assert enter(make()) is None

    def test_of_all_only_one_probes(self, make: Callable[[], Breaker], clock: Clock) -> None:
        all_ = [make() for _ in range(8)]
        fail(all_[0], 5)
        clock.forward(1)
        assert [enter(each) for each in all_] == [None] * 8
        clock.forward(4)
        assert [enter(each) for each in all_].count(Permit(probe=True)) == 1

    def test_the_time_doubles_for_all(self, make: Callable[[], Breaker], clock: Clock) -> None:
        one, two = make(), make()
        fail(one, 5)
        enter(two)
        clock.forward(5)
        fail(two)
        clock.forward(1)
        assert (enter(one), open_for(two, clock)) == (None, 9.0)
        fail(one)
        assert open_for(make(), clock) == 20.0

    def test_a_success_lets_others_probe_at_once(
        self, make: Callable[[], Breaker], clock: Clock
    ) -> None:
        one, two = make(), make()
        fail(one, 5)
        enter(two)
        clock.forward(5)
        succeed(one)
        succeed(two)
        assert not two.is_open
        assert enter(make()) == Permit(probe=False)

    def test_an_answer_anywhere_closes_it_everywhere(
        self, make: Callable[[], Breaker], clock: Clock
    ) -> None:
        one, two = make(), make()
        fail(one, 5)
        enter(two)
        clock.forward(5)
        succeed(one)
        clock.forward(1)
        assert [enter(two) for _ in range(3)] == [Permit(probe=False)] * 3
        assert not two.is_open

    def test_one_that_opens_again_after_that_is_heard_of(
        self, make: Callable[[], Breaker], clock: Clock
    ) -> None:
        one, two = make(), make()
        fail(one, 5)
        clock.forward(5)
        succeed(one)
        clock.forward(1)
        fail(one, 5)
        assert enter(two) is None
        assert open_for(two, clock) == 5.0

    def test_who_hears_of_it_tells_it(
        self, make: Callable[[], Breaker], clock: Clock, heard: Heard
    ) -> None:
        one, two = make(), make()
        fail(one, 5)
        heard.clear()
        enter(two)
        clock.forward(5)
        succeed(one)
        heard.clear()
        clock.forward(1)
        enter(two)
        assert [each["state"] for each in heard] == ["recovered"]

    def test_each_service_has_its_own(self, make: Callable[[], Breaker], clock: Clock) -> None:
        fail(make(), 5)
        other = Breaker("another", SharedCache(), Health("hibp"), clock)
        assert enter(other) == Permit(probe=False)


def state(until: float, seconds: float, key: tuple[str, ...] = KEY) -> bytes:
    return seal(key_for(*key), struct.pack(">dd", until, seconds))


class TestForgeries:
    """Who can write to the cache cannot switch screening off, or not for long."""

    def test_a_probe_that_is_said_to_be_on_its_way_for_ever(
        self, breaker: Breaker, clock: Clock
    ) -> None:
        fail(breaker, 5)
        cache.set(key_for(*PROBE), 1, None)
        clock.forward(5)
        assert enter(breaker) is None
        clock.forward(31)
        assert enter(breaker) == Permit(probe=False)
        fail(breaker)
        assert enter(breaker) is None

    def test_an_old_recovery_again(self, make: Callable[[], Breaker], clock: Clock) -> None:
        one = make()
        cache.set(key_for(*KEY), state(clock.now - 1, 0.0))
        fail(one, 5)
        cache.set(key_for(*KEY), state(clock.now - 1, 0.0))
        clock.forward(2)
        assert enter(one) is None

    def test_the_real_thing(self, breaker: Breaker, clock: Clock) -> None:
        cache.set(key_for(*KEY), state(clock.now + 30, 30.0))
        assert open_for(breaker, clock) == 30.0

    @pytest.mark.parametrize(
        ("until", "seconds"),
        [(30.1, 30.0), (3600.0, 30.0), (10.0, 31.0), (10.0, 0.0), (10.0, -1.0), (0.0, 30.0),
         (-1.0, 5.0), (float("inf"), 5.0), (float("nan"), 5.0), (5.0, float("nan")),
         (5.0, float("inf"))],
    )  # fmt: skip
    def test_a_state_that_no_breaker_has(
        self, breaker: Breaker, clock: Clock, until: float, seconds: float
    ) -> None:
        cache.set(key_for(*KEY), state(clock.now + until, seconds))
        assert enter(breaker) == Permit(probe=False)

    def test_an_old_one_again(self, make: Callable[[], Breaker], clock: Clock) -> None:
        one = make()
        fail(one, 5)
        old = cache.get(key_for(*KEY))
        clock.forward(5)
        succeed(one)
        cache.set(key_for(*KEY), old)
        assert enter(make()) == Permit(probe=False)

    def test_that_of_another_service(self, breaker: Breaker, clock: Clock) -> None:
        other = ("breaker", "another", "state")
        cache.set(key_for(*KEY), state(clock.now + 20, 20.0, key=other))
        assert enter(breaker) == Permit(probe=False)

    @pytest.mark.parametrize("value", [b"", b"\0" * 16, b"\0" * 60, "x", 1, None, [1], {}, 3.5])
    def test_anything_else(self, breaker: Breaker, value: object) -> None:
        cache.set(key_for(*KEY), value)
        assert enter(breaker) == Permit(probe=False)

    def test_a_value_of_another_kind(self, breaker: Breaker) -> None:
        for payload in (b"", bytes(15), bytes(17)):
            cache.set(key_for(*KEY), seal(key_for(*KEY), payload))
            assert enter(breaker) == Permit(probe=False)

    def test_another_secret(self, breaker: Breaker, clock: Clock) -> None:
        ours = key_for(*KEY)
        with override_settings(SECRET_KEY="another"):
            forged = state(clock.now + 20, 20.0)
        cache.set(ours, forged)
        assert enter(breaker) == Permit(probe=False)


class TestHealth:
    def test_it_is_told_on_transitions_only(
        self, breaker: Breaker, clock: Clock, heard: Heard
    ) -> None:
        succeed(breaker)
        fail(breaker, 5)
        for _ in range(2):
            open_for(breaker, clock)
            fail(breaker, error=SourceUnavailable(Reason.TIMEOUT))
        open_for(breaker, clock)
        for _ in range(3):
            succeed(breaker)
        assert heard == [
            {"source": "hibp", "state": "degraded", "reason": Reason.HTTP_SERVER_ERROR},
            {"source": "hibp", "state": "open", "reason": Reason.HTTP_SERVER_ERROR},
            {"source": "hibp", "state": "recovered", "reason": ""},
        ]

    def test_it_is_in_the_log(
        self, breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "credfirewall.screening")
        fail(breaker, 5)
        open_for(breaker, clock)
        succeed(breaker)
        assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
            ("WARNING", "The source 'hibp' is degraded (http_server_error)."),
            ("WARNING", "The source 'hibp' is open (http_server_error)."),
            ("INFO", "The source 'hibp' answers again."),
        ]

    def test_a_failure_on_its_way_does_not_make_open_less(
        self, breaker: Breaker, heard: Heard
    ) -> None:
        late = enter(breaker)
        assert late is not None
        fail(breaker, 5)
        run(breaker.failed(late, DOWN))
        assert [each["state"] for each in heard] == ["degraded", "open"]
        assert State(heard[-1]["state"]) is State.OPEN


class TestChecks:
    def test_five_failures_and_nobody_is_asked(
        self, check: Check, hibp: RangeServer, heard: Heard
    ) -> None:
        hibp.fault = faults.Status(503)
        verdicts = check.each(*MANY)
        assert verdicts[:5] == [unknown(Reason.HTTP_SERVER_ERROR)] * 5
        assert verdicts[5:] == [unknown(Reason.BREAKER_OPEN)] * (len(MANY) - 5)
        assert hibp.count == 5
        assert [each["state"] for each in heard] == ["degraded", "open"]

    def test_what_is_cached_is_answered_and_no_news(
        self, check: Check, hibp: RangeServer, heard: Heard
    ) -> None:
        assert check("hunter2") == BREACHED
        hibp.fault = faults.Status(503)
        check.each(*MANY)
        told = list(heard)
        assert check.each("hunter2", "hunter2") == [BREACHED] * 2
        assert heard == told

    def test_one_probe_for_all_who_come(
        self, check: Check, hibp: RangeServer, clock: Clock
    ) -> None:
        hibp.fault = faults.Status(503)
        source: Any = chain.source("hibp")
        source.breaker._clock = clock
        check.each(*MANY)
        clock.forward(5)
        hibp.reset()
        hibp.fault = faults.Delay(0.1)
        verdicts = check.together(*MANY)
        assert verdicts.count(CLEAN) == 1
        assert verdicts.count(unknown(Reason.BREAKER_OPEN)) == len(MANY) - 1
        assert hibp.count == 1
        hibp.fault = None
        assert check.each(*MANY) == [CLEAN] * len(MANY)
