"""Screening written once, for synchronous and asynchronous callers.

The flow is a generator that yields each piece of input or output as a ``Step`` and gets its result
back. ``run`` performs the steps by blocking, ``arun`` by awaiting: parsing, matching, waiting
and deciding exist in one copy, and only the steps themselves know two ways.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from asgiref.sync import sync_to_async
from django.dispatch import Signal

logger = logging.getLogger("credfirewall.screening")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Step(Protocol[T_co]):
    """One piece of input or output, in a blocking and an awaiting form."""

    def run(self) -> T_co: ...
    async def arun(self) -> T_co: ...


Steps = Generator[Step[Any], Any, T]


def run(steps: Steps[T]) -> T:
    """Drive ``steps`` by blocking."""
    error: Exception | None = None
    try:
        step = next(steps)
        while True:
            try:
                error, result = None, step.run()
            except Exception as raised:  # noqa: BLE001 - the flow decides what an error means
                error = raised
            # Not in the handler: what the flow raises or logs next would have the error, which may
            # hold a password, for its context.
            step = steps.send(result) if error is None else steps.throw(error)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        error = None  # it holds this frame, too
        steps.close()  # what is no Exception, such as a worker's timeout, came past the flow


async def arun(steps: Steps[T]) -> T:
    """Drive ``steps`` by awaiting. A cancellation closes the flow, so that it can clean up."""
    error: Exception | None = None
    try:
        step = next(steps)
        while True:
            try:
                error, result = None, await step.arun()
            except Exception as raised:  # noqa: BLE001 - the flow decides what an error means
                error = raised
            step = steps.send(result) if error is None else steps.throw(error)
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        error = None
        steps.close()


@dataclass(slots=True)
class Pause:
    """Let ``seconds`` pass."""

    seconds: float

    def run(self) -> None:
        time.sleep(self.seconds)

    async def arun(self) -> None:
        await asyncio.sleep(self.seconds)


class Turn:
    """Wait for a pass of the event loop of one's own.

    Two hundred checks at once would otherwise do their work in one pass, and nothing else would
    run meanwhile. Alone, a check loses one empty pass. Without a loop there is nothing to do.
    """

    _locks: ClassVar[dict[asyncio.AbstractEventLoop, asyncio.Lock]] = {}

    def run(self) -> None:
        """Go on: threads take turns by themselves."""

    async def arun(self) -> None:
        async with self._lock():
            await asyncio.sleep(0)

    @classmethod
    def _lock(cls) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        lock = cls._locks.get(loop)
        if lock is None:
            # A lock holds on to its loop, so those of ended loops have to be let go of here.
            for ended in [each for each in tuple(cls._locks) if each.is_closed()]:
                cls._locks.pop(ended, None)
            lock = cls._locks[loop] = asyncio.Lock()
        return lock


@dataclass(slots=True)
class Blocking(Generic[T]):
    """Call something that only exists in a synchronous form, such as the ORM."""

    call: Callable[[], T]

    def run(self) -> T:
        return self.call()

    async def arun(self) -> T:
        # Thread-sensitive, as the ORM's connections demand.
        return await sync_to_async(self.call)()


@dataclass(slots=True)
class Send:
    """Send a signal. A receiver's error is logged and stops nothing."""

    signal: Signal
    arguments: dict[str, Any]

    def run(self) -> None:
        try:
            self.signal.send_robust(sender=None, **self.arguments)
        except Exception as error:  # noqa: BLE001 - see _failed
            self._failed(error)

    async def arun(self) -> None:
        try:
            await self.signal.asend_robust(sender=None, **self.arguments)
        except Exception as error:  # noqa: BLE001 - see _failed
            self._failed(error)

    @staticmethod
    def _failed(error: Exception) -> None:
        """Log what Django could not: it asks a receiver that failed for a ``__qualname__``."""
        logger.error("A receiver of a signal failed.", exc_info=error)
