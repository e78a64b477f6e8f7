"""Places for requests that are open at once: first come, first served, and nobody polls."""

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.steps import Steps
from credfirewall.screening.verdict import Reason


@dataclass(slots=True)
class Granted:
    """Wait until ``place`` is granted, for at most ``seconds``; say whether it was."""

    place: Future[None]
    seconds: float

    def run(self) -> bool:
        try:
            self.place.result(self.seconds)
        except FutureTimeout:
            return False
        return True

    async def arun(self) -> bool:
        try:
            async with asyncio.timeout(self.seconds):
                await asyncio.wrap_future(self.place)
        except TimeoutError:
            return False
        return True


class Slots:
    """A semaphore for threads and event loops alike, with at most ``queue`` callers waiting."""

    def __init__(self, places: int, *, queue: int) -> None:
        self._lock = threading.Lock()
        self._queue = queue
        self._waiting: deque[Future[None]] = deque()
        self.free = places

    def enter(self, seconds: float) -> Steps[None]:
        """Take a place within ``seconds``. Raises SourceUnavailable("busy")."""
        with self._lock:
            if self.free:
                self.free -= 1
                return
            if len(self._waiting) >= self._queue:
                raise SourceUnavailable(Reason.BUSY)
            place: Future[None] = Future()
            self._waiting.append(place)
        try:
            granted = yield Granted(place, seconds)
        except BaseException:  # cancelled: what has been granted meanwhile goes to the next
            if not self._give_up(place):
                self.leave()
            raise
        if not granted and self._give_up(place):
            raise SourceUnavailable(Reason.BUSY)

    def leave(self) -> None:
        """Give a place back, to whoever has waited longest."""
        with self._lock:
            while self._waiting:
                place = self._waiting.popleft()
                if place.set_running_or_notify_cancel():
                    place.set_result(None)
                    return
            self.free += 1

    def _give_up(self, place: Future[None]) -> bool:
        """Whether ``place`` was still waited for."""
        with self._lock:
            if place in self._waiting:
                self._waiting.remove(place)
                place.cancel()
            # One that an event loop has cancelled may have been passed over, and was not granted.
            return place.cancelled()
