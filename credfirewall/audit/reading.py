"""Reading the tables of the log as they are, whatever somebody has put into them.

Drivers and Django raise for a time in the year 20000, for bytes that are no text, or for a UUID
of odd digits. Here nothing does: such a value comes as it is, or as NULL, and who reads names it.
A UUID is 32 digits, and a time has no zone: it is that of ``zone``. SQLite has a time as text, and
of both the one spelling counts that is written there: another one is another row to it.
"""

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any, Generic, TypeVar

from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    DateTimeField,
    F,
    Field,
    Func,
    IntegerField,
    Model,
    QuerySet,
    UUIDField,
)

from credfirewall.audit import rows
from credfirewall.audit.models import AuditEvent, AuditMember
from credfirewall.audit.sealing import unsealed

CHUNK = 2000
"""Rows that a driver hands over at a time."""
PAGE = 20_000
"""Members of a batch that are read at a time: a batch that grew must not fill the memory."""
LONGEST = 80
"""Characters of a value that are shown in a finding."""

_FIRST, _LAST = "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"
_DIGITS = re.compile("[0-9a-f]{32}")

Row = tuple[Any, ...]
_M = TypeVar("_M", bound=Model)


@dataclass(frozen=True, slots=True)
class Read(Generic[_M]):
    """One row of a table. ``name`` is its primary key, as a finding shows it."""

    item: _M
    name: str
    unreadable: tuple[str, ...]
    """Columns that hold what we never write there. In ``item`` they are empty."""

    @property
    def complaint(self) -> str:
        return f"it cannot be read: {', '.join(self.unreadable)}"


def zone(using: str) -> tzinfo:
    """Return the time zone of times that have none."""
    connection = connections[using]
    return UTC if connection.vendor == "postgresql" else connection.timezone or UTC


def shown(value: Any) -> str:
    """Return how a finding names ``value``: a UUID in its usual form, what is odd in quotes."""
    if isinstance(value, str | bytes):
        value = value[:LONGEST]
    if type(value) is str and _DIGITS.fullmatch(value):
        return str(uuid.UUID(value))
    if type(value) is str and value.isascii() and value.isalnum():
        return value
    return ascii(value)[:LONGEST]


def objects(queryset: "QuerySet[_M]") -> Iterator[Read[_M]]:
    """Yield the rows of ``queryset`` as objects, but for what cannot be read. Raises Error."""
    fields: Sequence[Any] = queryset.model._meta.concrete_fields
    key = fields.index(queryset.model._meta.pk)
    times = zone(queryset.db)
    for row in values(queryset, *(field.name for field in fields)):
        found, unreadable = {}, []
        for field, raw in zip(fields, row, strict=True):
            try:
                found[field.name] = _value(field, raw, times)
            except (AttributeError, TypeError, ValueError, OverflowError):
                found[field.name] = _empty(field)
                unreadable.append(field.name)
        yield Read(queryset.model(**found), shown(row[key]), tuple(unreadable))


def values(queryset: "QuerySet[Any]", *names: str) -> Iterator[Row]:
    """Yield columns of the rows of ``queryset``. Raises django.db.Error."""
    plain = [_Plain(name, queryset.model._meta.get_field(name)) for name in names]
    compiler = queryset.values_list(*plain).query.get_compiler(queryset.db)
    sql, params = compiler.as_sql()
    connection = connections[queryset.db]
    for chunk in _fetch(connection, sql, params):
        yield from chunk


def waiting(using: str) -> Iterator[Row]:
    """Yield MAC and COLUMNS of the rows that no seal covers."""
    return values(unsealed(using).order_by("at", "id"), "mac", *rows.COLUMNS)


def members(using: str, position: int) -> Iterator[list[Row]]:
    """Yield id, place and MAC of each member of a batch, then the MAC and the columns of its row,
    or as many NULLs.

    In pages, as the driver gives them: to make objects of columns takes longer than to verify
    them.
    """
    connection = connections[using]
    quote = connection.ops.quote_name

    def plain(table: str, model: type[Model], name: str) -> str:
        field: Any = model._meta.get_field(name)
        return _plain(f"{table}.{quote(field.column)}", field, connection)

    columns = [plain("m", AuditMember, name) for name in ("event_id", "leaf", "mac")]
    columns += [plain("e", AuditEvent, name) for name in ("mac", *rows.COLUMNS)]
    sql = (
        f"SELECT {', '.join(columns)} FROM {quote(AuditMember._meta.db_table)} m"  # noqa: S608 - ours
        f" LEFT JOIN {quote(AuditEvent._meta.db_table)} e ON e.id = m.event_id"
        f" WHERE m.seal = %s ORDER BY m.leaf LIMIT {PAGE} OFFSET %s"
    )
    place = 0
    while True:
        page = _page(connection, sql, [position, place])
        yield page
        place += PAGE
        if len(page) < PAGE:
            return


def _plain(column: str, field: "Field[Any, Any]", connection: BaseDatabaseWrapper) -> str:
    """Return SQL for a column, over which no driver fails."""
    vendor = connection.vendor
    if isinstance(field, UUIDField):
        if vendor == "postgresql":
            return f"encode(uuid_send({column}), 'hex')"
        if connection.features.has_native_uuid_field:
            return f"REPLACE({column}, '-', '')"
    if isinstance(field, DateTimeField):
        if vendor == "postgresql":  # infinity, and years that Python has not
            inside = f"{column} BETWEEN '{_FIRST}' AND '{_LAST}'"
            return f"CASE WHEN {inside} THEN {column} AT TIME ZONE 'UTC' END"
        if vendor == "sqlite":  # an expression has no type for which Django has a converter
            return f"+{column}"
    return column


class _Plain(Func):
    """A column that comes as it is."""

    def __init__(self, name: str, field: Any) -> None:
        super().__init__(F(name), output_field=Field())
        self._field = field

    def as_sql(self, compiler: Any, connection: Any, *_: Any, **__: Any) -> tuple[str, Any]:
        column, params = compiler.compile(self.source_expressions[0])
        return _plain(column, self._field, connection), params


def _page(connection: BaseDatabaseWrapper, sql: str, params: Any) -> list[Row]:
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql, params)
            return list(cursor.fetchall())
        except OperationalError:
            if connection.vendor != "sqlite":
                raise
        with _any_text(connection):  # slower, and needed only where somebody broke text
            cursor.execute(sql, params)
            return list(cursor.fetchall())


def _fetch(connection: BaseDatabaseWrapper, sql: str, params: Any) -> Iterator[list[Row]]:
    streams = not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    with connection.chunked_cursor() if streams else connection.cursor() as cursor:
        with _any_text(connection):
            cursor.execute(sql, params)
        while True:
            with _any_text(connection):
                chunk = cursor.fetchmany(CHUNK)
            if not chunk:
                return
            yield chunk


@contextmanager
def _any_text(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Have SQLite hand over text that is not UTF-8, of which no canonical text can be made."""
    if connection.vendor != "sqlite":
        yield
        return
    raw = connection.connection
    before, raw.text_factory = raw.text_factory, _text
    try:
        yield
    finally:
        raw.text_factory = before


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _value(field: Any, raw: Any, times: tzinfo) -> Any:
    """Return a value of the type of ``field``. Raises what ``objects`` takes for unreadable."""
    if isinstance(field, DateTimeField):
        return rows.moment(rows.stored_microseconds(raw, times))
    if isinstance(field, UUIDField):
        if not _DIGITS.fullmatch(raw):
            raise ValueError
        return uuid.UUID(raw)
    if type(raw) is not (int if isinstance(field, IntegerField) else str):
        raise TypeError
    if type(raw) is str:
        raw.encode()
    return raw


def _empty(field: Any) -> Any:
    if isinstance(field, DateTimeField):
        return rows.moment(0)
    if isinstance(field, UUIDField):
        return uuid.UUID(int=0)
    return 0 if isinstance(field, IntegerField) else ""
