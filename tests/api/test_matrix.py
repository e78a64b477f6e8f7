"""Every endpoint against every kind of caller (ASVS 8.2.1). A new endpoint adds a line."""

import pytest
from django.test import Client

from credfirewall.urls import urlpatterns
from tests.api.conftest import CALLERS, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_endpoints")]

ANYBODY = dict.fromkeys(CALLERS, 200)
SIGNED_IN = ANYBODY | {"anonymous": 401, "inactive": 401}
STAFF_WITH_PERMISSION = dict.fromkeys(CALLERS, 403) | {
    "anonymous": 401,
    "inactive": 401,
    "staff with permission": 200,
    "superuser": 200,
}
VIEW = "credfirewall.view_auditevent"
CHALLENGES = 'Bearer realm="credfirewall", Session realm="credfirewall"'
# By name of the endpoint: method, path, the permission that counts, who gets what.
MATRIX = {
    "healthz": ("GET", "/healthz", "", ANYBODY),
    "schema": ("GET", "/api/v1/schema", "", SIGNED_IN),
    "docs": ("GET", "/api/v1/docs", "", SIGNED_IN),
    "metrics": ("GET", "/metrics", VIEW, STAFF_WITH_PERMISSION),
    "audit-events": ("GET", "/api/v1/audit/events", VIEW, STAFF_WITH_PERMISSION),
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("endpoint", MATRIX)
def test_who_may(client: Client, endpoint: str, caller: str) -> None:
    method, path, needed, expected = MATRIX[endpoint]
    sign_in(client, caller, needed)
    response = client.generic(method, path)
    assert response.status_code == expected[caller]
    if expected[caller] == 401:
        assert response["WWW-Authenticate"] == CHALLENGES
        assert response.json()["code"] == "not_authenticated"
    if expected[caller] == 403:
        assert "WWW-Authenticate" not in response
        assert response.json()["code"] == "permission_denied"


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD"])
@pytest.mark.parametrize("endpoint", MATRIX)
def test_other_methods_ask_for_the_same(client: Client, endpoint: str, method: str) -> None:
    _, path, _, expected = MATRIX[endpoint]
    assert client.generic(method, path).status_code in {expected["anonymous"], 204}


def test_no_endpoint_is_left_out() -> None:
    assert {pattern.name for pattern in urlpatterns} == set(MATRIX)
