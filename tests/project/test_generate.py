"""The demo's GET /api/generate, as clients of the older services ask it."""

import json
import string
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from credfirewall.audit.models import AuditEvent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site")]

GENERATE = "/api/generate"
SPECIAL = "!@#$%^&*()_+-=[]{}|;:,.<>?"
NO_CHARACTERS = "No characters available"
NONE = {"lowercase": "false", "uppercase": "false", "digits": "false"}


@pytest.fixture
def client() -> Client:
    return Client(headers={"Host": "localhost"})


def generated(client: Client, **query: str) -> str:
    response = client.get(GENERATE, query)
    assert response.status_code == 200, response.content
    body = response.json()
    assert set(body) == {"password", "length"}
    assert body["length"] == len(body["password"])
    return str(body["password"])


def refused(client: Client, query: Any) -> str:
    response = client.get(GENERATE, query)
    body = response.json()
    assert (response.status_code, response["Content-Type"]) == (400, "application/json")
    assert set(body) == {"error", "detail"}
    assert body["error"] == body["detail"]
    return str(body["error"])


def test_without_options(client: Client) -> None:
    password = generated(client)
    assert len(password) == 16
    for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits):
        assert not set(kind).isdisjoint(password)
    assert password.isalnum() and password.isascii()


@pytest.mark.parametrize("length", ["4", "64", "128"])
def test_the_length(client: Client, length: str) -> None:
    assert len(generated(client, length=length)) == int(length)


def test_the_special_characters_are_those_of_the_older_services(client: Client) -> None:
    drawn = {
        each for _ in range(20) for each in generated(client, **NONE, special="1", length="128")
    }
    assert drawn == set(SPECIAL)


def test_each_kind_that_was_asked_for_is_there(client: Client) -> None:
    for _ in range(20):
        password = generated(client, length="4", special="true")
        kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, SPECIAL)
        assert not any(set(kind).isdisjoint(password) for kind in kinds)


def test_any_character_can_be_left_out(client: Client) -> None:
    """What a regular expression takes for something else, too."""
    exclude = "]\\^-[" + string.ascii_letters[1:]
    drawn = {e for _ in range(20) for e in generated(client, exclude=exclude, special="true")}
    assert drawn <= set("a" + string.digits + SPECIAL) - set(exclude)
    assert "a" in drawn


def test_a_kind_that_is_left_out_whole_is_not_missed(client: Client) -> None:
    assert generated(client, exclude=string.digits).isalpha()


@pytest.mark.parametrize(
    "query", [NONE, {"exclude": string.ascii_letters + string.digits}, {**NONE, "special": "0"}]
)
def test_nothing_to_draw_from(client: Client, query: dict[str, str]) -> None:
    assert refused(client, query) == NO_CHARACTERS


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"length": "3"}, "length"),
        ({"length": "129"}, "length"),
        ({"length": "many"}, "length"),
        ({"length": ["16", "17"]}, "length"),
        ({"digits": "maybe"}, "digits"),
        ({"exclude": "x" * 1025}, "exclude"),
        ({"lenght": "20"}, "lenght"),
        ({"kind": "pin"}, "kind"),
        ({"require_each": "false"}, "require_each"),
    ],
)
def test_nothing_is_corrected_silently(client: Client, query: dict[str, Any], field: str) -> None:
    assert refused(client, query).startswith(f"{field}: ")
    assert not AuditEvent.objects.filter(event="password_generated").exists()


def test_sixty_a_minute_for_an_address(client: Client, settings: Settings) -> None:
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "RATES": {"generate": "2/m"}}
    cache.clear()
    generated(client)
    refused(client, NONE)  # counts as well
    response = client.get(GENERATE)
    assert (response.status_code, response.json()) == (429, {"error": "Rate limit exceeded"})
    assert 0 < int(response["Retry-After"]) <= 61
    assert 'generate-address";q=2;w=60' in response["RateLimit-Policy"]


def test_the_limit_is_that_of_the_api(client: Client) -> None:
    assert 'generate-address";q=60;w=60' in client.get(GENERATE)["RateLimit-Policy"]


def test_each_is_recorded_without_the_value(client: Client) -> None:
    password = generated(client, length="20", special="true")
    event = AuditEvent.objects.get(event="password_generated")
    details = json.loads(event.details)
    assert (event.actor_type, details["length"], details["policy_checked"]) == (
        "anonymous",
        20,
        False,
    )
    assert password not in event.details
    client.force_login(User.objects.create(username="ann"))
    generated(client)
    assert AuditEvent.objects.filter(event="password_generated", actor_type="user").count() == 1


def test_the_policy_stays_in_force_for_the_api(client: Client) -> None:
    """This route alone goes without: four characters are no password of this site."""
    assert len(generated(client, length="4")) == 4
    client.force_login(User.objects.create(username="ann"))
    response = client.get("/api/v1/passwords/generate", {"length": "4"})
    assert response.json()["code"] == "policy_unsatisfiable"


def test_an_image_on_another_page_generates_nothing(client: Client) -> None:
    client.force_login(User.objects.create(username="ann"))
    response = client.get(GENERATE, headers={"Sec-Fetch-Site": "cross-site"})
    assert (response.status_code, set(response.json())) == (403, {"error", "detail"})
    assert not AuditEvent.objects.filter(event="password_generated").exists()


def test_other_methods(client: Client) -> None:
    response = client.post(GENERATE)
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert set(response.json()) == {"error", "detail"}


def test_nothing_is_told_of_what_broke(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("credfirewall.passwords.services.issue", fail)
    response = client.get(GENERATE)
    assert response.status_code == 500
    assert "hunter2" not in response.content.decode()


@pytest.mark.parametrize("secure", [False, True])
def test_https(settings: Settings, secure: bool) -> None:
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "REQUIRE_HTTPS": True}
    response = Client(REMOTE_ADDR="198.51.100.7").get(GENERATE, secure=secure)
    assert response.status_code == (200 if secure else 403)
    assert response["Cache-Control"] == "no-store"
