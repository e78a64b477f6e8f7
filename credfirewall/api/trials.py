"""Credentials that were right a moment ago: to repeat them is no guess, so nobody counts them.

All others count as wrong until they have turned out right (see ``failures``). What fails here is
known at once; what has failed in another process is noticed within a second.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from credfirewall.conf import Rate

SECONDS = 1.0
MOST = 10_000
"""Credentials that a process remembers."""
PATIENCE = 1.0
"""Seconds to wait for what comes of the same credentials, where they are being looked at."""

Place = tuple[str, bytes]
"""An address, and a digest of credentials from there."""


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    rate: Rate
    count: int
    wait: int


class Trials:
    """What this process knows of them. Of the credentials it keeps digests, under a key of its
    own."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Begin anew: what a process has begun is not its child's to end."""
        self._key = os.urandom(16)
        self._right: dict[str, dict[bytes, _Look]] = {}
        self._size = 0
        self._tried: dict[Place, threading.Event] = {}

    def place(self, address: str, credentials: str) -> Place:
        text = credentials.encode(errors="surrogatepass")
        return address, hashlib.blake2b(text, key=self._key, digest_size=16).digest()

    def known(self, place: Place, rate: Rate) -> tuple[int, int] | None:
        """Return how many have failed, and the seconds until that is forgotten, if the credentials
        were right a moment ago; else None."""
        address, digest = place
        look = self._right.get(address, {}).get(digest)
        if look is None or look.rate != rate:
            return None
        passed = self._clock() - look.at
        return (look.count, max(1, look.wait - int(passed))) if passed < SECONDS else None

    def right(self, place: Place, rate: Rate, count: int, wait: int) -> None:
        """Remember that the credentials were right, where ``count`` others have failed."""
        address, digest = place
        if self._size >= MOST:
            self._right.clear()
            self._size = 0
        looks = self._right.setdefault(address, {})
        self._size += digest not in looks
        looks[digest] = _Look(self._clock(), rate, count, wait)

    def forget(self, address: str) -> None:
        """Something has failed."""
        self._size -= len(self._right.pop(address, ()))

    @contextmanager
    def in_turn(self, place: Place) -> Iterator[None]:
        """Let one of those look who send the same at the same time, and the others wait: once it is
        right, a program that sends much at once is not taken for many who guess."""
        mine = threading.Event()
        first = self._tried.setdefault(place, mine)
        if first is not mine:
            first.wait(PATIENCE)
            yield
            return
        try:
            yield
        finally:
            self._tried.pop(place, None)
            mine.set()


trials = Trials()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=trials.reset)
