"""Exports: every row once, exact or safe in a spreadsheet, in constant memory, always recorded."""

import contextlib
import csv
import gc
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psutil
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.core.signals import request_finished
from django.db import OperationalError, close_old_connections
from django.http import StreamingHttpResponse
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from credfirewall import audit
from credfirewall.audit import exporting, lines, rows
from credfirewall.audit.events import AuditExported, Code, LoginRefused, Party
from credfirewall.audit.exporting import COLUMNS, AsyncExport, export, write
from credfirewall.audit.keys import ring
from credfirewall.audit.models import AuditEvent
from credfirewall.exceptions import AuditUnavailable
from tests.audit.outage import taking_no_rows
from tests.audit.seeding import add, ago, row

EVENT = LoginRefused(reason=Code("exposed"))
SEEN = Code("seen")
FORMULA = "=+-@\t\r\0\uff1d\uff0b\uff0d\uff20"


def read_json(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.decode("ascii").splitlines()]


def read_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def exported(form: str = "jsonl", **how: Any) -> bytes:
    return b"".join(export(form, **how))


def recorded() -> list[dict[str, Any]]:
    """The details of the exports that were recorded, in order."""
    found = AuditEvent.objects.filter(event=AuditExported.name).order_by("at", "id")
    return [json.loads(each.details) for each in found]


def states() -> list[tuple[str, int | None]]:
    return [(each["state"], each["rows"]) for each in recorded()]


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PAGE", 3)


@pytest.fixture
def full() -> Iterator[Callable[[], None]]:
    """Call it, and the database takes no row from then on."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(taking_no_rows())


@pytest.mark.django_db
class TestRows:
    def test_json_lines_are_exact(self) -> None:
        """Each row can be verified from its line alone."""
        made = [add(EVENT, ago(hours=hour), actor=Party("user", "5", "ann")) for hour in (3, 2, 1)]
        found = read_json(exported())
        assert [each["id"] for each in found] == [str(each.pk) for each in made]
        for line in found:
            assert tuple(line) == COLUMNS
            values = line | {name: UUID(line[name]) for name in ("id", "log")}
            values["at"] = datetime.fromisoformat(line["at"])
            values["details"] = json.dumps(line["details"], sort_keys=True, separators=(",", ":"))
            columns = tuple(values[name] for name in rows.COLUMNS)
            assert rows.is_authentic(columns, line["mac"], ring().first)

    def test_csv_has_a_header_and_the_same(self) -> None:
        add(EVENT, ago(hours=2), actor=Party("user", "5", "ann"))
        add(EVENT, ago(hours=1))
        data = exported("csv", until=ago(minutes=1))
        (header, _, _, end) = data.split(b"\r\n")
        assert (header, end) == (",".join(COLUMNS).encode(), b"")
        for cells, line in zip(
            read_csv(data), read_json(exported(until=ago(minutes=1))), strict=True
        ):
            line["details"] = json.dumps(line["details"], separators=(",", ":"))
            assert cells == {name: str(value) for name, value in line.items()}

    @pytest.mark.usefixtures("short_pages")
    @pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 6, 7])
    def test_every_row_is_there_once_at_any_length(self, number: int) -> None:
        same = ago(hours=1)  # and so only their ids tell them apart
        made = {str(add(EVENT, same).pk) for _ in range(number)}
        found = [
            each["id"] for each in read_json(b"".join(write(AuditEvent.objects.all(), "jsonl")))
        ]
        assert len(found) == number
        assert set(found) == made

    @pytest.mark.usefixtures("short_pages")
    def test_oldest_first_whatever_the_order_of_recording(self) -> None:
        for hour in (2, 5, 1, 4, 3, 7, 6):
            add(EVENT, ago(hours=hour))
        times = [each["at"] for each in read_json(exported())]
        assert times == sorted(times)
        assert len(times) == 7

    @pytest.mark.usefixtures("short_pages")
    def test_what_is_recorded_meanwhile_is_not_chased(self) -> None:
        for hour in range(1, 8):
            add(EVENT, ago(hours=hour))
        number = 0
        for data in export("jsonl"):
            number += len(read_json(data))
            add(EVENT)
        assert number == 7

    @pytest.mark.usefixtures("short_pages")
    def test_no_query_reads_more_than_a_page(self, django_assert_num_queries: Any) -> None:
        for hour in range(1, 8):
            add(EVENT, ago(hours=hour))
        with django_assert_num_queries(3) as captured:
            assert len(list(write(AuditEvent.objects.all(), "csv"))) == 4
        assert all("LIMIT 3" in query["sql"] for query in captured.captured_queries)

    def test_names_are_added_where_they_are_asked_for(self) -> None:
        add(EVENT, ago(hours=2), actor=Party("user", "5", "ann"), subject=Party("user", "6", "bob"))
        assert b"ann" not in exported() + exported("csv")
        (line, *_) = read_json(exported(names=True))
        assert (line["actor_name"], line["subject_name"]) == ("ann", "bob")
        assert read_csv(exported("csv", names=True))[0]["actor_name"] == "ann"
        assert [each["names"] for each in recorded()] == [False] * 4 + [True] * 4

    @pytest.mark.usefixtures("short_pages")
    def test_a_name_that_was_erased_is_empty(self) -> None:
        from credfirewall.audit.models import AuditIdentity

        for number in range(7):
            add(EVENT, ago(hours=2), actor=Party("user", str(number), f"name{number}"))
        AuditIdentity.objects.filter(party_id="3").delete()
        names = {each["actor_id"]: each["actor_name"] for each in read_json(exported(names=True))}
        assert names.pop("3") == ""
        assert names == {str(number): f"name{number}" for number in (0, 1, 2, 4, 5, 6)}

    def test_a_name_that_was_changed_is_left_out(self) -> None:
        from credfirewall.audit.models import AuditIdentity

        add(EVENT, ago(hours=2), actor=Party("user", "5", "ann"), subject=Party("user", "6", "bob"))
        AuditIdentity.objects.filter(text="ann").update(text="eve")
        (line, *_) = read_json(exported(names=True))
        assert (line["actor_name"], line["subject_name"]) == ("", "bob")


@pytest.mark.django_db
class TestFilters:
    @pytest.fixture(autouse=True)
    def _rows(self) -> None:
        for day in (1, 2, 3):
            moment = datetime(2026, 11, day, tzinfo=UTC)
            add(EVENT, moment)
            add(AuditExported(**DETAILS), moment + timedelta(hours=12))

    @pytest.mark.parametrize(
        ("how", "number"),
        [
            ({}, 6),
            ({"since": datetime(2026, 11, 2, tzinfo=UTC)}, 4),
            ({"until": datetime(2026, 11, 2, tzinfo=UTC)}, 2),
            ({"event": "login_refused"}, 3),
            ({"event": ["login_refused", "audit_exported"]}, 6),
            ({"outcome": "success"}, 3),
            ({"outcome": "refused", "since": datetime(2026, 11, 3, tzinfo=UTC)}, 1),
            ({"queryset": AuditEvent.objects.filter(event="login_refused")}, 3),
        ],
    )
    def test_they_narrow(self, how: dict[str, Any], number: int) -> None:
        assert len(read_json(exported(**how))) == number

    @pytest.mark.parametrize(
        "how",
        [{"event": "login_refuse"}, {"outcome": ["odd"]}, {"since": datetime(2026, 11, 1)}],  # noqa: DTZ001
    )
    def test_what_can_fit_nothing_is_refused(self, how: dict[str, Any]) -> None:
        before = len(recorded())
        with pytest.raises(ValueError, match=r"there is no|time zone"):
            export("jsonl", **how)
        with pytest.raises(ValueError, match="csv, jsonl"):
            export("xml")
        assert len(recorded()) == before

    def test_their_names_are_recorded_and_not_what_they_were_set_to(self) -> None:
        exported(since=ago(days=900), event="login_refused", filters=["actor"])
        assert recorded()[-1]["filters"] == ["actor", "event", "since"]


DETAILS: dict[str, Any] = {
    "export": Code("e"),
    "format": Code("csv"),
    "state": Code("complete"),
    "rows": 1,
    "names": False,
    "filters": (),
}


@pytest.mark.django_db
class TestRecord:
    @pytest.fixture(autouse=True)
    def _rows(self) -> None:
        for hour in range(1, 8):
            add(EVENT, ago(hours=hour))

    def test_it_is_recorded_ahead_and_with_its_rows_at_the_end(self) -> None:
        running = export("csv")
        assert states() == [("begun", None)]
        list(running)
        assert states() == [("begun", None), ("complete", 7)]
        begun, complete = recorded()
        assert begun["export"] == complete["export"]
        assert begun["format"] == "csv"

    def test_it_does_not_begin_unrecorded(self, full: Callable[[], None]) -> None:
        full()
        with pytest.raises(AuditUnavailable):
            export("csv")

    def test_what_ends_unrecorded_raises_when_all_is_out(self, full: Callable[[], None]) -> None:
        running = export("jsonl")
        full()
        data = next(running)
        assert len(read_json(data)) == 7
        with pytest.raises(AuditUnavailable):
            next(running)
        assert list(running) == []

    @pytest.mark.usefixtures("short_pages")
    @pytest.mark.parametrize(("pages", "number"), [(0, 0), (1, 3), (2, 6)])
    def test_one_that_is_closed_is_broken_off(self, pages: int, number: int) -> None:
        running = export("jsonl")
        for _ in range(pages):
            next(running)
        running.close()
        running.close()
        assert states() == [("begun", None), ("broken_off", number)]
        assert list(running) == []

    @pytest.mark.usefixtures("short_pages")
    def test_one_that_is_dropped_asks_the_database_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Memory may be freed in the middle of a query, whose connection takes no other one."""
        next(export("jsonl"))
        gc.collect()
        assert states() == [("begun", None)]
        assert "An export was abandoned after 3 rows." in caplog.messages

    @pytest.mark.usefixtures("short_pages")
    def test_one_that_fails_is_broken_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        running = export("jsonl")
        next(running)

        def fail(*_: object) -> bytes:
            raise OperationalError("gone")

        monkeypatch.setattr(lines, "json_lines", fail)
        with pytest.raises(OperationalError):
            next(running)
        assert states() == [("begun", None), ("broken_off", 3)]

    @pytest.mark.usefixtures("short_pages")
    def test_a_response_that_nobody_reads_to_its_end_is_broken_off(self) -> None:
        response = StreamingHttpResponse(export("jsonl"))
        next(iter(response.streaming_content))  # type: ignore[arg-type]  # no asynchronous one
        request_finished.disconnect(close_old_connections)  # the test's is one
        try:
            response.close()
        finally:
            request_finished.connect(close_old_connections)
        assert states() == [("begun", None), ("broken_off", 3)]

    @pytest.mark.usefixtures("short_pages")
    def test_an_event_loop_gets_it_a_page_at_a_time(self) -> None:
        async def read(pages: int) -> list[bytes]:
            content = AsyncExport(export_begun)
            response = StreamingHttpResponse(content)
            found: list[bytes] = []
            async for data in response:
                found.append(data)
                assert export_begun.rows == min(7, 3 * len(found))
                if len(found) == pages:
                    break
            await sync_to_async(content.close)()
            return found

        export_begun = export("jsonl")
        assert len(read_json(b"".join(async_to_sync(read)(99)))) == 7
        export_begun = export("jsonl", until=ago(seconds=1))
        assert len(async_to_sync(read)(2)) == 2
        assert states()[1:] == [("complete", 7), ("begun", None), ("broken_off", 6)]

    def test_the_end_is_recorded_by_who_began_after_the_request(self) -> None:
        request = RequestFactory().get("/", HTTP_USER_AGENT="browser", REMOTE_ADDR="203.0.113.9")
        request.user = User.objects.create_user("ann")
        list(export("csv", request=request))
        found = AuditEvent.objects.filter(event=AuditExported.name)
        assert {(each.actor_id, each.address, each.user_agent) for each in found} == {
            (str(request.user.pk), "203.0.113.0/24", "browser")
        }

    def test_an_actor_can_be_named(self) -> None:
        list(export("csv", actor=Party("command", "backup")))
        assert [*AuditEvent.objects.filter(actor_id="backup").values_list("actor_type")] == [
            ("command",)
        ] * 2

    def test_writing_alone_records_nothing(self) -> None:
        list(write(AuditEvent.objects.all(), "csv"))
        assert states() == []

    def test_it_is_the_one_of_the_package(self) -> None:
        for _ in range(2):  # an import of a module must not take its place
            assert audit.export is export


class TestSpreadsheets:
    @pytest.mark.parametrize("sign", FORMULA)
    def test_a_formula_becomes_text(self, sign: str) -> None:
        assert lines.csv_lines([[f"{sign}cmd|' /C calc'!A0"]]).decode().strip('"')[0] == "'"

    @pytest.mark.parametrize("before", [" ", "\u00a0", "\ufeff", "\n", "x;", "x; ", "x|", "x\r\n"])
    def test_so_does_one_that_begins_later(self, before: str) -> None:
        assert "'" in lines.csv_lines([[f"{before}=1+1"]]).decode()

    @pytest.mark.parametrize("text", ["a=b", "x-y", "'quoted", '{"a":-1}', "192.0.2.0/24", ""])
    def test_other_text_stays_as_it_is(self, text: str) -> None:
        ((cell,),) = csv.reader(io.StringIO(lines.csv_lines([[text]]).decode(), newline=""))
        assert cell == text

    @given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=4))
    def test_cells_are_the_same_again_but_for_apostrophes(self, page: list[list[str]]) -> None:
        """RFC 4180: whatever is in them, quotes, commas and line ends included."""
        text = lines.csv_lines(page).decode()
        found = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        bare = [[cell.replace("'", "") for cell in row] for row in found]
        assert bare == [[cell.replace("'", "") for cell in row] for row in page]
        assert not any(cell[:1] in FORMULA for row in found for cell in row if cell)

    @given(st.lists(st.text("=+-@;|\t\r\n\" ,x'", max_size=9), min_size=1, max_size=3))
    def test_no_other_separator_makes_a_formula(self, row: list[str]) -> None:
        """A spreadsheet of another country takes semicolons for what separates."""
        text = lines.csv_lines([["id", *row]]).decode()
        for separator in ";\t|":
            for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
                assert not any(cell.strip()[:1] in {*"=+-@"} for cell in cells)


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("form", exporting.FORMATS)
def test_memory_does_not_grow_with_the_log(form: str) -> None:
    number = 30_000
    many = [row(EVENT, ago(seconds=each)) for each in range(1000)]
    for first in range(0, number, 1000):
        for each in many:
            each.pk, each.at = UUID(int=first + 1), each.at - timedelta(hours=1)
            first += 1
        AuditEvent._base_manager.bulk_create(many, batch_size=500)
    del many
    process = psutil.Process()
    with export(form) as running:
        for _ in range(3):
            next(running)
        before, size = process.memory_info().rss, 0
        for data in running:
            size += len(data)
        grown = process.memory_info().rss - before
    assert running.rows >= number
    assert size > 6_000_000
    assert grown < size / 4
