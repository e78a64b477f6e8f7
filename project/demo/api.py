"""``GET /api/generate``: what clients of two older password services ask, answered as they expect.

Anybody may ask, as often as RATES allows an address, and each answer is recorded. What those
services did badly is not repeated: nothing is corrected silently, ``exclude`` takes any characters,
and each kind of character that was asked for is in the password.
"""

import json
from dataclasses import replace
from typing import Any, cast

from django.http import JsonResponse
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from credfirewall.api import problems
from credfirewall.api.serializers import LONGEST_NAME, Query
from credfirewall.api.views import ApiView
from credfirewall.exceptions import NothingToDrawFrom, SpecInvalid
from credfirewall.passwords import services
from credfirewall.passwords.password import CLASSES, PasswordSpec
from credfirewall.passwords.specs import Spec

DEFAULTS = {"length": "16", "special": "false"}
OPTIONS = frozenset({"length", "exclude", *CLASSES})
NOT_SPECIAL = "\"'/\\`~"
"""Of our special characters, those that the older services never drew."""
SENTENCES = {
    problems.RATE_LIMITED.code: "Rate limit exceeded",
    NothingToDrawFrom.code: "No characters available",
}
"""What the older services say; their clients may look for it."""


class GenerateView(ApiView):
    endpoint = "generate"
    scope = "generate"
    public = True
    own_pages_only = True

    @sensitive_variables()
    def get(self, request: Request) -> Response:
        """Generate a password, which the project's policy may refuse: it is the caller's to use."""
        try:
            spec = spec_of(Query.once(request.query_params))
        except SpecInvalid as error:
            raise ValidationError({error.field: [ErrorDetail(error.problem, error.code)]}) from None
        issued = services.issue(spec, request=request, enforce_policy=False)
        return Response({"password": issued.values[0].value, "length": issued.values[0].length})

    def handle_exception(self, exc: Exception) -> Any:
        """Say what is wrong under both names: ``error`` is Express's, ``detail`` is FastAPI's."""
        response = super().handle_exception(exc)
        problem = json.loads(response.content)
        text = _text(problem)
        body = {"error": text} if response.status_code == 429 else {"error": text, "detail": text}
        headers = {k: v for k, v in response.items() if k not in {"Content-Type", "Content-Length"}}
        return JsonResponse(body, status=response.status_code, headers=headers)


def spec_of(texts: dict[str, str]) -> PasswordSpec:
    """Return what a query asks for. Raises ValidationError or SpecInvalid, which name the field."""
    if unknown := sorted(set(texts) - OPTIONS):
        message = ErrorDetail("There is no such parameter.", "unknown")
        raise ValidationError({name[:LONGEST_NAME]: [message] for name in unknown})
    texts = {**DEFAULTS, **texts, "exclude": texts.get("exclude", "") + NOT_SPECIAL}
    spec = cast(PasswordSpec, Spec.parse(texts))
    # A class of which nothing is left was not asked for.
    classes: dict[str, Any] = {name: name in spec.classes for name in CLASSES}
    return replace(spec, require_each=True, **classes)


def _text(problem: dict[str, Any]) -> str:
    """Return one sentence for a problem: that of the first error which it lists."""
    error: dict[str, str] = next(iter(problem.get("errors", [])), {})
    sentence = SENTENCES.get(error.get("code", problem["code"]))
    return sentence or (f"{error['field']}: {error['message']}" if error else problem["detail"])
