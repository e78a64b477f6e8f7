"""What a body may be: JSON in UTF-8, not too much of it, and nothing ambiguous."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from credfirewall.api.problems import TOO_LARGE, Refusal

MOST_BYTES = 65_536


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
