"""What screening counts."""

from typing import Any

from pytest_django import Settings

from credfirewall.screening import screen
from credfirewall.screening.health import Health, State
from credfirewall.screening.sources import chain
from credfirewall.screening.steps import run
from credfirewall.testing import breached, unknown
from credfirewall.testing.faults import Status
from credfirewall.testing.server import RangeServer
from tests.metering import Growth, value

CLEAN = "nobody has thought of this one"


class TestChecks:
    def test_by_source_and_outcome(self) -> None:
        clean = Growth("checks_total", source="memory", outcome="clean")
        bad = Growth("checks_total", source="memory", outcome="breached")
        none = Growth("checks_total", source="none", outcome="unknown")
        why = Growth("checks_unknown_total", reason="timeout")
        with breached("x"):
            screen(CLEAN)
            screen(CLEAN)
            screen("x")
        with unknown("timeout"):
            screen(CLEAN)
        assert (clean.now, bad.now, none.now, why.now) == (2, 1, 1, 1)

    def test_how_long_they_take(self) -> None:
        number = Growth("check_seconds_count", outcome="clean")
        seconds = Growth("check_seconds_sum", outcome="clean")
        with breached():
            screen(CLEAN)
        assert number.now == 1
        assert 0 < seconds.now < 2

    def test_the_cache(self, settings: Settings) -> None:
        hits = Growth("cache_requests_total", result="hit")
        misses = Growth("cache_requests_total", result="miss")
        stale = Growth("cache_stale_total")
        with RangeServer() as server:
            settings.CREDFIREWALL = {"SOURCES": ["hibp"], "HIBP_URL": server.url}
            screen(CLEAN)
            screen(CLEAN)
            assert (misses.now, hits.now) == (1, 1)
            settings.CREDFIREWALL |= {"CACHE_TTL": 0}
            server.fault = Status(503)
            screen(CLEAN)
        assert (misses.now, hits.now, stale.now) == (2, 1, 1)

    def test_a_cache_that_fails(self, settings: Settings) -> None:
        failures = Growth("cache_failures_total")
        settings.CACHES = {"default": {"BACKEND": f"{__name__}.NoCache"}}
        settings.CREDFIREWALL = {"SOURCES": ["hibp"], "HIBP_URL": "http://127.0.0.1:9/range/"}
        screen(CLEAN)
        assert failures.now >= 1

    def test_a_source_and_its_breaker(self, settings: Settings) -> None:
        def states() -> list[float]:
            names = ("working", "degraded", "open")
            return [value("source_state", source="hibp", state=name) for name in names]

        opened = Growth("source_changes_total", source="hibp", state="open")
        chain.forget()
        with RangeServer() as server:
            settings.CREDFIREWALL = {"SOURCES": ["hibp"], "HIBP_URL": server.url}
            screen(CLEAN)
            assert (states(), value("breaker_open", source="hibp")) == ([1, 0, 0], 0)
            server.fault = Status(503)
            screen("first of several")
            assert (states(), value("breaker_open", source="hibp")) == ([0, 1, 0], 0)
            server.fault = Status(429)
            screen("second of several")
            assert (states(), value("breaker_open", source="hibp")) == ([0, 0, 1], 1)
        assert opened.now == 1

    def test_a_state_is_what_it_was_until_it_changes(self) -> None:
        health = Health("somewhere")
        changes = Growth("source_changes_total", source="somewhere", state="degraded")
        run(health.becomes(State.DEGRADED, "dns"))
        run(health.becomes(State.DEGRADED, "timeout"))
        assert changes.now == 1
        assert value("source_state", source="somewhere", state="degraded") == 1


class NoCache:
    """A cache that is not there."""

    def __init__(self, *_: object) -> None:
        """Take whatever a cache takes."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("gone")
