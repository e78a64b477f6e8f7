"""Addresses from which nothing wrong has come: their failures are not looked up each time.

What fails here is known at once. What has failed in another process is noticed within a second, so
that of guesses beyond the limit each process looks at no more than it does at the same time: the
first that is wrong ends it for the rest of the window.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from credfirewall.conf import Rate

SECONDS = 1.0
MOST = 10_000
"""Addresses that a process remembers."""


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    rate: Rate
    wait: int


class Unfailing:
    """Those that this process knows of."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looks: dict[str, _Look] = {}

    def wait(self, address: str, rate: Rate) -> int | None:
        """Return the seconds until the window of ``address`` ends, or None if it may have
        failed."""
        look = self._looks.get(address)
        if look is None or look.rate != rate:
            return None
        passed = self._clock() - look.at
        return max(1, look.wait - int(passed)) if passed < SECONDS else None

    def note(self, address: str, rate: Rate, wait: int) -> None:
        """Remember that nothing has failed, in a window that ends in ``wait`` seconds."""
        if len(self._looks) >= MOST:
            self._looks.clear()
        self._looks[address] = _Look(self._clock(), rate, wait)

    def forget(self, address: str) -> None:
        """Something has failed."""
        self._looks.pop(address, None)


unfailing = Unfailing()
