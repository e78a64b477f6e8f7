"""Every endpoint against every kind of caller (ASVS 8.2.1). A new endpoint adds a line."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

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


class Line(NamedTuple):
    """One method of an endpoint: the permission that counts, who gets what, and what is sent."""

    endpoint: str
    method: str
    path: str
    needed: str
    expected: dict[str, int]
    body: dict[str, Any] | None = None

    @property
    def view(self) -> Any:
        (pattern,) = (each for each in urlpatterns if each.name == self.endpoint)
        callback: Any = pattern.callback
        return callback.view_class

    def ask(self, client: Client, **how: Any) -> Any:
        if self.body is None:
            return client.generic(self.method, self.path, **how)
        sent = json.dumps(self.body)
        how = {"content_type": "application/json", **how}
        return client.generic(self.method, self.path, sent, **how)


GENERATE, CHECK = "/api/v1/passwords/generate", "/api/v1/passwords/check"
LINES = [
    Line("healthz", "GET", "/healthz", "", ANYBODY),
    Line("schema", "GET", "/api/v1/schema", "", SIGNED_IN),
    Line("docs", "GET", "/api/v1/docs", "", SIGNED_IN),
    Line("metrics", "GET", "/metrics", VIEW, STAFF_WITH_PERMISSION),
    Line("passwords-generate", "GET", GENERATE, "", SIGNED_IN),
    Line("passwords-generate", "POST", GENERATE, "", SIGNED_IN, {"kind": "pin"}),
    Line("passwords-check", "POST", CHECK, "", SIGNED_IN, {"password": "hunter2"}),
    Line("passwords-policy", "GET", "/api/v1/passwords/policy", "", ANYBODY),
    Line("audit-events", "GET", "/api/v1/audit/events", VIEW, STAFF_WITH_PERMISSION),
]
MATRIX = {f"{line.method} {line.endpoint}": line for line in LINES}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("line", MATRIX)
def test_who_may(client: Client, line: str, caller: str) -> None:
    expected = MATRIX[line].expected
    sign_in(client, caller, MATRIX[line].needed)
    response = MATRIX[line].ask(client)
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


def text_of_key(kind: str, line: Line) -> str:
    """The text of such a key."""
    callers = {
        "of somebody without the permission": "staff",
        "of somebody who is no staff": "user with permission",
        "of a superuser": "superuser",
        "of an inactive account": "inactive",
    }
    owner = CALLERS[callers.get(kind, "staff with permission")](line.needed)
    others = set(SCOPES) - {line.view.key_scope}
    scopes = {"without the scope": set(), "with every other scope": others}.get(kind, set(SCOPES))
    end = datetime.now(UTC) - timedelta(seconds=1) if kind == "expired" else None
    issued = keys.create(owner, "probe", scopes, end)
    if kind == "revoked":
        keys.revoke(issued.key)
    if kind == "rotated away":
        keys.rotate(issued.key, timedelta(0))
    return f"{issued.text[:-64]}{'0' * 64}" if kind == "of nobody" else issued.text


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("line", MATRIX)
def test_who_may_with_a_key(client: Client, line: str, kind: str) -> None:
    asked = MATRIX[line]
    status, code = KEYS[kind]
    if asked.endpoint == "healthz":
        status, code = 200, ""  # it asks nobody
    elif code == "scope_missing" and asked.expected is ANYBODY:
        status, code = 200, ""
    elif code == "permission_denied" and not asked.needed:
        status, code = 200, ""  # whoever is signed in may
    text = text_of_key(kind, asked)
    response = asked.ask(client, headers={"Authorization": f"Bearer {text}"})
    assert response.status_code == status
    assert not code or response.json()["code"] == code
    if status == 401:
        assert response["WWW-Authenticate"].endswith(CHALLENGES)


@pytest.mark.parametrize("kind", ["expired", "revoked", "without the scope", "of nobody"])
@pytest.mark.parametrize("line", [name for name in MATRIX if MATRIX[name].expected is not ANYBODY])
def test_a_session_beside_a_key_makes_nothing_good(
    admin_client: Client, line: str, kind: str
) -> None:
    text = text_of_key(kind, MATRIX[line])
    response = MATRIX[line].ask(admin_client, headers={"Authorization": f"Bearer {text}"})
    assert (response.status_code, response.json()["code"]) == KEYS[kind]


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD"])
@pytest.mark.parametrize("line", MATRIX)
def test_other_methods_ask_for_the_same(client: Client, line: str, method: str) -> None:
    _, _, path, _, expected, _ = MATRIX[line]
    assert client.generic(method, path).status_code in {expected["anonymous"], 204, 405}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("application/xml", 415),
        ("application/json-seq", 415),
        ("nonsense", 415),
    ],
)
@pytest.mark.parametrize("line", [name for name in MATRIX if MATRIX[name].body is not None])
def test_what_a_body_may_be(admin_client: Client, line: str, kind: str, status: int) -> None:
    assert MATRIX[line].ask(admin_client, content_type=kind).status_code == status


def test_no_endpoint_is_left_out() -> None:
    assert {pattern.name for pattern in urlpatterns} == {line.endpoint for line in LINES}


def test_no_method_is_left_out() -> None:
    described = {(line.endpoint, line.method.lower()) for line in LINES}
    assert {(line.endpoint, each) for line in LINES for each in line.view.operations} == described
