"""What is forged a million times is counted, and named so often that somebody can look."""

import json

import pytest
from django.core.management import call_command

from credfirewall.audit import findings, reading
from credfirewall.audit.events import Code, LoginRefused
from credfirewall.audit.findings import Fault
from credfirewall.audit.models import AuditEvent, AuditSeal, AuditVerification
from credfirewall.audit.verifying import remember, verify
from tests.audit import seeding
from tests.audit.seeding import add, seal

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of three rows. Test databases have no triggers."""
    monkeypatch.setattr("credfirewall.audit.triggers.missing", lambda _connection: [])
    for _ in range(3):
        add(LoginRefused(reason=Code("password")))
    seal()


def forge(number: int) -> None:
    made = [seeding.row(LoginRefused(reason=Code("password"))) for _ in range(number)]
    for each in made:
        each.mac = "0" * 64
    AuditEvent._base_manager.bulk_create(made)


def test_of_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MOST_NAMED", 5)
    forge(8)
    report = verify()
    assert [each.fault for each in report.findings] == [Fault.ROW_FORGED] * 5
    assert (report.counts, report.total) == ({Fault.ROW_FORGED: 8}, 8)


def test_of_a_gap_in_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MOST_ALIKE", 5)
    AuditSeal._base_manager.filter(position=1).update(count=1003)
    report = verify()
    empty = [each.where for each in report.findings if each.fault == Fault.PLACE_EMPTY]
    assert empty == [f"1/{number}" for number in range(3, 8)]
    assert report.counts == {Fault.SEAL_CHANGED: 1, Fault.PLACE_EMPTY: 1000}


def test_of_a_gap_in_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MOST_ALIKE", 5)
    AuditSeal._base_manager.filter(position=1).update(position=1001)
    report = verify()
    gone = [each.where for each in report.findings if each.fault == Fault.SEAL_MISSING]
    assert gone == [str(number) for number in range(1, 6)]
    assert report.counts[Fault.SEAL_MISSING] == 1000


def test_what_a_person_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(findings, "MOST_NAMED", 60)
    forge(75)
    with pytest.raises(SystemExit):
        call_command("verify_audit")
    text = capsys.readouterr().out
    assert "... and 25 more: see --json" in text
    assert "75 findings." in text
    assert AuditVerification.objects.latest().findings == 75
    with pytest.raises(SystemExit):
        call_command("verify_audit", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["found"], told["counts"]) == (75, {"row_forged": 75})
    assert len(told["findings"]) == 60


def test_more_than_a_column_holds() -> None:
    report = verify()
    report.counts[Fault.PLACE_EMPTY] = 2**64
    remember(report, "default")
    assert AuditVerification.objects.latest().findings == 2**31 - 1


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_batch_of_more_than_a_page(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(reading, "PAGE", size)
    report = verify()
    assert (report.findings, report.rows) == ([], 3)
