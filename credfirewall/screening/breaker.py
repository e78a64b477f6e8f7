"""A circuit breaker: while a service is down, nobody waits for it.

Closed: requests pass. After ``FAILURES`` failures in a row, or a 429, it opens: requests are
refused at once. When its time is up one request, across all processes, passes as a probe; its
success closes the breaker, its failure opens it for longer. Each process counts for itself and
tells the others through the cache that it opened or closed, authenticated and for at most
``LONGEST`` seconds. When nobody has said anything for that long, a breaker closes by itself, and
the next failure opens it: so nobody who can make requests fail, or can write to the cache,
switches screening off for long.

The libraries for this (pybreaker, circuitbreaker) know no shared half-open state that many
processes may probe only once, no authentication, and no flow that is both sync and async.
"""

import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.cache import SharedCache, key_for, seal, unseal
from credfirewall.screening.health import Health, State
from credfirewall.screening.steps import Steps
from credfirewall.screening.verdict import Reason

FAILURES = 5
SHORTEST, LONGEST = 5.0, 30.0
"""Seconds that the breaker stays open: doubled at each failed probe."""
LOOK_EVERY = 1.0
"""Seconds between two looks at what other processes say."""

_STATE = struct.Struct(">dd")
"""Open until (Unix time) and for how many seconds; closed at, and 0."""


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to make one request; ``probe`` when its outcome decides for everybody."""

    probe: bool


class Breaker:
    """One service's breaker. ``scope`` names the service (its address)."""

    def __init__(
        self,
        scope: str,
        cache: SharedCache,
        health: Health,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._scope, self._cache, self._health, self._clock = scope, cache, health, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0
        self._open_for = 0.0
        self._probing_until = 0.0
        self._looked_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether requests are refused, or one may only probe."""
        return self._open_for > 0

    def guard(self) -> Steps[None]:
        """Raise SourceUnavailable("breaker_open") if a request would be refused now."""
        now = self._clock()
        if now - self._looked_at >= LOOK_EVERY or now < self._looked_at:
            self._looked_at = now
            yield from self._adopt((yield from self._cache.get(self._key())))
            self._forget(now)
        if self._is_ahead(self._open_until, LONGEST):
            raise SourceUnavailable(Reason.BREAKER_OPEN)

    def enter(self, probe_seconds: float) -> Steps[Permit]:
        """Ask to make a request that takes at most ``probe_seconds``.

        Raises SourceUnavailable("breaker_open").
        """
        yield from self.guard()
        with self._lock:
            if not self.is_open:
                return Permit(probe=False)
            mine = not self._is_ahead(self._probing_until, probe_seconds)
            if mine:
                self._probing_until = self._clock() + probe_seconds
        if mine and (yield self._cache.add(self._key("probe"), max(1, int(probe_seconds)))):
            return Permit(probe=True)
        raise SourceUnavailable(Reason.BREAKER_OPEN)

    def succeeded(self) -> Steps[None]:
        """Record an answer: the service is there."""
        with self._lock:
            was_open = self.is_open
            self._close(failures=0)
        if was_open:
            self._tell(self._clock(), 0.0)
        yield from self._health.becomes(State.WORKING)

    def failed(self, permit: Permit, error: SourceUnavailable) -> Steps[None]:
        """Record that the service gave no usable answer."""
        with self._lock:
            self._failures += 1
            enough = self._failures >= FAILURES or error.reason == Reason.RATE_LIMITED
            opens = permit.probe or (enough and not self.is_open)
            if opens:
                longer = self._open_for * 2 if permit.probe else SHORTEST
                asked = error.retry_after or 0.0
                self._open_for = min(LONGEST, max(SHORTEST, longer, asked))
                self._open_until = self._clock() + self._open_for
                self._probing_until = 0.0
        if opens:
            self._tell(self._open_until, self._open_for)
            yield from self._health.becomes(State.OPEN, error.reason)
        else:
            yield from self._health.becomes(State.DEGRADED, error.reason)

    def abandoned(self, permit: Permit) -> None:
        """Give a permit back unused: what stopped the request says nothing of the service."""
        if permit.probe:
            with self._lock:
                self._probing_until = 0.0
            self._cache.delete(self._key("probe"))

    def _key(self, kind: str = "state") -> str:
        return key_for("breaker", self._scope, kind)

    def _tell(self, moment: float, seconds: float) -> None:
        """Let the other processes know, without waiting for the cache."""
        state = seal(self._key(), _STATE.pack(moment, seconds))
        put = self._cache.put(
            self._key(), state, int(LONGEST), release=self._key("probe"), deadline=None
        )
        put.run()

    def _adopt(self, value: object) -> Steps[None]:
        payload = unseal(self._key(), value)
        if payload is None or len(payload) != _STATE.size:
            return
        moment, seconds = _STATE.unpack(payload)
        if self._is_ahead(moment, LONGEST) and 0 < seconds <= LONGEST:
            with self._lock:
                self._open_until, self._open_for = max(moment, self._open_until), seconds
            yield from self._health.becomes(State.OPEN, Reason.BREAKER_OPEN)
        elif seconds == 0 and self.is_open and moment > self._open_until - self._open_for:
            with self._lock:
                self._close(failures=0)
            yield from self._health.becomes(State.WORKING)

    def _forget(self, now: float) -> None:
        """Close what was open long ago: nobody has come since, or the probes never got through."""
        with self._lock:
            if self.is_open and now - self._open_until > LONGEST:
                self._close(failures=FAILURES - 1)

    def _close(self, failures: int) -> None:
        self._failures = failures
        self._open_until = self._open_for = self._probing_until = 0.0

    def _is_ahead(self, moment: float, seconds: float) -> bool:
        """Whether ``moment`` is still to come, and as near as it can be: clocks are set back."""
        return 0 < moment - self._clock() < seconds + 0.001  # they are rounded, too
