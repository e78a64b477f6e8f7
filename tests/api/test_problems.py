"""Whatever goes wrong is a problem of RFC 9457, with a stable code and nothing from inside."""

import json
import logging
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import AsyncRequestFactory, Client
from django.test.client import FakePayload
from pytest_django import Settings
from rest_framework.exceptions import ErrorDetail, ValidationError

from credfirewall.api import problems
from credfirewall.api.problems import Problem
from tests.api.conftest import HERE
from tests.api.urls import ERRORS, SECRET, EchoView

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_endpoints")]
ALL = [value for value in vars(problems).values() if isinstance(value, Problem)]
EXPECTED = {
    "parse": (400, "malformed"),
    "authentication": (401, "authentication_failed"),
    "drf-denied": (403, "permission_denied"),
    "drf-missing": (404, "not_found"),
    "throttled": (429, "rate_limited"),
    "strange": (409, "refused"),
    "denied": (403, "permission_denied"),
    "missing": (404, "not_found"),
    "suspicious": (400, "malformed"),
    "bad": (400, "malformed"),
    "long": (400, "password_too_long"),
    "audit": (503, "audit_unavailable"),
    "ours": (500, "internal_error"),
    "api": (500, "internal_error"),
    "bug": (500, "internal_error"),
}


def check(response: Any, status: int, code: str) -> dict[str, Any]:
    """The answer is this problem and nothing else, as RFC 9457 has it, and is not to be kept."""
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    body: dict[str, Any] = response.json()
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "code"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:credfirewall:problem:{code}"
    return body


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("name", ERRORS)
def test_an_exception_is_a_problem(
    client: Client, settings: Settings, name: str, debug: bool
) -> None:
    settings.DEBUG = debug
    response = client.get(f"/probe/raise/{name}")
    check(response, *EXPECTED[name])
    assert SECRET not in response.content.decode()


def test_a_bug_is_logged_by_class_and_place_alone(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.get("/probe/raise/bug")
    (line,) = [each for each in caplog.records if each.name == "credfirewall.api"]
    assert line.levelno == logging.ERROR
    assert line.getMessage().startswith("RuntimeError at ")
    assert "tests/api/urls.py:" in line.getMessage()
    assert SECRET not in caplog.text
    assert line.exc_info is None


def test_an_answer_that_cannot_be_written_is_a_problem(client: Client) -> None:
    response = client.get("/probe/unspeakable")
    check(response, 500, "internal_error")
    assert SECRET not in response.content.decode()


def test_what_fails_before_the_view_is_a_problem(client: Client, settings: Settings) -> None:
    settings.CREDFIREWALL = {"API_AUTHENTICATION": ["no.such.Class"]}
    check(client.get("/api/v1/schema"), 500, "internal_error")


def test_throttling_says_when_to_come_back_and_never_too_early(client: Client) -> None:
    assert client.get("/probe/raise/throttled")["Retry-After"] == "2"


def test_the_challenge_comes_with_each_401(client: Client) -> None:
    assert "WWW-Authenticate" in client.get("/probe/raise/authentication")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_a_method_that_is_not_there(client: Client, method: str) -> None:
    response = client.generic(method, "/api/v1/audit/events")
    check(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "nonsense", "application/*;q"])
def test_a_media_type_that_cannot_be_served(admin_client: Client, accept: str) -> None:
    response = admin_client.get("/api/v1/audit/events", headers={"Accept": accept})
    if accept == "application/*;q":
        assert response.status_code in {200, 406}
    else:
        check(response, 406, "not_acceptable")


def test_options_names_the_methods(admin_client: Client) -> None:
    response = admin_client.options("/api/v1/audit/events")
    assert (response.status_code, response.content) == (204, b"")
    assert response["Allow"] == "GET, HEAD, OPTIONS"
    assert response["Cache-Control"] == "no-store"


def test_head_is_get_without_the_body(admin_client: Client) -> None:
    response = admin_client.head("/api/v1/audit/events")
    assert (response.status_code, response.content) == (200, b"")
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize("name", ["bug", "denied", "audit"])
def test_what_failed_is_undone_with_atomic_requests(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    check(client.get(f"/probe/half/{name}"), *EXPECTED[name])
    assert not Group.objects.exists()


# Bodies


def post(client: Client, body: bytes | str, kind: str = "application/json") -> Any:
    return client.post("/probe/echo", body, content_type=kind)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
def test_a_body_that_is_no_json(admin_client: Client, kind: str) -> None:
    check(post(admin_client, "a=b", kind), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b"[" * 60_000,
        b'"' + b"9" * 10 + b"\x00",
        b"9" * 5000,
    ],
    ids=["cut", "no UTF-8", "NaN", "twice", "deep", "NUL", "long number"],
)
def test_a_body_that_cannot_be_read(admin_client: Client, body: bytes) -> None:
    check(post(admin_client, body), 400, "malformed")


@pytest.mark.parametrize("name", [r"\ud800", r"\udfff-\u00e9", r"\u0000", "\N{SNOWMAN}"])
def test_a_name_of_any_characters_is_named(admin_client: Client, name: str) -> None:
    where, body = "/api/v1/passwords/check", f'{{"{name}": 1}}'
    response = admin_client.post(where, body, content_type="application/json")
    errors = check(response, 400, "invalid")["errors"]
    assert json.loads(f'"{name}"') in [each["field"] for each in errors]


@pytest.mark.parametrize("field", ["username", "email", "kind", "alphabet", "exclude", "separator"])
def test_a_value_of_any_characters_is_refused_or_taken(admin_client: Client, field: str) -> None:
    path, given = "generate", {"kind": "passphrase"} if field == "separator" else {}
    if field in {"username", "email"}:
        path, given = "check", {"password": "x"}
    where, body = f"/api/v1/passwords/{path}", json.dumps({**given, field: "\ud800"})
    response = admin_client.post(where, body, content_type="application/json")
    assert response.status_code == (200 if field == "exclude" else 400)


def test_a_body_that_is_too_large(admin_client: Client) -> None:
    assert post(admin_client, json.dumps("x" * 65_534)).status_code == 200
    check(post(admin_client, json.dumps("x" * 65_535)), 413, "too_large")


def bare(client: Client, body: Any = b"", **environ: Any) -> Any:
    """A POST whose environment is what a server makes of it, and no more."""
    sent = {"wsgi.input": FakePayload(body), "REQUEST_METHOD": "POST", "PATH_INFO": "/probe/echo"}
    return client.request(**{**sent, **environ})


@pytest.mark.parametrize("length", ["", "0", "00", None])
@pytest.mark.parametrize("kind", ["", "application/json", "application/json; charset=utf-8", None])
def test_no_body_at_all_has_no_options(
    admin_client: Client, length: str | None, kind: str | None
) -> None:
    given = {"CONTENT_LENGTH": length, "CONTENT_TYPE": kind}
    environ = {name: value for name, value in given.items() if value is not None}
    assert bare(admin_client, **environ).json() == {"data": {}}


@pytest.mark.parametrize("length", ["x", "-1", "1_0", "+2", "2.0", chr(0x662), "\u00b2", "2, 2"])
def test_a_length_that_is_none(admin_client: Client, length: str) -> None:
    environ = {"CONTENT_LENGTH": length, "CONTENT_TYPE": "application/json"}
    check(bare(admin_client, b"{}", **environ), 400, "malformed")


@pytest.mark.parametrize("length", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "0"}])
def test_chunks_are_not_taken_for_nothing(admin_client: Client, length: dict[str, str]) -> None:
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_TYPE": "application/json", **length}
    check(bare(admin_client, b'{"a": 1}', **environ), 400, "malformed")


def test_what_asgi_reads_without_a_length_is_not_taken_for_nothing() -> None:
    client: Any = AsyncRequestFactory()
    request = client.generic("POST", "/", b"{}", "application/json", secure=True)
    del request.META["CONTENT_LENGTH"]
    request.user = User(username="ann")
    request._dont_enforce_csrf_checks = True
    response: Any = EchoView.as_view()(request)
    assert (response.status_code, json.loads(response.content)["code"]) == (400, "malformed")


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "nonsense"])
def test_no_body_of_another_type(admin_client: Client, kind: str) -> None:
    check(bare(admin_client, CONTENT_TYPE=kind), 415, "unsupported_media_type")


def test_no_body_at_djangos_server(admin_client: Client) -> None:
    environ = {"SERVER_SOFTWARE": "WSGIServer/0.2", "CONTENT_TYPE": "text/plain"}
    assert bare(admin_client, **environ).json() == {"data": {}}
    check(bare(admin_client, b"{}", CONTENT_LENGTH="2", **environ), 415, "unsupported_media_type")


# The CSRF check


def test_a_session_needs_the_csrf_token(admin_user: User) -> None:
    client = Client(enforce_csrf_checks=True, headers=HERE)
    client.force_login(admin_user)
    check(post(client, "{}"), 403, "csrf_failed")
    client.get("/admin/password_change/")
    token = client.cookies["csrftoken"].value
    response = client.post(
        "/probe/echo", "{}", content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert response.json() == {"data": {}}


def test_who_has_no_session_is_told_so_and_not_of_csrf() -> None:
    check(post(Client(enforce_csrf_checks=True, headers=HERE), "{}"), 401, "not_authenticated")


# Constants


def test_codes_are_unique_and_stable() -> None:
    assert len({each.code for each in ALL}) == len(ALL)
    assert {(each.status, each.code) for each in ALL} == {
        (400, "malformed"),
        (400, "invalid"),
        (400, "password_not_text"),
        (400, "password_too_long"),
        (400, "policy_unsatisfiable"),
        (401, "not_authenticated"),
        (401, "authentication_failed"),
        (403, "permission_denied"),
        (403, "csrf_failed"),
        (403, "cross_site"),
        (403, "https_required"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (406, "not_acceptable"),
        (413, "too_large"),
        (415, "unsupported_media_type"),
        (403, "scope_missing"),
        (429, "rate_limited"),
        (500, "internal_error"),
        (503, "unavailable"),
        (503, "limits_unavailable"),
        (503, "audit_unavailable"),
        (503, "metrics_not_installed"),
        (503, "source_unavailable"),
    }


def test_each_wrong_field_is_named_by_its_path() -> None:
    wrong = [ErrorDetail("Wrong.", "wrong")]
    error = ValidationError(
        {"a": wrong, "b": {"c": wrong}, "d": [{}, {"e": wrong}], "non_field_errors": wrong}
    )
    body = json.loads(problems.respond(error).content)
    assert [each["field"] for each in body["errors"]] == ["a", "b.c", "d.1.e", ""]
    assert body["errors"][0] == {"field": "a", "code": "wrong", "message": "Wrong."}


def test_a_request_that_broke_off_is_malformed() -> None:
    from django.http import UnreadablePostError

    assert problems.of(UnreadablePostError()) is problems.MALFORMED
