"""High rates: leased, and never one more than the limit for all that."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from credfirewall.api import leases as module
from credfirewall.api.leases import GRACE, LARGEST, Lease, Leases, Spent
from credfirewall.audit.models import AuditEvent
from credfirewall.conf import Rate
from tests.api.test_limits import HERE, asked, field, rates
from tests.api.test_problems import check
from tests.screening.forking import holds_in_child

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_endpoints")]
RATE = Rate(700, 60)
START = 1_800_000_000


class Memory(LocMemCache):
    """A cache that counts how often it is asked, and for how long it was to keep what it has."""

    def __init__(self, name: str = "leases") -> None:
        super().__init__(name, {})
        self.clear()
        self.claims = 0
        self.timeouts: set[Any] = set()

    def add(self, key: Any, value: Any, timeout: Any = None, version: Any = None) -> bool:
        self.timeouts.add(timeout)
        return super().add(key, value, timeout, version)

    def incr(self, key: Any, delta: int = 1, version: Any = None) -> int:
        self.claims += 1
        return super().incr(key, delta, version)


def spend(leases: Leases, cache: Any, rate: Rate = RATE, name: str = "x") -> Spent:
    spent = leases.spend(name, rate, cache)
    assert spent is not None
    return spent


def test_one_process_grants_the_limit_and_asks_seldom() -> None:
    cache, leases = Memory(), Leases(lambda: START)
    told = [spend(leases, cache) for _ in range(1000)]
    assert [each.passes for each in told] == [True] * 700 + [False] * 300
    assert [each.left for each in told] == [*range(699, -1, -1)] + [0] * 300
    assert [each.is_first for each in told].index(True) == 700
    assert sum(each.is_first for each in told) == 1
    assert cache.claims == 101
    assert cache.timeouts == {60 + GRACE}


@pytest.mark.parametrize("limit", [600, 601, 4999, 5000, 123_456])
def test_a_lease_is_a_hundredth_and_not_too_much(limit: int) -> None:
    cache, leases = Memory(), Leases(lambda: START)
    rate = Rate(limit, 60)
    spend(leases, cache, rate)
    (lease,) = leases._held.values()
    assert lease.claimed == min(LARGEST, limit // 100)
    assert lease.left == lease.claimed - 1


@hypothesis_settings(max_examples=50, deadline=None)
@given(
    limit=st.integers(1, 1500),
    turns=st.lists(st.integers(0, 3), min_size=1, max_size=2000),
)
def test_of_many_processes_no_more_than_the_limit_pass(limit: int, turns: list[int]) -> None:
    cache = Memory("many")
    crew = [Leases(lambda: START) for _ in range(4)]
    told = [spend(crew[turn], cache, Rate(limit, 60)) for turn in turns]
    size = max(1, min(LARGEST, limit // 100))
    passed = sum(each.passes for each in told)
    assert min(len(turns), limit - 3 * size) <= passed <= limit
    assert all(0 <= each.left < limit for each in told)
    refused = [each for each in told if not each.passes]
    assert [each.is_first for each in refused] == [True, *[False] * (len(refused) - 1)][
        : len(refused)
    ]


def test_many_threads_of_many_processes_on_one_valkey(valkey_cache: Any) -> None:
    crew = [Leases(lambda: START) for _ in range(4)]
    barrier = threading.Barrier(24)

    def ask(number: int) -> list[Spent]:
        cache = caches["default"]
        cache.get("warm up")
        barrier.wait()
        return [spend(crew[number % 4], cache) for _ in range(60)]

    with ThreadPoolExecutor(24) as pool:
        told = [each for some in pool.map(ask, range(24)) for each in some]
    passed = Counter(each.passes for each in told)
    assert RATE.limit - 3 * 7 <= passed[True] <= RATE.limit
    assert sum(each.is_first for each in told) == 1


def test_names_and_rates_are_counted_apart() -> None:
    cache, leases = Memory(), Leases(lambda: START)
    low = Rate(600, 6)
    for name, rate in (("x", RATE), ("y", RATE), ("x", low)):
        assert spend(leases, cache, rate, name).left == rate.limit - 1


def test_a_window_ends_when_it_says() -> None:
    now = [START + 0.9]
    cache, leases = Memory(), Leases(lambda: now[0])
    for _ in range(3):
        while (spent := spend(leases, cache)).passes:
            pass
        assert 0 < spent.wait <= 60
        now[0] += spent.wait - 1
        assert not spend(leases, cache).passes
        now[0] += 1
        assert spend(leases, cache).left == 699


def test_what_a_process_has_leased_is_not_its_childs_as_well() -> None:
    module.leases._held["x"] = Lease(START, 5)
    try:
        assert holds_in_child(lambda: module.leases._held == {})
        assert "x" in module.leases._held
    finally:
        module.leases.forget()


def test_a_child_of_a_process_that_was_leasing_does_not_wait_for_it() -> None:
    with module.leases._lock:
        assert holds_in_child(lambda: spend(module.leases, Memory()).passes)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HELD", 3)
    now = [START]
    cache, leases = Memory(), Leases(lambda: now[0])
    for name in "abc":
        spend(leases, cache, name=name)
    now[0] += 60
    spend(leases, cache, name="d")
    assert len(leases._held) == 1  # the others are over
    for name in "efghi":
        spend(leases, cache, name=name)
        assert len(leases._held) <= 3
    # What was given up is lost to those who ask, and not granted twice.
    assert spend(leases, cache, name="e").left < RATE.limit - 1


def test_a_cache_that_keeps_nothing_counts_nothing() -> None:
    assert Leases(lambda: START).spend("x", RATE, DummyCache("x", {})) is None


# As limits


@pytest.fixture(autouse=True)
def _nothing_leased(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credfirewall.api.limits.leases", Leases(lambda: START))


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often something was leased."""
    claim, calls = module._claim, []

    def counting(*how: Any) -> int | None:
        calls.append(how)
        return claim(*how)

    monkeypatch.setattr(module, "_claim", counting)
    return lambda: len(calls)


@pytest.mark.parametrize(("rate", "leased"), [("599/m", 0), ("600/m", 1), ("10/s", 1), ("9/s", 0)])
def test_rates_from_600_a_minute_are_leased(
    client: Client, settings: Settings, claims: Callable[[], int], rate: str, leased: int
) -> None:
    rates(settings, health=rate)
    assert asked(client, 1, "/healthz") == [200]
    assert claims() == leased


def test_failures_are_counted_one_by_one(
    client: Client, settings: Settings, claims: Callable[[], int]
) -> None:
    rates(settings, auth_failure="1000/m")
    assert asked(client, 1, headers={"Authorization": "Bearer x"}) == [401]
    assert claims() == 0


def test_beyond_it_the_answer_is_the_same(client: Client, settings: Settings) -> None:
    rates(settings, health="10/s")
    first = client.get("/healthz", **HERE)
    assert field(first, "RateLimit-Policy") == {"health-address": {"q": 10, "w": 1}}
    assert field(first, "RateLimit") == {"health-address": {"r": 9, "t": 1}}
    assert asked(client, 9, "/healthz") == [200] * 9
    for _ in range(3):
        refused = client.get("/healthz", **HERE)
        check(refused, 429, "rate_limited")
        assert refused["Retry-After"] == "1"
        assert field(refused, "RateLimit") == {"health-address": {"r": 0, "t": 1}}
    assert AuditEvent.objects.filter(event="limit_hit").count() == 1


def test_they_are_leased_where_others_are_counted(client: Client, settings: Settings) -> None:
    backend = "django.core.cache.backends.locmem.LocMemCache"
    settings.CACHES = {
        "default": {"BACKEND": backend, "LOCATION": "one"},
        "other": {"BACKEND": backend, "LOCATION": "other"},
    }
    settings.RATELIMIT_USE_CACHE = "other"
    assert asked(client, 1, "/healthz") == [200]
    assert caches["other"]._cache and not caches["default"]._cache  # type: ignore[attr-defined]
