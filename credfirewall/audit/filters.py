"""Reading the log through the API: exact filters, and pages from a signed place onwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.signing import BadSignature, Signer
from django.db import router
from django.db.models import Q

from credfirewall.audit.listing import Cursor, addresses, kinds
from credfirewall.audit.models import AuditEvent

SALT = "credfirewall.audit.cursor"


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first, and the place to go on from, if there is more."""

    rows: list[AuditEvent]
    next: Cursor | None


def condition(filters: Mapping[str, Any]) -> Q | None:
    """Return what ``filters`` let through, which are valid; None where that is no event."""
    where = kinds(**{name: filters.get(name, "") for name in ("event", "outcome", "source")})
    if where is None:
        return None
    if "request_id" in filters:
        where &= Q(request_id=filters["request_id"])
    for name in ("actor", "subject"):
        if name in filters:
            kind, _, identity = filters[name].partition(":")
            where &= Q(**{f"{name}_type": kind, f"{name}_id": identity})
    if "address" in filters:
        where &= Q(address__in=sorted(addresses(filters["address"], datetime.now(UTC))))
    if "since" in filters:
        where &= Q(at__gte=filters["since"])
    if "until" in filters:
        where &= Q(at__lt=filters["until"])
    return where


def page(filters: Mapping[str, Any], limit: int, after: Cursor | None) -> Page:
    """Return ``limit`` rows at most, older than the place ``after``. Nothing is counted."""
    where = condition(filters)
    if where is None:
        return Page([], None)
    if after is not None:
        where &= after.older()
    alias = router.db_for_read(AuditEvent)
    found = AuditEvent.objects.using(alias).filter(where).order_by("-at", "-pk")
    rows = list(found.defer("key", "log", "mac", "schema")[: limit + 1])
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], Cursor.of(rows[limit - 1]))


def sign(cursor: Cursor) -> str:
    """Return ``cursor`` as a text that only this site can have made."""
    return _signer().sign_object(str(cursor))


def unsign(text: str) -> Cursor | None:
    """Return the place in ``text``; None unless ``sign`` made it."""
    try:
        return Cursor.read(_signer().unsign_object(text))
    except BadSignature:
        return None


def _signer() -> Signer:
    return Signer(salt=SALT, sep=".")
