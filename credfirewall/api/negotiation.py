"""What an answer may be: the Accept header decides, and nothing in the address."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

ANYTHING = "*/*"
"""What most programs accept."""


class Negotiation(DefaultContentNegotiation):
    """DRF's, without the ``?format=`` of the host's settings."""

    settings = SimpleNamespace(URL_FORMAT_OVERRIDE=None)  # type: ignore[assignment]  # what is read of it

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        if format_suffix is None and request.META.get("HTTP_ACCEPT", ANYTHING) == ANYTHING:
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)


class JSONRenderer(BaseRenderer):
    """Compact JSON in UTF-8. What it cannot hold is an error: nothing is made text by guessing."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()


class OpenAPIRenderer(JSONRenderer):
    media_type = "application/vnd.oai.openapi+json"
    format = "openapi"


class PageRenderer(BaseRenderer):
    """HTML that is rendered already."""

    media_type = "text/html"
    format = "html"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return data
