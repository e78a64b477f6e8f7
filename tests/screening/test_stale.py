"""How long a cached range is good, and when an old one is better than none."""

from dataclasses import replace
from typing import Any

import pytest
from django.core.cache import cache

from credfirewall.screening import Status, Verdict
from credfirewall.screening.cache import Entry, key_for
from credfirewall.screening.digest import Candidate, Digest
from credfirewall.screening.sources import chain
from credfirewall.screening.steps import run
from credfirewall.screening.verdict import Reason
from credfirewall.testing import faults
from credfirewall.testing.faults import Fault
from credfirewall.testing.server import RangeServer
from tests.screening.asking import BREACHED, CLEAN, Check, Clock, unknown
from tests.screening.conftest import Configure

DAY, WEEK = 86_400, 604_800
STALE_BREACHED = Verdict(Status.BREACHED, 17, "hibp", Reason.STALE)
STALE_CLEAN = Verdict(Status.CLEAN, 0, "hibp", Reason.STALE)


@pytest.fixture
def clock(hibp: RangeServer) -> Clock:
    """The clock of the source at work, at this moment; what the cache itself keeps is older."""
    clock, source = Clock(), real_source()
    source._clock = source.breaker._clock = source._budget._clock = clock
    return clock


def real_source() -> Any:
    return chain.source("hibp")


def test_for_a_day_it_is_as_good_as_new(check: Check, hibp: RangeServer, clock: Clock) -> None:
    """And a verdict does not tell where it came from."""
    first = check("hunter2")
    clock.forward(DAY - 1)
    assert check("hunter2") == first == BREACHED
    assert hibp.count == 1


def test_then_it_is_fetched_anew(check: Check, hibp: RangeServer, clock: Clock) -> None:
    assert check("hunter3") == CLEAN
    hibp.add({"hunter3": 5})
    clock.forward(DAY)
    assert check("hunter3") == Verdict(Status.BREACHED, 5, "hibp")
    clock.forward(DAY - 1)
    assert check("hunter3") == Verdict(Status.BREACHED, 5, "hibp")
    assert hibp.count == 2


@pytest.mark.parametrize("fault", [faults.Status(503), faults.Empty(), faults.Reset()], ids=str)
def test_for_a_week_more_it_is_better_than_nothing(
    check: Check, hibp: RangeServer, clock: Clock, fault: Fault
) -> None:
    check.each("hunter2", "hunter3")
    hibp.fault = fault
    clock.forward(DAY)
    assert check.each("hunter2", "hunter3") == [STALE_BREACHED, STALE_CLEAN]
    clock.forward(WEEK - 1)
    assert check.each("hunter2", "hunter3") == [STALE_BREACHED, STALE_CLEAN]
    clock.forward(1)
    verdict = check("hunter2")
    assert verdict == unknown(verdict.reason)
    hibp.fault = None
    clock.forward(60)
    assert check("hunter2") == BREACHED


def test_an_old_one_does_not_become_new(check: Check, hibp: RangeServer, clock: Clock) -> None:
    check("hunter2")
    hibp.fault = faults.Status(503)
    clock.forward(DAY)
    assert check.each("hunter2", "hunter2") == [STALE_BREACHED] * 2
    assert hibp.count == 3


def test_while_the_breaker_is_open(check: Check, hibp: RangeServer, clock: Clock) -> None:
    check("hunter2")
    hibp.fault = faults.Status(503)
    clock.forward(DAY)
    check.each(*"abcde")
    assert check.each("hunter2", "f") == [STALE_BREACHED, unknown(Reason.BREAKER_OPEN)]


def test_while_the_budget_is_spent(
    check: Check, hibp: RangeServer, clock: Clock, configure: Configure
) -> None:
    configure(RATES={"hibp": "1/99999d"})
    check("hunter2")
    clock.forward(DAY)
    assert check.each("hunter2", "f") == [STALE_BREACHED, unknown(Reason.BUDGET)]


def test_nothing_old_when_that_is_not_wanted(
    check: Check, hibp: RangeServer, clock: Clock, configure: Configure
) -> None:
    configure(CACHE_STALE=0)
    check("hunter2")
    hibp.fault = faults.Status(503)
    clock.forward(DAY)
    assert check("hunter2") == unknown(Reason.HTTP_SERVER_ERROR)


def test_nothing_is_kept_when_that_is_not_wanted(
    check: Check, hibp: RangeServer, clock: Clock, configure: Configure
) -> None:
    configure(CACHE_TTL=0, CACHE_STALE=0)
    assert check.each("hunter2", "hunter2", "hunter2") == [BREACHED] * 3
    assert hibp.count == 3


@pytest.mark.parametrize(("ahead", "asked"), [(299, 0), (301, 1), (10 * WEEK, 1)])
def test_one_from_the_future(
    check: Check, hibp: RangeServer, clock: Clock, ahead: float, asked: int
) -> None:
    """Machines' clocks differ a little; what is dated further ahead would never be outdated."""
    check("hunter2")
    key = key_for("range", hibp.url, Digest.of("hunter2").prefix)
    entry = Entry.opened(key, cache.get(key))
    assert entry is not None
    assert entry.fetched_at == clock.now
    cache.set(key, Entry(clock.now + ahead, entry.packed).sealed(key))
    hibp.reset()
    assert check("hunter2") == BREACHED
    assert hibp.count == asked


@pytest.mark.parametrize("later", [0, 1], ids=["typed", "composed"])
def test_one_old_form_is_said_of_the_whole(
    check: Check, hibp: RangeServer, clock: Clock, later: int
) -> None:
    """The password is looked up as typed and as composed; one answer is a day older."""
    typed = "pa\u0308ss"
    check(typed)
    clock.forward(DAY)
    source = real_source()
    digest = Candidate.of(typed).digests[later]
    run(source.steps(replace(Candidate.of(typed), digests=(digest,))))
    assert hibp.count == 3
    hibp.fault = faults.Status(503)
    assert check(typed) == STALE_CLEAN
