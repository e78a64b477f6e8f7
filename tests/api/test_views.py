"""What every endpoint has in common, whatever the host's settings say."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from credfirewall.audit.models import AuditEvent
from tests.api.conftest import new_user
from tests.api.test_matrix import LINES, MATRIX
from tests.api.test_problems import check

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_endpoints")]
EVENTS = "/api/v1/audit/events"
FAR: Any = {"REMOTE_ADDR": "198.51.100.7"}
ROOT = Path(__file__).resolve().parents[2]


# Headers


@pytest.mark.parametrize("line", MATRIX)
def test_no_answer_is_kept_or_guessed_at(admin_client: Client, line: str) -> None:
    response = MATRIX[line].ask(admin_client)
    assert response["Cache-Control"] == "no-store"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_cache_for_the_whole_site_keeps_nothing(admin_client: Client, settings: Settings) -> None:
    cache = "django.middleware.cache"
    settings.MIDDLEWARE = [
        f"{cache}.UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        f"{cache}.FetchFromCacheMiddleware",
    ]
    first, second = admin_client.get(EVENTS).json(), admin_client.get(EVENTS).json()
    assert len(second["events"]) == len(first["events"]) + 1


# HTTPS


@pytest.mark.parametrize("path", sorted({each.path for each in LINES} - {"/healthz", "/metrics"}))
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_plain_http_is_refused_and_never_redirected(
    admin_client: Client, path: str, method: str
) -> None:
    check(admin_client.generic(method, path, **FAR), 403, "https_required")


def test_https_is_served(admin_client: Client) -> None:
    assert admin_client.get(EVENTS, secure=True, **FAR).status_code == 200


def test_a_trusted_proxy_may_say_that_it_was_https(
    admin_client: Client, settings: Settings
) -> None:
    headers = {"X-Forwarded-Proto": "https"}
    check(admin_client.get(EVENTS, headers=headers), 403, "https_required")
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert admin_client.get(EVENTS, headers=headers).status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_what_never_left_the_machine_is_served(admin_client: Client, address: str) -> None:
    assert admin_client.get(EVENTS, REMOTE_ADDR=address).status_code == 200


def test_what_a_silent_proxy_of_this_machine_passes_on_did_leave_it(admin_client: Client) -> None:
    response = admin_client.get(EVENTS, headers={"Host": "testserver"})
    check(response, 403, "https_required")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "CF-Connecting-IP"])
@pytest.mark.parametrize("proxies", [0, 1])
def test_what_a_proxy_of_this_machine_passes_on_did_leave_it(
    admin_client: Client, settings: Settings, header: str, proxies: int
) -> None:
    settings.CREDFIREWALL = {"TRUSTED_PROXIES": proxies}
    response = admin_client.get(EVENTS, headers={header: "127.0.0.1"})
    check(response, 403, "https_required")


def test_an_address_that_nobody_knows_is_not_this_machine(admin_client: Client) -> None:
    check(admin_client.get(EVENTS, REMOTE_ADDR=""), 403, "https_required")


@pytest.mark.parametrize(
    ("required", "debug", "status"),
    [(None, True, 200), (None, False, 403), (False, False, 200), (True, True, 403)],
)
def test_require_https(
    admin_client: Client, settings: Settings, required: bool | None, debug: bool, status: int
) -> None:
    settings.DEBUG = debug
    settings.CREDFIREWALL = {"REQUIRE_HTTPS": required}
    assert admin_client.get(EVENTS, **FAR).status_code == status


# Pages of other sites


SESSION = "rest_framework.authentication.SessionAuthentication"
BASIC = "rest_framework.authentication.BasicAuthentication"
RIGHT = "Basic YWRtaW46cGFzc3dvcmQ="


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin", "none, none"])
@pytest.mark.parametrize("classes", [None, [SESSION], [BASIC, SESSION]])
def test_a_foreign_page_cannot_have_a_reading_recorded(
    admin_client: Client, settings: Settings, classes: Any, site: str
) -> None:
    settings.CREDFIREWALL = {"API_AUTHENTICATION": classes}
    response = admin_client.get(EVENTS, headers={"Sec-Fetch-Site": site})
    check(response, 403, "cross_site")
    assert not AuditEvent.objects.filter(event="audit_read").exists()


@pytest.mark.parametrize("path", [EVENTS, "/api/v1/passwords/generate", "/api/generate"])
def test_a_foreign_page_uses_up_no_limit(
    client: Client, settings: Settings, admin_user: User, path: str
) -> None:
    settings.ROOT_URLCONF = "project.urls"
    rates = {"audit": "1/d", "generate": "1/d"}
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "RATES": rates}
    client.force_login(admin_user)
    for _ in range(3):
        response = client.get(path, headers={"Sec-Fetch-Site": "cross-site"})
        assert (response.status_code, "RateLimit" in response) == (403, False)
    assert not AuditEvent.objects.exists()
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_a_page_of_the_site_itself_can(admin_client: Client, site: str) -> None:
    assert admin_client.get(EVENTS, headers={"Sec-Fetch-Site": site}).status_code == 200


def test_what_a_browser_repeats_by_itself_is_no_word_of_its_user(
    client: Client, admin_user: User, settings: Settings
) -> None:
    settings.CREDFIREWALL = {"API_AUTHENTICATION": [BASIC]}
    foreign = {"Sec-Fetch-Site": "cross-site", "Authorization": RIGHT}
    check(client.get(EVENTS, headers=foreign), 403, "cross_site")
    assert client.get(EVENTS, headers={"Authorization": RIGHT}).status_code == 200


@pytest.mark.parametrize(
    ("scheme", "code"), [("Bearer", "authentication_failed"), ("Token", "not_authenticated")]
)
def test_a_token_was_added_by_somebodys_own_code(client: Client, scheme: str, code: str) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Authorization": f"{scheme} 0123456789"}
    check(client.get(EVENTS, headers=foreign), 401, code)
    client.cookies["sessionid"] = "anything"
    check(client.get(EVENTS, headers=foreign), 403, "cross_site")


def test_a_wrong_token_is_not_made_good_by_a_session(admin_client: Client) -> None:
    for text in ("Bearer wrong", "bearer", " BEARER wrong", "Bearer\twrong"):
        response = admin_client.get(EVENTS, headers={"Authorization": text})
        check(response, 401, "authentication_failed")


# The host's own classes


ALLOW = "rest_framework.permissions.AllowAny"


@pytest.mark.parametrize("setting", [[ALLOW], {"audit-events": [ALLOW]}])
def test_permissions_can_be_replaced(client: Client, settings: Settings, setting: Any) -> None:
    settings.CREDFIREWALL = {"API_PERMISSIONS": setting}
    assert client.get(EVENTS).status_code == 200


@pytest.mark.parametrize("setting", [[], {"audit-events": []}, {"schema": [ALLOW]}, None])
def test_what_is_not_said_stays_closed(client: Client, settings: Settings, setting: Any) -> None:
    settings.CREDFIREWALL = {"API_PERMISSIONS": setting}
    check(client.get(EVENTS), 401, "not_authenticated")


@pytest.mark.parametrize("setting", [[BASIC], {"audit-events": [BASIC]}])
def test_authentication_can_be_replaced(
    client: Client, admin_user: User, settings: Settings, setting: Any
) -> None:
    settings.CREDFIREWALL = {"API_AUTHENTICATION": setting}
    client.force_login(admin_user)
    response = client.get(EVENTS)
    check(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Basic ")
    response = client.get(EVENTS, headers={"Authorization": "Basic YWRtaW46d3Jvbmc="})
    check(response, 401, "authentication_failed")
    right = client.get(EVENTS, headers={"Authorization": RIGHT})
    assert right.status_code == 200


def test_health_asks_nobody_whatever_a_host_replaces(client: Client, settings: Settings) -> None:
    closed = ["rest_framework.permissions.IsAdminUser"]
    settings.CREDFIREWALL = {"API_PERMISSIONS": closed, "API_AUTHENTICATION": [BASIC]}
    assert client.get("/healthz").status_code == 200


def test_a_class_that_is_not_there_closes_the_endpoint(
    admin_client: Client, settings: Settings
) -> None:
    settings.CREDFIREWALL = {"API_PERMISSIONS": ["no.such.Class"]}
    check(admin_client.get(EVENTS), 500, "internal_error")


def test_a_user_model_without_staff_is_not_staff() -> None:
    from types import SimpleNamespace

    from credfirewall.api.permissions import Allowed

    class Account:
        is_authenticated = True

        def has_perm(self, _name: str) -> bool:
            return True

    view = SimpleNamespace(public=False, staff_only=True, permission="credfirewall.x")
    request: Any = SimpleNamespace(user=Account())
    assert not Allowed().has_permission(request, view)


HOSTILE = """
from tests.settings import *
ROOT_URLCONF = "tests.api.urls"
rest = "rest_framework."
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [rest + "permissions.AllowAny"],
    "DEFAULT_PARSER_CLASSES": [rest + "parsers.FormParser"],
    "DEFAULT_RENDERER_CLASSES": [rest + "renderers.BrowsableAPIRenderer"],
    "DEFAULT_THROTTLE_CLASSES": [rest + "throttling.AnonRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": rest + "negotiation.BaseContentNegotiation",
    "DEFAULT_METADATA_CLASS": rest + "metadata.SimpleMetadata",
    "DEFAULT_VERSIONING_CLASS": rest + "versioning.AcceptHeaderVersioning",
    "DEFAULT_VERSION": "9",
    "ALLOWED_VERSIONS": ["9"],
    "DEFAULT_SCHEMA_CLASS": rest + "schemas.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "no.such.handler",
    "FORMAT_SUFFIX_KWARG": "name",
    "URL_FORMAT_OVERRIDE": "limit",
    "UNAUTHENTICATED_USER": None,
    "NON_FIELD_ERRORS_KEY": "everything",
    "DATETIME_FORMAT": "%Y",
    "DATETIME_INPUT_FORMATS": ["%Y"],
    "UNICODE_JSON": False,
    "COMPACT_JSON": False,
    "STRICT_JSON": False,
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.0.3",
    "CAMELIZE_NAMES": True,
    "TITLE": "The host's",
    "POSTPROCESSING_HOOKS": ["no.such.hook"],
    "DEFAULT_GENERATOR_CLASS": "no.such.Generator",
}
"""
ASK = """
import json, django
django.setup()
from django.conf import settings
before = {name: repr(getattr(settings, name)) for name in dir(settings)
          if name.isupper() and not name.startswith("EMAIL")}
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
from django.test import Client
from drf_spectacular.settings import spectacular_settings
anonymous, root = (Client(headers={"Host": "localhost"}) for _ in range(2))
root.force_login(User.objects.create_superuser("root"))
found = []
for path in ("/api/v1/audit/events?limit=1", "/api/v1/audit/events?since=2026", "/api/v1/schema",
             "/healthz", "/probe/raise/bug", "/probe/unspeakable"):
    for client in (anonymous, root, anonymous):
        for method in ("GET", "OPTIONS", "DELETE"):
            response = client.generic(method, path)
            body = response.content.decode()
            if "events" in body and response.status_code == 200:
                body = sorted(response.json())
            found.append([path, method, response.status_code, response["Content-Type"]
                          if body else "", body])
    response = root.post("/probe/echo", "{}", content_type="application/json")
    found.append([response.status_code, response.content.decode()])
after = {name: repr(getattr(settings, name)) for name in before}
assert before == after
print(json.dumps([found, spectacular_settings.TITLE]))
"""


def ask(folder: Path, settings: str) -> Any:
    module = folder / "host.py"
    module.write_text(settings, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASK],
        cwd=ROOT,
        env={
            "PATH": os.defpath,
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "DJANGO_SETTINGS_MODULE": "host",
            "DATABASE_URL": f"sqlite:///{folder}/host.sqlite3",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_hosts_rest_framework_changes_nothing_of_ours(tmp_path: Path) -> None:
    plain, hostile = tmp_path / "plain", tmp_path / "hostile"
    plain.mkdir()
    hostile.mkdir()
    mild = 'from tests.settings import *\nROOT_URLCONF = "tests.api.urls"\n'
    expected, _ = ask(plain, mild)
    found, title = ask(hostile, HOSTILE)
    assert found == expected
    assert title == "The host's"


# Health


def test_health_tells_nothing_else(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        response = client.get("/healthz", **FAR)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert not response.cookies


def test_health_without_a_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise OperationalError("password of the database")

    monkeypatch.setattr(connection, "cursor", down)
    response = client.get("/healthz")
    check(response, 503, "unavailable")
    assert "password" not in response.content.decode()


def test_health_does_not_take_a_closed_connection_for_an_outage(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor, failures = connection.cursor, [OperationalError("closed by the server")]

    def once(*given: Any, **how: Any) -> Any:
        if failures:
            raise failures.pop()
        return cursor(*given, **how)

    monkeypatch.setattr(connection, "cursor", once)
    assert client.get("/healthz").status_code == 200


# Cost


def test_who_is_refused_costs_a_look_at_the_account(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        client.get(EVENTS)
    client.force_login(new_user("dana"))
    client.get(EVENTS)  # which is recorded, for the next minute's as well
    with django_assert_num_queries(2):  # the session and the account: who is not staff
        assert client.get(EVENTS).status_code == 403
