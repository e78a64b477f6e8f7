"""Whatever the owner of the tables puts into a column is found, and named, and nothing fails."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import connection, models, transaction

from credfirewall.audit import chain, purging, reading, rows, verifying
from credfirewall.audit.events import Code, LoginRefused, Party, ScreeningRefused
from credfirewall.audit.findings import Fault, Report
from credfirewall.audit.models import (
    AuditEvent,
    AuditIdentity,
    AuditMember,
    AuditSeal,
    AuditStub,
    AuditVerification,
)
from credfirewall.audit.verifying import verify
from tests.audit import seeding
from tests.audit.seeding import add, ago, begin, seal

pytestmark = pytest.mark.django_db

ANN = Party("user", "1", "ann")
PURGED, BATCH = 1, 2
"""Seals: one whose rows were purged, and one that has its rows."""

ODD = {
    "sqlite": [
        "X''",
        "X'ff00'",
        "X'31'",
        "1.5",
        "9e999",
        "-1",
        "9223372036854775807",
        "''",
        "'x'",
        "'a' || char(0) || 'b'",
        "char(27) || '[31m' || char(10)",
        "CAST(X'ff' AS TEXT)",
        "CAST(X'eda080' AS TEXT)",
        "'9999-12-31 23:59:59.999999'",
        "'10000-01-01 00:00:00'",
        "'2026-02-30 00:00:00'",
        "'0001-01-01 00:00:00'",
    ],
    "postgresql": {
        "time": [
            "'infinity'",
            "'-infinity'",
            "'20000-01-01'",
            "'0044-03-15 12:00:00 BC'",
            "'0001-01-01 00:00:00+00'",
            "'9999-12-31 23:59:59.999999+00'",
        ],
        "number": ["-1", "32767"],
        "text": ["''", "'x'", "chr(27) || '[31m'", "chr(128169)"],
        "uuid": ["'00000000-0000-0000-0000-000000000000'"],
    },
    "mysql": {
        "time": ["'0000-00-00 00:00:00'", "'2026-00-00 00:00:00'", "'9999-12-31 23:59:59.999999'"],
        "number": ["77", "32767"],
        "text": ["''", "'x'", "CHAR(0 USING utf8mb4)", "CHAR(27 USING utf8mb4)"],
        "uuid": ["'00000000-0000-0000-0000-000000000000'"],
    },
}
"""SQL of values that we never write. SQLite takes any of them in any column."""
HIGH = {
    "PositiveIntegerField": {"postgresql": "2147483647", "mysql": "4294967295"},
    "PositiveBigIntegerField": {
        "postgresql": "9223372036854775807",
        "mysql": "18446744073709551615",
    },
}


def columns(model: type[models.Model]) -> list[Any]:
    return [
        pytest.param(model, field, id=f"{model.__name__}.{field.name}")
        for field in model._meta.concrete_fields
    ]


def odd(field: Any) -> list[str]:
    """What the database takes in a column of this type."""
    if connection.vendor == "sqlite":
        return list(ODD["sqlite"])
    kinds: Any = ODD[connection.vendor]
    if isinstance(field, models.UUIDField):
        return list(kinds["uuid"])
    if isinstance(field, models.DateTimeField):
        return list(kinds["time"])
    if isinstance(field, models.IntegerField):
        high = HIGH.get(type(field).__name__, {}).get(connection.vendor)
        return [*kinds["number"], *([high] if high else [])]
    return list(kinds["text"])


def put(model: type[models.Model], field: Any, key: Any, value: str) -> bool:
    """Write the SQL ``value`` into a row, past what stands in the way. Whether it is another."""
    quote: Any = connection.ops.quote_name
    pk: Any = model._meta.pk
    table, column = quote(model._meta.db_table), quote(field.column)
    prepared = pk.get_db_prep_save(key, connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        if connection.vendor == "mysql":
            cursor.execute("SET SESSION sql_mode = ''")
        if connection.vendor == "postgresql":
            checks = (
                "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass"
            )
            cursor.execute(checks, [table])
            for (name,) in cursor.fetchall():
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {quote(name)}")
        same = f"SELECT COUNT(*) FROM {table} WHERE {quote(pk.column)} = %s AND {column} = {value}"
        cursor.execute(same, [prepared])
        if cursor.fetchone()[0]:
            return False
        cursor.execute(
            f"UPDATE {table} SET {column} = {value} WHERE {quote(pk.column)} = %s", [prepared]
        )
        assert cursor.rowcount == 1
    return True


@pytest.fixture
def row() -> Iterator[AuditEvent]:
    """A sealed row with names, beside a batch that was purged, and a sound verification of it."""
    begin(ago(days=801))
    for _ in range(2):
        add(ScreeningRefused(source=Code("hibp"), count=1), actor=ANN)
    list(purging.purge(seal(ago(days=800))))
    made = [add(LoginRefused(reason=Code("password")), actor=ANN) for _ in range(3)]
    seal()
    add(LoginRefused(reason=Code("password")), actor=ANN)
    report = verify()
    report.counts.clear()
    verifying.remember(report, "default")
    assert named(verify()) == []
    yield made[1]
    chain.forget()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
        if connection.vendor == "mysql":
            cursor.execute("SET SESSION sql_mode = DEFAULT")


def named(report: Report) -> list[tuple[Fault, str]]:
    return [
        (finding.fault, finding.where)
        for finding in report.findings
        if finding.fault != Fault.TRIGGER_MISSING
    ]


def place(model: type[models.Model], row: AuditEvent) -> tuple[Any, set[str]]:
    """The key of what is changed, and how a finding may name it."""
    if model is AuditEvent:
        return row.pk, {str(row.pk), f"row {row.pk}"}
    if model is AuditMember:
        return row.pk, {str(row.pk), f"{BATCH}/1"}
    if model is AuditSeal:
        return BATCH, {str(BATCH), f"seal {BATCH}"}
    if model is AuditStub:
        return PURGED, {str(PURGED), f"stub {PURGED}"}
    return row.actor, {row.actor}


@pytest.mark.parametrize(
    ("model", "field"),
    [
        each
        for model in (AuditEvent, AuditMember, AuditSeal, AuditStub, AuditIdentity)
        for each in columns(model)
    ],
)
def test_any_column_of_any_table(row: AuditEvent, model: type[models.Model], field: Any) -> None:
    key, names = place(model, row)
    tried = 0
    for value in odd(field):
        with transaction.atomic():
            if put(model, field, key, value):
                tried += 1
                found = named(verify())
                # A signature is a text that says nothing to who has no key to ask it with.
                if field.name != "signature":
                    assert found, value
                    assert field.primary_key or names & {where for _, where in found}, value
                    if model is AuditIdentity:
                        assert [fault for fault, _ in found] == [Fault.NAME_CHANGED], value
                    assert all(where.isascii() and where.isprintable() for _, where in found)
                status, out, err = command()
                assert (status, "Traceback" in err) == (1, False), value
                assert json.loads(out)["found"] >= len(json.loads(out)["findings"]) > 0
            transaction.set_rollback(True)
        chain.forget()
    assert tried


def command() -> tuple[Any, str, str]:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("verify_audit", "--json", stdout=out, stderr=err)
    except SystemExit as end:
        return end.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(("model", "field"), columns(AuditVerification))
def test_a_verification_that_cannot_be_read_is_none(
    row: AuditEvent, model: type[models.Model], field: Any
) -> None:
    assert verify(resume=True).since == BATCH
    for value in odd(field):
        if field.primary_key:
            continue
        with transaction.atomic():
            if put(model, field, AuditVerification.objects.get().pk, value):
                report = verify(resume=True)
                assert (report.since, named(report)) == (0, []), value
            transaction.set_rollback(True)


DASHED = " || '-' || ".join(
    f"substr({{0}}, {begin}, {length})"
    for begin, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
)
SPELLINGS = {
    "id": [DASHED.format("id"), "upper(id)"],
    "log": [DASHED.format("log"), "upper(log)", "'{' || log || '}'"],
    "at": [
        "replace(at, ' ', 'T')",
        "replace(at, '.', ',')",
        "at || '+00:00'",
        "at || 'Z'",
        "replace(at, '-', '')",
        "' ' || at",
    ],
}
"""SQL of the same value as another text."""


@pytest.fixture
def sqlite() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("elsewhere these types have one spelling")


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize(
    ("column", "spelled"), [(name, each) for name, all_ in SPELLINGS.items() for each in all_]
)
def test_another_spelling_of_the_same_value(row: AuditEvent, column: str, spelled: str) -> None:
    with connection.cursor() as cursor:
        table = AuditEvent._meta.db_table
        cursor.execute(f"UPDATE {table} SET {column} = {spelled} WHERE id = %s", [row.pk.hex])
        assert cursor.rowcount == 1
    faults = {fault for fault, where in named(verify()) if column == "id" or where == str(row.pk)}
    expected = {Fault.ROW_MISSING, Fault.ROW_FORGED} if column == "id" else {Fault.ROW_CHANGED}
    assert faults == expected


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Europe/Berlin")], ids=str)
def test_a_time_with_a_zone_is_none_of_the_connection(zone: tzinfo) -> None:
    there = datetime(2026, 1, 1, tzinfo=UTC)
    text = str(there.astimezone(zone).replace(tzinfo=None))
    assert rows.stored_microseconds(text, zone) == rows.microseconds(there)
    with pytest.raises((TypeError, ValueError)):
        rows.stored_microseconds(f"{text}+00:00", zone)


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize("column", ["log", "at"])
@pytest.mark.parametrize(
    ("model", "fault"), [(AuditSeal, Fault.SEAL_CHANGED), (AuditStub, Fault.STUB_CHANGED)]
)
def test_another_spelling_in_a_seal_or_a_stub(
    row: AuditEvent, model: type[models.Model], fault: Fault, column: str
) -> None:
    if model is AuditStub and column == "log":
        return
    key, _ = place(model, row)
    pk: Any = model._meta.pk
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {model._meta.db_table} SET {column} = {SPELLINGS[column][0]}"
            f" WHERE {pk.column} = %s",
            [key],
        )
    assert (fault, str(key)) in named(verify())


@pytest.mark.usefixtures("sqlite")
@pytest.mark.parametrize("sealed", [True, False])
def test_a_copy_under_an_id_with_dashes(row: AuditEvent, sealed: bool) -> None:
    """To Django it is the same id, so that a person sees the row twice."""
    names = ", ".join(f'"{each.column}"' for each in AuditEvent._meta.concrete_fields[1:])
    table = AuditEvent._meta.db_table
    with connection.cursor() as cursor:
        copied = f"INSERT INTO {table} (id, {names}) SELECT %s, {names} FROM {table} WHERE id = %s"
        cursor.execute(copied, [str(row.pk), row.pk.hex])
        if sealed:
            cursor.execute(
                f"INSERT INTO {AuditMember._meta.db_table} (event_id, seal, leaf, mac)"
                f" SELECT %s, seal, 3, mac FROM {AuditMember._meta.db_table} WHERE event_id = %s",
                [str(row.pk), row.pk.hex],
            )
    fault = Fault.ROW_CHANGED if sealed else Fault.ROW_FORGED
    assert named(verify())[0] == (fault, f"'{row.pk}'")


def test_a_value_that_is_long(row: AuditEvent) -> None:
    field = AuditIdentity._meta.get_field("ref")
    value = {"sqlite": "hex(zeroblob(100000))"}.get(connection.vendor, "REPEAT('0', 64)")
    assert put(AuditIdentity, field, row.actor, value)
    ((_, where),) = named(verify())
    assert where == "0" * min(reading.LONGEST, 80 if connection.vendor == "sqlite" else 64)


def test_a_log_whose_beginning_cannot_be_read(row: AuditEvent) -> None:
    """Which log it is the other seals say as well."""
    names = ["at", "log"] if connection.vendor == "sqlite" else ["at"]
    fields = [AuditSeal._meta.get_field(name) for name in names]
    for field, value in [(each, odd(each)[number]) for each in fields for number in (0, 1)]:
        with transaction.atomic():
            put(AuditSeal, field, 0, value)
            report = verify()
            assert report.log == row.log.hex
            assert (Fault.SEAL_CHANGED, "0") in named(report)
            assert {fault for fault, _ in named(report)} == {Fault.SEAL_CHANGED}
            transaction.set_rollback(True)


def test_the_newest_verification_holds_though_its_seal_cannot_be_read(row: AuditEvent) -> None:
    """The seal before it is that to which what was found is kept."""
    field = AuditSeal._meta.get_field("at")
    put(AuditSeal, field, BATCH, odd(field)[0])
    report = verify()
    verifying.remember(report, "default")
    kept = AuditVerification.objects.latest()
    assert (kept.seal, kept.findings) == (PURGED, report.total)
    assert verify(resume=True).since == 0


@pytest.mark.parametrize("resume", [True, False])
def test_a_row_that_hides_in_a_batch_that_was_purged(row: AuditEvent, resume: bool) -> None:
    forged = seeding.row(LoginRefused(reason=Code("password")))
    forged.mac = "0" * 64
    forged.insert("default")
    AuditMember.objects.create(event_id=forged.pk, seal=PURGED, leaf=0, mac="x")
    assert named(verify(resume=resume)) == [(Fault.PURGED_ROW, str(forged.pk))]


def test_a_row_that_hides_in_a_batch_that_is_null(row: AuditEvent) -> None:
    """Whose table it is can also take NOT NULL away."""
    if connection.vendor != "postgresql":
        pytest.skip("a transaction cannot take it back")
    with connection.cursor() as cursor:
        table = AuditMember._meta.db_table
        cursor.execute(f"ALTER TABLE {table} ALTER COLUMN seal DROP NOT NULL")
        forged = seeding.row(LoginRefused(reason=Code("password")))
        forged.mac = "0" * 64
        forged.insert("default")
        cursor.execute(
            f"INSERT INTO {table} (event_id, seal, leaf, mac) VALUES (%s, NULL, 0, 'x')",
            [forged.pk],
        )
    assert named(verify()) == [(Fault.ROW_MOVED, str(forged.pk))]
