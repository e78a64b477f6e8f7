"""A row of the log as a line: of JSON, or of CSV that no spreadsheet takes for a formula. Pure.

JSON is written in ASCII, with escapes, so that no character can end a line or hide in one
(ASVS 16.4.1): CR, LF, U+2028, and whatever else somebody's viewer takes for a line's end.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

# ASVS 1.2.10, and the full-width signs that some spreadsheets read alike. A cell can also begin
# behind a semicolon, a bar, a tab or the end of a line, where another separator is expected.
_FORMULA = re.compile(r"(^|[;|\t\r\n])(?=[\s\ufeff\u200b]*[=+\-@\t\r\0\uff1d\uff0b\uff0d\uff20])")


def timestamp(moment: datetime) -> str:
    """Return ``moment`` as RFC 3339 has it: in UTC, with microseconds."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def as_object(names: Sequence[str], values: Iterable[Any]) -> dict[str, Any]:
    """Return columns as what JSON can hold; ``details`` as the object that it is the text of."""
    return {name: _plain(name, value) for name, value in zip(names, values, strict=True)}


def dumps(value: object) -> str:
    """Return ``value`` as JSON on one line, in ASCII."""
    return json.dumps(value, separators=(",", ":"), default=str)


def json_lines(names: Sequence[str], page: Iterable[Sequence[Any]]) -> bytes:
    """Return rows as JSON lines."""
    return "".join(f"{dumps(as_object(names, row))}\n" for row in page).encode("ascii")


def csv_lines(page: Iterable[Sequence[Any]]) -> bytes:
    """Return rows as CSV (RFC 4180) in UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(map(_cell, row) for row in page)
    return text.getvalue().encode(errors="backslashreplace")


def _cell(value: Any) -> str:
    text = timestamp(value) if isinstance(value, datetime) else str(value)
    return _FORMULA.sub(r"\1'", text)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, UUID):
        return str(value)
    return _object(value) if name == "details" else value


def _object(text: Any) -> Any:
    """Return the object in ``text``, or ``text`` itself if that would lose any of it."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return text
    return value if canonical == text else text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
