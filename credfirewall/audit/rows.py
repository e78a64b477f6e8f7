"""A row and what its MAC covers: every column, as canonical text."""

import uuid
from datetime import UTC, datetime, timedelta
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
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Return the time since 1970 UTC in microseconds, exactly: floats would round."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Return the time that ``microseconds`` made a number of."""
    return _EPOCH + timedelta(microseconds=value)


def message(columns: tuple[Any, ...]) -> bytes:
    """Return what the MAC covers, of values in the order of COLUMNS."""
    identity, log, schema, key, at, *texts = columns
    return seals.canonical(
        DOMAIN, identity.hex, log.hex, str(schema), key, str(microseconds(at)), *texts
    )


def authenticate(row: AuditEvent, key: AuditKey) -> None:
    """Sign ``row``, which is complete but for the key and the MAC."""
    row.key = key.id
    row.mac = seals.mac(key.row, message(tuple(getattr(row, name) for name in COLUMNS)))


def is_authentic(columns: tuple[Any, ...], mac: str, key: AuditKey) -> bool:
    """Whether ``mac`` is that of ``columns``."""
    return seals.is_mac(key.row, message(columns), mac)


def of(value: object) -> uuid.UUID:
    """Return a UUID as some databases give it, and some do not."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
