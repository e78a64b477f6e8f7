"""Counting high rates: a process leases many requests from the cache at once, and spends them.

It never lets more pass than the rate says. It lets pass less where a process ends with some left,
or refuses while another still has some: so this is for rates where a hundredth does not matter.
"""

import hashlib
import os
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from django.core.cache import BaseCache

from credfirewall.conf import Rate

LEAST = 600 / 60
"""Requests in a second, from which on a rate is leased."""
LARGEST, PARTS = 50, 100
"""A lease is a hundredth of the limit, and no more than 50."""
MOST_HELD = 20_000
"""Leases that a process remembers."""
GRACE = 5
"""Seconds for which a count outlives its window, for clocks that do not agree."""


@dataclass(slots=True)
class Lease:
    """What this process has of one window: ``left`` to spend, of ``claimed`` by all."""

    end: int
    left: int = 0
    claimed: int = 0
    spent: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """The answer to one request: ``passes``, how many are known to be left, and until when.

    ``is_first``: of all that ask, nobody was refused in this window before.
    """

    passes: bool
    left: int
    wait: int
    is_first: bool = False


def end_of_window(name: str, rate: Rate, now: int) -> int:
    """Return the second in which the window ends that ``now`` is in. Not all end together."""
    return now + rate.seconds - (now + zlib.crc32(name.encode())) % rate.seconds


class Leases:
    """Those of one process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew: what a process has leased is not its child's as well."""
        self._lock = threading.Lock()
        self._held: dict[str, Lease] = {}

    def spend(self, name: str, rate: Rate, cache: BaseCache) -> Spent | None:
        """Count one request under ``name``, or return None where ``cache`` does not count."""
        now = int(self._clock())
        end = end_of_window(name, rate, now)
        name = f"{name}:{rate.limit}/{rate.seconds}"
        size = max(1, min(LARGEST, rate.limit // PARTS))
        while (answer := self._of_lease(name, rate, now, end)) is None:
            claimed = _claim(cache, f"{name}:{end}", size, rate.seconds + GRACE)
            if claimed is None:
                return None
            before = claimed - size
            granted = max(0, min(size, rate.limit - before))
            self._grant(name, end, granted, min(claimed, rate.limit))
            if not granted:
                # Claims are of one size, so one alone comes here first.
                return Spent(False, 0, end - now, is_first=before - size < rate.limit)
        return answer

    def _of_lease(self, name: str, rate: Rate, now: int, end: int) -> Spent | None:
        with self._lock:
            lease = self._held.get(name)
            if lease is None or lease.end != end:
                return None
            if lease.left:
                lease.left -= 1
                return Spent(True, rate.limit - lease.claimed + lease.left, end - now)
            return Spent(False, 0, end - now) if lease.spent else None

    def _grant(self, name: str, end: int, granted: int, claimed: int) -> None:
        with self._lock:
            lease = self._held.get(name)
            if lease is None or lease.end != end:
                if len(self._held) >= MOST_HELD:
                    self._make_room()
                lease = self._held[name] = Lease(end)
            lease.left += granted
            lease.claimed = max(lease.claimed, claimed)
            lease.spent = lease.spent or not granted

    def _make_room(self) -> None:
        """Give up windows that are over, or else all: what was leased is lost, and no more."""
        now = self._clock()
        self._held = {name: each for name, each in self._held.items() if each.end > now}
        if len(self._held) >= MOST_HELD:
            self._held.clear()


def _claim(cache: BaseCache, name: str, size: int, seconds: int) -> int | None:
    """Return how many all processes have claimed now, with these ``size``."""
    key = "credfw:" + hashlib.sha256(name.encode()).hexdigest()
    cache.add(key, 0, seconds)
    try:
        claimed: int | None = cache.incr(key, size)
    except ValueError:  # a cache that keeps nothing
        return None
    return claimed


leases = Leases()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=leases.forget)
