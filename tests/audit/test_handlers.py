"""The log as JSON lines: one event one line, nothing missing, nothing forged, nobody named."""

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from logging.config import dictConfig
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from credfirewall.audit import record, rows, sealing
from credfirewall.audit.events import Code, ExposureResolved, LoginRefused, Party, PolicyChecked
from credfirewall.audit.handlers import JSONLinesFormatter
from credfirewall.audit.keys import ring
from credfirewall.audit.models import AuditEvent
from credfirewall.testing import breached
from credfirewall.validators import BreachedPasswordValidator
from dev import ROOT
from tests.audit.outage import taking_no_rows
from tests.canary.detector import ascii_canary, leaks

EVENT = LoginRefused(reason=Code("exposed"))
LINE_ENDS = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


class Lines(logging.Handler):
    """Keeps what it is given, formatted."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


def listening(formatter: logging.Formatter) -> Iterator[Lines]:
    logger = logging.getLogger("credfirewall.audit")
    level, handler = logger.level, Lines(formatter)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def log() -> Iterator[Lines]:
    yield from listening(JSONLinesFormatter())


@pytest.fixture
def naming_log() -> Iterator[Lines]:
    yield from listening(JSONLinesFormatter(names=True))


@pytest.fixture
def broken() -> Iterator[None]:
    """The database takes no row."""
    with taking_no_rows("no space left, says canary 4711"):
        yield


def columns_of(line: dict[str, Any]) -> tuple[Any, ...]:
    """The columns that a line is of, as the database has them."""
    values = line | {name: UUID(line[name]) for name in ("id", "log")}
    values["at"] = datetime.fromisoformat(values["at"])
    values["details"] = json.dumps(values["details"], sort_keys=True, separators=(",", ":"))
    return tuple(values[name] for name in rows.COLUMNS)


@pytest.mark.django_db
class TestEvents:
    def test_an_event_is_one_line_with_every_column(self, log: Lines) -> None:
        row = record(EVENT, actor=Party("user", "5", "ann@example.com"))
        (line,) = log.objects
        assert set(line) == {*rows.COLUMNS, "mac"}
        assert {field.attname for field in AuditEvent._meta.concrete_fields} == set(line)
        assert line["id"] == str(row.pk)
        assert line["details"] == {"reason": "exposed"}
        assert (line["actor_type"], line["actor_id"]) == ("user", "5")

    def test_times_are_utc_with_microseconds(self, log: Lines) -> None:
        row = record(EVENT)
        assert log.objects[0]["at"] == f"{row.at:%Y-%m-%dT%H:%M:%S.%f}Z"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", log.objects[0]["at"])

    def test_a_line_is_enough_to_verify_its_row(self, log: Lines) -> None:
        record(PolicyChecked(acceptable=False, violations=(Code("b"), Code("a")), breach=Code("x")))
        (line,) = log.objects
        assert rows.is_authentic(columns_of(line), line["mac"], ring().first)
        line["outcome"] = "refused"
        assert not rows.is_authentic(columns_of(line), line["mac"], ring().first)

    def test_nobody_is_named(self, log: Lines) -> None:
        user = User.objects.create_user("ann@example.com")
        record(ExposureResolved(), actor=user, subject=Party("user", "7", "bob@example.com"))
        assert "example.com" not in log.lines[0]
        assert len(log.objects[0]["actor"]) == len(log.objects[0]["subject"]) == 64

    def test_names_are_there_where_they_are_asked_for(self, naming_log: Lines) -> None:
        record(ExposureResolved(), actor=Party("user", "5", "ann"), subject=Party("user", "7"))
        (line,) = naming_log.objects
        assert (line["actor_name"], line["subject_name"]) == ("ann", "")

    def test_a_row_from_the_database_has_no_names(self) -> None:
        row = AuditEvent.objects.get(pk=record(EVENT, actor=Party("user", "5", "ann")).pk)
        line = json.loads(JSONLinesFormatter(names=True).format(entry(audit=row)))
        assert line["actor_name"] == ""

    def test_a_refusal_of_a_transaction_that_fails_is_one_line(self, log: Lines) -> None:
        class Undone(Exception):
            pass

        with pytest.raises(Undone), transaction.atomic():
            record(EVENT)
            raise Undone
        assert [line["event"] for line in log.objects] == ["login_refused"]

    @pytest.mark.usefixtures("broken")
    def test_a_row_that_could_not_be_stored_is_complete_and_says_so(self, log: Lines) -> None:
        row = record(EVENT, actor=Party("user", "5", "ann"))
        (line,) = log.objects
        assert (line["stored"], line["failure"]) == (False, "OperationalError")
        assert line["id"] == str(row.pk)
        assert rows.is_authentic(columns_of(line), line["mac"], ring().first)
        assert "4711" not in log.lines[0]

    def test_a_seal_is_a_line_with_its_head(self, log: Lines) -> None:
        record(EVENT)
        (seal,) = sealing.seal("default")
        (said,) = [line["seal"] for line in log.objects if "seal" in line]
        assert (said["position"], said["head"]) == (seal.position, seal.head)
        assert said["log"] == str(seal.log)
        assert said["at"].endswith("Z")

    def test_a_refused_password_leaves_nothing_of_itself(self, log: Lines) -> None:
        canary = ascii_canary()
        with breached(canary.text), pytest.raises(ValidationError):
            BreachedPasswordValidator().validate(canary.text, User(username="ann"))
        assert [line["event"] for line in log.objects] == ["screening_refused"]
        assert leaks([canary], log.lines, prefix=True) == []


TEXT = st.text() | st.text(st.characters(categories=["Cc", "Zl", "Zp", "Cs", "Cf"]))


def paired(text: str) -> str:
    """What JSON makes of two surrogates in a row: the one character that they stand for."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


class TestSafety:
    @given(TEXT, TEXT, TEXT)
    def test_no_text_ends_a_line_or_gets_lost(self, agent: str, request: str, text: str) -> None:
        """What is recorded is bounded already; this holds for a row that somebody forged, too."""
        row = AuditEvent(user_agent=agent, request_id=request, details=text)
        line = JSONLinesFormatter().format(entry(audit=row))
        assert line.isascii() and line.isprintable()
        assert not LINE_ENDS.search(line)
        read = json.loads(line)
        agent, request, text = map(paired, (agent, request, text))
        assert (read["user_agent"], read["request_id"]) == (agent, request)
        if isinstance(read["details"], str):
            assert read["details"] == text
        else:
            assert json.dumps(read["details"], sort_keys=True, separators=(",", ":")) == text

    @pytest.mark.parametrize(
        "details",
        ["{", "NaN", '{"a":1,"a":2}', '{"b":1,"a":2}', "[" * 100_000, '{"a": 1}', "1e999", ""],
    )
    def test_details_that_are_not_as_recorded_are_kept_as_text(self, details: str) -> None:
        line = JSONLinesFormatter().format(entry(audit=AuditEvent(details=details)))
        assert json.loads(line, parse_constant=pytest.fail)["details"] == details

    def test_other_records_are_messages(self) -> None:
        line = json.loads(JSONLinesFormatter().format(entry("two\nlines %s", "x")))
        assert line["message"] == "two\nlines x"
        assert (line["level"], line["logger"]) == ("WARNING", "somewhere")
        assert line["at"].endswith("Z")

    def test_of_an_exception_the_class_is_shown(self) -> None:
        try:
            raise ValueError("canary 4711")
        except ValueError:
            line = JSONLinesFormatter().format(entry("failed", exc_info=sys.exc_info()))
        assert json.loads(line)["exception"] == "ValueError"
        assert "4711" not in line

    @pytest.mark.parametrize(
        "how", [{"audit": object()}, {"audit_seal": 7}, {"args": ("too", "many")}]
    )
    def test_what_cannot_be_shown_raises_nothing(self, how: dict[str, Any]) -> None:
        args = how.pop("args", ())
        line = json.loads(JSONLinesFormatter().format(entry("no place", *args, **how)))
        assert line["message"] == "not shown"
        assert line["exception"] in {"AttributeError", "TypeError"}


def entry(message: str = "", *args: object, exc_info: Any = None, **extra: Any) -> Any:
    made = logging.LogRecord(
        "somewhere", logging.WARNING, __file__, 1, message, args, exc_info, "f"
    )
    vars(made).update(extra)
    return made


class TestConfiguration:
    """The snippet of docs/audit-export.md."""

    @pytest.fixture
    def snippet(self, tmp_path: Path) -> dict[str, Any]:
        text = (ROOT / "docs/audit-export.md").read_text(encoding="utf-8")
        (block,) = (
            each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "LOG" in each
        )
        names: dict[str, Any] = {}
        exec(block, names)
        logging_: dict[str, Any] = names["LOGGING"]
        logging_["handlers"]["audit"]["filename"] = str(tmp_path / "audit.jsonl")
        return logging_

    @pytest.mark.django_db
    def test_it_writes_lines(self, snippet: dict[str, Any], tmp_path: Path) -> None:
        logger = logging.getLogger("credfirewall.audit")
        before = logger.level, logger.propagate
        try:
            dictConfig(snippet)
            record(EVENT)
            record(EVENT)
        finally:
            for handler in logger.handlers[:]:
                logger.removeHandler(handler)
                handler.close()
            logger.level, logger.propagate = before
        lines = (tmp_path / "audit.jsonl").read_text().splitlines()
        assert [json.loads(line)["event"] for line in lines] == ["login_refused"] * 2

    @pytest.mark.slow
    def test_django_can_read_it_before_there_are_models(self) -> None:
        code = (
            "import sys; from credfirewall.audit.handlers import JSONLinesFormatter; "
            "assert 'credfirewall.audit.models' not in sys.modules"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
        assert done.returncode == 0
