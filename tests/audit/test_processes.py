"""Several processes over one log: what some of them cannot spoil by being killed."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from credfirewall.audit import anchor, chain, sealing, triggers
from credfirewall.audit.events import Code, KeyRotated, Party
from credfirewall.audit.models import AuditEvent, AuditMember, AuditSeal, AuditTally
from credfirewall.audit.services import record
from credfirewall.audit.verifying import Report, verify
from tests.audit.seeding import row
from tests.audit.writer import ACTS, Process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SIZES = {"postgresql": (8, 4000), "mysql": (8, 1500), "sqlite": (4, 300)}
"""How many processes write, and how much each, by what a database takes in a minute on two busy
cores. All that was asked for, 20,000 on PostgreSQL, takes six there: AUDIT_ACTS=20000 does that."""
KILLS = 3
EVENT = KeyRotated(ring=Code("a"), key=Code("b"))


@pytest.fixture
def heads(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    """The anchor. The log is guarded as in production, and a host has a table for its acts."""
    path = tmp_path / "heads.jsonl"
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_ANCHOR": path}
    triggers.install(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {ACTS} (id varchar(32) PRIMARY KEY, writer integer NOT NULL)")
    yield path
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {ACTS}")
    triggers.remove(connection)


@pytest.fixture
def crew() -> Iterator[list[Process]]:
    """Processes, gone at the end."""
    processes: list[Process] = []
    yield processes
    for process in processes:
        if process.status is None:
            process.kill()


def acts() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {ACTS}")
        return [act for (act,) in cursor.fetchall()]


def number_of_acts() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {ACTS}")
        return int(cursor.fetchone()[0])


def verified(heads: Path) -> Report:
    report = verify(anchor=anchor.read(heads))
    assert report.findings == []
    assert report.waiting == 0
    assert report.rows == AuditEvent.objects.count() == AuditMember.objects.count()
    assert report.anchored == report.seal
    return report


def fill(number: int) -> None:
    """Rows that wait to be sealed."""
    rows = [row(EVENT, datetime.now(UTC)) for _ in range(number)]
    AuditEvent._base_manager.bulk_create(rows, batch_size=200)


def test_writers_that_are_killed(heads: Path, crew: list[Process]) -> None:
    writers, each = SIZES[connection.vendor]
    each = int(os.environ.get("AUDIT_ACTS", each))
    total, chance = writers * each, random.Random()
    crew += [Process("write", heads, number, each) for number in range(writers)]
    crew.append(Process("seal", heads))
    for process in crew:
        assert process.hear() == "ready"
    killed = 0
    for nth in range(KILLS):
        moment = total * (nth + chance.uniform(0.2, 0.9)) / KILLS
        while number_of_acts() < moment:
            time.sleep(0.02)
        for place in chance.sample(range(len(crew)), (len(crew) + 1) // 2):
            if crew[place].status is None:
                crew[place].kill()
                crew[place] = crew[place].again()
                killed += 1
    assert killed >= KILLS
    while any(process.status is None for process in crew[:writers]):
        time.sleep(0.1)
    assert [process.end() for process in crew] == [0] * len(crew)

    record(EVENT)
    call_command("seal_audit", verbosity=0)
    of_acts = AuditEvent.objects.filter(subject_type="act")
    recorded = Counter(of_acts.values_list("subject_id", flat=True))
    assert len(recorded) == total
    assert set(recorded.values()) == {1}
    assert recorded.keys() == set(acts())
    assert verified(heads).rows == total + 1
    kinds = AuditTally.objects.filter(kind="event").values_list("count", flat=True)
    assert sum(kinds) == total + 1


def test_sealers_at_once_make_one_chain(heads: Path, crew: list[Process]) -> None:
    number = 2000
    fill(number)
    crew += [Process("seal_at_once", heads, 50) for _ in range(8)]
    for process in crew:
        assert process.hear() == "ready"
    for process in crew:
        process.tell()
    sealed = [sum(map(int, iter(process.hear, ""))) for process in crew]
    assert [process.end() for process in crew] == [0] * len(crew)
    assert sum(sealed) == number
    positions = AuditSeal.objects.order_by("position").values_list("position", flat=True)
    assert list(positions) == list(range(number // 50 + 1))
    assert verified(heads).rows == number
    assert sum(AuditTally.objects.filter(kind="event").values_list("count", flat=True)) == number


def test_a_sealer_that_is_killed_in_the_middle(heads: Path, crew: list[Process]) -> None:
    fill(100)
    crew.append(Process("seal_half", heads))
    assert crew[0].hear() == "half"
    crew[0].kill()
    for _ in range(100):  # the database notices in its own time
        if sealed := list(sealing.seal()):
            break
        assert not AuditSeal.objects.filter(position__gt=0).exists()
        assert not AuditMember.objects.exists()
        time.sleep(0.1)
    assert [made.position for made in sealed] == [1]
    assert verified(heads).rows == 100


def test_the_first_writers_begin_one_log(heads: Path, crew: list[Process]) -> None:
    triggers.remove(connection)
    AuditSeal.objects.all()._raw_delete("default")
    triggers.install(connection)
    chain.forget()
    crew += [Process("write", heads, number, 3) for number in range(4)]
    assert [process.end() for process in crew] == [0] * len(crew)
    assert AuditSeal.objects.filter(position=0).count() == 1
    assert len(set(AuditEvent.objects.values_list("log", flat=True))) == 1
    record(EVENT, subject=Party("act", "x"))
    list(sealing.seal())
    assert verified(heads).rows == 13
