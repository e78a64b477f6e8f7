"""Every endpoint against every kind of caller (ASVS 8.2.1). A new endpoint adds a line."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from credfirewall.api import keys
from credfirewall.api.scopes import SCOPES
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


# With API keys: what they get of an endpoint that is not public, and why not.
KEYS = {
    "of somebody with the permission": (200, ""),
    "without the scope": (403, "scope_missing"),
    "with every other scope": (403, "scope_missing"),
    "of somebody without the permission": (403, "permission_denied"),
    "of somebody who is no staff": (403, "permission_denied"),
    "of a superuser": (200, ""),
    "of an inactive account": (401, "authentication_failed"),
    "expired": (401, "authentication_failed"),
    "revoked": (401, "authentication_failed"),
    "rotated away": (401, "authentication_failed"),
    "of nobody": (401, "authentication_failed"),
}


def text_of_key(kind: str, endpoint: Any, needed: str) -> str:
    """The text of such a key."""
    callers = {
        "of somebody without the permission": "staff",
        "of somebody who is no staff": "user with permission",
        "of a superuser": "superuser",
        "of an inactive account": "inactive",
    }
    owner = CALLERS[callers.get(kind, "staff with permission")](needed)
    others = set(SCOPES) - {endpoint.key_scope}
    scopes = {"without the scope": set(), "with every other scope": others}.get(kind, set(SCOPES))
    end = datetime.now(UTC) - timedelta(seconds=1) if kind == "expired" else None
    issued = keys.create(owner, "probe", scopes, end)
    if kind == "revoked":
        keys.revoke(issued.key)
    if kind == "rotated away":
        keys.rotate(issued.key, timedelta(0))
    return f"{issued.text[:-64]}{'0' * 64}" if kind == "of nobody" else issued.text


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("endpoint", MATRIX)
def test_who_may_with_a_key(client: Client, endpoint: str, kind: str) -> None:
    method, path, needed, everybody = MATRIX[endpoint]
    (pattern,) = (each for each in urlpatterns if each.name == endpoint)
    view: Any = pattern.callback
    status, code = KEYS[kind]
    if everybody is ANYBODY:
        status, code = 200, ""
    elif code == "permission_denied" and not needed:
        status, code = 200, ""  # whoever is signed in may
    text = text_of_key(kind, view.view_class, needed)
    response = client.generic(method, path, headers={"Authorization": f"Bearer {text}"})
    assert response.status_code == status
    assert not code or response.json()["code"] == code
    if status == 401:
        assert response["WWW-Authenticate"].endswith(CHALLENGES)


@pytest.mark.parametrize("kind", ["expired", "revoked", "without the scope", "of nobody"])
@pytest.mark.parametrize("endpoint", sorted(set(MATRIX) - {"healthz"}))
def test_a_session_beside_a_key_makes_nothing_good(
    admin_client: Client, endpoint: str, kind: str
) -> None:
    method, path, needed, _ = MATRIX[endpoint]
    (pattern,) = (each for each in urlpatterns if each.name == endpoint)
    view: Any = pattern.callback
    text = text_of_key(kind, view.view_class, needed)
    response = admin_client.generic(method, path, headers={"Authorization": f"Bearer {text}"})
    assert (response.status_code, response.json()["code"]) == KEYS[kind]


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD"])
@pytest.mark.parametrize("endpoint", MATRIX)
def test_other_methods_ask_for_the_same(client: Client, endpoint: str, method: str) -> None:
    _, path, _, expected = MATRIX[endpoint]
    assert client.generic(method, path).status_code in {expected["anonymous"], 204}


def test_no_endpoint_is_left_out() -> None:
    assert {pattern.name for pattern in urlpatterns} == set(MATRIX)
