"""Names that were typed at a sign-in: people type their passwords there."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from credfirewall.audit import record
from credfirewall.audit.events import Code, LoginRefused, Party
from credfirewall.audit.models import AuditEvent, AuditIdentity
from credfirewall.audit.names import typed
from credfirewall.audit.verifying import verify
from tests.canary.detector import Canary, accented_canary, ascii_canary, leaks
from tests.canary.watch import in_database

NOVEMBER = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(params=[ascii_canary, accented_canary], ids=["ascii", "accented"])
def canary(request: pytest.FixtureRequest) -> Canary:
    made: Canary = request.param()
    return made


def test_the_name_of_an_account_is_the_account() -> None:
    dana = User.objects.create(username="dana")
    assert typed("dana") == Party.of(dana)


def test_what_is_no_account_s_name_is_not_kept(canary: Canary) -> None:
    record(LoginRefused(reason=Code("unknown")), subject=typed(canary.text))
    row = AuditEvent.objects.get()
    assert row.subject_type == "typed" and row.subject == ""
    assert row.subject_id.startswith("h:") and len(row.subject_id) == 26
    assert not AuditIdentity.objects.exists()
    assert leaks([canary], in_database(), prefix=True) == []
    assert not [each for each in verify().findings if each.fault != "trigger_missing"]


def test_the_same_typed_again_is_seen_to_be_the_same_until_the_month_ends() -> None:
    once = typed("hunter2", at=NOVEMBER)
    assert once == typed("hunter2", at=NOVEMBER - timedelta(days=29))
    assert once != typed("hunter3", at=NOVEMBER)
    assert once != typed("hunter2", at=NOVEMBER + timedelta(seconds=1))


def test_the_mac_needs_the_key(settings: Settings) -> None:
    once = typed("hunter2", at=NOVEMBER)
    settings.CREDFIREWALL = {"AUDIT_KEY": "another one"}
    assert once != typed("hunter2", at=NOVEMBER)


@pytest.mark.parametrize("name", ["", "\0", "dana\0", "\ud800", "x" * 10_000], ids=ascii)
def test_whatever_is_typed_is_a_party(name: str) -> None:
    assert typed(name).type == "typed"
    record(LoginRefused(reason=Code("unknown")), subject=typed(name))
    assert AuditEvent.objects.get().subject_id == typed(name).id
