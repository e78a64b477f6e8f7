"""What screening says of a password. Pure: no settings, no ORM."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    CLEAN = "clean"
    BREACHED = "breached"
    UNKNOWN = "unknown"


class Reason:
    """Why a source could not answer, or what to know about an answer. Stable words."""

    STALE: Final = "stale"
    """The upstream did not answer; the verdict rests on a cached range past its TTL."""
    BELOW_MIN_COUNT: Final = "below_min_count"

    CONNECT: Final = "connect"
    DNS: Final = "dns"
    TLS: Final = "tls"
    TIMEOUT: Final = "timeout"
    RESET: Final = "reset"
    REDIRECT: Final = "redirect"
    RATE_LIMITED: Final = "rate_limited"
    HTTP_CLIENT_ERROR: Final = "http_client_error"
    HTTP_SERVER_ERROR: Final = "http_server_error"
    HTTP_STATUS: Final = "http_status"
    EMPTY: Final = "empty"
    MALFORMED: Final = "malformed"
    TRUNCATED: Final = "truncated"
    CHECKSUM: Final = "checksum"
    TOO_LARGE: Final = "too_large"
    BREAKER_OPEN: Final = "breaker_open"
    BUDGET: Final = "budget"
    BUSY: Final = "busy"
    DATABASE: Final = "database"
    ERROR: Final = "error"
    NO_SOURCE: Final = "no_authoritative_source"


@dataclass(frozen=True, slots=True)
class Answer:
    """One source's answer. ``count`` is None where the source does not count."""

    found: bool
    count: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a screening.

    ``status``  CLEAN, BREACHED or UNKNOWN.
    ``count``   how often the password was seen in breaches; 0 when a counting source does not
                know it, None when no counting source answered.
    ``source``  the name of the source that decided, None when none could.
    ``reason``  a stable word (``Reason``) where there is more to say, else "".
    """

    status: Status
    count: int | None = None
    source: str | None = None
    reason: str = ""

    def __bool__(self) -> bool:
        raise TypeError(
            "A Verdict has three outcomes and no truth value: compare verdict.status with "
            "Status.CLEAN, Status.BREACHED or Status.UNKNOWN."
        )
