"""An attacker with all rights on the tables: whatever is edited is found, and named."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import models
from pytest_django import Settings

from credfirewall.audit import anchor, chain, purging, sealing, seals, verifying
from credfirewall.audit import rows as rows_module
from credfirewall.audit.erasing import erase
from credfirewall.audit.events import Code, LimitHit, LoginRefused, Party, ScreeningRefused
from credfirewall.audit.keys import ring
from credfirewall.audit.models import (
    AuditEvent,
    AuditIdentity,
    AuditMember,
    AuditSeal,
    AuditStub,
    AuditVerification,
)
from credfirewall.audit.verifying import Fault, Report, remember, verify
from tests.audit import seeding
from tests.audit.seeding import add, ago, seal
from tests.audit.tampering import delete, found, set_column

pytestmark = pytest.mark.django_db

ANN, BOB = Party("user", "1", "ann"), Party("user", "2", "bob")
OLD = "Xm3Qp8Ld5Rt1Vw7Yz2Bn6Kc9Hf4Js0Ga"


@pytest.fixture
def rows() -> list[AuditEvent]:
    """Three sealed batches of four rows, and two rows that wait."""
    made = []
    for batch in range(3):
        for number in range(4):
            event = ScreeningRefused(source=Code("hibp"), count=number)
            made.append(add(event, actor=ANN, subject=BOB, address="192.0.2.0/24"))
        seal()
        assert AuditSeal.objects.count() == batch + 2
    made += [add(LimitHit(rate=Code("check")), actor=ANN) for _ in range(2)]
    return made


@pytest.fixture
def kept(tmp_path: Path, settings: Settings) -> Callable[[], list[anchor.Anchored]]:
    """The anchor's file, filled as rows are sealed."""
    file = tmp_path / "heads.jsonl"
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_ANCHOR": file}
    return lambda: anchor.read(file)


def other(column: Any, row: AuditEvent) -> Any:
    """Another value that the column could hold."""
    value = getattr(row, column.name)
    if isinstance(column, models.UUIDField):
        return uuid.uuid4()
    if isinstance(column, models.DateTimeField):
        return value + timedelta(microseconds=1)
    if isinstance(column, models.PositiveSmallIntegerField):
        return value + 1
    if column.name == "mac":
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    return value[:-1] + "\u00e9" if value else "x"


def test_an_untouched_log(rows: list[AuditEvent]) -> None:
    report = verify()
    assert found(report) == []
    assert (report.rows, report.seal, report.waiting, report.anchored) == (14, 3, 2, None)


@pytest.mark.parametrize("place", [0, 5, 11, 12], ids=["first", "within", "last sealed", "waiting"])
@pytest.mark.parametrize("column", [each.name for each in AuditEvent._meta.concrete_fields])
def test_any_column_of_any_row(rows: list[AuditEvent], column: str, place: int) -> None:
    row = rows[place]
    field = AuditEvent._meta.get_field(column)
    changed = other(field, row)
    set_column(AuditEvent, row.pk, column, changed)
    named = [where for _, where in found(verify())]
    expected = {str(row.pk), str(changed)} if column == "id" else {str(row.pk), f"row {row.pk}"}
    assert named
    assert set(named) <= expected


def test_a_sealed_row_that_is_gone(rows: list[AuditEvent]) -> None:
    delete(AuditEvent, pk=rows[6].pk)
    assert found(verify()) == [(Fault.ROW_MISSING, str(rows[6].pk))]


def test_a_row_that_is_gone_with_its_membership(rows: list[AuditEvent]) -> None:
    delete(AuditEvent, pk=rows[6].pk)
    delete(AuditMember, pk=rows[6].pk)
    assert found(verify()) == [(Fault.PLACE_EMPTY, "2/2")]


def test_the_last_row_of_a_batch_likewise(rows: list[AuditEvent]) -> None:
    delete(AuditEvent, pk=rows[11].pk)
    delete(AuditMember, pk=rows[11].pk)
    assert found(verify()) == [(Fault.PLACE_EMPTY, "3/3")]


def test_a_membership_that_is_gone_alone(rows: list[AuditEvent]) -> None:
    """The row is authentic, and looks as if it waited: its place is what is missing."""
    delete(AuditMember, pk=rows[6].pk)
    assert found(verify()) == [(Fault.PLACE_EMPTY, "2/2")]


@pytest.mark.parametrize("pair", [(4, 5), (4, 9)], ids=["of one batch", "of two"])
def test_two_rows_that_were_swapped(rows: list[AuditEvent], pair: tuple[int, int]) -> None:
    """Each takes the other's place in its batch."""
    one, two = (AuditMember.objects.get(pk=rows[place].pk) for place in pair)
    delete(AuditMember, pk__in=[one.pk, two.pk])
    for member, place in ((one, two), (two, one)):
        AuditMember.objects.create(
            event_id=member.event_id, seal=place.seal, leaf=place.leaf, mac=member.mac
        )
    assert sorted(found(verify())) == sorted(
        (Fault.ROW_MOVED, str(member.pk)) for member in (one, two)
    )


def test_two_rows_whose_contents_were_swapped(rows: list[AuditEvent]) -> None:
    one, two = rows[4], rows[9]
    for column in (each.name for each in AuditEvent._meta.concrete_fields if not each.primary_key):
        set_column(AuditEvent, one.pk, column, getattr(two, column))
        set_column(AuditEvent, two.pk, column, getattr(one, column))
    named = {where for _, where in found(verify())}
    assert named == {str(one.pk), str(two.pk)}


@pytest.mark.parametrize("key", ["guessed", "ours"])
def test_a_forged_row(rows: list[AuditEvent], key: str) -> None:
    forged = seeding.row(LoginRefused(reason=Code("password")), actor=BOB)
    if key == "guessed":
        forged.mac = seals.mac(b"guessed", b"")
    else:
        forged.details = '{"reason":"other"}'
    forged.insert("default")
    assert found(verify()) == [(Fault.ROW_FORGED, str(forged.pk))]


def test_a_forged_row_within_a_batch(rows: list[AuditEvent]) -> None:
    forged = seeding.row(LoginRefused(reason=Code("password")))
    forged.mac = "0" * 64
    forged.insert("default")
    AuditMember.objects.create(event_id=forged.pk, seal=2, leaf=4, mac="0" * 64)
    assert (Fault.ROW_CHANGED, str(forged.pk)) in found(verify())


def test_a_copy_of_an_authentic_row(rows: list[AuditEvent]) -> None:
    copy = AuditEvent.objects.get(pk=rows[4].pk)
    copy.pk = uuid.uuid4()
    copy.insert("default")
    assert found(verify()) == [(Fault.ROW_FORGED, str(copy.pk))]


def test_a_row_of_another_log_with_the_same_key(rows: list[AuditEvent]) -> None:
    foreign = seeding.row(LimitHit(rate=Code("check")))
    foreign.log = uuid.uuid4()
    rows_module.authenticate(foreign, ring().first)
    foreign.insert("default")
    assert found(verify()) == [(Fault.ROW_OF_ANOTHER_LOG, str(foreign.pk))]


@pytest.mark.parametrize("column", ["seal", "leaf", "mac"])
def test_any_column_of_a_membership(rows: list[AuditEvent], column: str) -> None:
    value = {"seal": 9, "leaf": 9, "mac": "0" * 64}[column]
    set_column(AuditMember, rows[6].pk, column, value)
    findings = found(verify())
    assert findings
    assert {where for _, where in findings} <= {
        str(rows[6].pk),
        "2/2",
        *(f"2/{n}" for n in range(4, 9)),
    }


@pytest.mark.parametrize("column", ["log", "previous", "root", "count", "at", "key", "head", "mac"])
@pytest.mark.parametrize("position", [0, 2, 3])
def test_any_column_of_a_seal(rows: list[AuditEvent], column: str, position: int) -> None:
    sealed = AuditSeal.objects.get(position=position)
    value = {
        "log": uuid.uuid4(),
        "at": sealed.at + timedelta(microseconds=1),
        "count": sealed.count + 1,
        "key": "0" * 12,
    }.get(column, "0" * 64)
    set_column(AuditSeal, position, column, value)
    findings = verify().findings
    assert any(finding.where in (str(position), f"seal {position}") for finding in findings)


def test_a_seal_that_is_gone(rows: list[AuditEvent]) -> None:
    delete(AuditSeal, position=2)
    assert (Fault.SEAL_MISSING, "2") in found(verify())


def test_a_batch_whose_rows_are_gone(rows: list[AuditEvent]) -> None:
    members = AuditMember.objects.filter(seal=2)
    delete(AuditEvent, pk__in=[member.event_id for member in members])
    delete(AuditMember, seal=2)
    assert found(verify()) == [(Fault.BATCH_MISSING, "2")]


@pytest.mark.parametrize("forge", ["made up", "of another batch"])
def test_a_stub_that_no_purge_left(rows: list[AuditEvent], forge: str) -> None:
    """Who deletes a batch would like it to look purged."""
    mac, now = "0" * 64, ago()
    if forge == "of another batch":
        one = AuditSeal.objects.get(position=1)
        list(purging.purge([one], clock=lambda: ago(days=-366)))
        stub = AuditStub.objects.get(seal=1)
        mac, now = stub.mac, stub.at
    members = AuditMember.objects.filter(seal=2)
    delete(AuditEvent, pk__in=[member.event_id for member in members])
    delete(AuditMember, seal=2)
    AuditStub.objects.create(seal=2, count=4, at=now, retention=365, key=ring().first.id, mac=mac)
    assert found(verify(now=ago(days=-367))) == [(Fault.STUB_CHANGED, "2")]


def test_a_stub_of_a_seal_that_is_gone_too(rows: list[AuditEvent]) -> None:
    AuditStub.objects.create(
        seal=9, count=4, at=ago(), retention=365, key=ring().first.id, mac="0" * 64
    )
    assert found(verify()) == [(Fault.STUB_CHANGED, "9")]


def test_a_name(rows: list[AuditEvent]) -> None:
    identity = AuditIdentity.objects.get(text="bob", ref=rows[0].subject)
    set_column(AuditIdentity, identity.pk, "text", "eve")
    assert found(verify()) == [(Fault.NAME_CHANGED, identity.ref)]


class TestAgainstAnAnchor:
    """What leaves no trace inside the database."""

    def test_the_whole_log(
        self, kept: Callable[[], list[anchor.Anchored]], rows: list[AuditEvent]
    ) -> None:
        report = verify(anchor=kept())
        assert found(report) == []
        assert report.anchored == 3

    def test_the_newest_rows_and_seals_are_gone(
        self, kept: Callable[[], list[anchor.Anchored]], rows: list[AuditEvent]
    ) -> None:
        roll_back(to=1)
        assert found(verify()) == []
        assert verify().anchored is None
        assert found(verify(anchor=kept())) == [(Fault.TRUNCATED, "2"), (Fault.TRUNCATED, "3")]

    def test_another_past(
        self, kept: Callable[[], list[anchor.Anchored]], rows: list[AuditEvent]
    ) -> None:
        """Rolled back, and gone on from there with the right key."""
        roll_back(to=1)
        add(LimitHit(rate=Code("check")))
        list(sealing.seal(clock=ago))
        lines = kept()
        assert found(verify()) == []
        findings = found(verify(anchor=lines[:-1]))
        assert findings == [(Fault.ROLLED_BACK, "2"), (Fault.TRUNCATED, "3")]

    def test_an_old_seal_again(
        self, kept: Callable[[], list[anchor.Anchored]], rows: list[AuditEvent]
    ) -> None:
        old = AuditSeal.objects.get(position=2)
        roll_back(to=1)
        for _ in range(2):
            add(LimitHit(rate=Code("check")))
            seal()
        delete(AuditSeal, position=2)
        old.save(force_insert=True)
        assert (Fault.SEAL_CHANGED, "3") in found(verify())

    def test_another_log_in_its_place(
        self, kept: Callable[[], list[anchor.Anchored]], rows: list[AuditEvent]
    ) -> None:
        lines = kept()
        for model in (AuditEvent, AuditMember, AuditSeal):
            delete(model)
        chain.forget()
        chain.log_id("default")
        assert (Fault.ROLLED_BACK, "0") in found(verify(anchor=lines))
        add(LimitHit(rate=Code("check")))
        seal()
        assert (Fault.ROLLED_BACK, "0") in found(verify(anchor=kept()))

    def test_the_file_is_lines_of_json(
        self, kept: Callable[[], list[anchor.Anchored]], rows: list[AuditEvent], settings: Settings
    ) -> None:
        file = Path(settings.CREDFIREWALL["AUDIT_ANCHOR"])
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert [line["position"] for line in lines] == [1, 2, 3]
        assert [line["head"] for line in lines] == [
            each.head for each in AuditSeal.objects.filter(position__gt=0).order_by("position")
        ]
        assert file.stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize(
        "text", ["x", "{}", '{"log": 1}', "[]", '{"log":"a","position":"b","head":"c"}']
    )
    def test_a_line_that_is_none(self, tmp_path: Path, text: str) -> None:
        file = tmp_path / "heads.jsonl"
        file.write_text(f'{{"log": "a", "position": 1, "head": "b"}}\n{text}\n')
        with pytest.raises(ValueError, match="line 2 is no seal head"):
            anchor.read(file)


def roll_back(to: int) -> None:
    gone = AuditMember.objects.filter(seal__gt=to)
    delete(AuditEvent, pk__in=[member.event_id for member in gone])
    delete(AuditMember, seal__gt=to)
    delete(AuditSeal, position__gt=to)
    waiting = sealing.unsealed("default")
    delete(AuditEvent, pk__in=[row.pk for row in waiting])


class TestKeys:
    def test_older_ones_verify(self, settings: Settings) -> None:
        add(LimitHit(rate=Code("check")))
        seal()
        new = [OLD, settings.CREDFIREWALL["AUDIT_KEY"]]
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_KEY": new}
        add(LimitHit(rate=Code("check")))
        seal()
        assert found(verify()) == []
        assert len(set(AuditEvent.objects.values_list("key", flat=True))) == 2

    def test_one_that_is_gone_is_named(self, settings: Settings) -> None:
        row = add(LimitHit(rate=Code("check")))
        settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_KEY": OLD}
        assert (Fault.KEY_UNKNOWN, f"row {row.pk}") in found(verify())

    def test_without_one_that_of_the_site_and_its_fallbacks_count(self, settings: Settings) -> None:
        settings.CREDFIREWALL = {}
        add(LimitHit(rate=Code("check")))
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another"
        add(LimitHit(rate=Code("check")))
        report = verify()
        assert [each for each in found(report) if each[0] != Fault.KEY_UNKNOWN] == []
        assert report.waiting == 2


class TestResume:
    def test_only_what_came_after_is_read(self, rows: list[AuditEvent]) -> None:
        verifying.remember(verify_without_triggers(), "default")
        add(LimitHit(rate=Code("check")))
        seal()
        report = verify(resume=True)
        assert (report.since, report.rows, found(report)) == (3, 3, [])

    def test_one_with_findings_is_no_point_to_go_on_from(self, rows: list[AuditEvent]) -> None:
        delete(AuditEvent, pk=rows[6].pk)
        verifying.remember(verify(), "default")
        assert (Fault.ROW_MISSING, str(rows[6].pk)) in found(verify(resume=True))

    @pytest.mark.parametrize("forge", ["made up", "of other findings", "of another place"])
    def test_one_that_was_forged_neither(self, rows: list[AuditEvent], forge: str) -> None:
        report = verify_without_triggers()
        if forge == "of other findings":
            report.add(Fault.ROW_CHANGED, "x", "x")
        if forge == "of another place":
            report.seal = 1
        verifying.remember(report, "default")
        kept = AuditVerification.objects.get()
        kept.findings, kept.seal = 0, 3
        kept.head = AuditSeal.objects.get(position=3).head
        if forge == "made up":
            kept.mac = "0" * 64
        kept.save()
        assert verify(resume=True).since == 0


def verify_without_triggers() -> Report:
    report = verify()
    report.findings = [each for each in report.findings if each.fault != Fault.TRIGGER_MISSING]
    del report.counts[Fault.TRIGGER_MISSING]
    return report


def test_a_user_who_acted_can_be_deleted_and_erased() -> None:
    user = User.objects.create_user("carol")
    add(LimitHit(rate=Code("check")), actor=user, subject=user)
    seal()
    assert erase(user) > 0
    user.delete()
    assert found(verify()) == []
    assert not AuditIdentity.objects.filter(text="carol").exists()


@pytest.mark.slow
def test_a_hundred_thousand_rows_that_nobody_touched() -> None:
    made = [seeding.row(LimitHit(rate=Code("check"))) for _ in range(100_000)]
    AuditEvent._base_manager.bulk_create(made, batch_size=1000)
    seal()
    read: list[int] = []
    report = verify(progress=read.append)
    assert (found(report), report.rows, sum(read)) == ([], 100_000, 100_000)


def test_an_anchor_that_knows_nothing_proves_nothing(rows: list[AuditEvent]) -> None:
    assert verify(anchor=[]).anchored is None


@pytest.mark.parametrize("position", [0, 999_999])
def test_a_row_that_is_said_to_be_in_a_batch_which_does_not_exist(
    rows: list[AuditEvent], position: int
) -> None:
    """It would be read neither with a batch nor with those that wait."""
    forged = seeding.row(LoginRefused(reason=Code("password")))
    forged.mac = "0" * 64
    forged.insert("default")
    AuditMember.objects.create(event_id=forged.pk, seal=position, leaf=0, mac="x")
    assert found(verify()) == [(Fault.ROW_MOVED, str(forged.pk))]


def test_a_row_that_is_said_to_be_in_a_batch_which_is_not_read_again(
    rows: list[AuditEvent],
) -> None:
    verifying.remember(verify_without_triggers(), "default")
    forged = seeding.row(LoginRefused(reason=Code("password")))
    forged.mac = "0" * 64
    forged.insert("default")
    AuditMember.objects.create(event_id=forged.pk, seal=2, leaf=4, mac="x")
    assert found(verify(resume=True)) == [(Fault.BATCH_CHANGED, "2")]


def test_what_was_found_is_not_forgotten_by_going_on(rows: list[AuditEvent]) -> None:
    """There was a sound verification before it."""
    verifying.remember(verify_without_triggers(), "default")
    set_column(AuditEvent, rows[1].pk, "outcome", "success")
    verifying.remember(verify(), "default")
    assert found(verify(resume=True)) == [(Fault.ROW_CHANGED, str(rows[1].pk))]


def test_a_number_that_is_far_too_high_ends(rows: list[AuditEvent]) -> None:
    set_column(AuditSeal, 2, "count", 2_000_000_000)
    assert (Fault.SEAL_CHANGED, "2") in found(verify())
    assert len(verify().findings) < 3000


def test_a_batch_that_was_emptied_is_found_by_going_on_too(rows: list[AuditEvent]) -> None:
    remember(verify_without_triggers(), "default")
    members = AuditMember.objects.filter(seal=2)
    delete(AuditEvent, pk__in=[member.event_id for member in members])
    delete(AuditMember, seal=2)
    assert (Fault.BATCH_CHANGED, "2") in found(verify(resume=True))


def test_a_stub_in_place_of_an_old_batch_is_found_by_going_on_too(rows: list[AuditEvent]) -> None:
    remember(verify_without_triggers(), "default")
    members = AuditMember.objects.filter(seal=2)
    delete(AuditEvent, pk__in=[member.event_id for member in members])
    delete(AuditMember, seal=2)
    key = ring().first.id
    AuditStub.objects.create(seal=2, count=4, at=ago(), retention=1, key=key, mac="0" * 64)
    assert (Fault.STUB_CHANGED, "2") in found(verify(resume=True))


class TestAtTheSameTime:
    """What honest others do meanwhile is no finding."""

    def test_a_purge(self, rows: list[AuditEvent]) -> None:
        later = ago(days=-400)
        sealed = list(AuditSeal.objects.filter(position=2))

        def purge(_rows: int) -> None:
            if sealed:
                list(purging.purge([sealed.pop()], clock=lambda: later))

        assert found(verify(progress=purge, now=later)) == []
        assert not sealed

    def test_a_seal(
        self, kept: Callable[[], list[anchor.Anchored]], rows: list[AuditEvent]
    ) -> None:
        def heads() -> Any:
            seal()
            yield from kept()

        assert found(verify(anchor=heads())) == []

    def test_another_log_with_the_same_anchor(
        self,
        kept: Callable[[], list[anchor.Anchored]],
        rows: list[AuditEvent],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        other = anchor.Anchored("b" * 32, 0, "c" * 64)
        assert found(verify(anchor=[*kept(), other])) == [(Fault.ROLLED_BACK, "0")]
        monkeypatch.setattr(chain, "others", lambda using: {other.log})
        assert found(verify(anchor=[*kept(), other])) == []
