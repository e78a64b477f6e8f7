"""The overview: panels that features register, and the numbers that these are made of.

Numbers come from the tallies, which sealing keeps by the hour, and from the few rows that wait to
be sealed, counted as they are. So a page costs the same at a thousand rows and at a million.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import QuerySet, Sum
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from credfirewall.audit import charts, sealing
from credfirewall.audit.labels import Text
from credfirewall.audit.models import AuditEvent, AuditSeal, AuditTally

HOUR = timedelta(hours=1)
FEW = 40
"""Values that are looked up one by one rather than counted with all others."""

logger = logging.getLogger("credfirewall.audit")

NEWEST = 10_000
"""Among so many of the newest rows those are counted that wait to be sealed."""


@dataclass(frozen=True, slots=True)
class Span:
    """How far back the overview looks, and in which steps."""

    name: str
    title: Text
    step: timedelta
    steps: int
    label: str
    tick: str


SPANS = {
    span.name: span
    for span in (
        Span("24h", _("24 hours"), HOUR, 24, "%H:%M", "%H:%M"),
        Span("7d", _("7 days"), timedelta(hours=6), 28, "%m-%d %H:%M", "%m-%d"),
        Span("30d", _("30 days"), timedelta(days=1), 30, "%m-%d", "%m-%d"),
    )
}
DEFAULT = "24h"


_kept: dict[tuple[str, str, datetime, str, int], list[tuple[str, int]]] = {}
MOST_KEPT = 32


class Waiting(NamedTuple):
    """A row that no seal covers, as far as it is counted."""

    at: datetime
    event: str
    outcome: str
    source: str
    actor_type: str
    actor_id: str
    address: str

    def value(self, kind: str) -> str:
        """Return what sealing will count it as. See AuditTally."""
        if kind == "event":
            return f"{self.event} {self.outcome} {self.source}"
        if kind == "actor":
            return f"{self.actor_type} {self.actor_id}" if self.actor_id else ""
        return self.address


class Window:
    """The numbers of a span that ends now. Steps begin on the hour, days at midnight UTC."""

    def __init__(self, span: Span, now: datetime, using: str) -> None:
        self.span, self.now, self.using = span, now, using
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        hours = span.step // HOUR
        last = hour - timedelta(hours=hour.hour % hours)
        self.start = last - span.step * (span.steps - 1)

    @property
    def begins(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M}"

    @property
    def ends(self) -> str:
        return f"{self.now.astimezone(UTC):%Y-%m-%d %H:%M}"

    @property
    def labels(self) -> list[str]:
        """Return when each step begins."""
        return self._begins(self.span.label)

    @property
    def ticks(self) -> list[str]:
        """Return the same, as short as the axis of a chart wants it."""
        return self._begins(self.span.tick)

    def _begins(self, form: str) -> list[str]:
        moments = (self.start + self.span.step * number for number in range(self.span.steps))
        return [f"{moment:{form}}" for moment in moments]

    @cached_property
    def sealed(self) -> AuditSeal | None:
        """The newest seal; None in a log that has none yet."""
        return AuditSeal.objects.using(self.using).order_by("-position").first()

    @cached_property
    def waiting(self) -> list[Waiting]:
        """The rows that wait to be sealed; if there are NEWEST of them, there may be more."""
        events = AuditEvent.objects.using(self.using)
        times = events.order_by("-at", "-pk").values_list("at", flat=True)
        oldest = next(iter(times[NEWEST - 1 : NEWEST]), None)
        found = sealing.unsealed(self.using, oldest).order_by("-at", "-pk")
        return [Waiting(*row) for row in found.values_list(*Waiting._fields)[:NEWEST]]

    def counts(self, kind: str) -> Counter[str]:
        """Return how often each value of ``kind`` occurred. Not for values without end."""
        if kind not in self._counts:
            counted = Counter(dict(self._totals(kind).values_list("value", "total")))
            counted.update(self._unsealed(kind))
            self._counts[kind] = counted
        return self._counts[kind]

    @cached_property
    def _counts(self) -> dict[str, Counter[str]]:
        return {}

    def top(self, kind: str, number: int) -> list[tuple[str, int]]:
        """Return the values of ``kind`` that occurred most."""
        counted = Counter(dict(self._ranked(kind, number)))
        unsealed = self._unsealed(kind)
        if unsealed:
            # What is counted below must be whole: a value may be sealed in part.
            some = self._totals(kind).filter(value__in=list(unsealed))
            if len(unsealed) <= FEW:  # each is looked up in each hour, along the index
                hours = range((self.now - self.start) // HOUR + 1)
                some = some.filter(hour__in=[self.start + HOUR * hour for hour in hours])
            counted.update(dict.fromkeys(unsealed, 0))
            counted |= Counter(dict(some.values_list("value", "total")))
            counted.update(unsealed)
        return sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:number]

    def _ranked(self, kind: str, number: int) -> list[tuple[str, int]]:
        """Return the same of sealed rows: kept until the next seal, because it may take long."""
        place = (self.using, self.sealed.head if self.sealed else "", self.start, kind, number)
        found = _kept.get(place)
        if found is None:
            most = self._totals(kind).order_by("-total", "value").values_list("value", "total")
            found = list(most[:number])
            if not self.sealed:
                return found
            if len(_kept) >= MOST_KEPT:
                _kept.clear()
            _kept[place] = found
        return found

    def series(self, events: Sequence[str]) -> dict[str, list[int]]:
        """Return for each value of these events how often it occurred in each step."""
        wanted = [value for value in self.counts("event") if value.split(" ")[0] in events]
        found = {value: [0] * self.span.steps for value in wanted}
        tallies = self._tallies("event").filter(value__in=wanted)
        places = [
            *tallies.values_list("hour", "value", "count"),
            *((row.at, row.value("event"), 1) for row in self.waiting if row.event in events),
        ]
        for at, value, count in places:
            step = (at - self.start) // self.span.step
            if value in found and 0 <= step < self.span.steps:
                found[value][step] += count
        return found

    def last_hour(self, kind: str, value: str) -> datetime | None:
        """Return the last hour of the span with sealed rows of this value."""
        hours = self._tallies(kind).filter(value=value).order_by("-hour")
        found: datetime | None = hours.values_list("hour", flat=True).first()
        return found

    def _tallies(self, kind: str) -> "QuerySet[AuditTally]":
        return AuditTally.objects.using(self.using).filter(kind=kind, hour__gte=self.start)

    def _totals(self, kind: str) -> Any:
        return self._tallies(kind).values("value").annotate(total=Sum("count"))

    def _unsealed(self, kind: str) -> Counter[str]:
        since = (row.value(kind) for row in self.waiting if row.at >= self.start)
        return Counter(value for value in since if value)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a head. What is a number is set to the right."""

    head: Sequence[Text]
    rows: Sequence[Sequence[Text | int]]

    def cells(self) -> list[list[tuple[Text | int, bool, Text]]]:
        """Return for each cell what it holds, whether that is a number, and its head."""
        return [
            [(cell, isinstance(cell, int), head) for cell, head in zip(row, self.head, strict=True)]
            for row in self.rows
        ]


@dataclass(frozen=True, slots=True)
class Panel:
    """What a panel shows: words first, a chart if there is one, and the table behind it."""

    title: Text
    words: Sequence[Text] = ()
    chart: SafeString | None = None
    legend: Sequence[tuple[SafeString, Text]] = ()
    table: Table | None = None
    wide: bool = False
    opened: bool = False
    """Whether the table is what there is to see, rather than behind a chart."""
    alert: Text = ""
    """What somebody should do something about."""


Build = Callable[[Window], Panel]
_panels: dict[str, tuple[int, Build]] = {}


def register(key: str, build: Build, *, order: int = 100) -> None:
    """Show the panel that ``build`` makes. A feature does this when the apps are ready."""
    _panels[key] = (order, build)


def panels(window: Window) -> list[tuple[str, Panel]]:
    """Return the panels with their keys; one that fails says so, and the others are shown."""
    made = []
    for key, (_order, build) in sorted(_panels.items(), key=lambda item: (item[1][0], item[0])):
        try:
            panel = build(window)
        except Exception:
            logger.exception("The panel %r could not be made.", key)
            panel = Panel(key, alert=_("This panel could not be made. The server's log says why."))
        made.append((key, panel))
    return made


def columns(
    key: str, title: Text, description: Text, window: Window, series: Sequence[charts.Series]
) -> tuple[SafeString, list[tuple[SafeString, Text]]]:
    """Return a chart over the steps of ``window``, and its legend where there is more than one."""
    chart = charts.columns(key, str(title), str(description), window.labels, window.ticks, series)
    legend: list[tuple[SafeString, Text]] = [
        (mark_safe(charts.swatch(key, number, each)), each.name)  # noqa: S308 - of numbers and of our key
        for number, each in enumerate(series)
    ]
    return mark_safe(chart), legend if len(series) > 1 else []  # noqa: S308 - charts escapes


def over_time(window: Window, head: Text, series: Sequence[charts.Series]) -> Table:
    """Return the table behind such a chart."""
    rows = list(zip(window.labels, *(each.values for each in series), strict=True))
    return Table([head, *(each.name for each in series)], rows)
