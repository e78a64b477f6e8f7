"""A name is shown where a row is committed to it, and only as it was recorded."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from credfirewall.audit import identities, seals
from credfirewall.audit.events import Code, LimitHit, Party
from credfirewall.audit.identities import CHANGED, ERASED, NONE, Name, Names
from credfirewall.audit.models import AuditEvent, AuditIdentity
from tests.audit import seeding

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
HIT = LimitHit(rate=Code("check"))
DANA, ROBIN = Party("user", "5", "dana"), Party("user", "6", "robin")

pytestmark = pytest.mark.django_db


def insert(kind: str, identity: str, text: str) -> str:
    """Add a name that looks right, as whoever owns the database can."""
    ref = seals.commitment("f" * 32, kind, identity, text)
    AuditIdentity.objects.create(ref=ref, salt="f" * 32, type=kind, party_id=identity, text=text)
    return ref


def change(text: str) -> None:
    AuditIdentity.objects.filter(text=text).update(text="eve")


def forge(row: AuditEvent, **columns: str) -> None:
    AuditEvent._base_manager.filter(pk=row.pk).update(**columns)


def test_names_of_rows() -> None:
    row = seeding.add(HIT, actor=DANA, subject=Party("user", "6"))
    names = Names.of([row], "default")
    assert (names.actor(row), names.subject(row)) == (Name("dana"), NONE)


def test_a_name_that_was_changed_is_not_shown_and_one_that_is_gone_is_erased() -> None:
    row = seeding.add(HIT, actor=DANA, subject=ROBIN)
    change("dana")
    AuditIdentity.objects.filter(text="robin").delete()
    names = Names.of([row], "default")
    assert (names.actor(row), names.subject(row)) == (CHANGED, ERASED)
    assert not CHANGED.text and not ERASED.text


def test_a_name_that_looks_right_is_nobody_s_before_a_row_carries_it() -> None:
    row = seeding.add(HIT, actor=DANA)
    insert("user", "5", "eve")
    names = Names.of([row], "default")
    assert names.actor(row) == Name("dana")
    assert names.texts([row], ("user", "5")) == ["dana"]


def test_a_commitment_to_somebody_else_s_name_is_none() -> None:
    row = seeding.add(HIT, actor=DANA)
    row.actor = insert("user", "6", "eve")
    assert Names.of([row], "default").actor(row) == CHANGED
    row.actor = insert("command", "5", "eve")
    assert Names.of([row], "default").actor(row) == CHANGED


def test_names_that_somebody_has_in_some_rows() -> None:
    rows = [
        seeding.add(HIT, actor=DANA, subject=ROBIN),
        seeding.add(HIT, actor=ROBIN, subject=Party("user", "5", "dana2")),
        seeding.add(HIT, actor=Party("user", "5", "changed")),
        seeding.add(HIT, actor=Party("command", "5", "x")),
    ]
    change("changed")
    assert Names.of(rows, "default").texts(rows, ("user", "5")) == ["dana", "dana2"]


def test_many_names_take_several_queries(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(identities, "AT_ONCE", 2)
    rows = [seeding.add(HIT, actor=Party("user", str(n), f"n{n}")) for n in range(5)]
    with django_assert_num_queries(3):
        names = Names.of(rows, "default")
    assert [names.actor(row).text for row in rows] == ["n0", "n1", "n2", "n3", "n4"]
    with django_assert_num_queries(0):
        Names.of([seeding.row(HIT)], "default")


# The name somebody has now


def current(kind: str = "user", identity: str = "5") -> Name:
    return identities.current([(kind, identity)], "default").get((kind, identity), NONE)


def test_the_newest_row_that_carries_a_name_has_it() -> None:
    seeding.add(HIT, NOON - timedelta(2), actor=DANA)
    seeding.add(HIT, NOON - timedelta(1), actor=Party("user", "5", "dana2"))
    seeding.add(HIT, NOON, actor=Party("user", "5"))
    seeding.add(HIT, NOON, actor=ROBIN, subject=DANA)
    insert("user", "5", "eve")
    assert current() == Name("dana2")
    assert current("user", "7") == current("command", "5") == NONE


def test_a_name_is_not_looked_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "NEWEST", 2)
    seeding.add(HIT, NOON - timedelta(3), actor=DANA)
    seeding.add(HIT, NOON - timedelta(2), actor=Party("user", "5"))
    assert current() == Name("dana")
    seeding.add(HIT, NOON - timedelta(1), actor=Party("user", "5"))
    assert current() == NONE


def test_a_row_that_was_forged_names_nobody(settings: Settings) -> None:
    seeding.add(HIT, NOON - timedelta(1), actor=DANA)
    row = seeding.add(HIT, NOON, actor=Party("user", "5"))
    forge(row, actor=insert("user", "5", "eve"))
    assert current() == CHANGED
    forge(row, actor="")
    assert current() == Name("dana")
    AuditIdentity.objects.filter(text="dana").delete()
    assert current() == ERASED
    settings.CREDFIREWALL = {"AUDIT_KEY": "another key that is long enough to be one"}
    assert current() == NONE, "nobody can tell"
