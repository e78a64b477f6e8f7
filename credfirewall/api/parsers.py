"""What a body may be: JSON in UTF-8, not too much of it, and nothing ambiguous."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from credfirewall.api.problems import TOO_LARGE, Refusal

MOST_BYTES = 65_536


def check_body(request: Any) -> None:
    """Refuse a body that REST framework would take for none, or for one of any type.

    It goes by Content-Length alone: what is sent in chunks is nothing to it. Raises ParseError, and
    UnsupportedMediaType for no body of another type.
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    if length and not (length.isascii() and length.isdecimal()):
        raise ParseError
    if int(length or 0):
        return
    if request.META.get("HTTP_TRANSFER_ENCODING") or request._request.read(1):
        raise ParseError
    if _names_a_type(request) and not request.negotiator.select_parser(request, request.parsers):
        raise UnsupportedMediaType(request.content_type)


def _names_a_type(request: Any) -> bool:
    # Python's own server, which is Django's for development, says so where the client says nothing.
    is_default = request.content_type == "text/plain" and str(
        request.META.get("SERVER_SOFTWARE")
    ).startswith("WSGIServer/")
    return bool(request.content_type) and not is_default


class JSONParser(BaseParser):
    """Reads one JSON value. Raises ParseError, or Refusal of what is over ``MOST_BYTES``."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise Refusal(TOO_LARGE)
        try:
            return json.loads(
                body.decode(), object_pairs_hook=_unambiguous, parse_constant=_no_constant
            )
        except (ValueError, RecursionError) as error:
            raise ParseError from error


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that comes twice: another reader of the body may take the other value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
