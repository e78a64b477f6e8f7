"""The site sends no more requests than RATES["hibp"] says, however many processes it has."""

import contextlib
from typing import Any, NoReturn

import pytest
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from pytest_django import Settings

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.budget import Budget
from credfirewall.screening.cache import SharedCache, key_for
from credfirewall.screening.steps import run
from credfirewall.screening.verdict import Reason
from credfirewall.testing.server import RangeServer
from tests.screening.asking import BREACHED, CLEAN, Check, Clock, unknown
from tests.screening.conftest import Configure


class Broken(LocMemCache):
    """Fails at everything; counts how often it was asked."""

    asked = 0

    def add(self, *args: Any, **how: Any) -> NoReturn:
        type(self).asked += 1
        raise ConnectionError


@pytest.fixture
def clock() -> Clock:
    return Clock()


def budget(clock: Clock, scope: str = "hibp") -> Budget:
    return Budget(scope, SharedCache(), clock)


def granted(budget: Budget, tries: int = 10_000) -> int:
    """How many requests in a row are allowed."""
    number = 0
    with contextlib.suppress(SourceUnavailable):
        for _ in range(tries):
            run(budget.take())
            number += 1
    return number


def use(settings: Settings, backend: type[BaseCache]) -> None:
    path = f"{backend.__module__}.{backend.__qualname__}"
    settings.CACHES = {"default": {"BACKEND": path}}


class TestOneProcess:
    @pytest.mark.parametrize("limit", [1, 5, 99, 100, 101, 250, 6001])
    def test_the_limit_exactly(self, configure: Configure, clock: Clock, limit: int) -> None:
        configure(RATES={"hibp": f"{limit}/m"})
        assert granted(budget(clock)) == limit

    def test_again_in_the_next_window(self, configure: Configure, clock: Clock) -> None:
        configure(RATES={"hibp": "3/10s"})
        one = budget(clock)
        assert granted(one) == 3
        clock.forward(9.9)
        assert granted(one) == 0
        clock.forward(0.1)
        assert granted(one) == 3

    def test_what_was_left_is_not_carried_over(self, configure: Configure, clock: Clock) -> None:
        configure(RATES={"hibp": "1000/m"})
        one = budget(clock)
        assert granted(one, tries=3) == 3
        clock.forward(60)
        assert granted(one) == 1000

    def test_a_clock_that_is_set_back(self, configure: Configure, clock: Clock) -> None:
        configure(RATES={"hibp": "3/m"})
        one = budget(clock)
        assert granted(one) == 3
        clock.forward(-3600)
        assert granted(one) == 3
        clock.forward(3600)
        assert granted(one) == 0

    def test_few_requests_ask_the_cache(self, configure: Configure, clock: Clock) -> None:
        asked = []

        class Counted(SharedCache):
            def call(self, operation: Any, default: Any) -> Any:
                asked.append(operation)
                return super().call(operation, default)

        assert granted(Budget("hibp", Counted(), clock), tries=500) == 500
        assert len(asked) == 10

    def test_the_default(self, configure: Configure, clock: Clock) -> None:
        assert granted(budget(clock)) == 6000


class TestMany:
    @pytest.mark.parametrize("limit", [5, 150, 1000])
    def test_they_share_it(self, configure: Configure, clock: Clock, limit: int) -> None:
        configure(RATES={"hibp": f"{limit}/m"})
        many = [budget(clock) for _ in range(4)]
        most = limit + 4 * (limit // 100)
        taken = sum(granted(each, tries=limit // 3) for each in many)
        assert taken + sum(granted(each) for each in many) <= most
        assert [granted(each) for each in many] == [0] * 4

    def test_a_hundredth_of_it_cannot_be_taken_from_a_process(
        self, configure: Configure, clock: Clock
    ) -> None:
        """Who can write to the cache sets the count as high as he likes."""
        configure(RATES={"hibp": "1000/m"})
        cache.set(key_for("budget", "hibp", str(int(clock.now // 60))), 10**9)
        one = budget(clock)
        assert [granted(one), granted(one)] == [10, 0]
        clock.forward(60)
        assert granted(one) == 1000

    def test_in_turns_they_use_it_up(self, configure: Configure, clock: Clock) -> None:
        configure(RATES={"hibp": "150/m"})
        many = [budget(clock) for _ in range(4)]
        rounds = [sum(granted(each, tries=1) for each in many) for _ in range(50)]
        assert sum(rounds) == 150

    def test_each_service_has_its_own(self, configure: Configure, clock: Clock) -> None:
        configure(RATES={"hibp": "2/m"})
        assert [granted(budget(clock, scope)) for scope in ("one", "two", "one")] == [2, 2, 0]


class TestWithoutCache:
    @pytest.mark.parametrize("backend", [Broken, DummyCache])
    def test_a_process_counts_for_itself(
        self, settings: Settings, configure: Configure, clock: Clock, backend: type[BaseCache]
    ) -> None:
        use(settings, backend)
        configure(RATES={"hibp": "250/m"})
        one, two = budget(clock), budget(clock)
        assert [granted(one), granted(two), granted(one)] == [250, 250, 0]
        clock.forward(60)
        assert granted(one) == 250

    def test_a_cache_that_keeps_nothing_is_no_failure(
        self, settings: Settings, configure: Configure, clock: Clock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        use(settings, DummyCache)
        granted(budget(clock))
        assert caplog.records == []

    def test_its_threads_count_together(
        self, settings: Settings, configure: Configure, clock: Clock
    ) -> None:
        """Ten checks come to the broken cache before any of them hears from it."""
        use(settings, Broken)
        configure(RATES={"hibp": "7/m"})
        one = budget(clock)
        takes = [one.take() for _ in range(10)]
        steps = [next(take) for take in takes]
        passed = 0
        for take, step in zip(takes, steps, strict=True):
            try:
                take.send(step.run())
            except StopIteration:
                passed += 1
            except SourceUnavailable:
                pass
        assert passed == 7

    def test_a_cache_that_breaks_half_way(
        self, settings: Settings, configure: Configure, clock: Clock
    ) -> None:
        """A process that had a part of the limit gets the rest, and no more."""
        configure(RATES={"hibp": "1000/m"})
        one = budget(clock)
        assert granted(one, tries=15) == 15
        use(settings, Broken)
        assert granted(one) == 1000 - 15

    def test_a_spent_budget_asks_nobody(
        self, settings: Settings, configure: Configure, clock: Clock
    ) -> None:
        use(settings, Broken)
        configure(RATES={"hibp": "2/m"})
        one = budget(clock)
        granted(one)
        Broken.asked = 0
        assert [granted(one) for _ in range(5)] == [0] * 5
        assert Broken.asked == 0


class TestChecks:
    @pytest.fixture(autouse=True)
    def _three_in_all_time(self, configure: Configure, hibp: RangeServer) -> None:
        configure(RATES={"hibp": "3/99999d"})

    def test_beyond_it_nobody_is_asked(self, check: Check, hibp: RangeServer) -> None:
        verdicts = check.each("a", "b", "hunter2", "c", "d")
        assert verdicts == [CLEAN, CLEAN, BREACHED, *[unknown(Reason.BUDGET)] * 2]
        assert hibp.count == 3

    def test_all_at_once(self, check: Check, hibp: RangeServer) -> None:
        verdicts = check.together(*"abcdefghij")
        assert sorted(verdict.reason for verdict in verdicts) == [""] * 3 + [Reason.BUDGET] * 7
        assert hibp.count == 3

    def test_what_is_cached_costs_nothing(self, check: Check, hibp: RangeServer) -> None:
        assert check.each(*"aaaaaaabbbbbb") == [CLEAN] * 13
        assert hibp.count == 2

    def test_it_says_nothing_of_the_service(self, check: Check, hibp: RangeServer) -> None:
        """Whoever floods the site must not open the breaker."""
        check.each(*"abcdefghijklm")
        assert check.each("a", "n") == [CLEAN, unknown(Reason.BUDGET)]
