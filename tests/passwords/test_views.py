"""The password endpoints, as a SPA or a server meets them."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from credfirewall.audit.models import AuditEvent
from credfirewall.testing import breached
from tests.api.conftest import HERE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_endpoints")]
GENERATE, CHECK, POLICY = (f"/api/v1/passwords/{name}" for name in ("generate", "check", "policy"))


@pytest.fixture
def _endpoints(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.api.urls"


@pytest.fixture
def client() -> Client:
    client = Client(headers=HERE)
    client.force_login(User.objects.create(username="ann"))
    return client


def post(client: Client, path: str, body: Any) -> Any:
    return client.post(path, body, content_type="application/json")


def errors(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 400
    body = response.json()
    assert body["code"] == "invalid"
    return [(each["field"], each["code"]) for each in body["errors"]]


class TestGenerating:
    def test_one(self, client: Client) -> None:
        response = client.get(GENERATE)
        body = response.json()
        assert set(body) == {"password", "kind", "length", "entropy_bits", "policy_checked"}
        assert (body["kind"], body["length"], len(body["password"])) == ("password", 20, 20)
        assert body["entropy_bits"] > 128
        assert body["policy_checked"] is True
        assert response["Cache-Control"] == "no-store"

    def test_several(self, client: Client) -> None:
        values = client.get(GENERATE, {"count": "3"}).json()["passwords"]
        assert len({each["password"] for each in values}) == 3

    def test_a_list_of_one(self, client: Client) -> None:
        assert len(client.get(GENERATE, {"count": "1"}).json()["passwords"]) == 1

    def test_with_the_names_of_the_query_in_a_body(self, client: Client) -> None:
        spec = {"length": 40, "lowercase": False, "special": False, "exclude": "A]\\^-"}
        value = post(client, GENERATE, spec).json()["password"]
        assert len(value) == 40
        assert set(value) <= set("BCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")

    def test_a_pin_is_exempt_from_the_policy_and_says_so(self, client: Client) -> None:
        body = client.get(GENERATE, {"kind": "pin"}).json()
        assert (body["length"], body["policy_checked"]) == (6, False)

    @pytest.mark.parametrize(
        ("query", "field", "code"),
        [
            ({"length": "3"}, "length", "option_out_of_range"),
            ({"length": "129"}, "length", "option_out_of_range"),
            ({"length": "12abc"}, "length", "option_wrong_type"),
            ({"length": ""}, "length", "option_wrong_type"),
            ({"length": "1e2"}, "length", "option_wrong_type"),
            ({"digits": "yes"}, "digits", "option_wrong_type"),
            ({"count": "0"}, "count", "option_out_of_range"),
            ({"count": "101"}, "count", "option_out_of_range"),
            ({"count": "x"}, "count", "option_wrong_type"),
            ({"lenght": "20"}, "lenght", "option_unknown"),
            ({"kind": "poem"}, "kind", "option_not_a_choice"),
            ({"words": "5"}, "words", "option_not_for_kind"),
            ({"alphabet": "aab"}, "alphabet", "character_repeated"),
            ({"alphabet": "a\tb"}, "alphabet", "character_unusable"),
            ({"alphabet": "ab", "exclude": "ab"}, "exclude", "nothing_to_draw_from"),
            ({"kind": ["pin", "password"]}, "kind", "repeated"),
        ],
    )
    def test_what_cannot_be_generated_is_named(
        self, client: Client, query: dict[str, str], field: str, code: str
    ) -> None:
        assert errors(client.get(GENERATE, query)) == [(field, code)]
        assert not AuditEvent.objects.filter(event="password_generated").exists()

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"length": "20"}, "length", "option_wrong_type"),
            ({"length": True}, "length", "option_wrong_type"),
            ({"length": 20.0}, "length", "option_wrong_type"),
            ({"length": None}, "length", "option_wrong_type"),
            ({"count": None}, "count", "option_wrong_type"),
            ({"special": 1}, "special", "option_wrong_type"),
            ({"exclude": ["a"]}, "exclude", "option_wrong_type"),
            ({"kind": {}}, "kind", "option_not_a_choice"),
            ([], "", "invalid"),
            ("password", "", "invalid"),
        ],
    )
    def test_so_it_is_in_a_body(self, client: Client, body: Any, field: str, code: str) -> None:
        assert errors(post(client, GENERATE, json.dumps(body))) == [(field, code)]

    def test_what_the_policy_would_refuse(self, client: Client, settings: Settings) -> None:
        response = client.get(GENERATE, {"length": "4"})
        assert (response.status_code, response.json()["code"]) == (400, "policy_unsatisfiable")
        ours = {**settings.CREDFIREWALL, "GENERATE_ENFORCE_POLICY": False}
        settings.CREDFIREWALL = ours
        body = client.get(GENERATE, {"length": "4"}).json()
        assert (body["length"], body["policy_checked"]) == (4, False)

    def test_is_recorded_once_and_without_the_values(self, client: Client) -> None:
        values = client.get(GENERATE, {"count": "5", "length": "30"}).json()["passwords"]
        event = AuditEvent.objects.get(event="password_generated")
        details = json.loads(event.details)
        assert (details["count"], details["length"], details["kind"]) == (5, 30, "password")
        assert event.actor_type == "user"
        assert not any(each["password"] in event.details for each in values)

    def test_an_image_on_another_page_generates_nothing(self, client: Client) -> None:
        response = client.get(GENERATE, headers={"Sec-Fetch-Site": "cross-site"})
        assert response.json()["code"] == "cross_site"
        assert not AuditEvent.objects.filter(event="password_generated").exists()

    def test_a_body_asks_for_the_token(self) -> None:
        client = Client(headers=HERE, enforce_csrf_checks=True)
        client.force_login(User.objects.create(username="ann"))
        assert post(client, GENERATE, {}).json()["code"] == "csrf_failed"


class TestChecking:
    def test_one_that_is_fine(self, client: Client) -> None:
        with breached("another one"):
            body = post(client, CHECK, {"password": "correct horse battery staple"}).json()
        assert (body["acceptable"], body["violations"]) == (True, [])
        assert body["breach"]["status"] == "clean"

    def test_all_that_is_wrong(self, client: Client) -> None:
        with breached({"hunter2": 17_043}):
            body = post(client, CHECK, {"password": "hunter2"}).json()
        assert body["acceptable"] is False
        codes = [each["code"] for each in body["violations"]]
        assert codes == ["password_too_short", "password_breached"]
        assert all(each["message"] for each in body["violations"])
        assert body["breach"]["count"] == 17_043

    def test_names_are_words_and_no_accounts(self, client: Client) -> None:
        User.objects.create(username="bartholomew", last_name="Featherstonehaugh")
        with breached("another one"):
            body = post(
                client,
                CHECK,
                {"password": "bartholomew", "username": "bartholomew"},
            ).json()
            other = post(
                client,
                CHECK,
                {"password": "featherstonehaugh", "username": "bartholomew"},
            ).json()
        assert "password_context_word" in [each["code"] for each in body["violations"]]
        assert "password_context_word" not in [each["code"] for each in other["violations"]]

    @pytest.mark.parametrize("password", ["", "\x00" * 20, "\ud800" * 20, "x" * 4097])
    def test_what_is_no_password_is_not_acceptable(self, client: Client, password: str) -> None:
        with breached("another one"):
            response = post(client, CHECK, json.dumps({"password": password}))
        assert response.status_code == 200
        assert response.json()["acceptable"] is False
        assert response.json()["violations"]

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({}, "password", "required"),
            ({"password": None}, "password", "invalid"),
            ({"password": 12345678}, "password", "invalid"),
            ({"password": "x", "user": "ann"}, "user", "unknown"),
            ({"password": "x", "email": 7}, "email", "invalid"),
            ({"password": "x", "username": "u" * 255}, "username", "max_length"),
            ({"password": "x", "username": "u\x00"}, "username", "null_characters_not_allowed"),
            ([], "", "invalid"),
        ],
    )
    def test_a_body_that_is_none(self, client: Client, body: Any, field: str, code: str) -> None:
        assert errors(post(client, CHECK, json.dumps(body))) == [(field, code)]

    def test_a_password_in_the_address_is_refused(self, client: Client) -> None:
        """Addresses are logged."""
        assert client.get(f"{CHECK}?password=hunter2").status_code == 405

    def test_is_recorded_without_the_password(self, client: Client) -> None:
        with breached("another one"):
            post(client, CHECK, {"password": "tr0ub4dor&3-is-not-it", "username": "beatrix"})
        event = AuditEvent.objects.get(event="policy_checked")
        assert json.loads(event.details)["acceptable"] is True
        assert "tr0ub4dor" not in str(vars(event))
        assert "beatrix" not in str(vars(event))


class TestThePolicy:
    def test_is_for_everybody(self) -> None:
        response = Client(headers=HERE).get(POLICY)
        body = response.json()
        assert (response.status_code, body["profile"]) == (200, "nist")
        assert body["length"] == {"minimum": 15, "maximum": 4096, "unit": "code_points"}
        rule = body["rules"][0]
        assert rule["code"] == "password_too_short"
        assert rule["browser_check"] == {"kind": "length", "minimum": 15, "normalization": "NFC"}

    def test_speaks_the_language_of_who_asks(self) -> None:
        german = Client(headers=HERE).get(POLICY, headers={"Accept-Language": "de"}).json()
        assert german["rules"] != Client(headers=HERE).get(POLICY).json()["rules"]
