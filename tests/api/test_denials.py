"""Who is signed in and lacks a permission is on record, once a minute."""

import json
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import Settings

from credfirewall.api import keys
from credfirewall.audit.models import AuditEvent
from tests.api.conftest import HERE, new_user
from tests.api.test_keys import bearing
from tests.api.test_problems import check
from tests.api.test_views import EVENTS, FAR
from tests.audit.outage import taking_no_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_endpoints")]


def noted() -> list[tuple[str, str, str]]:
    """Who was denied what, by which method."""
    rows = AuditEvent.objects.filter(event="access_denied").order_by("at")
    details = [(row.actor_id, json.loads(row.details)) for row in rows]
    return [(who, given["endpoint"], given["method"]) for who, given in details]


@pytest.fixture
def dana(client: Client) -> User:
    user = new_user("dana")
    client.force_login(user)
    return user


def test_a_denial_is_a_refusal_on_record(client: Client, dana: User) -> None:
    check(client.get(EVENTS), 403, "permission_denied")
    assert noted() == [(str(dana.pk), "audit-events", "GET")]
    row = AuditEvent.objects.get(event="access_denied")
    assert (row.outcome, row.actor_type, row.address) == ("refused", "user", "127.0.0.0/24")


def test_a_flood_is_one_event_a_minute_for_each_endpoint(
    client: Client, dana: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    for seconds in (0, 1, 59.9):
        monkeypatch.setattr(time, "time", lambda at=now + seconds: at)
        client.get(EVENTS)
        client.head(EVENTS)
        client.get("/metrics")
    assert [endpoint for _, endpoint, _ in noted()] == ["audit-events", "metrics"]
    monkeypatch.setattr(time, "time", lambda: now + 61)
    client.options(EVENTS)
    assert noted()[2:] == [(str(dana.pk), "audit-events", "OPTIONS")]


@pytest.mark.usefixtures("dana")
def test_each_account_has_events_of_its_own(client: Client) -> None:
    client.get(EVENTS)
    client.force_login(new_user("eve"))
    client.get(EVENTS)
    assert len(noted()) == 2


@pytest.mark.parametrize(
    ("scopes", "code"),
    [(["audit:read"], "permission_denied"), (["schema:read"], "scope_missing")],
)
def test_a_key_is_on_record_as_itself(
    client: Client, dana: User, scopes: list[str], code: str
) -> None:
    issued = keys.create(dana, "backup", scopes)
    check(client.get(EVENTS, headers=bearing(issued.text)), 403, code)
    assert noted() == [(issued.key.public_id, "audit-events", "GET")]
    assert AuditEvent.objects.get(event="access_denied").actor_type == "api_key"
    client.get(EVENTS)
    assert noted()[1:] == [(str(dana.pk), "audit-events", "GET")]


def test_strangers_are_not_on_record(client: Client) -> None:
    check(client.get(EVENTS), 401, "not_authenticated")
    check(client.get("/probe/raise/denied"), 403, "permission_denied")
    client.force_login(User.objects.create(username="gone", is_superuser=True))
    User.objects.update(is_active=False)
    check(client.get(EVENTS), 401, "not_authenticated")
    assert noted() == []


def test_a_view_that_refuses_by_itself_is_one_as_well(client: Client, dana: User) -> None:
    for name in ("denied", "drf-denied"):
        check(client.get(f"/probe/raise/{name}"), 403, "permission_denied")
    assert noted() == [(str(dana.pk), "raising", "GET")]


def test_what_is_no_matter_of_permissions_is_none(admin_client: Client) -> None:
    check(admin_client.get(EVENTS, **FAR), 403, "https_required")
    check(admin_client.get(EVENTS, headers={"Sec-Fetch-Site": "cross-site"}), 403, "cross_site")
    check(admin_client.get("/probe/raise/missing"), 404, "not_found")
    assert noted() == []


@pytest.mark.parametrize("classes", [None, ["rest_framework.authentication.SessionAuthentication"]])
def test_a_forged_request_is_not_its_victims(
    admin_user: User, settings: Settings, classes: Any
) -> None:
    settings.CREDFIREWALL = {"API_AUTHENTICATION": classes}
    client = Client(enforce_csrf_checks=True, headers=HERE)
    client.force_login(admin_user)
    assert client.post("/probe/echo", "{}", content_type="application/json").status_code == 403
    assert noted() == []


@pytest.mark.usefixtures("dana")
def test_without_a_cache_each_is_on_record(client: Client, settings: Settings) -> None:
    settings.CREDFIREWALL = {"CACHE": "gone"}
    client.get(EVENTS)
    client.get(EVENTS)
    assert len(noted()) == 2


@pytest.mark.usefixtures("dana")
@pytest.mark.parametrize("on_failure", ["log", "raise"])
def test_a_refusal_stands_without_its_record(
    client: Client, settings: Settings, on_failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CREDFIREWALL = {"AUDIT_ON_FAILURE": on_failure}
    with taking_no_rows():
        check(client.get(EVENTS), 403, "permission_denied")
    assert "access_denied could not be stored" in caplog.text


@pytest.mark.usefixtures("dana")
def test_the_transaction_that_it_rolls_back_takes_it_not_along(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    check(client.get("/probe/half/denied"), 403, "permission_denied")
    assert [endpoint for _, endpoint, _ in noted()] == ["half-done"]
