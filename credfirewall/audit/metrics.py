"""What the log counts, and the page with all metrics: see docs/metrics.md."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from django.db import router
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from credfirewall import metrics
from credfirewall.audit import sealing
from credfirewall.audit.events import LimitHit
from credfirewall.audit.models import AuditEvent, AuditSeal
from credfirewall.metrics import Counter, Reading
from credfirewall.signals import audit_recorded

PERMISSION = "credfirewall.view_auditevent"
FORWARDED = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")
MOST_WAITING = 100_000
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

_events = Counter("audit_events", "Recorded audit events.", "event", "outcome")
_failures = Counter("audit_failures", "Audit events that could not be stored.", "event")
_limits = Counter("limits_hit", "Requests beyond a rate, by the rate's name in RATES.", "rate")


def connect() -> None:
    """Count what is recorded, and what could not be."""
    audit_recorded.connect(_recorded, dispatch_uid="credfirewall.audit.metrics")
    logging.getLogger("credfirewall.audit").addFilter(_counting)
    metrics.asked("seal lag", _seal_lag)


@require_safe
def view(request: HttpRequest) -> HttpResponse:
    """Show all metrics to staff with the permission, and to a scraper on this very machine."""
    if not (_is_local(request) or _is_allowed(request)):
        return _text(b"You may not see this.\n", 403)
    if not metrics.ENABLED:
        return _text(b'There are none: pip install "django-credfirewall[metrics]".\n', 404)
    body, content_type = metrics.exposition(request.headers.get("Accept", ""))
    return _text(body, 200, content_type)


def _text(
    body: bytes, status: int, content_type: str = "text/plain; charset=utf-8"
) -> HttpResponse:
    headers = {
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(body, status=status, content_type=content_type, headers=headers)


def _is_allowed(request: HttpRequest) -> bool:
    user: Any = getattr(request, "user", None)
    return bool(user and user.is_active and user.is_staff and user.has_perm(PERMISSION))


def _is_local(request: HttpRequest) -> bool:
    """Whether the request was made on this machine, to this machine, and forwarded by nobody.

    Behind a proxy on the same machine every visitor has a loopback address, so that alone says
    nothing: a proxy adds headers, or passes on the name by which the visitor knows the site.
    """
    meta = request.META
    try:
        here = ip_address(meta.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
    name = meta.get("HTTP_HOST", "").rpartition(":")[0] or meta.get("HTTP_HOST", "")
    forwarded = any(key in FORWARDED or key.startswith("HTTP_X_FORWARDED") for key in meta)
    return here and not forwarded and name in LOOPBACK_NAMES


# What is counted


def _recorded(event: AuditEvent, **_signal: Any) -> None:
    _events.add(event.event, event.outcome)
    _limit(event)


class _Counting(logging.Filter):
    """Counts the rows that go to the log handlers only, and lets everything pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        row = getattr(record, "audit", None)
        if row is not None and record.levelno >= logging.ERROR:
            _failures.add(row.event)
            _limit(row)
        return True


_counting = _Counting()


def _limit(event: AuditEvent) -> None:
    if event.event == LimitHit.name:
        _limits.add(json.loads(event.details)["rate"])


# What is looked up


def _seal_lag() -> Iterator[Reading]:
    """Yield how many rows wait for a seal and since when, of those that come to sealing by itself.

    Rows from long before the last seal are not looked for, and no more than ``MOST_WAITING``: a
    page must not read the whole log.
    """
    using = router.db_for_read(AuditSeal)
    last = AuditSeal.objects.using(using).order_by("-position").first()
    waiting = sealing.unsealed(using, last.at - sealing.LATE if last else None)
    some = waiting.order_by("at")[:MOST_WAITING]
    found = some.aggregate(rows=Count("pk"), oldest=Min("at"))
    age = (datetime.now(UTC) - found["oldest"]).total_seconds() if found["oldest"] else 0.0
    yield Reading("audit_unsealed_rows", "Rows that no seal covers yet.", found["rows"])
    yield Reading(
        "audit_unsealed_seconds", "Age of the oldest row that no seal covers.", max(0.0, age)
    )
