"""The OpenAPI 3.1 schema: written from the views by drf-spectacular, shipped, and served.

drf-spectacular has one set of settings for the whole process, the host's. So it is not asked while
a site runs: ``build`` writes ``openapi.json`` at development time, with settings of our own, and a
test says when the file has to be written anew. What depends on the host (where the API lives, how
callers sign in) is filled in when it is served.

A schema that the host makes leaves these views out.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import SPECTACULAR_DEFAULTS, patched_settings
from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from credfirewall.api import problems
from credfirewall.api.parsers import JSONParser
from credfirewall.api.problems import Problem
from credfirewall.api.serializers import Strict

FILE = Path(__file__).with_name("openapi.json")
VERSION = "1"
DESCRIPTION = (
    "Every error is an application/problem+json object (RFC 9457); its `code` is stable. No answer "
    "is to be cached. Unknown parameters and fields are refused."
)
SETTINGS = {
    name: value
    for name, value in SPECTACULAR_DEFAULTS.items()
    if not name.startswith("SERVE_") and name != "DEFAULT_GENERATOR_CLASS"
} | {
    "OAS_VERSION": "3.1.0",
    "TITLE": "credfirewall",
    "DESCRIPTION": DESCRIPTION,
    "VERSION": VERSION,
    "SORT_OPERATION_PARAMETERS": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [],
    "SECURITY": [],
}
SESSION, KEY = "session", "bearer"
EMPTY = {"type": "string", "maxLength": 0}
PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "With code `invalid`: what is wrong with which field.",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
                "required": ["field", "code", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "code"],
}
HEADERS = {
    401: {"WWW-Authenticate": "How to say who one is."},
    405: {"Allow": "The methods of this endpoint."},
    429: {"Retry-After": "Seconds to wait."},
}
LIMIT_HEADERS = {
    "RateLimit-Policy": "The limits that the request counts for: q requests in w seconds.",
    "RateLimit": "What is left of each: r requests, and all of them again in t seconds.",
}


_building: ContextVar[bool] = ContextVar("credfirewall_building_schema", default=False)


class Schema(AutoSchema):
    """Reads a view's ``operations``."""

    def get_operation(self, *where: Any) -> Any:
        if not _building.get():  # drf-spectacular leaves out what is None, DRF itself takes {}
            return None if len(where) > 2 else {}
        operation: Any = super().get_operation(*where)
        view: Any = self.view
        operation["x-endpoint"] = view.endpoint
        operation["security"] = [] if view.public else self._schemes()
        if view.permission:
            operation["x-permission"] = view.permission
        if view.staff_only:
            operation["x-staff"] = True
        for status, group in _by_status(self._problems()).items():
            operation["responses"][str(status)] = _response(status, group)
        for response in operation["responses"].values():
            response["headers"] = {**response.get("headers", {}), **_headers(LIMIT_HEADERS)}
        return operation

    def _schemes(self) -> list[dict[str, list[str]]]:
        """Name the ways to sign in; with the one of a key, the scope that it needs."""
        view: Any = self.view
        return [{SESSION: []}, *([{KEY: [view.key_scope]}] if view.key_scope else [])]

    def get_components(self, *_where: Any) -> dict[str, Any]:
        return {}  # what DRF's own generator asks for

    def get_operation_id(self) -> str:
        view: Any = self.view
        return f"{view.endpoint}-{self.method.lower()}".replace("-", "_")

    def get_tags(self) -> list[str]:
        view: Any = self.view
        return [view.endpoint.partition("-")[0]]

    def get_summary(self) -> str:
        return self._text()[0]

    def get_description(self) -> str:  # type: ignore[override]  # the stubs say Any of it
        return self._text()[1]

    def get_auth(self) -> list[Any]:
        return []  # said by get_operation, and when the schema is served

    def _get_format_parameters(self) -> list[Any]:
        return []  # the Accept header decides

    def get_override_parameters(self) -> list[Any]:
        return [query] if (query := self._operation().query) else []

    def get_request_serializer(self) -> Any:
        body = self._operation().body
        return {JSONParser.media_type: body} if isinstance(body, Mapping) else body

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        inherited: Any = super()
        found = inherited._map_basic_serializer(serializer, direction)
        return found | {"additionalProperties": False} if isinstance(serializer, Strict) else found

    def get_response_serializers(self) -> Any:
        operation = self._operation()
        response = OpenApiResponse(operation.answer, operation.meaning)
        return {operation.status: response}

    def get_examples(self) -> list[OpenApiExample]:
        operation = self._operation()
        found = []
        for name, field in (operation.query().fields if operation.query else {}).items():
            if (example := field.style.get("example")) is not None:
                found.append(OpenApiExample(name, example, parameter_only=(name, "query")))
        view: Any = self.view
        for renderer in view.renderer_classes if operation.example is not None else ():
            media_type = renderer.media_type
            status = str(operation.status)
            found.append(
                OpenApiExample(
                    "answer",
                    operation.example,
                    response_only=True,
                    media_type=media_type,
                    status_codes=[status],
                )
            )
        if operation.body_example is not None:
            found.append(OpenApiExample("body", operation.body_example, request_only=True))
        return found

    def _operation(self) -> Any:
        view: Any = self.view
        return view.operations[self.method.lower()]

    def _text(self) -> tuple[str, str]:
        summary, _, rest = (getattr(self.view, self.method.lower()).__doc__ or "").partition("\n")
        return summary.strip(), " ".join(rest.split())

    def _problems(self) -> Iterator[Problem]:
        """Say what this operation can meet."""
        view: Any = self.view
        operation = self._operation()
        if operation.query or operation.body:
            yield problems.INVALID
        if operation.body:
            yield from (problems.MALFORMED, problems.TOO_LARGE, problems.UNSUPPORTED_MEDIA_TYPE)
        if not view.public:
            yield from (problems.NOT_AUTHENTICATED, problems.PERMISSION_DENIED)
            yield problems.SCOPE_MISSING
            if self.method not in {"GET", "HEAD"}:
                yield problems.CSRF_FAILED
        if view.get_authenticators():
            yield problems.AUTHENTICATION_FAILED
        if view.own_pages_only:
            yield problems.CROSS_SITE
        if not view.plain_http:
            yield problems.HTTPS_REQUIRED
        yield from (problems.RATE_LIMITED, problems.LIMITS_UNAVAILABLE)
        yield from (problems.NOT_ACCEPTABLE, *operation.problems, problems.INTERNAL_ERROR)


def _by_status(found: Iterable[Problem]) -> Mapping[int, list[Problem]]:
    groups = defaultdict(list)
    for problem in found:
        groups[problem.status].append(problem)
    return groups


def _response(status: int, group: Sequence[Problem]) -> dict[str, Any]:
    headers = _headers(HEADERS.get(status, {}))
    examples = {problem.code: {"value": _example(problem)} for problem in group}
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": "; ".join(f"`{each.code}`: {each.title}" for each in group),
        **({"headers": headers} if headers else {}),
        "content": {problems.MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }


def _headers(texts: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: {"schema": {"type": "string"}, "description": text} for name, text in texts.items()
    }


def _example(problem: Problem) -> dict[str, Any]:
    if problem is not problems.INVALID:
        return problem.body()
    error = {"field": "example", "code": "unknown", "message": "There is no such field."}
    return problem.body(errors=[error])


def build(patterns: Sequence[Any]) -> str:
    """Return the text of FILE for the endpoints in ``patterns``. Not while a site runs."""
    generator: Any = SchemaGenerator
    token = _building.set(True)
    try:
        with patched_settings(SETTINGS):
            schema = generator(patterns=patterns).get_schema(public=True)
    finally:
        _building.reset(token)
    schema["components"]["schemas"]["Problem"] = PROBLEM
    return json.dumps(_plain(schema), ensure_ascii=False, indent=1) + "\n"


def _plain(part: Any) -> Any:
    """Leave out what drf-spectacular's own hooks would have used up.

    And the second form of a text that may be empty, since the first one is so, too: "one of" both
    would be neither.
    """
    if isinstance(part, dict):
        part = {name: _plain(each) for name, each in part.items() if name != "x-spec-enum-id"}
        text, *others = part.get("oneOf", [None])
        return part if others != [EMPTY] else _without(part, "oneOf") | text
    return [_plain(each) for each in part] if isinstance(part, list) else part


def _without(part: dict[str, Any], left_out: str) -> dict[str, Any]:
    return {name: each for name, each in part.items() if name != left_out}


@cache
def _text() -> str:
    return FILE.read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """Return what is in FILE."""
    loaded: dict[str, Any] = json.loads(_text())
    return loaded
