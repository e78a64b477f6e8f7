"""What the log counts: see docs/metrics.md."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import router
from django.db.models import Count, Min

from credfirewall import metrics
from credfirewall.audit import sealing
from credfirewall.audit.events import LimitHit
from credfirewall.audit.models import AuditEvent, AuditSeal
from credfirewall.metrics import Counter, Reading
from credfirewall.signals import audit_recorded

LOOKED_BACK = timedelta(hours=1)
"""Before the newest seal: rows of long transactions wait there for ``seal_audit``."""
MOST_WAITING = 100_000

_events = Counter("audit_events", "Recorded audit events.", "event", "outcome")
_failures = Counter("audit_failures", "Audit events that could not be stored.", "event")
_limits = Counter("limits_hit", "Requests beyond a rate, by the rate's name in RATES.", "rate")


def connect() -> None:
    """Count what is recorded, and what could not be."""
    audit_recorded.connect(_recorded, dispatch_uid="credfirewall.audit.metrics")
    logging.getLogger("credfirewall.audit").addFilter(_counting)
    metrics.asked("seal lag", _seal_lag)


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
    waiting = sealing.unsealed(using, last.at - LOOKED_BACK if last else None)
    some = waiting.order_by("at")[:MOST_WAITING]
    found = some.aggregate(rows=Count("pk"), oldest=Min("at"))
    age = (datetime.now(UTC) - found["oldest"]).total_seconds() if found["oldest"] else 0.0
    yield Reading("audit_unsealed_rows", "Rows that no seal covers yet.", found["rows"])
    yield Reading(
        "audit_unsealed_seconds", "Age of the oldest row that no seal covers.", max(0.0, age)
    )
