"""Screening's panels on the audit overview: what was refused, by which source, and who was silent.

How long a source was silent is read from its events, which are made on transitions only, so there
are few of them. Each process sees a source for itself: a source counts as silent from when the
first process said so until one says that it answers again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.exceptions import ImproperlyConfigured
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from credfirewall.audit import charts, dashboard, labels
from credfirewall.audit.dashboard import Panel, Table, Window
from credfirewall.audit.models import AuditEvent
from credfirewall.conf import conf
from credfirewall.screening.health import State
from credfirewall.screening.sources import chain

TRANSITIONS = ("screening_degraded", "screening_recovered")
MOST = 1000
"""Transitions of either kind that are read at most, the newest."""

Silence = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Transition:
    """A source stopped answering, or answers again."""

    source: str
    at: datetime
    silent: bool


def register() -> None:
    """Register the panels of screening."""
    dashboard.register("screening-refused", refused, order=30)
    dashboard.register("screening-verdicts", verdicts, order=45)
    dashboard.register("screening-silent", silent, order=50)
    dashboard.register("screening-sources", sources, order=40)


def refused(window: Window) -> Panel:
    """Show when breached passwords were refused, by source."""
    title = gettext_lazy("Refused passwords")
    series = [
        charts.Series(str(labels.source(name)), steps, tone)
        for tone, (name, steps) in enumerate(_by_source(window, "screening_refused").items())
    ]
    number = sum(sum(each.values) for each in series)
    words = [
        ngettext("%d breached password was refused.", "%d breached passwords were refused.", number)
        % number
        if number
        else _("No breached password was refused.")
    ]
    if not number:
        return Panel(title, words)
    about = _("Breached passwords that were refused over the time shown, by source, in UTC.")
    chart, legend = dashboard.columns("screening-refused", title, about, window, series)
    return Panel(title, words, chart, legend, dashboard.over_time(window, _("From (UTC)"), series))


def verdicts(window: Window) -> Panel:
    """Show what each source said. What is clean is no event."""
    counts = window.counts("event")
    found: dict[str, list[int]] = {name: [0, 0] for name in conf.SOURCES}
    for value, count in counts.items():
        event, _outcome, source = value.split(" ", 2)
        if event == "screening_refused":
            found.setdefault(source, [0, 0])[0] += count
        elif event == "screening_degraded":
            found.setdefault(source, [0, 0])[1] += count
    rows: list[tuple[str | labels.Text | int, ...]] = [
        (labels.source(source), *numbers) for source, numbers in found.items()
    ]
    unknown = sum(
        count for value, count in counts.items() if value.startswith("screening_unknown ")
    )
    words = [
        ngettext(
            "For %d password no source could answer.",
            "For %d passwords no source could answer.",
            unknown,
        )
        % unknown
        if unknown
        else _("There was an answer for every password.")
    ]
    head = [_("Source"), _("Breached"), _("Failures reported")]
    return Panel(gettext_lazy("Verdicts by source"), words, table=Table(head, rows), opened=True)


def silent(window: Window) -> Panel:
    """Show for how long each source did not answer, and what remained unknown."""
    title = gettext_lazy("Unknown and degraded time")
    found = silences(transitions(window), window.start, window.now)
    whole = window.now - window.start
    lines, rows = [], []
    for source, times in found.items():
        name = str(labels.source(source))
        total = sum((end - start for start, end in times), timedelta())
        lines.append(
            (name, [((a - window.start) / whole, (b - window.start) / whole) for a, b in times])
        )
        rows.append((name, len(times), duration(total), f"{total / whole:.1%}"))
    unknown = sum(map(sum, window.series(["screening_unknown"]).values()))
    words = [
        ngettext("%d password was not screened.", "%d passwords were not screened.", unknown)
        % unknown
        if unknown
        else _("No password went unscreened.")
    ]
    if not rows:
        return Panel(title, [*words, _("No source was silent.")])
    words += [
        _("%(source)s was silent for %(time)s.") % {"source": name, "time": text}
        for name, _number, text, _share in rows
    ]
    about = _("When each source did not answer, from the beginning to the end of the time shown.")
    chart = charts.strips(
        "screening-silent", str(title), about, lines, (window.begins, window.ends)
    )
    head = [_("Source"), _("Times"), _("In total"), _("Share")]
    return Panel(title, words, mark_safe(chart), table=Table(head, rows))  # noqa: S308 - charts escapes


def sources(window: Window) -> Panel:
    """Show the state of each source."""
    latest = {each.source: each for each in transitions(window)}
    rows, quiet = [], []
    for name in conf.SOURCES:
        label, change = labels.source(name), latest.get(name)
        answered = _refused_last(window, name)
        if change is not None and change.silent:
            quiet.append(str(label))
            state = _("silent since %(time)s") % {"time": _minute(change.at)}
        else:
            state = _("answers")
            if change is not None:
                answered = max(answered or change.at, change.at)
        rows.append((label, state, _minute(answered) if answered else "—", _breaker(name)))
    head = [_("Source"), _("State"), _("Last success on record (UTC)"), _("Breaker here")]
    words = [
        _("What is on record is a refused password, or the end of a silence: clean is no event.")
    ]
    alert = _("Silent: %(sources)s.") % {"sources": ", ".join(quiet)} if quiet else ""
    return Panel(
        gettext_lazy("State of the sources"),
        words,
        table=Table(head, rows),
        opened=True,
        alert=alert,
    )


def _by_source(window: Window, event: str) -> dict[str, list[int]]:
    """Return the steps of each source, those with most in total first, the rest as one."""
    found: dict[str, list[int]] = {}
    for value, steps in window.series([event]).items():
        source = value.split(" ", 2)[2]
        before = found.get(source, [0] * len(steps))
        found[source] = [a + b for a, b in zip(before, steps, strict=True)]
    ranked = sorted(found.items(), key=lambda item: (-sum(item[1]), item[0]))
    shown = dict(ranked[: len(charts.PATTERNS)])
    if rest := ranked[len(charts.PATTERNS) :]:
        last = list(shown)[-1]
        summed = [sum(steps) for steps in zip(shown.pop(last), *(s for _n, s in rest), strict=True)]
        shown[_("Others")] = summed
    return shown


def transitions(window: Window) -> list[Transition]:
    """Return what became of the sources, oldest first."""
    events = AuditEvent.objects.using(window.using).filter(at__lte=window.now)
    found = [
        Transition(source, at, event == "screening_degraded")
        for event in TRANSITIONS
        for source, at in events.filter(event=event)
        .order_by("-at")
        .values_list("source", "at")[:MOST]
    ]
    return sorted(found, key=lambda each: each.at)


def silences(
    found: Iterable[Transition], start: datetime, end: datetime
) -> dict[str, list[Silence]]:
    """Return when each source was silent between ``start`` and ``end``. Pure."""
    since: dict[str, datetime] = {}
    closed: dict[str, list[Silence]] = {}
    for each in found:
        if each.silent:
            since.setdefault(each.source, max(each.at, start))
        elif (began := since.pop(each.source, None)) is not None and each.at > start:
            closed.setdefault(each.source, []).append((began, min(each.at, end)))
    for source, began in since.items():
        closed.setdefault(source, []).append((began, end))
    return dict(sorted(closed.items()))


def duration(length: timedelta) -> str:
    """Return "5 s", "12 min" or "3 h 20 min"."""
    seconds = int(length.total_seconds())
    if seconds < 60:
        return _("%(seconds)d s") % {"seconds": seconds}
    hours, minutes = divmod(seconds // 60, 60)
    if not hours:
        return _("%(minutes)d min") % {"minutes": minutes}
    return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}


def _refused_last(window: Window, source: str) -> datetime | None:
    """Return when ``source`` last refused a password, to the hour, in the time shown."""
    value = f"screening_refused refused {source}"
    waiting = [row.at for row in window.waiting if row.value("event") == value]
    return max(waiting, default=None) or window.last_hour("event", value)


def _breaker(name: str) -> str:
    """Return the state of the breaker in this process, of a source that has one."""
    try:
        source = chain.source(name)
    except ImproperlyConfigured:
        return _("cannot be made")
    breaker = getattr(source, "breaker", None)
    if breaker is None:
        return "—"
    if breaker.is_open:
        return _("open")
    health = getattr(source, "health", None)
    return _("closed") if health is None or health.state is State.WORKING else _("closed, failing")


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"
