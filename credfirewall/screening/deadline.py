"""A total budget of time that travels through one check."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.verdict import Reason

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a monotonic clock, in seconds."""

    at: float
    clock: Clock = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Clock = time.monotonic) -> "Deadline":
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        """Return the seconds left. Raises SourceUnavailable("timeout") when there are none."""
        if (left := self.left) <= 0:
            raise SourceUnavailable(Reason.TIMEOUT)
        return left

    @property
    def left(self) -> float:
        """Seconds left, less than none once it is over."""
        return self.at - self.clock()

    @property
    def expired(self) -> bool:
        return self.left <= 0
