"""Rows leave the log: as CSV or JSON lines, a page at a time, and never unrecorded.

A page begins behind the last row of the one before (its time and id), not at a number: no cursor
and no transaction stays open, and memory holds one page, however long the log is.
"""

import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Self

from asgiref.sync import sync_to_async
from django.db import router
from django.db.models import Q, QuerySet

from credfirewall.audit import identities, lines, origin, rows
from credfirewall.audit.events import EVENTS, AuditExported, Code, Outcome
from credfirewall.audit.models import AuditEvent
from credfirewall.audit.origin import Origin
from credfirewall.audit.services import record

FORMATS = ("csv", "jsonl")
COLUMNS = (*rows.COLUMNS, "mac")
NAMES = ("actor_name", "subject_name")
PAGE = 1000
"""Rows that are in memory at a time."""

logger = logging.getLogger("credfirewall.audit")
Chunk = tuple[int, bytes]
"""A number of rows, and their text."""
_ID, _AT = COLUMNS.index("id"), COLUMNS.index("at")
_ACTOR, _SUBJECT = (
    tuple(COLUMNS.index(name) for name in (role, f"{role}_type", f"{role}_id"))
    for role in ("actor", "subject")
)
"""The commitment of a party, and who it is."""


class Export(Iterator[bytes]):
    """The bytes of an export that has been recorded as begun.

    How it ends is recorded as well: "complete", or "broken_off" when it fails or is closed before
    its end, with the number of rows that were handed out. Raises AuditUnavailable when a complete
    one cannot be recorded.
    """

    def __init__(self, chunks: Iterator[Chunk], note: Callable[[str, int | None], object]) -> None:
        self.rows = 0
        self._ended = True
        self._chunks, self._note = chunks, note
        note("begun", None)
        self._ended = False

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        try:
            number, data = next(self._chunks)
        except StopIteration:
            self._ended = True
            self._note("complete", self.rows)
            raise
        except BaseException:
            self.close()
            raise
        self.rows += number
        return data

    def close(self) -> None:
        """Break the export off, unless it is at its end. What cannot be recorded is in the log."""
        if not self._ended:
            self._ended = True
            with contextlib.suppress(Exception):
                self._note("broken_off", self.rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Not close(): this may run wherever memory is freed, in the middle of a query even, whose
        # connection cannot take another one. The log has its beginning, and no end.
        if not self._ended:
            logger.warning("An export was abandoned after %d rows.", self.rows)


class AsyncExport(AsyncIterator[bytes]):
    """An export for an event loop, a page at a time. An ASGI server would otherwise have all of it
    in memory before it sends the first byte.
    """

    def __init__(self, export: Export) -> None:
        self._export = export
        self._next = sync_to_async(partial(next, export, None))

    async def __anext__(self) -> bytes:
        data: bytes | None = await self._next()
        if data is None:
            raise StopAsyncIteration
        return data

    def close(self) -> None:
        """Break it off, unless it is at its end: responses call this."""
        self._export.close()


def export(
    format: str,  # noqa: A002 - the word for it
    *,
    using: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    event: str | Iterable[str] = (),
    outcome: str | Iterable[str] = (),
    queryset: QuerySet[AuditEvent] | None = None,
    filters: Iterable[str] = (),
    names: bool = False,
    actor: Any = None,
    request: Any = None,
) -> Export:
    """Export the rows from ``since`` to before ``until``, or now, with one of the events and
    outcomes; all where none is given. Raises ValueError for a filter that can fit nothing.

    ``queryset`` takes the place of the whole log, and ``filters`` are the names of those in it.
    ``names`` adds who actors and subjects were, which erasing them later does not take back; a name
    that is not the one that was recorded is left out.
    The export is recorded with the names of the filters before this returns: raises
    AuditUnavailable when it cannot be.
    """
    now = datetime.now(UTC)
    wanted = {"event": _several(event), "outcome": _several(outcome)}
    times = {"since": since, "until": until}
    named = [name for name, value in (times | wanted).items() if value]
    chosen = select(queryset, using=using, since=since, until=until or now, **wanted)
    note = partial(
        _note,
        Code(uuid.uuid4().hex),
        Code(_checked(format)),
        tuple(sorted({Code(name) for name in (*named, *filters)})),
        names,
        where=Origin.of_request(request) if request is not None else origin.current(),
        actor=actor,
        using=using,
    )
    return Export(_chunks(chosen, format, names), note)


def select(
    queryset: QuerySet[AuditEvent] | None = None,
    *,
    using: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    event: Sequence[str] = (),
    outcome: Sequence[str] = (),
) -> QuerySet[AuditEvent]:
    """Return the rows that the filters let through. Raises ValueError."""
    chosen = queryset
    if chosen is None:
        chosen = AuditEvent.objects.using(using or router.db_for_read(AuditEvent))
    known = {"event": EVENTS, "outcome": tuple(Outcome)}
    for name, values in (("event", event), ("outcome", outcome)):
        if unknown := sorted(set(values) - set(known[name])):
            raise ValueError(f"there is no {name} {unknown[0]!r}")
        if values:
            chosen = chosen.filter(**{f"{name}__in": values})
    for place, moment in (("gte", since), ("lt", until)):
        if moment is not None:
            if moment.tzinfo is None:
                raise ValueError("a time needs a time zone")
            chosen = chosen.filter(**{f"at__{place}": moment})
    return chosen


def write(
    queryset: QuerySet[AuditEvent],
    format: str,  # noqa: A002 - the word for it
    *,
    names: bool = False,
) -> Iterator[bytes]:
    """Yield rows as text, oldest first, and record nothing: ``export`` does. Raises ValueError."""
    return (data for _, data in _chunks(queryset, _checked(format), names))


def _checked(format_: str) -> str:
    if format_ not in FORMATS:
        raise ValueError(f"the format must be one of {', '.join(FORMATS)}")
    return format_


def _several(values: str | Iterable[str]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) and values else tuple(values)


def _note(
    export_id: Code,
    format_: Code,
    filters: tuple[Code, ...],
    names: bool,
    state: str,
    number: int | None,
    *,
    where: Origin | None,
    actor: Any,
    using: str | None,
) -> None:
    """Record what becomes of an export, by who began it: a response streams after its request."""
    event = AuditExported(
        export=export_id,
        format=format_,
        state=Code(state),
        rows=number,
        names=bool(names),
        filters=filters,
    )
    with contextlib.nullcontext() if where is None else origin.acting(where):
        record(event, actor=actor, using=using)


def _chunks(queryset: QuerySet[AuditEvent], format_: str, names: bool) -> Iterator[Chunk]:
    columns = COLUMNS + NAMES * names
    if format_ == "csv":
        yield 0, lines.csv_lines([columns])
    for page in _pages(queryset):
        full = _with_names(page, queryset.db) if names else page
        is_csv = format_ == "csv"
        yield len(page), lines.csv_lines(full) if is_csv else lines.json_lines(columns, full)


def _pages(queryset: QuerySet[AuditEvent]) -> Iterator[list[tuple[Any, ...]]]:
    ordered = queryset.order_by("at", "id").values_list(*COLUMNS)
    rest = ordered
    while page := list(rest[:PAGE]):
        yield page
        if len(page) < PAGE:
            return
        at, last = page[-1][_AT], page[-1][_ID]
        # The first condition says nothing new, and is what an index serves.
        rest = ordered.filter(Q(at__gte=at) & (Q(at__gt=at) | Q(id__gt=last)))


def _with_names(page: list[tuple[Any, ...]], using: str) -> Iterator[tuple[Any, ...]]:
    refs = (row[place] for row in page for place, _, _ in (_ACTOR, _SUBJECT))
    known = identities.Names.behind(refs, using)

    def name(row: tuple[Any, ...], columns: tuple[int, ...]) -> str:
        return known.name(*(row[column] for column in columns)).text

    return ((*row, name(row, _ACTOR), name(row, _SUBJECT)) for row in page)
