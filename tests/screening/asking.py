"""Both ways to ask, what they may say, and how long they may take."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from credfirewall.screening import Status, Verdict, ascreen, screen

T = TypeVar("T")

DEADLINE = 0.25
"""Seconds; for what waits until they have passed."""
LEISURE = 5.0
"""Seconds; for what has to be answered, on a busy machine too."""
BREACHED = Verdict(Status.BREACHED, 17, "hibp")
"""What is to be said of "hunter2", as `hibp` serves it."""
CLEAN = Verdict(Status.CLEAN, 0, "hibp")


def unknown(reason: str) -> Verdict:
    return Verdict(Status.UNKNOWN, None, None, reason)


def nothing() -> None:
    pass


class Check(ABC):
    """`screen` or `ascreen`."""

    @abstractmethod
    def __call__(self, password: str, *, user: object = None) -> Verdict:
        """Ask once; the event loop, if there is one, is a new one."""

    @abstractmethod
    def each(self, *passwords: str, between: Callable[[], object] = nothing) -> list[Verdict]:
        """Ask in turn, in one event loop."""

    @abstractmethod
    def together(self, *passwords: str) -> list[Verdict]:
        """Ask all at once."""


class Screen(Check):
    def __call__(self, password: str, *, user: object = None) -> Verdict:
        return screen(password, user=user)

    def each(self, *passwords: str, between: Callable[[], object] = nothing) -> list[Verdict]:
        verdicts = []
        for password in passwords:
            verdicts.append(screen(password))
            between()
        return verdicts

    def together(self, *passwords: str) -> list[Verdict]:
        with ThreadPoolExecutor(len(passwords)) as pool:
            return list(pool.map(screen, passwords))


class AScreen(Check):
    def __call__(self, password: str, *, user: object = None) -> Verdict:
        return asyncio.run(ascreen(password, user=user))

    def each(self, *passwords: str, between: Callable[[], object] = nothing) -> list[Verdict]:
        async def ask() -> list[Verdict]:
            verdicts = []
            for password in passwords:
                verdicts.append(await ascreen(password))
                between()
            return verdicts

        return asyncio.run(ask())

    def together(self, *passwords: str) -> list[Verdict]:
        async def ask() -> list[Verdict]:
            return await asyncio.gather(*map(ascreen, passwords))

        return asyncio.run(ask())


def in_time(deadline: float, call: Callable[[], T], *wanted: T) -> T:
    """The result of a call that keeps ``deadline`` with a tenth to spare.

    A busy machine may hold a call up, so there are three attempts, also at a result that is
    ``wanted``; one that does not look at the deadline is late each time.
    """
    took = []
    for attempt in range(3):
        started = time.monotonic()
        result = call()
        took.append(time.monotonic() - started)
        if took[-1] <= deadline * 1.1 and (attempt == 2 or not wanted or result in wanted):
            return result
    raise AssertionError(f"took {', '.join(f'{each:.2f}' for each in took)} s of {deadline} s")


def eventually(condition: Callable[[], object]) -> bool:
    """Whether ``condition`` becomes true within seconds: for what nobody waits for otherwise."""
    end = time.monotonic() + 10
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds
