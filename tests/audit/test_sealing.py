"""Seals: one chain, whoever makes it, and nothing that waits is forgotten."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from credfirewall.audit import chain, sealing, triggers
from credfirewall.audit.events import Code, LimitHit, LoginRefused, Party, ScreeningRefused
from credfirewall.audit.models import (
    AuditEvent,
    AuditIdentity,
    AuditMember,
    AuditSeal,
    AuditStub,
    AuditTally,
)
from credfirewall.audit.purging import purge, purgeable
from credfirewall.audit.services import record
from credfirewall.audit.verifying import Fault, verify
from credfirewall.exceptions import AuditIsAppendOnly, AuditRefused
from tests.audit.seeding import add, ago, begin, seal

HIT = LimitHit(rate=Code("check"))
REFUSED = ScreeningRefused(source=Code("hibp"), count=3)
ANN = Party("user", "1", "ann")


def faults() -> list[Fault]:
    found = verify(now=later(days=1000)).findings  # some tests purge in the future
    return [each.fault for each in found if each.fault != Fault.TRIGGER_MISSING]


@pytest.mark.django_db
class TestSealing:
    def test_an_empty_log_has_a_beginning(self) -> None:
        assert list(sealing.seal()) == []
        first = AuditSeal.objects.get()
        assert (first.position, first.count, first.previous) == (0, 0, "")
        assert faults() == []

    def test_what_waits_is_sealed_in_the_order_of_time(self) -> None:
        late, early = add(HIT, ago(minutes=1)), add(HIT, ago(minutes=2))
        (made,) = seal()
        assert (made.position, made.count) == (1, 2)
        order = AuditMember.objects.order_by("leaf").values_list("event_id", flat=True)
        assert list(order) == [early.pk, late.pk]
        assert not sealing.unsealed("default").exists()

    def test_nothing_is_sealed_twice(self) -> None:
        add(HIT)
        assert [len(seal()), len(seal())] == [1, 0]

    def test_one_that_comes_late_joins_the_next(self) -> None:
        add(HIT, ago(minutes=1))
        seal()
        late = add(HIT, ago(days=40))
        assert list(sealing.seal(since=ago(hours=1))) == []
        seal()
        assert AuditMember.objects.get(pk=late.pk).seal == 2
        assert faults() == []

    def test_many_are_sealed_in_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sealing, "BATCH", 3)
        for _ in range(7):
            add(HIT)
        assert [made.count for made in seal()] == [3, 3, 1]
        assert faults() == []

    def test_time_does_not_go_back_in_the_chain(self) -> None:
        add(HIT)
        (one,) = seal(datetime(2030, 1, 1, tzinfo=UTC))
        add(HIT)
        (two,) = seal(datetime(2029, 1, 1, tzinfo=UTC))
        assert two.at > one.at
        assert faults() == []

    def test_one_that_lost_the_race_leaves_the_rows_to_the_other(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both saw the same newest seal."""
        stale = chain.last("default")
        add(HIT)
        seal()
        add(HIT)
        seen = [stale]
        last = chain.last
        monkeypatch.setattr(chain, "last", lambda using: seen.pop() if seen else last(using))
        assert seal() == []
        monkeypatch.undo()
        assert [made.position for made in seal()] == [2]
        assert faults() == []

    def test_a_fault_is_not_taken_for_a_race(self) -> None:
        """A membership that is there without its row: the same would fail for ever, unseen."""
        row = add(HIT)
        AuditMember.objects.create(event_id=uuid.uuid4(), seal=1, leaf=0, mac="0" * 64)
        with pytest.raises(IntegrityError):
            seal()
        assert row.pk in AuditEvent.objects.values_list("pk", flat=True)

    def test_an_anchor_that_cannot_be_written_is_told(
        self, settings: Settings, tmp_path: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        anchor = tmp_path / "no folder" / "heads.jsonl"
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_ANCHOR": anchor}
        add(HIT)
        assert len(seal()) == 1
        assert "The anchor could not be written: No such file or directory." in caplog.messages


@pytest.mark.django_db
class TestTallies:
    def test_each_row_counts_once(self) -> None:
        noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
        for minute in range(3):
            add(REFUSED, noon + timedelta(minutes=minute), actor=ANN, address="192.0.2.0/24")
        seal()
        add(REFUSED, noon + timedelta(minutes=59, seconds=59), actor=ANN)
        add(HIT, noon + timedelta(hours=1))
        seal()
        counts = {
            (tally.hour.hour, tally.kind, tally.value): tally.count
            for tally in AuditTally.objects.all()
        }
        assert counts == {
            (12, "event", "screening_refused refused hibp"): 4,
            (12, "actor", "user 1"): 4,
            (12, "address", "192.0.2.0/24"): 3,
            (13, "event", "limit_hit refused "): 1,
        }

    def test_case_tells_two_apart(self) -> None:
        for name in ("cron", "Cron"):
            add(HIT, actor=Party("service", name))
        seal()
        values = AuditTally.objects.filter(kind="actor").values_list("value", flat=True)
        assert sorted(values) == ["service Cron", "service cron"]


@pytest.mark.django_db(transaction=True)
class TestByItself:
    @pytest.fixture(autouse=True)
    def _new_state(self) -> None:
        sealing._state.__dict__.clear()

    def test_after_so_many_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sealing, "ROWS", 5)
        for _ in range(4):
            record(HIT)
        assert AuditMember.objects.count() == 0
        record(HIT)
        assert AuditMember.objects.count() == 5

    def test_after_so_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        record(HIT)
        assert AuditMember.objects.count() == 0
        monkeypatch.setattr(sealing, "SECONDS", 0)
        record(HIT)
        assert AuditMember.objects.count() == 2

    def test_once_the_transaction_has_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sealing, "ROWS", 1)
        with transaction.atomic():
            record(HIT)
            assert AuditSeal.objects.filter(position=1).count() == 0
        assert AuditMember.objects.count() == 1

    def test_not_where_a_sealer_does_it(
        self, monkeypatch: pytest.MonkeyPatch, settings: Settings
    ) -> None:
        monkeypatch.setattr(sealing, "ROWS", 1)
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_PUBLIC_KEY": "pem"}
        record(HIT)
        assert AuditMember.objects.count() == 0


YEAR = timedelta(days=366)
"""Longer than rows are kept. A chain begins now and goes forward, so the future has to come."""


def later(**how: float) -> datetime:
    return datetime.now(UTC) + timedelta(**how)


def gone(now: datetime) -> Iterator[int]:
    """Purge as if it were ``now``."""
    return purge(purgeable(now=now), clock=lambda: now)


def grow_old() -> datetime:
    """Let rows become old: a year later there is a young one, sealed. Returns the time then."""
    then = later(days=YEAR.days + 2)
    add(HIT, then)
    seal(then)
    return then + timedelta(days=2)


@pytest.mark.django_db
class TestPurging:
    def test_whole_batches_that_are_old(self) -> None:
        for hours in (1, 2):
            add(REFUSED, actor=Party("user", str(hours), f"name {hours}"))
            seal(later(hours=hours))
        assert purgeable(now=later(hours=3)) == []
        now = grow_old()
        assert [each.position for each in purgeable(now=now)] == [1, 2]
        assert list(gone(now)) == [1, 1]
        assert AuditEvent.objects.count() == 1
        assert [stub.seal for stub in AuditStub.objects.order_by("seal")] == [1, 2]
        assert purgeable(now=now) == []
        report = verify()
        assert (faults(), report.rows, report.seal) == ([], 1, 3)

    def test_a_batch_that_was_sealed_lately_stays(self) -> None:
        add(HIT, ago(days=800))
        now = grow_old()
        assert purgeable(now=now) == []

    def test_names_that_nobody_refers_to_go_too(self) -> None:
        add(HIT, actor=Party("user", "1", "gone"))
        seal()
        add(HIT, later(days=300), subject=Party("user", "2", "here"))
        seal(later(days=300))
        list(gone(grow_old()))
        assert list(AuditIdentity.objects.values_list("text", flat=True)) == ["here"]

    def test_one_that_was_stopped_goes_on(self) -> None:
        for _ in range(2):
            add(HIT)
            seal()
        now = grow_old()
        next(gone(now))
        assert faults() == []
        list(gone(now))
        assert AuditEvent.objects.count() == 1

    def test_a_clock_that_is_behind(self) -> None:
        add(HIT)
        seal()
        with pytest.raises(AuditRefused, match="behind"):
            purgeable(now=ago(days=1))

    def test_a_clock_that_has_jumped(self) -> None:
        add(HIT)
        seal()
        with pytest.raises(AuditRefused, match="may have jumped"):
            purgeable(now=later(days=5000))
        add(HIT)
        seal(later(days=5000))  # as the next event does
        with pytest.raises(AuditRefused, match="may have jumped"):
            purgeable(now=later(days=5000, minutes=1))

    def test_the_profile_s_retention(self, settings: Settings) -> None:
        ours = {"PROFILE": "pci", "AUDIT_RETENTION_DAYS": 90}
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, **ours}
        add(HIT)
        seal()
        with pytest.raises(AuditRefused, match="PCI DSS"):
            purgeable()


@pytest.mark.django_db(transaction=True)
class TestTriggers:
    @pytest.fixture(autouse=True)
    def _installed(self) -> Any:
        triggers.install(connection)
        yield
        triggers.remove(connection)

    @pytest.fixture(autouse=True)
    def _rows(self, _installed: None) -> None:
        add(HIT)
        seal()
        self.now = grow_old()

    def run(self, statement: str) -> str:
        quote = connection.ops.quote_name
        names = {model.__name__: quote(model._meta.db_table) for model in triggers.TABLES}
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement.format(**names))
        except Exception as error:  # noqa: BLE001 - each database has its own
            return str(error)
        return "done"

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE {AuditEvent} SET source = 'x'",
            "UPDATE {AuditMember} SET leaf = leaf + 7",
            "UPDATE {AuditSeal} SET count = 9",
            "DELETE FROM {AuditEvent}",
            "DELETE FROM {AuditMember}",
            "DELETE FROM {AuditSeal}",
        ],
    )
    def test_what_they_refuse(self, statement: str) -> None:
        assert triggers.MESSAGE in self.run(statement)

    def test_a_row_over_a_row(self) -> None:
        by_vendor = {
            "sqlite": "INSERT OR REPLACE INTO {AuditEvent} SELECT * FROM {AuditEvent} LIMIT 1",
            "mysql": "REPLACE INTO {AuditEvent} SELECT * FROM {AuditEvent} LIMIT 1",
            "postgresql": "INSERT INTO {AuditEvent} SELECT * FROM {AuditEvent} LIMIT 1 "
            "ON CONFLICT (id) DO UPDATE SET source = 'x'",
        }
        assert triggers.MESSAGE in self.run(by_vendor[connection.vendor])

    def test_truncate(self) -> None:
        if connection.vendor == "postgresql":
            assert triggers.MESSAGE in self.run("TRUNCATE {AuditEvent}")
            assert triggers.MESSAGE in self.run("TRUNCATE {AuditSeal} CASCADE")

    def test_what_is_purged_may_go(self) -> None:
        list(gone(self.now))
        assert AuditEvent.objects.count() == 1
        assert triggers.MESSAGE in self.run("DELETE FROM {AuditStub}")
        assert triggers.MESSAGE in self.run("UPDATE {AuditStub} SET count = 9")

    def test_recording_and_sealing_go_on(self) -> None:
        record(HIT)
        seal()
        assert verify().findings == []

    def test_one_that_is_missing_is_named(self) -> None:
        on = " ON credfirewall_auditevent" if connection.vendor == "postgresql" else ""
        self.run(f"DROP TRIGGER credfirewall_audit_event_update{on}")
        assert [(each.fault, each.where) for each in verify().findings] == [
            (Fault.TRIGGER_MISSING, "credfirewall_audit_event_update")
        ]
        triggers.install(connection)
        assert verify().findings == []


@pytest.mark.django_db
def test_the_manager_and_the_model_refuse_as_well() -> None:
    row = add(LoginRefused(reason=Code("password")))
    for refused in (
        lambda: row.save(),
        lambda: row.delete(),
        lambda: AuditEvent.objects.all().delete(),
        lambda: AuditEvent.objects.update(source="x"),
        lambda: AuditEvent.objects.create(),
        lambda: AuditEvent.objects.bulk_create([row]),
        lambda: AuditEvent.objects.bulk_update([row], ["source"]),
        lambda: AuditEvent.objects.update_or_create(pk=row.pk, defaults={"source": "x"}),
    ):
        with pytest.raises(AuditIsAppendOnly):
            refused()
    assert AuditEvent.objects.get() == row


@pytest.mark.django_db(transaction=True)
def test_a_process_that_seals_looks_at_the_newest_rows_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it reads must not grow with the rows of the last hour."""
    begin(ago(hours=2))
    add(HIT, ago(minutes=20))
    seal(ago(minutes=10))
    late, new = add(HIT, ago(minutes=11)), add(HIT, ago(minutes=9))
    monkeypatch.setattr(sealing, "ROWS", 1)
    sealing.after_commit("default")
    waiting = sealing.unsealed("default").values_list("pk", flat=True)
    assert list(waiting) == [late.pk]
    seal()
    assert AuditMember.objects.filter(event_id__in=[late.pk, new.pk]).count() == 2
