"""A row and what its MAC covers: every column, as canonical text."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from credfirewall.audit import seals
from credfirewall.audit.keys import AuditKey
from credfirewall.audit.models import AuditEvent

DOMAIN = "credfirewall/audit/row/v1"
COLUMNS = (
    "id", "log", "schema", "key", "at", "event", "outcome", "source",
    "actor_type", "actor_id", "actor", "subject_type", "subject_id", "subject",
    "address", "user_agent", "request_id", "details",
)  # fmt: skip
"""What schema version 1 covers, in this order: all but the MAC itself."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Return the time since 1970 UTC in microseconds, exactly: floats would round."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Return the time that ``microseconds`` made a number of."""
    return _EPOCH + timedelta(microseconds=value)


def message(columns: Sequence[Any], zone: tzinfo = UTC) -> bytes:
    """Return what the MAC covers, of values in the order of COLUMNS.

    Also of values as a driver gives them: UUIDs and times can be text, and times without a zone
    are in that of the connection. Raises TypeError, ValueError or OverflowError for what is none.
    """
    identity, log, schema, key, at, *texts = columns
    at = at if type(at) is datetime else datetime.fromisoformat(at)
    if at.tzinfo is not None:
        at -= _EPOCH
    elif zone is UTC:
        at -= _NAIVE_EPOCH
    else:
        at = at.replace(tzinfo=zone) - _EPOCH
    time = str(at // _MICROSECOND)
    return seals.canonical(DOMAIN, as_hex(identity), as_hex(log), str(schema), key, time, *texts)


def as_hex(value: Any) -> str:
    """Return a UUID as 32 digits. Of text as it is in one of the two forms that databases use."""
    if type(value) is uuid.UUID:
        return value.hex
    text: str = value
    if len(text) == 36 and text[8] == text[13] == text[18] == text[23] == "-":
        return text.replace("-", "", 4)
    return text


def authenticate(row: AuditEvent, key: AuditKey) -> None:
    """Sign ``row``, which is complete but for the key and the MAC."""
    row.key = key.id
    row.mac = seals.mac(key.row, message(tuple(getattr(row, name) for name in COLUMNS)))


def is_authentic(columns: Sequence[Any], mac: str, key: AuditKey, zone: tzinfo = UTC) -> bool:
    """Whether ``mac`` is that of ``columns``."""
    try:
        return seals.is_mac(key.row, message(columns, zone), mac)
    except (AttributeError, TypeError, ValueError, OverflowError):  # never what was recorded
        return False


def of(value: object) -> uuid.UUID:
    """Return a UUID as some databases give it, and some do not."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
