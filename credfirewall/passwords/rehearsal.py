"""Asking the validators what they would say, without anything being set or refused.

``evaluate`` and ``generate`` run a project's validators. In a rehearsal those that screen take the
verdict that is there already, so that a password is screened once however many of them are listed,
and put nothing into the audit log: nobody was refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from credfirewall.screening.verdict import Verdict

_verdict: ContextVar[Verdict | None] = ContextVar("credfirewall_rehearsal", default=None)


@contextmanager
def rehearsing(verdict: Verdict) -> Iterator[None]:
    """Let validators go by ``verdict`` in this context. It is of the one password they get."""
    token = _verdict.set(verdict)
    try:
        yield
    finally:
        _verdict.reset(token)


def rehearsed() -> Verdict | None:
    """Return the verdict of the rehearsal that is going on; None when this is no rehearsal."""
    return _verdict.get()


def screens(validator: object) -> bool:
    """Whether ``validator`` asks for breaches by SOURCES: it says so by ``screens_breaches``."""
    return getattr(validator, "screens_breaches", False) is True
