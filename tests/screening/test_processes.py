"""Several processes over one Valkey: what they share, and what one of them cannot spoil."""

from collections.abc import Iterator
from typing import Any

import pytest

from credfirewall.screening.verdict import Reason
from credfirewall.testing import faults
from credfirewall.testing.server import RangeServer
from tests.screening.asking import BREACHED, CLEAN, eventually, unknown
from tests.screening.worker import Worker
from tests.servers import Server

SIZE = 3


class Crew:
    """Some processes, which start at the same time and once; a dead one is replaced."""

    def __init__(self, cache_url: str) -> None:
        self._cache_url = cache_url
        self.workers: list[Worker] = []

    def ready(self, **keys: Any) -> list[Worker]:
        self.workers = [each for each in self.workers if each.runs]
        while len(self.workers) < SIZE:
            self.workers.append(Worker(self._cache_url))
        for each in self.workers:
            each.configure(**keys)
        return self.workers


@pytest.fixture(scope="module")
def crew(valkey_server: Server) -> Iterator[Crew]:
    crew = Crew(valkey_server.url)
    yield crew
    for worker in crew.workers:
        worker.stop()


@pytest.fixture
def server(valkey: Server) -> Iterator[RangeServer]:
    """HIBP; the cache is empty."""
    with RangeServer({"hunter2": 17}) as server:
        yield server


def verdicts(worker: Worker, *passwords: str) -> list[Any]:
    return [answer.verdict for answer in worker.ask(*passwords)]


def test_one_fetch_for_all_who_ask_the_same(crew: Crew, server: RangeServer) -> None:
    workers = crew.ready(HIBP_URL=server.url, HIBP_DEADLINE=5)
    server.fault = faults.Delay(0.5)
    for number, worker in enumerate(workers):
        worker.start("hunter2", how=("screen", "ascreen")[number % 2])
    assert [worker.answers()[0].verdict for worker in workers] == [BREACHED] * SIZE
    assert server.count == 1


def test_what_one_has_fetched_all_have(crew: Crew, server: RangeServer) -> None:
    one, *others = crew.ready(HIBP_URL=server.url, HIBP_DEADLINE=5)
    assert verdicts(one, "hunter2", "hunter2") == [BREACHED] * 2
    assert [verdicts(other, "hunter2") for other in others] == [[BREACHED]] * (SIZE - 1)
    assert server.count == 1


def test_one_that_is_killed_while_it_fetches(crew: Crew, server: RangeServer) -> None:
    """Its lock holds the others up for as long as its deadline was, and then no more."""
    victim, other, *_ = crew.ready(HIBP_URL=server.url, HIBP_DEADLINE=1)
    other.configure(HIBP_URL=server.url, HIBP_DEADLINE=5)
    server.fault = faults.Hang()
    victim.start("hunter2")
    assert eventually(lambda: server.count == 1)
    victim.kill()
    server.fault = None
    (answer,) = other.ask("hunter2")
    assert answer.verdict == BREACHED
    assert 0.1 < answer.seconds < 2


def test_what_opens_one_breaker_opens_all(crew: Crew, server: RangeServer) -> None:
    one, late, *others = crew.ready(HIBP_URL=server.url, HIBP_DEADLINE=5)
    for other in others:
        assert verdicts(other, "warm up") == [CLEAN]
    server.fault = faults.Status(503)
    assert verdicts(one, *"abcdef")[4:] == [
        unknown(Reason.HTTP_SERVER_ERROR),
        unknown(Reason.BREAKER_OPEN),
    ]
    server.reset()
    assert verdicts(late, "g") == [unknown(Reason.BREAKER_OPEN)]  # it has not looked before
    for other in others:
        other.forward(1)
        assert verdicts(other, "h") == [unknown(Reason.BREAKER_OPEN)]
    assert server.count == 0


def test_one_probes_for_all(crew: Crew, server: RangeServer) -> None:
    workers = crew.ready(HIBP_URL=server.url, HIBP_DEADLINE=5)
    server.fault = faults.Status(503)
    verdicts(workers[0], *"abcde")
    for worker in workers:
        assert verdicts(worker, "f") == [unknown(Reason.BREAKER_OPEN)]
        worker.forward(5)
    server.reset()
    server.fault = faults.Delay(1)
    for number, worker in enumerate(workers):
        worker.start(f"{number}", how=("screen", "ascreen")[number % 2])
    told = [worker.answers()[0].verdict for worker in workers]
    assert told.count(CLEAN) == 1
    assert told.count(unknown(Reason.BREAKER_OPEN)) == SIZE - 1
    assert server.count == 1
    server.fault = None
    assert verdicts(workers[told.index(CLEAN)], "g", "h") == [CLEAN] * 2


def test_together_they_keep_within_the_budget(crew: Crew, server: RangeServer) -> None:
    limit = {"hibp": "25/99999d"}
    workers = crew.ready(HIBP_URL=server.url, HIBP_DEADLINE=5, RATES=limit)
    for number, worker in enumerate(workers):
        worker.start(*(f"{number} {each}" for each in range(15)))
    told = [answer.verdict for worker in workers for answer in worker.answers()]
    assert told.count(CLEAN) == server.count == 25
    assert told.count(unknown(Reason.BUDGET)) == SIZE * 15 - 25
