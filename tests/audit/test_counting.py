"""What sealed rows add up to: kept up seal by seal, it is what counting all anew gives."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credfirewall.audit import counting, sealing
from credfirewall.audit.counting import Ranking
from credfirewall.audit.dashboard import SPANS, Window
from credfirewall.audit.events import Code, LimitHit, LoginRefused, Party
from credfirewall.audit.models import AuditEvent, AuditSeal
from tests.audit import seeding

NOW = datetime(2026, 3, 31, 14, 20, tzinfo=UTC)
HIT = LimitHit(rate=Code("check"))
DANA = Party("user", "5")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_kept", {})


def window() -> Window:
    return Window(SPANS["24h"], NOW, "default")


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def tally_queries(shown: Window) -> list[str]:
    """Show, and return the queries that add tallies up."""
    with CaptureQueriesContext(connection) as captured:
        shown.counts("event")
        shown.top("actor", 5)
        shown.top("address", 5)
    return [each["sql"] for each in captured if "audittally" in each["sql"]]


def test_what_is_kept_up_is_what_counting_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "KEPT", 6)
    dice = random.Random(3)
    for _ in range(12):
        for _ in range(dice.randrange(30)):
            who, where = (min(int(dice.paretovariate(0.7)), 40) for _ in range(2))
            seeding.add(
                dice.choice([HIT, LoginRefused(reason=Code("x"))]),
                hours_ago(dice.random() * 30),
                actor=Party("user", str(who)),
                address=f"a{where}",
            )
        if dice.random() < 0.7:
            seeding.seal()
        start = window().start
        rows = list(AuditEvent.objects.filter(at__gte=start))
        expected = {
            "actor": Counter(f"user {row.actor_id}" for row in rows if row.actor_id),
            "address": Counter(row.address for row in rows if row.address),
        }
        shown = window()
        for kind, counts in expected.items():
            ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            found = shown.top(kind, 4)
            assert [n for _, n in found] == [n for _, n in ranked[:4]]
            assert all(counts[value] == n for value, n in found)
        assert shown.counts("event") == Counter(f"{row.event} {row.outcome} " for row in rows)
        assert sum(map(sum, shown.series(["limit_hit", "login_refused"]).values())) == len(rows)


def test_tallies_are_added_up_once_and_not_with_each_seal() -> None:
    seeding.add(HIT, hours_ago(2), actor=DANA, address="a")
    seeding.seal()
    assert len(tally_queries(window())) == 3
    seeding.add(HIT, hours_ago(2), actor=DANA, address="b")
    assert tally_queries(window()) == []
    seeding.seal()
    seeding.add(HIT, hours_ago(1))
    seeding.seal()
    assert tally_queries(window()) == []
    newest = window().sealed
    assert newest and counting._kept["default", "24h"].head == newest.head
    assert window().top("actor", 5) == [("user 5", 2)]
    assert window().counts("event") == {"limit_hit refused ": 3}


def test_each_span_is_kept_until_its_next_step() -> None:
    seeding.add(HIT, hours_ago(2))
    seeding.seal()
    spans = [Window(span, NOW, "default") for span in SPANS.values()]
    assert [len(tally_queries(shown)) for shown in spans + spans] == [3, 3, 3, 0, 0, 0]
    later = Window(SPANS["24h"], NOW + timedelta(hours=1), "default")
    assert len(tally_queries(later)) == 3


@pytest.mark.parametrize("limit", ["MOST_NEW", "MOST_GAINS"])
def test_what_is_too_much_to_follow_is_counted_anew(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(counting, limit, 2)
    monkeypatch.setattr(counting, "KEPT", 1)
    seeding.add(HIT, hours_ago(2), address="a")
    seeding.seal()
    tally_queries(window())
    for number in range(2):
        seeding.add(HIT, hours_ago(2), address=f"b{number}")
    seeding.seal()
    assert window()._sealed.rankings["address"].gains
    seeding.add(HIT, hours_ago(2), address="c")
    for number in range(2):
        seeding.add(HIT, hours_ago(2), address=f"d{number}")
    seeding.seal()
    assert not window()._sealed.rankings["address"].gains
    assert window().counts("event") == {"limit_hit refused ": 6}


def test_another_log_is_counted_anew() -> None:
    seeding.add(HIT, hours_ago(2))
    seeding.seal()
    tally_queries(window())
    AuditSeal._base_manager.filter(position=1).update(head="0" * 64)
    assert len(tally_queries(window())) == 3


def test_what_is_sealed_while_it_is_counted_is_not_kept() -> None:
    """Whether the sums have it nobody knows."""
    seeding.add(HIT, hours_ago(2))
    seeding.seal()
    seeding.add(HIT, hours_ago(2))
    shown = window()
    assert shown.sealed and len(shown.waiting) == 1
    seeding.seal()
    shown.counts("event")
    assert not counting._kept
    assert window().counts("event") == {"limit_hit refused ": 2}


def test_what_is_sealed_between_two_looks_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seeding.add(HIT, hours_ago(2))
    unsealed, calls = sealing.unsealed, []

    def racing(*args: Any) -> Any:
        found = list(unsealed(*args))
        calls.append(found)
        if len(calls) == 1:
            monkeypatch.setattr(sealing, "unsealed", unsealed)
            seeding.seal()
            monkeypatch.setattr(sealing, "unsealed", racing)
            return AuditEvent.objects.filter(pk__in=[row.pk for row in found])
        return unsealed(*args)

    monkeypatch.setattr(sealing, "unsealed", racing)
    assert window().counts("event") == {"limit_hit refused ": 1}
    assert len(calls) == 2


def test_little_that_is_new_is_looked_up() -> None:
    counts = Counter({f"v{n}": 1000 - n for n in range(counting.KEPT)})
    ranking = Ranking.of(counts.most_common())
    asked: list[str] = []

    def totals(values: Any) -> dict[str, int]:
        asked.extend(values)
        return {"near": 991}

    joined = ranking.joined(Counter({"far": 5, "v0": 2, "near": 990}))
    assert joined.top(3, Counter({"near": 9}), totals) == [
        ("v0", 1002),
        ("near", 1000),
        ("v1", 999),
    ]
    assert asked == ["near"]
    assert joined.gains == {"far": 5, "near": 990}
