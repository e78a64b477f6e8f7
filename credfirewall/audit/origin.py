"""Where the act that is going on comes from: a request, a command, or nobody knows."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.core import mail

from credfirewall.addresses import Address, client_address
from credfirewall.api.models import ApiKey
from credfirewall.audit.events import NOBODY, Party
from credfirewall.audit.text import bounded

REQUEST_ID_HEADERS = ("HTTP_X_REQUEST_ID", "HTTP_X_CORRELATION_ID")


@dataclass(slots=True)
class Origin:
    """What is known of the one who acts. ``pending`` are events that wait for a transaction."""

    actor: Callable[[], Party]
    address: Address | None = None
    user_agent: str = ""
    request_id: str = ""
    pending: list[Any] = field(default_factory=list)

    @classmethod
    def of_request(cls, request: Any) -> "Origin":
        """Return the origin of a Django request; its user is asked for when something happens."""
        return cls.of_meta(request.META, lambda: caller(request))

    @classmethod
    def of_meta(cls, meta: Mapping[str, Any], actor: Callable[[], Party]) -> "Origin":
        """Return the origin of a request whose headers are in ``meta``."""
        identifiers = (meta.get(name) for name in REQUEST_ID_HEADERS)
        return cls(
            actor,
            client_address(meta),
            bounded(meta.get("HTTP_USER_AGENT", ""), 256),
            bounded(next(filter(None, identifiers), ""), 64),
        )


def caller(request: Any) -> Party:
    """Return who makes a request: the API key that it came with, or else its user."""
    user = getattr(request, "user", None)
    key = getattr(request, "auth", None)  # after the user: REST framework finds both together
    return party_of_key(key) if isinstance(key, ApiKey) else Party.of(user)


def party_of_key(key: ApiKey) -> Party:
    return Party("api_key", key.public_id, key.name)


MOST_PENDING = 1000
"""Events that wait in one place for a time without a transaction. Their log lines are out."""

_current: ContextVar[Origin | None] = ContextVar("credfirewall_audit_origin", default=None)


_thread = threading.local()


def current() -> Origin | None:
    """Return the origin of what is going on in this context."""
    return _current.get()


def pending() -> list[Any] | None:
    """Return what waits here: of the current origin, else of this thread.

    None where nothing may: what a test leaves would be written in the next one, or, as the process
    ends, to a database that is no test's.
    """
    where = _current.get()
    if where is not None:
        return where.pending
    if hasattr(mail, "outbox"):
        return None
    waiting: list[Any] = vars(_thread).setdefault("pending", [])
    return waiting


@contextmanager
def acting(origin: Origin) -> Iterator[Origin]:
    """Say where what happens in this block comes from.

    What still waits at its end, because a transaction around it is open, waits outside of it.
    """
    token = _current.set(origin)
    try:
        yield origin
    finally:
        _current.reset(token)
        _hand_over(origin)


def _hand_over(origin: Origin) -> None:
    outer = pending()
    if outer is origin.pending:
        return
    left, origin.pending = origin.pending, []
    if outer is not None:
        outer += left[: max(0, MOST_PENDING - len(outer))]


def command(name: str) -> Origin:
    """Return the origin of a management command."""
    party = Party.command(name)
    return Origin(lambda: party)


def nobody() -> Party:
    return NOBODY
