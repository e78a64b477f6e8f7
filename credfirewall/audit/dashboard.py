"""The overview: panels that features register, and the numbers that these are made of.

Numbers come from the tallies, which sealing keeps by the hour (see ``counting``), and from the few
rows that wait to be sealed, counted as they are. So a page costs the same at a thousand rows and at
a million.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from credfirewall.audit import charts, counting, sealing
from credfirewall.audit.counting import Entry
from credfirewall.audit.labels import Text
from credfirewall.audit.models import AuditEvent, AuditSeal, AuditTally

HOUR = timedelta(hours=1)
FEW = 40
"""Values that are looked up one by one rather than counted with all others."""

logger = logging.getLogger("credfirewall.audit")

NEWEST = 10_000
"""Among so many of the newest rows those are counted that wait to be sealed."""
LOOKS = 3
"""How often the newest seal and the rows behind it are read, if one is made in between."""


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

    @property
    def sealed(self) -> AuditSeal | None:
        """The newest seal; None in a log that has none yet."""
        return self._ends[0]

    @property
    def waiting(self) -> list[Entry]:
        """The rows that wait to be sealed; if there are NEWEST of them, there may be more."""
        return self._ends[1]

    @cached_property
    def _ends(self) -> tuple[AuditSeal | None, list[Entry]]:
        """The newest seal and the rows that wait for the next, of one moment: a row that is
        sealed in between would count twice, or not at all."""
        seals = AuditSeal.objects.using(self.using).order_by("-position")
        for _look in range(LOOKS):
            newest, waiting = seals.first(), self._unsealed()
            if counting.last_head(self.using) == (newest.head if newest else ""):
                break
        return newest, waiting

    def _unsealed(self) -> list[Entry]:
        events = AuditEvent.objects.using(self.using)
        times = events.order_by("-at", "-pk").values_list("at", flat=True)
        oldest = next(iter(times[NEWEST - 1 : NEWEST]), None)
        found = sealing.unsealed(self.using, oldest).order_by("-at", "-pk")
        return counting.entries(found[:NEWEST])

    @cached_property
    def _sealed(self) -> counting.Sealed:
        return counting.sealed(self.using, self.span.name, self.start, self.sealed)

    @cached_property
    def _waiting(self) -> list[Entry]:
        """Those of the span."""
        return [row for row in self.waiting if row.at >= self.start]

    def counts(self, kind: str) -> Counter[str]:
        """Return how often each value of ``kind`` occurred. Not for values without end."""
        if kind != "event":
            counted = Counter(dict(self._totals(kind).values_list("value", "total")))
        else:
            counted = Counter()
            for (value, _hour), count in self._sealed.events.items():
                counted[value] += count
        counted.update(counting.values(self._waiting, kind))
        return counted

    def top(self, kind: str, number: int) -> list[tuple[str, int]]:
        """Return the values of ``kind`` ("actor" or "address") that occurred most."""

        def totals(values: Sequence[str]) -> dict[str, int]:
            some = self._totals(kind).filter(value__in=values)
            if len(values) <= FEW:  # each is looked up in each hour, along the index
                hours = range((self.now - self.start) // HOUR + 1)
                some = some.filter(hour__in=[self.start + HOUR * hour for hour in hours])
            return dict(some.values_list("value", "total"))

        waiting = counting.values(self._waiting, kind)
        return self._sealed.rankings[kind].top(number, waiting, totals)

    def series(self, events: Sequence[str]) -> dict[str, list[int]]:
        """Return for each value of these events how often it occurred in each step."""
        found: dict[str, list[int]] = {}
        places = [
            *((value, hour, count) for (value, hour), count in self._sealed.events.items()),
            *((row.value("event"), row.at, 1) for row in self._waiting),
        ]
        for value, at, count in places:
            if value.split(" ")[0] in events:
                steps = found.setdefault(value, [0] * self.span.steps)
                step = (at - self.start) // self.span.step
                if 0 <= step < self.span.steps:
                    steps[step] += count
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
