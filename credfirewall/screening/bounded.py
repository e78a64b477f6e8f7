"""Calls that cannot be interrupted (name look-ups, cache clients), bounded from outside.

A small pool of daemon threads: the caller waits as long as it can afford and then goes on; a call
that hangs keeps its thread and never the process (concurrent.futures would wait for it at exit).
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Saturated(Exception):  # noqa: N818 - an outcome, named as one
    """Every thread is busy and too much is waiting."""


class BoundedPool:
    """Runs calls in at most ``threads`` threads, with at most ``backlog`` calls waiting."""

    def __init__(self, name: str, *, threads: int, backlog: int) -> None:
        self._name, self._threads, self._backlog = name, threads, backlog
        self._reset()
        os.register_at_fork(after_in_child=self._reset)  # threads do not survive a fork

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._started = self._open = 0

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Start ``call``. Raises Saturated instead of queueing without bound."""
        future: Future[T] = Future()
        with self._lock:
            if self._open >= self._threads + self._backlog:
                raise Saturated(self._name)
            self._open += 1
            if self._started < min(self._open, self._threads):
                self._started += 1
                name = f"credfirewall-{self._name}-{self._started}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        self._calls.put((future, call))
        return future

    def _work(self) -> None:
        calls = self._calls
        while True:
            future, call = calls.get()
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                future.set_exception(error)
            finally:
                with self._lock:
                    self._open -= 1
            del future, call  # an idle thread must not keep a request's objects alive
