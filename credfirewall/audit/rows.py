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


def stored_microseconds(at: Any, zone: tzinfo) -> int:
    """Return ``microseconds`` of a time as a database has it: in ``zone``, without saying so.

    As text, which is SQLite's way, in the one spelling that is written there: another one of the
    same time was not written by us. Raises AttributeError, TypeError, ValueError or OverflowError.
    """
    if type(at) is str:
        text, at = at, datetime.fromisoformat(at)
        if str(at) != text:
            raise ValueError("this time is not spelled as it is written")
    if at.tzinfo is not None:
        raise ValueError("this time has a zone")
    since = at - _NAIVE_EPOCH if zone is UTC else at.replace(tzinfo=zone) - _EPOCH
    return int(since // _MICROSECOND)


def message(columns: Sequence[Any]) -> bytes:
    """Return what the MAC covers, of values in the order of COLUMNS, as a model has them.

    Raises AttributeError, TypeError, ValueError or OverflowError for what is none.
    """
    identity, log, schema, key, at, *texts = columns
    time = str(microseconds(at))
    return seals.canonical(DOMAIN, identity.hex, log.hex, str(schema), key, time, *texts)


def stored_message(columns: Sequence[Any], zone: tzinfo) -> bytes:
    """Return what the MAC covers, of values in the order of COLUMNS as ``reading`` gives them.

    Exactly: an id with dashes, where a database has none, is another row. Raises as ``message``.
    """
    identity, log, schema, key, at, *texts = columns
    if type(schema) is not int:
        raise TypeError
    time = str(stored_microseconds(at, zone))
    return seals.canonical(DOMAIN, identity, log, str(schema), key, time, *texts)


def authenticate(row: AuditEvent, key: AuditKey) -> None:
    """Sign ``row``, which is complete but for the key and the MAC."""
    row.key = key.id
    row.mac = seals.mac(key.row, message(tuple(getattr(row, name) for name in COLUMNS)))


def is_authentic(columns: Sequence[Any], mac: str, key: AuditKey) -> bool:
    """Whether ``mac`` is that of ``columns``."""
    try:
        return seals.is_mac(key.row, message(columns), mac)
    except (AttributeError, TypeError, ValueError, OverflowError):  # never what was recorded
        return False


def is_stored_authentic(columns: Sequence[Any], mac: Any, key: AuditKey, zone: tzinfo) -> bool:
    """Whether ``mac`` is that of ``columns`` as ``reading`` gives them."""
    try:
        return seals.is_mac(key.row, stored_message(columns, zone), mac)
    except (AttributeError, TypeError, ValueError, OverflowError):  # never what was recorded
        return False


def of(value: object) -> uuid.UUID:
    """Return a UUID as some databases give it, and some do not."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
