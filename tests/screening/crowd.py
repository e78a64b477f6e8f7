"""Threads that arrive together, for what must happen once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
SIZE = 8


class Crowd:
    """Eight threads at one lock: what it guards goes on when all of them have come to it."""

    def __init__(self) -> None:
        self.work = 0
        self._lock = threading.Lock()
        self._count = threading.Semaphore(0)

    def __enter__(self) -> None:
        self._count.release()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def guarded(self, work: Callable[[], T]) -> T:
        """Do ``work`` and count it, once every thread waits at the lock or is past it."""
        if self.work == 0:
            for _thread in range(SIZE):
                assert self._count.acquire(timeout=10), "a thread went past the lock"
        self.work += 1
        return work()

    def run(self, call: Callable[[], T]) -> list[T]:
        with ThreadPoolExecutor(SIZE) as pool:
            return [future.result(30) for future in [pool.submit(call) for _ in range(SIZE)]]
