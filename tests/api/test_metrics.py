"""GET metrics: staff with the permission, or a scraper with its token; nobody else."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from pytest_django import Settings

from credfirewall import metrics
from credfirewall.api.metrics import ScraperAuthentication
from tests.api.test_matrix import CHALLENGES
from tests.api.test_problems import check

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_endpoints")]
TOKEN = "Vq8Xw2Lr5TzB7nYd0HfJ3sMc9PgUa4E+/="
PLAIN: Any = {"REMOTE_ADDR": "10.0.0.7", "HTTP_HOST": "testserver"}
"""As a scraper of the inner network asks."""


@pytest.fixture
def _token(settings: Settings) -> None:
    settings.CREDFIREWALL = {"METRICS_TOKEN": TOKEN}


def refused(response: Any) -> str:
    """Nobody was let in; returns how to sign in."""
    check(response, 401, response.json()["code"])
    assert response.json()["code"] in {"not_authenticated", "authentication_failed"}
    challenges: str = response["WWW-Authenticate"]
    return challenges


def scrape(client: Client, token: str = f"Bearer {TOKEN}", **headers: str) -> Any:
    return client.get("/metrics", headers={"Authorization": token, **headers}, **PLAIN)


@pytest.mark.usefixtures("_token")
class TestScraper:
    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    def test_who_has_the_token_needs_no_account(self, client: Client, scheme: str) -> None:
        response = scrape(client, f"{scheme} {TOKEN}")
        assert response.status_code == 200
        assert b"credfirewall_" in response.content

    @pytest.mark.parametrize(
        "header",
        [
            *("", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", TOKEN),
            *(f"Bearer {TOKEN.lower()}", f"Basic {TOKEN}", f"Bearer {TOKEN}, Bearer {TOKEN}"),
            *("Bearer None", "Bearer é\x80\xff"),
        ],
        ids=ascii,
    )
    def test_who_has_it_not_is_told_how_to_sign_in(self, client: Client, header: str) -> None:
        response = scrape(client, header)
        is_token = header.startswith("Bearer")
        check(response, 401, "authentication_failed" if is_token else "not_authenticated")
        challenges = f'Bearer realm="credfirewall metrics", {CHALLENGES}'
        assert response["WWW-Authenticate"] == challenges
        assert TOKEN not in response.content.decode()

    def test_a_wrong_token_is_not_made_good_by_a_session(self, admin_client: Client) -> None:
        check(scrape(admin_client, "Bearer wrong"), 401, "authentication_failed")
        assert admin_client.get("/metrics").status_code == 200

    @pytest.mark.parametrize("path", ["/api/v1/audit/events", "/api/v1/schema"])
    def test_it_opens_nothing_else(self, client: Client, path: str) -> None:
        response = client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
        check(response, 401, "authentication_failed")

    def test_a_host_that_replaces_authentication_replaces_not_the_token(
        self, client: Client, settings: Settings
    ) -> None:
        basic = "rest_framework.authentication.BasicAuthentication"
        settings.CREDFIREWALL = {"METRICS_TOKEN": TOKEN, "API_AUTHENTICATION": [basic]}
        assert scrape(client).status_code == 200

    def test_permissions_of_a_hosts_own_have_the_last_word(
        self, client: Client, settings: Settings
    ) -> None:
        closed = {"metrics": ["rest_framework.permissions.IsAdminUser"]}
        settings.CREDFIREWALL = {"METRICS_TOKEN": TOKEN, "API_PERMISSIONS": closed}
        check(scrape(client), 403, "permission_denied")

    def test_the_schema_says_so(self, admin_client: Client) -> None:
        document = admin_client.get("/api/v1/schema").json()
        security = document["paths"]["/metrics"]["get"]["security"]
        key = {"bearer": ["metrics:read"]}
        assert security == [{"session": []}, key, {"metricsToken": []}]
        schemes = document["components"]["securitySchemes"]
        assert schemes["metricsToken"] == {"type": "http", "scheme": "bearer"}


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_there_is_no_scraper(
    client: Client, settings: Settings, token: str | None
) -> None:
    settings.CREDFIREWALL = {"METRICS_TOKEN": token}
    for header in ("Bearer", "Bearer ", "Bearer None", ""):
        response = scrape(client, header)
        check(response, 401, "authentication_failed" if header else "not_authenticated")
        assert response["WWW-Authenticate"] == CHALLENGES
        asked = RequestFactory().get("/metrics", headers={"Authorization": header})
        assert ScraperAuthentication().authenticate(asked) is None  # type: ignore[arg-type]  # what it reads of it


def test_a_scheme_that_nobody_set_up_is_not_in_the_schema(admin_client: Client) -> None:
    document = admin_client.get("/api/v1/schema").json()
    assert document["paths"]["/metrics"]["get"]["security"] == [
        {"session": []},
        {"bearer": ["metrics:read"]},
    ]
    assert set(document["components"]["securitySchemes"]) == {"session", "bearer"}


@pytest.mark.parametrize("name", ["127.0.0.1:8000", "localhost"])
def test_this_machine_is_nobody_special(client: Client, name: str) -> None:
    """Behind a proxy that adds no header everybody would be."""
    refused(client.get("/metrics", headers={"Host": name}))


# What is sent


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.3",
            "application/openmetrics-text",
        ),
        ("application/openmetrics-text; version=abc", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=1.0.0; escaping=no", "application/openmetrics"),
    ],
)
def test_the_scraper_chooses_the_format(
    admin_client: Client, accept: str | None, kind: str
) -> None:
    response = admin_client.get("/metrics", headers={"Accept": accept} if accept else {})
    assert response.status_code == 200
    assert response["Content-Type"].startswith(kind)
    assert response.content.endswith(b"# EOF\n") == kind.startswith("application")
    assert "Accept" in response["Vary"]


def test_it_is_no_json(admin_client: Client) -> None:
    response = admin_client.get("/metrics", headers={"Accept": "application/json"})
    check(response, 406, "not_acceptable")


def test_it_is_only_read(admin_client: Client) -> None:
    check(admin_client.post("/metrics"), 405, "method_not_allowed")


def test_without_the_library_it_says_what_is_missing(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "ENABLED", False)
    body = check(admin_client.get("/metrics"), 503, "metrics_not_installed")
    assert "django-credfirewall[metrics]" in body["detail"]
    admin_client.logout()
    refused(admin_client.get("/metrics"))


def test_an_inactive_account_is_none(client: Client, admin_user: User) -> None:
    client.force_login(admin_user)
    User.objects.update(is_active=False)
    refused(client.get("/metrics"))
