"""Keys that were just read: a program that asks often does not have its key read each time."""

import time
from collections.abc import Callable
from typing import Any

from django.db.models import Model

from credfirewall.api.models import ApiKey

SECONDS = 1.0
"""For how long another process may not notice that a key, or its owner, has changed."""
MOST = 1000
"""Keys that a process remembers."""


class Recent:
    """The rows of keys by public id, each with its owner. They hold digests of secrets.

    What they say is judged at each use: a key that expires does so in time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, ApiKey]] = {}

    def read(self, public_id: str, read: Callable[[str], ApiKey | None]) -> ApiKey | None:
        """Return the key of that id, from ``read`` unless that was asked in the last second.

        An id that nobody has is not remembered: made-up ones would push out the others.
        """
        now = self._clock()
        since, key = self._known.get(public_id, (now, None))
        if key is not None and now - since < SECONDS:
            return _twin(key)
        key = read(public_id)
        if key is not None:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[public_id] = now, _twin(key)
        return key

    def forget(self, **_signal: Any) -> None:
        """Read all keys anew: one of them has changed, or an owner."""
        self._known.clear()


def _twin(key: ApiKey) -> ApiKey:
    """Return a copy: a request may change what it gets, and an account remembers its rights."""
    twin: ApiKey = _copied(key)
    ApiKey._meta.get_field("owner").set_cached_value(twin, _copied(key.owner))
    return twin


def _copied(model: Any) -> Any:
    """Do what ``copy.copy`` does, without the detour by which it makes a model anew."""
    made: Any = object.__new__(type(model))
    made.__dict__.update(Model.__getstate__(model))
    return made


recent = Recent()
