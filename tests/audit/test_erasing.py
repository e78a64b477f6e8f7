"""Erasing a person: their names go, and the log verifies all the same."""

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from pytest_django import Settings

from credfirewall.audit import origin, record
from credfirewall.audit.erasing import erase
from credfirewall.audit.events import Code, LimitHit, Party
from credfirewall.audit.models import AuditEvent, AuditIdentity
from credfirewall.audit.origin import Origin
from credfirewall.audit.services import forget_identities
from credfirewall.audit.verifying import verify
from credfirewall.exceptions import AuditUnavailable
from tests.audit.recording import no_table
from tests.audit.seeding import seal
from tests.canary.watch import in_database

EVENT = LimitHit(rate=Code("check"))
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nobody_is_known() -> None:
    forget_identities()


@pytest.fixture
def dana() -> User:
    return User.objects.create(username="dana-the-person")


def faults() -> list[str]:
    return [str(each) for each in verify().findings if each.fault != "trigger_missing"]


def names() -> list[str]:
    return sorted(AuditIdentity.objects.values_list("text", flat=True))


def test_the_names_go_and_the_log_verifies(dana: User) -> None:
    eve = User.objects.create(username="eve")
    record(EVENT, actor=dana, subject=eve)
    seal()
    dana.username = "dana-the-second"
    record(EVENT, actor=eve, subject=dana)
    before = {row.pk: row.mac for row in AuditEvent.objects.all()}
    assert erase(dana, actor=eve) == 2
    assert names() == ["eve"]
    after = {row.pk: row.mac for row in AuditEvent.objects.all()}
    assert before.items() < after.items()
    number = dana.pk
    dana.delete()
    assert not [row for row in in_database() if "dana-the" in row]
    assert AuditEvent.objects.filter(actor_id=str(number)).count() == 1
    assert faults() == []
    seal()
    assert faults() == []


def test_it_is_recorded_without_a_name(dana: User) -> None:
    record(EVENT, actor=dana)
    erase(dana, actor=Party.command("gdpr"))
    row = AuditEvent.objects.get(event="audit_erased")
    assert (row.actor_id, row.subject_id, row.subject) == ("gdpr", str(dana.pk), "")
    assert row.details == '{"texts":1}'


@pytest.mark.parametrize("given", [True, False], ids=["actor", "request"])
def test_who_erases_themselves_is_not_named_by_that(
    dana: User, given: bool, rf: object, settings: Settings
) -> None:
    request = HttpRequest()
    request.user = dana
    where = Origin.of_request(request)
    record(EVENT, actor=dana)
    forget_identities()  # as in another process
    with origin.acting(where):
        assert erase(dana, actor=dana if given else None) == 1
    assert names() == []
    row = AuditEvent.objects.get(event="audit_erased")
    assert (row.actor_type, row.actor_id, row.actor) == ("user", str(dana.pk), "")


def test_who_acts_again_has_a_name_again(dana: User) -> None:
    first = record(EVENT, actor=dana)
    erase(dana)
    second = record(EVENT, actor=dana)
    assert names() == ["dana-the-person"]
    assert AuditIdentity.objects.get().ref == second.actor != first.actor


def test_an_account_that_was_deleted_is_known_by_its_number(dana: User) -> None:
    record(EVENT, actor=dana)
    party = Party("user", str(dana.pk))
    dana.delete()
    with pytest.raises(ValueError, match="number"):
        erase(dana)
    with pytest.raises(ValueError, match="number"):
        erase(None)
    assert names() == ["dana-the-person"]
    assert erase(party) == 1
    assert names() == []


def test_somebody_else_s_names_stay(dana: User) -> None:
    record(EVENT, actor=Party("api_key", str(dana.pk), "the backup's"), subject=dana)
    erase(dana)
    assert names() == ["the backup's"]


def test_nobody_is_erased_unrecorded(dana: User) -> None:
    record(EVENT, actor=dana)
    with no_table(), pytest.raises(AuditUnavailable):
        erase(dana)
    assert names() == ["dana-the-person"]


def test_it_stands_and_falls_with_the_caller_s_transaction(dana: User) -> None:
    record(EVENT, actor=dana)
    with pytest.raises(KeyError), transaction.atomic():
        erase(dana)
        raise KeyError
    assert names() == ["dana-the-person"]
    assert not AuditEvent.objects.filter(event="audit_erased").exists()
    record(EVENT, actor=dana)
    assert faults() == []
