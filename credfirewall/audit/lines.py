"""A row of the log as a line: of JSON, or of CSV that no spreadsheet takes for a formula. Pure.

JSON is written in ASCII, with escapes, so that no character can end a line or hide in one
(ASVS 16.4.1): CR, LF, U+2028, and whatever else somebody's viewer takes for a line's end.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

# ASVS 1.2.10, and the full-width signs that some spreadsheets read alike. A cell can also begin
# behind a semicolon, a bar, a tab or the end of a line, where another separator is expected.
_FORMULA = re.compile(
    r"(^|[;|\t\r\n])(?=[\s\ufeff\u200b\x22]*[=+\-@\t\r\0\uff1d\uff0b\uff0d\uff20])"
)


def timestamp(moment: datetime) -> str:
    """Return ``moment`` as RFC 3339 has it: in UTC, with microseconds."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def as_object(names: Iterable[str], values: Iterable[Any]) -> dict[str, Any]:
    """Return columns as what JSON can hold; ``details`` as the object that it is the text of."""
    shown = dict(zip(names, values, strict=True))
    for name, convert in _CONVERTERS.items():
        if shown.get(name) is not None:
            shown[name] = convert(shown[name])
    return shown


def dumps(value: object) -> str:
    """Return ``value`` as JSON on one line, in ASCII."""
    return _encode(value).replace("\x7f", r"\u007f")  # which json takes for printable


def json_lines(names: Sequence[str], page: Iterable[Sequence[Any]]) -> bytes:
    """Return rows as JSON lines."""
    return "".join(f"{dumps(as_object(names, row))}\n" for row in page).encode("ascii")


def csv_lines(page: Iterable[Sequence[Any]]) -> bytes:
    """Return rows as CSV (RFC 4180) in UTF-8."""
    text, cells = io.StringIO(newline=""), _Cells()
    csv.writer(text, lineterminator="\r\n").writerows([cells[each] for each in row] for row in page)
    return text.getvalue().encode(errors="backslashreplace")


class _Cells(dict[Any, str]):
    """What to write for a value: most occur many times in a page."""

    def __missing__(self, value: Any) -> str:
        text = timestamp(value) if isinstance(value, datetime) else str(value)
        self[value] = safe = _FORMULA.sub(r"\1'", text)
        return safe


def _object(text: Any) -> Any:
    """Return the object in ``text``, or ``text`` itself if that would lose any of it."""
    try:
        value = _decode(text)
        canonical = _canonical(value)
    except (TypeError, ValueError, RecursionError):
        return text
    return value if canonical == text else text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode
_canonical = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
_decode = json.JSONDecoder(parse_constant=_refuse).decode
_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "id": str,
    "log": str,
    "at": timestamp,
    "details": _object,
}
