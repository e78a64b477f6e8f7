"""How many requests the whole site sends to a service: a flood here must not become one there."""

import threading
import time
from collections.abc import Callable

from django.core.cache.backends.base import BaseCache

from credfirewall.conf import Rate, conf
from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.cache import SharedCache, key_for
from credfirewall.screening.steps import Steps
from credfirewall.screening.verdict import Reason

LARGEST_LEASE = 50


class Budget:
    """``RATES["hibp"]``, counted in the cache and leased in parts, so that few requests ask it.

    A process that stops with an unused lease leaves the site with less, never with more.
    Without a working cache each process counts for itself. The count is plain, so whoever can
    write to the cache could use it up: a hundredth of it is every process's own in any case.
    """

    def __init__(
        self, scope: str, cache: SharedCache, clock: Callable[[], float] = time.time
    ) -> None:
        self._scope, self._cache, self._clock = scope, cache, clock
        self._lock = threading.Lock()
        self._window = -1
        self._left = self._used = 0
        self._spent = False
        self._granted = 0

    def take(self) -> Steps[None]:
        """Spend one request. Raises SourceUnavailable("budget")."""
        rate = conf.usable_rate("hibp")
        while not self._spend(window := int(self._clock() // rate.seconds)):
            yield from self._lease(window, rate)

    def _spend(self, window: int) -> bool:
        with self._lock:
            if window != self._window:
                self._window, self._spent = window, False
                self._left = self._used = self._granted = 0
            if self._left:
                self._left -= 1
                self._used += 1
                return True
            if self._spent:
                raise SourceUnavailable(Reason.BUDGET)
            return False

    def _lease(self, window: int, rate: Rate) -> Steps[None]:
        size = max(1, min(LARGEST_LEASE, rate.limit // 100))
        key = key_for("budget", self._scope, str(window))

        def claim(cache: BaseCache) -> int | None:
            cache.add(key, 0, 2 * rate.seconds)
            try:
                return cache.incr(key, size)
            except ValueError:  # a cache that keeps nothing
                return None

        claimed = yield self._cache.call(claim, None)
        with self._lock:
            if window != self._window:
                return
            if claimed is not None:
                granted = max(0, min(rate.limit - (claimed - size), size))
                self._spent = self._spent or claimed >= rate.limit
                if self._spent:
                    granted = max(granted, rate.limit // 100 - self._granted)
                self._granted += granted
                self._left += granted
            else:
                self._left, self._spent = max(0, rate.limit - self._used), True
