"""The schema is what the views say, valid, and served as this site has it."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import include, path
from django.utils import translation
from drf_spectacular import generators, validation
from pytest_django import Settings
from rest_framework.schemas import openapi

from credfirewall.api import problems
from credfirewall.api.problems import Problem
from credfirewall.api.schema import FILE, build, schema
from credfirewall.urls import urlpatterns
from tests.api.test_matrix import LINES
from tests.api.test_views import EVENTS

pytestmark = pytest.mark.usefixtures("_endpoints")
validate_schema: Any = validation.validate_schema
ALL = {value.code: value for value in vars(problems).values() if isinstance(value, Problem)}


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [
        (where, method, operation)
        for where, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


# The file


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_file_is_what_the_views_say(capsys: pytest.CaptureFixture[str], language: str) -> None:
    with translation.override(language):
        built = build(urlpatterns)
    assert FILE.read_text(encoding="utf-8") == built, "run: python -m tests.api.schema"
    assert capsys.readouterr().err == ""  # where drf-spectacular warns


def test_the_file_is_valid_openapi_3_1() -> None:
    assert schema()["openapi"].startswith("3.1")
    validate_schema(schema())


def test_every_endpoint_is_in_it() -> None:
    described = {(where, method.upper()) for where, method, _ in operations(schema())}
    assert described == {(line.path, line.method) for line in LINES}


@pytest.mark.parametrize(
    ("where", "method"), [(where, method) for where, method, _ in operations(schema())]
)
def test_an_operation_is_complete(where: str, method: str) -> None:
    operation = schema()["paths"][where][method]
    assert operation["summary"] and operation["operationId"]
    for parameter in operation.get("parameters", []):
        assert parameter["description"].endswith(".")
        assert parameter["name"] == "cursor" or parameter["examples"]
    for status, response in operation["responses"].items():
        for kind, content in response.get("content", {}).items():
            assert content["schema"]
            if status >= "4":
                assert kind == "application/problem+json"
                for code, example in content["examples"].items():
                    assert example["value"]["code"] == code
                    assert example["value"]["status"] == int(status) == ALL[code].status


def test_errors_that_can_happen_are_described() -> None:
    responses = schema()["paths"][EVENTS]["get"]["responses"]
    codes = {
        code
        for response in responses.values()
        for code in response["content"].get("application/problem+json", {}).get("examples", {})
    }
    assert codes == {
        *("invalid", "not_authenticated", "permission_denied", "cross_site", "https_required"),
        *("authentication_failed", "scope_missing", "rate_limited", "limits_unavailable"),
        *("not_acceptable", "internal_error", "audit_unavailable"),
    }
    assert "WWW-Authenticate" in responses["401"]["headers"]


# A schema of the host's


def test_a_hosts_drf_spectacular_leaves_ours_out(capsys: pytest.CaptureFixture[str]) -> None:
    generator: Any = generators.SchemaGenerator
    document = generator(patterns=[path("", include("credfirewall.urls"))]).get_schema(public=True)
    assert not document["paths"] and not document["components"]
    assert capsys.readouterr().err == ""


def test_a_hosts_generator_of_drf_does_not_break_on_ours() -> None:
    generator: Any = openapi.SchemaGenerator
    document = generator(patterns=[path("", include("credfirewall.urls"))]).get_schema(public=True)
    assert not [each for each in document["paths"].values() if any(each.values())]


# As it is served


@pytest.mark.django_db
@pytest.mark.parametrize("prefix", ["", "/inner"])
def test_the_schema_says_where_the_api_is(admin_client: Client, prefix: str) -> None:
    document = admin_client.get(f"{prefix}/api/v1/schema").json()
    validate_schema(document)
    assert document["servers"] == [{"url": prefix or "/"}]
    assert document["paths"].keys() == schema()["paths"].keys()


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["application/json", "application/vnd.oai.openapi+json", "*/*"])
def test_the_schema_has_two_media_types(admin_client: Client, accept: str) -> None:
    response = admin_client.get("/api/v1/schema", headers={"Accept": accept})
    assert response["Content-Type"] == accept.replace("*/*", "application/json")
    assert "Accept" in response["Vary"]


@pytest.mark.django_db
def test_the_schema_says_how_callers_sign_in(admin_client: Client, settings: Settings) -> None:
    settings.SESSION_COOKIE_NAME = "own"
    settings.CREDFIREWALL = {
        "API_AUTHENTICATION": {
            "audit-events": [
                "rest_framework.authentication.BasicAuthentication",
                "rest_framework.authentication.SessionAuthentication",
            ]
        }
    }
    admin_client.cookies["own"] = admin_client.cookies["sessionid"].value
    document = admin_client.get("/api/v1/schema").json()
    assert document["components"]["securitySchemes"] == {
        "session": {"type": "apiKey", "in": "cookie", "name": "own"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "basic": {"type": "http", "scheme": "basic"},
    }
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert document["paths"]["/api/v1/schema"]["get"]["security"] == [
        {"session": []},
        {"bearer": ["schema:read"]},
    ]
    assert document["paths"][EVENTS]["get"]["security"] == [{"basic": []}, {"session": []}]
    validate_schema(document)


# The page


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(admin_client: Client) -> Page:
    response = admin_client.get("/api/v1/docs", headers={"Accept": "text/html"})
    assert response["Content-Type"] == "text/html; charset=utf-8"
    return Page(response.content.decode())


@pytest.mark.django_db
def test_the_page_shows_everything(page: Page) -> None:
    for where, method, operation in operations(schema()):
        assert f"{method.upper()} {where}" in page.text
        assert operation["summary"] in page.text
        for parameter in operation.get("parameters", []):
            assert parameter["name"] in page.text
            assert parameter["description"].replace("`", "") in page.text
        for response in operation["responses"].values():
            for content in response["content"].values():
                for code, example in content.get("examples", {}).items():
                    shown = code if "code" in example["value"] else json.dumps(example["value"])
                    assert re.sub(r"\s", "", shown) in re.sub(r"\s", "", page.text)


@pytest.mark.django_db
def test_the_page_works_under_a_strict_policy(page: Page) -> None:
    assert not {"script", "style", "iframe", "form", "img"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "/")) and not target.startswith("//"), (tag, target)


@pytest.mark.django_db
def test_links_within_the_page_lead_somewhere(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [attributes.get("href") or "" for tag, attributes in page.tags if tag == "a"]
    assert {each[1:] for each in targets if each.startswith("#")} <= set(ids)
    assert "/api/v1/schema" in targets


@pytest.mark.django_db
def test_the_page_is_no_json(admin_client: Client) -> None:
    response = admin_client.get("/api/v1/docs", headers={"Accept": "application/json"})
    assert response.status_code == 406
