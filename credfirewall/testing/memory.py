"""Screening from memory: what is breached is what the test says."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.test.utils import TestContextDecorator, override_settings

from credfirewall.conf import configured
from credfirewall.exceptions import SourceUnavailable
from credfirewall.testing.ranges import Passwords, counts_of

if TYPE_CHECKING:
    from credfirewall.screening.digest import Candidate, Digest
    from credfirewall.screening.verdict import Answer

# credfirewall.screening is imported where it is used: a conftest.py may import this package before
# Django has its settings.


def _counts(passwords: Any, count: int = 1) -> dict[str, int]:
    """Return passwords with their counts. Raises TypeError or ValueError as ``add`` does."""
    if isinstance(passwords, Iterable) and not isinstance(passwords, bytes):
        return counts_of(passwords, count)
    _refuse_decorated("breached", passwords)
    kind = type(passwords).__name__
    raise TypeError(f"passwords are strings or a mapping with counts, not {kind}")


def _refuse_decorated(name: str, argument: object) -> None:
    """Raise TypeError for what ``@name`` without brackets is given."""
    if callable(argument):
        raise TypeError(f"{name} decorates as @{name}(...), in brackets")


class BreachedPasswords:
    """The passwords that are breached for as long as a test says so, on top of the ones outside.

    Threads may share it. Its ``repr`` shows no password.
    """

    def __init__(self, outer: "BreachedPasswords | None" = None) -> None:
        self._outer = outer
        self._lock = threading.Lock()
        self._counts: dict[Digest, int] = {}
        self._reason = ""

    def add(self, passwords: Passwords, count: int = 1) -> None:
        """Mark ``passwords`` as breached: one, several, or a mapping with their counts.

        ``count`` is for those that come without one. Raises TypeError or ValueError when they are
        not text with counts of 1 and more.
        """
        from credfirewall.screening.digest import Digest

        counts = _counts(passwords, count)
        with self._lock:
            for password, seen in counts.items():
                self._counts[Digest.of(password)] = seen

    def unavailable(self, reason: str = "connect") -> None:
        """Answer nothing from here on, so that every verdict is UNKNOWN for ``reason``."""
        self._reason = reason

    def available(self) -> None:
        """Answer again."""
        self._reason = ""

    def lookup(self, candidate: "Candidate") -> "Answer":
        """Answer for ``candidate``. Raises SourceUnavailable after ``unavailable``."""
        from credfirewall.screening.verdict import Answer

        if self._reason:
            raise SourceUnavailable(self._reason)
        count = max(self._count(digest) for digest in candidate.digests)
        return Answer(found=count > 0, count=count)

    def _count(self, digest: "Digest") -> int:
        with self._lock:
            count = self._counts.get(digest)
        if count is None:
            return 0 if self._outer is None else self._outer._count(digest)
        return count


_current = BreachedPasswords()


class MemorySource:
    """A source that knows what ``breached`` says, and nothing outside of it.

    A project whose test settings have ``SOURCES = ["credfirewall.testing.MemorySource"]`` makes
    no live call in any test; every password is clean there until a test says otherwise.
    """

    name = "memory"
    authoritative = True

    def lookup(self, candidate: "Candidate") -> "Answer":
        return _current.lookup(candidate)


class breached(TestContextDecorator):  # noqa: N801 - reads as the function that it looks like
    """Within it, screening answers from memory: ``passwords`` are BREACHED, all others CLEAN.

    A context manager, and a decorator of functions, coroutine functions and unittest classes:

        with breached({"hunter2": 17}) as passwords:
            ...
            passwords.add("another one")

    ``passwords`` is one, several (each seen once), or a mapping with their counts. SOURCES changes
    for the time being and all other settings stay. It holds in every thread; nested, the inner one
    adds to the outer. Raises TypeError or ValueError as ``BreachedPasswords.add`` does.
    """

    def __init__(self, passwords: Passwords = ()) -> None:
        super().__init__()
        self._passwords = _counts(passwords)
        self._entered: list[tuple[BreachedPasswords, override_settings]] = []

    def enable(self) -> BreachedPasswords:
        """Begin. ``with`` and the decorator call this."""
        global _current
        sources = ["credfirewall.testing.MemorySource"]
        override = override_settings(CREDFIREWALL={**configured(), "SOURCES": sources})
        layer = BreachedPasswords(outer=_current)
        layer.add(self._passwords)
        override.enable()
        self._entered.append((_current, override))
        _current = layer
        return layer

    def __enter__(self) -> BreachedPasswords:  # type: ignore[override]  # stubbed for Apps only
        return self.enable()

    def disable(self) -> None:
        """End. ``with`` and the decorator call this."""
        global _current
        _current, override = self._entered.pop()
        override.disable()


class unknown(breached):  # noqa: N801 - reads as the function that it looks like
    """Within it, no source can answer, and every verdict is UNKNOWN for ``reason``.

    What that means for a password is the project's ON_UNKNOWN. Used as ``breached`` is. Raises
    TypeError for a reason that is no string.
    """

    def __init__(self, reason: str = "connect") -> None:
        super().__init__()
        _refuse_decorated("unknown", reason)
        if not isinstance(reason, str):
            raise TypeError(f"a reason must be a string, not {type(reason).__name__}")
        self._reason = reason

    def enable(self) -> BreachedPasswords:
        """Begin. ``with`` and the decorator call this."""
        layer = super().enable()
        layer.unavailable(self._reason)
        return layer
