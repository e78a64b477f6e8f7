"""Counting credentials that are wrong: before they are looked at, and exactly.

To count them afterwards would let pass whatever comes at the same time. What turns out right, or is
refused unseen, is given back.
"""

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass

from django.core.cache import BaseCache

from credfirewall.api.leases import GRACE, end_of_window
from credfirewall.conf import Rate


@dataclass(frozen=True, slots=True)
class Charge:
    """One more under ``key``, which makes ``count`` in a window of ``wait`` more seconds.

    ``is_first``: of this window, nobody was one too many before.
    """

    key: str
    count: int
    wait: int
    is_first: bool


def charge(name: str, rate: Rate, cache: BaseCache) -> Charge | None:
    """Count one more under ``name``, or return None where ``cache`` does not count."""
    now = int(time.time())
    end, lasts = end_of_window(name, rate, now), rate.seconds + GRACE
    text = f"failures:{name}:{rate.limit}/{rate.seconds}:{end}"
    key = "credfw:" + hashlib.sha256(text.encode()).hexdigest()
    count = _more(cache, key)
    if count is None:
        cache.add(key, 0, lasts)
        count = _more(cache, key)
    if count is None:
        return None
    is_first = count > rate.limit and bool(cache.add(f"{key}:hit", 1, lasts))
    return Charge(key, count, end - now, is_first)


def give_back(key: str, cache: BaseCache) -> None:
    """Take back what was counted under ``key``. What cannot be is forgotten with the window."""
    with suppress(Exception):
        cache.decr(key)


def _more(cache: BaseCache, key: str) -> int | None:
    try:
        count: int | None = cache.incr(key)
    except ValueError:  # not there yet, or a cache that keeps nothing
        return None
    return count
