"""The schema and the documentation, as the site serves them to who is signed in."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.template.loader import render_to_string
from rest_framework.request import Request
from rest_framework.response import Response

from credfirewall.api.metrics import MetricsView
from credfirewall.api.negotiation import JSONRenderer, OpenAPIRenderer, PageRenderer
from credfirewall.api.operations import Operation
from credfirewall.api.schema import KEY, SESSION, schema
from credfirewall.api.views import ApiView, chosen
from credfirewall.conf import conf

Json = dict[str, Any]
SCRAPER_SCHEME = "metricsToken"
"""The scheme by which a scraper signs in."""


def served(request: Request, own_path: str) -> Json:
    """Return the schema of this site: ``own_path`` is where the answering endpoint is in it."""
    document = schema()
    document["servers"] = [{"url": request.path.removesuffix(own_path) or "/"}]
    cookie = settings.SESSION_COOKIE_NAME
    schemes = {
        SESSION: {"type": "apiKey", "in": "cookie", "name": cookie},
        KEY: {"type": "http", "scheme": "bearer"},
    }
    for _, _, operation in _operations(document):
        classes = chosen(conf.API_AUTHENTICATION, operation["x-endpoint"])
        if classes and operation["security"]:
            # The challenge of a 401 names the scheme, but for what is no HTTP authentication.
            headers = [each().authenticate_header(request) or SESSION for each in classes]
            names = [header.split()[0].lower() for header in headers]
            operation["security"] = [{name: []} for name in names]
            for name in names:
                schemes.setdefault(name, {"type": "http", "scheme": name})
        if operation["x-endpoint"] == MetricsView.endpoint and conf.METRICS_TOKEN:
            operation["security"].append({SCRAPER_SCHEME: []})
            schemes[SCRAPER_SCHEME] = {"type": "http", "scheme": "bearer"}
    document["components"]["securitySchemes"] = schemes
    return document


class SchemaView(ApiView):
    endpoint = "schema"
    scope = "docs"
    key_scope = "schema:read"
    renderer_classes = [JSONRenderer, OpenAPIRenderer]
    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation({"type": "object"}, "An OpenAPI 3.1 document.")
    }

    def get(self, request: Request) -> Response:
        """Describe this API in OpenAPI 3.1."""
        return Response(served(request, "/api/v1/schema"))


class DocsView(ApiView):
    endpoint = "docs"
    scope = "docs"
    key_scope = "schema:read"
    renderer_classes = [PageRenderer]
    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation({"type": "string"}, "A page of HTML.")
    }

    def get(self, request: Request) -> Response:
        """Describe this API to people.

        A page without scripts and without anything from elsewhere, from the schema.
        """
        document = served(request, "/api/v1/docs")
        context = {
            "info": document["info"],
            "server": document["servers"][0]["url"].rstrip("/"),
            "endpoints": list(_endpoints(document)),
        }
        # Without the request: no context processor of the host's has a say.
        return Response(render_to_string("credfirewall/api_docs.html", context))


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _endpoints(document: Json) -> Iterator[Json]:
    """Return what the page shows of each operation."""
    for path, method, operation in _operations(document):
        answers = sorted(operation["responses"].items())
        content = operation.get("requestBody", {}).get("content", {})
        yield {
            "id": operation["operationId"],
            "path": path,
            "method": method.upper(),
            "summary": operation.get("summary", ""),
            "description": operation.get("description", ""),
            "permission": operation.get("x-permission", ""),
            "staff": operation.get("x-staff", False),
            "schemes": [name for each in operation["security"] for name in each],
            "parameters": [_parameter(each) for each in operation.get("parameters", [])],
            "body": _example(content),
            "answers": [
                {"description": answer["description"], "status": status, "example": _example(kinds)}
                for status, answer in answers
                if (kinds := answer.get("content", {})) and status < "4"
            ],
            "errors": [
                example["value"]
                for status, answer in answers
                if status >= "4"
                for kind in answer["content"].values()
                for example in kind["examples"].values()
            ],
        }


def _parameter(parameter: Json) -> Json:
    form = parameter["schema"]
    examples = parameter.get("examples", {}).values()
    limits = {
        "one of": ", ".join(map(str, form.get("enum", []))),
        "at least": form.get("minimum"),
        "at most": form.get("maximum"),
        "default": form.get("default"),
    }
    return {
        "name": parameter["name"],
        "required": parameter.get("required", False),
        "kind": form.get("format") or form.get("type", ""),
        "description": parameter.get("description", "").replace("`", ""),  # Markdown, in OpenAPI
        "limits": {name: value for name, value in limits.items() if value not in (None, "")},
        "example": next((each["value"] for each in examples), None),
    }


def _example(content: Json) -> str:
    for kind in content.values():
        for example in kind.get("examples", {}).values():
            return json.dumps(example["value"], indent=2, ensure_ascii=False)
    return ""
