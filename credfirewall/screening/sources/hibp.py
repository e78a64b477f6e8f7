"""Have I Been Pwned by k-anonymity: cached, one fetch per prefix at a time, behind a breaker."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from credfirewall.conf import conf
from credfirewall.corpus.layout import PackedRange
from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening import async_transport, egress, metrics, transport
from credfirewall.screening.breaker import Breaker
from credfirewall.screening.budget import Budget
from credfirewall.screening.cache import Entry, SharedCache, key_for, shared
from credfirewall.screening.deadline import Deadline
from credfirewall.screening.digest import Candidate, Digest
from credfirewall.screening.health import Health
from credfirewall.screening.slots import Slots
from credfirewall.screening.steps import Pause, Steps, Turn
from credfirewall.screening.verdict import Answer, Reason

CONCURRENCY = 256
"""Requests that one process has open at a time; more wait within their deadline."""
QUEUE = 4 * CONCURRENCY
"""So many may wait; more are refused, because to be many is what makes them slow."""
LOCK_SHARE = 0.4
"""Of HIBP_DEADLINE: how long somebody else's lock is respected. Its owner may be dead."""
CLOCK_SKEW = 300.0
"""Seconds by which another machine's clock may be ahead."""
LEAST_SHARE, FAIR_SHARE = 0.1, 0.4
"""Of HIBP_DEADLINE: what a request needs to be sent, and to count as the service's failure."""
NOT_THE_SERVICE = {Reason.BUDGET, Reason.BUSY}
"""Reasons that say nothing of the service, so the breaker does not count them."""


class KeptWaiting(SourceUnavailable):
    """There was little time left when the request's turn came: that says nothing of the service."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask the service for one range."""

    request: egress.Request
    deadline: Deadline

    def run(self) -> egress.Response:
        return transport.client.fetch(self.request, self.deadline)

    async def arun(self) -> egress.Response:
        return await async_transport.client.fetch(self.request, self.deadline)


class HibpSource:
    """The range API at HIBP_URL. One instance per process and address."""

    name = "hibp"
    authoritative = True

    def __init__(
        self,
        url: str,
        *,
        cache: SharedCache | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._cache = cache or shared
        self._clock = clock
        self._monotonic = monotonic
        self.health = Health(self.name)
        self.breaker = Breaker(url, self._cache, self.health, clock)
        self._budget = Budget(url, self._cache, clock)
        self._slots = Slots(CONCURRENCY, queue=QUEUE)

    def steps(self, candidate: Candidate) -> Steps[Answer]:
        """Answer for each form of the password. Raises SourceUnavailable."""
        started = self._monotonic()
        count, note = 0, ""
        for digest in candidate.digests:
            packed, stale = yield from self._range(digest, started)
            count = max(count, packed.count(digest.suffix))
            note = Reason.STALE if stale else note
            if digest is not candidate.digests[-1] and count >= conf.MIN_COUNT:
                break
        return Answer(count > 0, count, note)

    def _range(self, digest: Digest, started: float) -> Steps[tuple[PackedRange, bool]]:
        """Return the digest's range, and whether it is a stale one in place of a fresh answer."""
        key = key_for("range", self._url, digest.prefix)
        entry = Entry.opened(key, (yield from self._cache.get(key)))
        if entry and self._age(entry) < conf.CACHE_TTL:
            metrics.cached(hit=True)
            return entry.packed, False
        metrics.cached(hit=False)
        try:
            deadline = Deadline(started + conf.HIBP_DEADLINE, self._monotonic)
            return (yield from self._refill(key, digest, deadline)), False
        except SourceUnavailable:
            if entry is None or self._age(entry) >= conf.CACHE_TTL + conf.CACHE_STALE:
                raise
        finally:
            metrics.breaker(self.name, is_open=self.breaker.is_open)
        metrics.stale()
        return entry.packed, True

    def _refill(self, key: str, digest: Digest, deadline: Deadline) -> Steps[PackedRange]:
        """Fetch and store a range, or wait for a while for whoever is doing just that."""
        yield Turn()  # all before was cheap, and much of it ends there
        yield from self.breaker.guard()
        lock = key_for("lock", key)
        seconds = max(1, int(conf.HIBP_DEADLINE))
        pause, alone_at = 0.01, deadline.left - LOCK_SHARE * conf.HIBP_DEADLINE
        locked = yield self._cache.add(lock, seconds)
        try:
            while not locked and deadline.left > alone_at:
                yield Pause(min(pause, deadline.remaining()))
                pause = min(2 * pause, 0.1)
                # The lock first: who had it may be done between the two looks.
                locked = yield self._cache.add(lock, seconds)
                entry = Entry.opened(key, (yield from self._cache.get(key)))
                if entry and self._age(entry) < conf.CACHE_TTL:
                    return entry.packed
                yield from self.breaker.guard()
            packed = yield from self._fetch(digest, deadline)
            sealed = Entry(self._clock(), packed).sealed(key)
            keep = conf.CACHE_TTL + conf.CACHE_STALE
            yield self._cache.put(key, sealed, keep, release=lock, deadline=deadline)
            locked = False
            return packed
        finally:  # a cancelled check comes by here too, and may not wait
            if locked:
                self._cache.delete(lock)

    def _fetch(self, digest: Digest, deadline: Deadline) -> Steps[PackedRange]:
        permit = yield from self.breaker.enter(conf.HIBP_DEADLINE)
        try:
            yield from self._budget.take()
            packed = yield from self._exchange(digest, deadline)
        except SourceUnavailable as error:
            if error.reason in NOT_THE_SERVICE or isinstance(error, KeptWaiting):
                self.breaker.abandoned(permit)
            else:
                yield from self.breaker.failed(permit, error)
            raise
        except BaseException:  # cancelled, or a mistake of ours
            self.breaker.abandoned(permit)
            raise
        yield from self.breaker.succeeded()
        return packed

    def _exchange(self, digest: Digest, deadline: Deadline) -> Steps[PackedRange]:
        yield from self._slots.enter(deadline.left)
        try:
            response = yield from self._request(digest, deadline)
        finally:
            self._slots.leave()
        yield Turn()
        packed: PackedRange = response.packed()
        return packed

    def _request(self, digest: Digest, deadline: Deadline) -> Steps[egress.Response]:
        request = egress.Request(self._url, digest.prefix, padded=conf.HIBP_PADDING)
        yield Turn()
        share = deadline.left / conf.HIBP_DEADLINE
        if share <= LEAST_SHARE:
            raise KeptWaiting(Reason.TIMEOUT)
        try:
            response: egress.Response = yield Fetch(request, deadline)
        except SourceUnavailable as error:
            if error.reason == Reason.TIMEOUT and share <= FAIR_SHARE:
                raise KeptWaiting(Reason.TIMEOUT) from None
            raise
        return response

    def _age(self, entry: Entry) -> float:
        """Seconds since the entry was fetched; one from the far future counts as outdated."""
        age = self._clock() - entry.fetched_at
        return age if age >= -CLOCK_SKEW else float("inf")
