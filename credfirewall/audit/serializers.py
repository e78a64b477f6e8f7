"""What the API takes and tells of the log."""

import json
from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from credfirewall.api.serializers import Moment, Query, Text, Whole, moment_text
from credfirewall.audit import filters
from credfirewall.audit.events import EVENTS, Outcome
from credfirewall.audit.identities import Name, Names
from credfirewall.audit.listing import Cursor
from credfirewall.audit.models import AuditEvent

MOST = 200
PARTY = r"^[a-z][a-z_]{0,15}:[^\x00-\x1f\x7f]{0,64}\Z"


@extend_schema_field({"type": "string", "format": "cursor", "minLength": 1, "maxLength": 256})
class CursorField(Text):
    """A place in the log, as an answer has named it."""

    default_error_messages = {"invalid": "This was never a `next` of ours."}

    def to_internal_value(self, data: Any) -> Any:
        cursor = filters.unsign(super().to_internal_value(data))
        if cursor is None:
            self.fail("invalid")
        return cursor


class EventQuery(Query):
    """Which events, and how many."""

    event = serializers.ChoiceField(
        choices=sorted(EVENTS),
        required=False,
        help_text="The name of the event.",
        style={"example": "audit_read"},
    )
    outcome = serializers.ChoiceField(
        choices=[each.value for each in Outcome],
        required=False,
        help_text="What became of it.",
        style={"example": "refused"},
    )
    source = Text(  # type: ignore[assignment]  # a field, which DRF keeps apart
        required=False,
        max_length=64,
        help_text="The screening source that the event is about.",
        style={"example": "hibp"},
    )
    actor = serializers.RegexField(
        PARTY,
        trim_whitespace=False,
        required=False,
        help_text="Who acted, as type:id. Anonymous callers are `anonymous:`.",
        style={"example": "user:5"},
        error_messages={"invalid": "Give type:id, such as user:5."},
    )
    subject = serializers.RegexField(
        PARTY,
        trim_whitespace=False,
        required=False,
        help_text="Whom it concerned, as type:id.",
        style={"example": "user:7"},
        error_messages={"invalid": "Give type:id, such as user:5."},
    )
    address = Text(
        required=False,
        max_length=64,
        help_text="Where it came from: an address, which also finds the network that is kept of "
        "it, or what an event shows as its address.",
        style={"example": "198.51.100.0/24"},
    )
    request_id = Text(
        required=False,
        max_length=64,
        help_text="The id of the request that it was part of.",
        style={"example": "5f0c6a6e"},
    )
    since = Moment(
        required=False,
        help_text="The earliest time, RFC 3339 with an offset.",
        style={"example": "2026-11-01T00:00:00Z"},
    )
    until = Moment(
        required=False,
        help_text="Up to this time, which is not included.",
        style={"example": "2026-12-01T00:00:00Z"},
    )
    limit = Whole(
        default=50,
        min_value=1,
        max_value=MOST,
        help_text="The most events to answer.",
        style={"example": 100},
    )
    cursor = CursorField(required=False, help_text="What the page before says under `next`.")


# What is told: these describe it in the schema, ``page_body`` makes it.


class AuditParty(serializers.Serializer[Any]):
    type = serializers.CharField(help_text="`user`, `command`, `anonymous`, or nothing.")
    id = serializers.CharField()
    name = serializers.CharField(
        allow_null=True,
        help_text="The name at that time; null if there was none, if it is erased, or if it is not "
        "the one that was recorded.",
    )


class AuditRecord(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    at = serializers.DateTimeField(help_text="UTC, with microseconds.")
    event = serializers.CharField()
    outcome = serializers.ChoiceField(choices=[each.value for each in Outcome])
    source = serializers.CharField(  # type: ignore[assignment]  # as above
        help_text="Empty unless the event has one."
    )
    actor = AuditParty()
    subject = AuditParty()
    address = serializers.CharField(help_text="As much of it as AUDIT_IP has kept.")
    user_agent = serializers.CharField()
    request_id = serializers.CharField()
    details = serializers.DictField(help_text="Each event has its own.")


class AuditPage(serializers.Serializer[Any]):
    events = AuditRecord(many=True, help_text="Newest first.")
    next = serializers.CharField(
        allow_null=True, help_text="The cursor of the page that follows; null on the last one."
    )


EXAMPLE = {
    "events": [
        {
            "id": "019a9f4e-2f60-7c3a-9d0e-5b1f6a2c7d41",
            "at": "2026-11-22T16:28:00.004217Z",
            "event": "screening_refused",
            "outcome": "refused",
            "source": "hibp",
            "actor": {"type": "user", "id": "5", "name": "dana"},
            "subject": {"type": "", "id": "", "name": None},
            "address": "198.51.100.0/24",
            "user_agent": "Mozilla/5.0",
            "request_id": "5f0c6a6e",
            "details": {"count": 42, "source": "hibp"},
        }
    ],
    "next": None,
}


def page_body(rows: Iterable[AuditEvent], names: Names, following: Cursor | None) -> dict[str, Any]:
    """Return the answer. By hand, because serializers take ten times as long for 200 rows."""
    return {
        "events": [_event(row, names) for row in rows],
        "next": filters.sign(following) if following else None,
    }


def _event(row: AuditEvent, names: Names) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "at": moment_text(row.at),
        "event": row.event,
        "outcome": row.outcome,
        "source": row.source,
        "actor": _party(row.actor_type, row.actor_id, names.actor(row)),
        "subject": _party(row.subject_type, row.subject_id, names.subject(row)),
        "address": row.address,
        "user_agent": row.user_agent,
        "request_id": row.request_id,
        "details": _details(row.details),
    }


def _party(kind: str, identity: str, name: Name) -> dict[str, Any]:
    return {"type": kind, "id": identity, "name": name.text or None}


def _details(text: str) -> dict[str, Any]:
    """Return the details. Those of a row that was tampered with may be anything: not served."""
    try:
        details = json.loads(text)
        # What Python reads and JSON or UTF-8 does not know would end the whole page.
        json.dumps(details, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        details = None
    return details if isinstance(details, dict) else {}
