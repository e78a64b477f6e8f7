"""What the rows of a window add up to: counted in full once, and then kept up seal by seal.

Adding up the tallies of a month takes most of a second where addresses are many, and there is a
new seal each minute. What it adds is some thousand rows at most, and these are counted themselves.
Nothing here is changed once it is made, so threads share it.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Self

from django.db.models import QuerySet, Sum

from credfirewall.audit.models import AuditEvent, AuditMember, AuditSeal, AuditTally

RANKED = ("actor", "address")
"""Kinds of values that are without end, of which those that occur most are shown."""
KEPT = 1000
"""Values of each that are counted one by one; of the others it is known that they are fewer."""
MOST_GAINS = 10_000
"""Other values that are followed from seal to seal."""
MOST_NEW = 5_000
"""Rows that are added to what is counted. More are as quickly counted anew with all others."""

Events = QuerySet[AuditEvent]
Totals = Callable[[Sequence[str]], Mapping[str, int]]
"""How often values occurred in sealed rows."""


class Entry(NamedTuple):
    """A row, as far as it is counted."""

    at: datetime
    event: str
    outcome: str
    source: str
    actor_type: str
    actor_id: str
    address: str

    def value(self, kind: str) -> str:
        """Return what sealing counts it as. See AuditTally."""
        if kind == "event":
            return f"{self.event} {self.outcome} {self.source}"
        if kind == "actor":
            return f"{self.actor_type} {self.actor_id}" if self.actor_id else ""
        return self.address

    @property
    def hour(self) -> datetime:
        return self.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def entries(events: Events) -> list[Entry]:
    return [Entry(*row) for row in events.values_list(*Entry._fields)]


def values(rows: Iterable[Entry], kind: str) -> Counter[str]:
    """Return how often each value occurs in ``rows``."""
    return Counter(value for row in rows if (value := row.value(kind)))


@dataclass(frozen=True, slots=True)
class Ranking:
    """How often the values that occur most do.

    Of each other value is known that it occurred ``rest`` times at most when these were counted,
    and what it has gained since, in ``gains``.
    """

    counts: Counter[str]
    rest: int
    gains: Counter[str]

    @classmethod
    def of(cls, most: Sequence[tuple[str, int]]) -> Self:
        """Return the ranking of the KEPT first values, or of all if they are fewer."""
        return cls(Counter(dict(most)), most[-1][1] if len(most) >= KEPT else 0, Counter())

    def joined(self, more: Counter[str]) -> "Ranking":
        """Return the ranking that has ``more`` in it."""
        counts, gains = self.counts.copy(), self.gains.copy()
        for value, number in more.items():
            (counts if value in counts or not self.rest else gains)[value] += number
        return Ranking(counts, self.rest, gains)

    def top(self, number: int, waiting: Counter[str], totals: Totals) -> list[tuple[str, int]]:
        """Return the first ``number`` values, with those that are ``waiting`` to be sealed.

        ``totals`` counts those anew of which it takes an exact number to say.
        """
        joined = self.joined(waiting)
        counts = joined.counts
        first = heapq.nlargest(number, counts.values())
        least = first[-1] if len(first) == number else 0
        unsure = [value for value, gain in joined.gains.items() if self.rest + gain >= least]
        if unsure:
            exact = totals(unsure)
            counts.update({value: exact.get(value, 0) + waiting[value] for value in unsure})
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:number]


@dataclass(frozen=True, slots=True)
class Sealed:
    """The sums of the rows since ``start`` that are sealed up to the seal at ``position``."""

    start: datetime
    position: int
    head: str
    events: Counter[tuple[str, datetime]]
    """By value ("event outcome source") and hour."""
    rankings: Mapping[str, Ranking]

    def joined(self, rows: Sequence[Entry], position: int, head: str) -> "Sealed":
        """Return the sums with ``rows``, which are all that later seals cover."""
        events = self.events.copy()
        events.update((row.value("event"), row.hour) for row in rows)
        rankings = {kind: self.rankings[kind].joined(values(rows, kind)) for kind in RANKED}
        return Sealed(self.start, position, head, events, rankings)


_kept: dict[tuple[str, str], Sealed] = {}


def sealed(using: str, span: str, start: datetime, newest: AuditSeal | None) -> Sealed:
    """Return the sums up to the ``newest`` seal. Each process keeps those of each ``span``."""
    found = _kept.get((using, span))
    if found and newest and found.start == start:
        later = _followed(found, using, newest)
        if later:
            _kept[using, span] = later
            return later
    counted = _counted(using, start, newest)
    # A seal that was made meanwhile may be in it, or not.
    if newest and last_head(using) == newest.head:
        _kept[using, span] = counted
    return counted


def last_head(using: str) -> str:
    """Return the head of the newest seal; nothing in a log without one."""
    heads = AuditSeal.objects.using(using).order_by("-position").values_list("head", flat=True)
    return heads.first() or ""


def _followed(found: Sealed, using: str, newest: AuditSeal) -> Sealed | None:
    """Return ``found`` with what was sealed since; None where it is better counted anew."""
    if found.head == newest.head:
        return found
    between = AuditSeal.objects.using(using).filter(
        position__gte=found.position, position__lte=newest.position
    )
    chain = list(between.order_by("position").values_list("head", "count")[: MOST_NEW + 1])
    if not chain or (chain[0][0], chain[-1][0]) != (found.head, newest.head):
        return None
    if sum(count for _, count in chain[1:]) > MOST_NEW:
        return None
    members = AuditMember.objects.using(using).filter(
        seal__gt=found.position, seal__lte=newest.position
    )
    new = AuditEvent.objects.using(using).filter(
        pk__in=members.values("event_id"), at__gte=found.start
    )
    joined = found.joined(entries(new), newest.position, newest.head)
    many = any(len(ranking.gains) > MOST_GAINS for ranking in joined.rankings.values())
    return None if many else joined


def _counted(using: str, start: datetime, newest: AuditSeal | None) -> Sealed:
    """Return the sums of all tallies."""
    tallies = AuditTally.objects.using(using).filter(hour__gte=start)
    events: Counter[tuple[str, datetime]] = Counter()
    for value, hour, count in tallies.filter(kind="event").values_list("value", "hour", "count"):
        events[value, hour] += count
    rankings = {}
    for kind in RANKED:
        sums = tallies.filter(kind=kind).values("value").annotate(total=Sum("count"))
        most = sums.order_by("-total", "value").values_list("value", "total")[:KEPT]
        rankings[kind] = Ranking.of(list(most))
    position, head = (newest.position, newest.head) if newest else (0, "")
    return Sealed(start, position, head, events, rankings)
