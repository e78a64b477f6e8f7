"""Reading the log: filters, and pages that cost the same however long the log is.

A page is found by the place of a row (its time and id), never by counting: there is no COUNT and
no OFFSET. What may be in one of two columns (somebody acted, or was acted upon) is read in
branches, each along an index of its own, which are then merged: an OR would read the whole table.
"""

import contextlib
import heapq
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import reduce
from ipaddress import ip_address, ip_network
from operator import or_
from typing import Self

from django.db.models import Q, QuerySet

from credfirewall.addresses import kept
from credfirewall.audit import labels, rows
from credfirewall.audit.events import EVENTS, Code
from credfirewall.audit.keys import ring
from credfirewall.audit.models import AuditEvent, AuditIdentity
from credfirewall.audit.text import bounded
from credfirewall.conf import conf

PAGE = 50
LENGTH = 254
"""Of a filter: no column is longer."""
MOST_VALUES = 100
"""Values of a column that are offered to choose from, and parties that share a name."""
_IDENTIFIED = sorted(labels.KINDS.keys() - {"anonymous"})
"""Kinds of parties that have ids."""
_KIND = re.compile(r"[a-z][a-z_]{0,15}", re.ASCII)
RECENT = {"today": timedelta(0), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_TIME = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)

Party = tuple[str, str]
"""The type and the id of who acts, or whom it concerns."""
Events = QuerySet[AuditEvent]


@dataclass(frozen=True, slots=True)
class Filters:
    """What to show. Texts are as somebody typed them: what fits nothing finds nothing."""

    event: str = ""
    outcome: str = ""
    source: str = ""
    actor: str = ""
    subject: str = ""
    party: str = ""
    address: str = ""
    time: str = ""
    q: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        """Return the filters in ``given``, the parameters of a request."""
        named = {each.name: given.get(each.name, "") for each in fields(cls)}
        return cls(**{name: bounded(text, LENGTH).strip() for name, text in named.items()})

    def given(self) -> dict[str, str]:
        """Return those that are set, by name."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: text for name, text in named.items() if text}

    def codes(self) -> tuple[Code, ...]:
        """Return the names of those that are set, for the record of the reading."""
        return tuple(map(Code, self.given()))


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a row in the log."""

    at: datetime
    id: uuid.UUID

    @classmethod
    def of(cls, row: AuditEvent) -> Self:
        return cls(row.at, row.pk)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the place that ``str`` made a text of; None for any other text."""
        moment, _, identity = text.partition("-")
        if not (moment.isascii() and moment.isdigit() and len(moment) <= 17):
            return None
        try:
            return cls(rows.moment(int(moment)), uuid.UUID(hex=identity))
        except (ValueError, OverflowError):
            return None

    def __str__(self) -> str:
        return f"{rows.microseconds(self.at)}-{self.id.hex}"

    def older(self) -> Q:
        """Return what comes after it in the list, in a form that an index on the time serves."""
        return Q(at__lte=self.at) & (Q(at__lt=self.at) | Q(pk__lt=self.id))

    def newer(self) -> Q:
        return Q(at__gte=self.at) & (Q(at__gt=self.at) | Q(pk__gt=self.id))


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, newest first, and the places from which to go on, where there is more."""

    rows: list[AuditEvent] = field(default_factory=list)
    newer: Cursor | None = None
    older: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows that filters let through: those of any of the branches."""

    base: Events
    branches: tuple[Q, ...]

    def queryset(self) -> Events:
        """Return them as one query, newest first, for who reads all of them."""
        return self.base.filter(reduce(or_, self.branches)).order_by("-at", "-pk")

    def page(self, *, before: Cursor | None = None, after: Cursor | None = None) -> Page:
        """Return the page that is older than ``before``, or just newer than ``after``."""
        if after is not None:
            found = self._some(after.newer(), "at", "pk")
            if len(found) > PAGE:
                newest_first = found[PAGE - 1 :: -1]
                return Page(newest_first, Cursor.of(newest_first[0]), Cursor.of(newest_first[-1]))
            before = None  # there is not a page of newer ones: the first page has them all
        found = self._some(before.older() if before else Q(), "-at", "-pk")
        shown = found[:PAGE]
        more = len(found) > PAGE
        return Page(
            shown,
            Cursor.of(shown[0]) if before and shown else None,
            Cursor.of(shown[-1]) if more else None,
        )

    def _some(self, where: Q, *order: str) -> list[AuditEvent]:
        """Return one row more than a page has, at most."""
        lists = [
            list(self.base.filter(branch & where).order_by(*order)[: PAGE + 1])
            for branch in self.branches
        ]
        if len(lists) == 1:
            return lists[0]
        key = _place
        merged = heapq.merge(*lists, key=key, reverse=order[0].startswith("-"))
        return list(dict.fromkeys(merged))[: PAGE + 1]


def _place(row: AuditEvent) -> tuple[datetime, uuid.UUID]:
    return row.at, row.pk


def select(filters: Filters, using: str, now: datetime) -> Selection:
    """Return the rows that ``filters`` let through."""
    events = AuditEvent.objects.using(using)
    where = kinds(filters.event, filters.outcome, filters.source)
    if where is None:
        return Selection(events.none(), (Q(),))
    since, until = span(filters.time, now)
    if since is not None:
        where &= Q(at__gte=since)
    if until is not None:
        where &= Q(at__lt=until)
    choices: list[list[Q]] = []
    if filters.address:
        choices.append([Q(address=each) for each in sorted(addresses(filters.address, now))])
    if filters.q:
        choices.append(_search(filters.q, using))
    if filters.party:
        kind, _, identity = filters.party.partition(":")
        choices.append([_is(role, (kind, identity)) for role in ("actor", "subject")])
    named = {"actor": filters.actor, "subject": filters.subject}
    choices += [
        [_is(role, party) for party in parties(text, using)] for role, text in named.items() if text
    ]
    if not all(choices):
        return Selection(events.none(), (Q(),))
    # One filter gives the branches, and the others narrow each.
    choices.sort(key=len, reverse=True)
    for others in choices[1:]:
        where &= reduce(or_, others)
    return Selection(events.filter(where), tuple(choices[0]) if choices else (Q(),))


def kinds(event: str, outcome: str, source: str) -> Q | None:
    """Return what lets these through, where they are given; None where no event can be all that.

    What cannot be would be looked for in all of the log.
    """
    given = {"event": event, "outcome": outcome, "source": source}
    where = Q(**{name: text for name, text in given.items() if text})
    names = {event} & EVENTS.keys() if event else EVENTS.keys()
    if not names or len(where) < 2:  # of an event that another version knows, nothing is known
        return where
    fit = {
        name
        for name in names
        if outcome in ("", EVENTS[name].outcome)
        and (not source or "source" in {each.name for each in fields(EVENTS[name])})
    }
    if not fit:
        return None
    return where if event else where & Q(event__in=sorted(fit))


def _is(role: str, party: Party) -> Q:
    kind, identity = party
    return Q(**{f"{role}_type": kind, f"{role}_id": identity})


def _search(text: str, using: str) -> list[Q]:
    """Return where ``text`` may stand: an event's or request's id, somebody's id or name."""
    branches = [Q(request_id=text)]
    with contextlib.suppress(ValueError):
        branches.append(Q(pk=uuid.UUID(text)))
    found = parties(text, using)
    branches += [_is(role, party) for party in found for role in ("actor", "subject")]
    return branches


def parties(text: str, using: str) -> list[Party]:
    """Return who is meant by ``text``: "user:5", an id, or the exact name somebody had.

    What stands before a colon may be a kind that the host has made up, or part of a name.
    """
    kind, colon, identity = text.partition(":")
    if colon and kind in labels.KINDS:
        return [(kind, identity)]
    found = {*_named(text, using), *((known, text) for known in _IDENTIFIED)}
    if colon and _KIND.fullmatch(kind):
        found.add((kind, identity))
    return sorted(found)


def _named(text: str, using: str) -> list[Party]:
    """Return who had the name ``text``, as far as nobody has changed it since."""
    named = AuditIdentity.objects.using(using).filter(text=text).exclude(party_id="")
    found = named.values_list("type", "party_id").distinct()[:MOST_VALUES]
    return [
        (kind, identity)
        for kind, identity in found
        if any(each.is_sound() for each in named.filter(type=kind, party_id=identity)[:PAGE])
    ]


def addresses(text: str, now: datetime) -> set[str]:
    """Return how ``text`` may stand in the log: as it is, as its network, or hashed."""
    try:
        address = ip_address(text)
    except ValueError:
        return {text}
    found = {str(address), str(ip_network((address, 24 if address.version == 4 else 48), False))}
    if conf.AUDIT_IP == "hashed":  # under another key each month, as long as rows are kept
        months = range(conf.AUDIT_RETENTION_DAYS // 28 + 2)
        for key in ring().by_id.values():
            found |= {kept(address, key.address, now - timedelta(days=28 * n)) for n in months}
    return found


def values(column: str, using: str) -> list[str]:
    """Return the values that ``column`` has, from one to the next along its index.

    A DISTINCT would read the whole table.
    """
    events = AuditEvent.objects.using(using).order_by(column).values_list(column, flat=True)
    found: list[str] = []
    value = events.first()
    while value is not None and len(found) < MOST_VALUES:
        found.append(value)
        value = events.filter(**{f"{column}__gt": value}).first()
    return found


def span(time: str, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return beginning and end of "today", "7d", "30d", "2026", "2026-11" or "2026-11-22"."""
    if time in RECENT:
        if time == "today":
            return now.replace(hour=0, minute=0, second=0, microsecond=0), None
        return now - RECENT[time], None
    match = _TIME.fullmatch(time)
    if match is None:
        return None, None
    year, month, day = (int(part or 0) for part in match.groups())
    try:
        since = datetime(year, month or 1, day or 1, tzinfo=UTC)
        if day:
            return since, since + timedelta(days=1)
        if month:
            return since, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        return since, datetime(year + 1, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None, None


def extent(using: str) -> tuple[datetime, datetime] | None:
    """Return the times of the first and of the last row."""
    times = AuditEvent.objects.using(using).order_by("at").values_list("at", flat=True)
    first, last = times.first(), times.last()
    return (first.astimezone(UTC), last.astimezone(UTC)) if first and last else None


def periods(time: str, using: str) -> list[str]:
    """Return the parts of ``time`` that lie within the log: years, months of a year, days."""
    bounds = extent(using)
    if bounds is None:
        return []
    first, last = bounds
    if time in RECENT or span(time, last)[0] is None:
        return [f"{year:04}" for year in range(first.year, last.year + 1)]
    depth = time.count("-")
    if depth == 0:
        parts = [f"{time}-{month:02}" for month in range(1, 13)]
        low, high = f"{first:%Y-%m}", f"{last:%Y-%m}"
    elif depth == 1:
        days = (f"{time}-{day:02}" for day in range(1, 32))
        parts = [day for day in days if span(day, last)[0]]
        low, high = f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"
    else:
        return []
    return [part for part in parts if low <= part <= high]
