"""GET api/v1/audit/events: filters, pages, what is told, what is recorded, what it costs."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.contrib.auth.models import Permission, User
from django.core.signing import Signer
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from credfirewall.api.schema import schema
from credfirewall.audit import record
from credfirewall.audit.events import Code, Party, ScreeningRefused
from credfirewall.audit.filters import SALT
from credfirewall.audit.models import AuditEvent, AuditIdentity
from credfirewall.audit.serializers import EXAMPLE

pytestmark = pytest.mark.django_db
PATH = "/api/v1/audit/events"
NOW = datetime(2026, 11, 22, 16, 28, 0, 4217, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _endpoints(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.api.urls"


@pytest.fixture
def reader(client: Client) -> Client:
    """Staff with the permission."""
    user = User.objects.create(username="rita", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_auditevent"))
    client.force_login(user)
    return client


def row(minutes: float = 0, /, **columns: Any) -> AuditEvent:
    """A row of so many minutes ago, for what recording would not make today."""
    given = {"event": "screening_refused", "outcome": "refused", "details": "{}"} | columns
    event = AuditEvent(log=uuid.UUID(int=0), key="k", mac="m", **given)
    event.at = NOW - timedelta(minutes=minutes)
    event.insert("default")
    return event


def ask(client: Client, **parameters: Any) -> Any:
    response = client.get(PATH, parameters)
    assert response.status_code == 200, response.content
    return response.json()


def ids(client: Client, **parameters: Any) -> list[str]:
    """What is found, but for the records of the readings themselves."""
    events = ask(client, **parameters)["events"]
    return [each["id"] for each in events if each["event"] != "audit_read"]


def refused(client: Client, query: str) -> dict[str, str]:
    """The names of the fields that are wrong, and the codes."""
    response = client.get(f"{PATH}?{query}")
    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["code"] == "invalid"
    assert all(each["message"] for each in body["errors"])
    return {each["field"]: each["code"] for each in body["errors"]}


# What is told


def test_an_event(reader: Client) -> None:
    dana = User.objects.create(username="dana")
    event = record(
        ScreeningRefused(source=Code("hibp"), count=42), actor=Party.command("x"), subject=dana
    )
    (found,) = ask(reader, event="screening_refused")["events"]
    assert found == {
        "id": str(event.pk),
        "at": event.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "event": "screening_refused",
        "outcome": "refused",
        "source": "hibp",
        "actor": {"type": "command", "id": "x", "name": None},
        "subject": {"type": "user", "id": str(dana.pk), "name": "dana"},
        "address": "",
        "user_agent": "",
        "request_id": "",
        "details": {"count": 42, "source": "hibp"},
    }


def test_times_are_utc_with_all_their_digits(reader: Client, settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    row()
    row(1 - 4217 / 60e6)
    times = [each["at"] for each in ask(reader, event="screening_refused")["events"]]
    assert times[0] == "2026-11-22T16:28:00.004217Z"
    assert times[1].endswith("Z") and len(times[1]) == len(times[0])


def test_a_name_that_was_erased_is_null(reader: Client) -> None:
    dana = User.objects.create(username="dana")
    record(ScreeningRefused(source=Code("hibp"), count=1), actor=dana)
    AuditIdentity.objects.filter(text="dana").delete()
    (found,) = ask(reader, event="screening_refused")["events"]
    assert found["actor"] == {"type": "user", "id": str(dana.pk), "name": None}


def test_a_name_that_was_changed_is_null(reader: Client) -> None:
    dana, robin = (User.objects.create(username=name) for name in ("dana", "robin"))
    record(ScreeningRefused(source=Code("hibp"), count=1), actor=dana, subject=robin)
    AuditIdentity.objects.filter(text="dana").update(text="eve")
    (found,) = ask(reader, event="screening_refused")["events"]
    assert found["actor"] == {"type": "user", "id": str(dana.pk), "name": None}
    assert found["subject"]["name"] == "robin"


@pytest.mark.parametrize(
    "details",
    ["{", "[1]", "null", "[" * 100_000, "", '{"a":NaN}', '{"a":1e999}', '{"a":"\\ud800"}'],
)
def test_a_row_that_was_tampered_with_is_shown_all_the_same(reader: Client, details: str) -> None:
    event = row(details=details)
    (found,) = ask(reader, event="screening_refused")["events"]
    assert (found["id"], found["details"]) == (str(event.pk), {})


def test_the_answer_is_what_the_schema_says(reader: Client) -> None:
    record(ScreeningRefused(source=Code("hibp"), count=1), actor=User.objects.get())
    row(actor_type="anonymous")
    document = schema()
    answer = {"$ref": "#/components/schemas/AuditPage", "components": document["components"]}
    for closed in document["components"]["schemas"].values():
        closed["additionalProperties"] = closed.get("additionalProperties", False)
    for body in (ask(reader), ask(reader, limit=1), EXAMPLE):
        jsonschema.validate(body, answer)


# Filters


@pytest.mark.parametrize(
    ("filters", "columns", "others"),
    [
        ({"event": "limit_hit"}, {"event": "limit_hit"}, {}),
        ({"outcome": "failed"}, {"outcome": "failed"}, {}),
        ({"source": "hibp"}, {"source": "hibp"}, {"source": "hib"}),
        (
            {"actor": "user:5"},
            {"actor_type": "user", "actor_id": "5"},
            {"actor_type": "user", "actor_id": "55", "subject_type": "user", "subject_id": "5"},
        ),
        (
            {"subject": "user:a:b"},
            {"subject_type": "user", "subject_id": "a:b"},
            {"subject_type": "user", "subject_id": "a"},
        ),
        ({"actor": "anonymous:"}, {"actor_type": "anonymous"}, {"actor_type": "user"}),
        ({"address": "198.51.100.7"}, {"address": "198.51.100.7"}, {"address": "198.51.100.8"}),
        ({"address": "198.51.100.7"}, {"address": "198.51.100.0/24"}, {"address": ""}),
        ({"address": "2001:db8::7"}, {"address": "2001:db8::/48"}, {"address": "::/48"}),
        ({"address": "h:00ff"}, {"address": "h:00ff"}, {"address": "h:00"}),
        ({"request_id": "r-1"}, {"request_id": "r-1"}, {"request_id": "r-12"}),
    ],
)
def test_a_filter(
    reader: Client, filters: dict[str, str], columns: dict[str, Any], others: dict[str, Any]
) -> None:
    wanted = row(**columns)
    row(**others)
    assert ids(reader, **filters) == [str(wanted.pk)]


def test_filters_narrow_each_other(reader: Client) -> None:
    degraded = {"event": "screening_degraded", "outcome": "failed"}
    wanted = row(source="hibp", **degraded)
    row(source="hibp")
    row(**degraded)
    assert ids(reader, source="hibp", outcome="failed") == [str(wanted.pk)]


@pytest.mark.parametrize(
    "filters",
    [
        {"event": "limit_hit", "outcome": "success"},
        {"event": "limit_hit", "source": "hibp"},
        {"event": "screening_refused", "outcome": "failed", "source": "hibp"},
    ],
)
def test_what_no_event_can_be_is_answered_without_a_look(
    reader: Client, filters: dict[str, str]
) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert ask(reader, **filters) == {"events": [], "next": None}
    looks = [q for q in captured if q["sql"].startswith("SELECT") and "_auditevent" in q["sql"]]
    assert not looks
    assert AuditEvent.objects.get().event == "audit_read"


def test_since_is_included_and_until_is_not(reader: Client) -> None:
    new, old = row(0), row(1)
    since, until = "2026-11-22T16:27:00.004217Z", "2026-11-22T16:28:00.004217Z"
    assert ids(reader, since=since) == [str(new.pk), str(old.pk)]
    assert ids(reader, since=since, until=until) == [str(old.pk)]
    assert ids(reader, since="2026-11-22T22:12:00.004218+05:45") == [str(new.pk)]


def test_a_time_out_of_every_range_is_one_all_the_same(reader: Client) -> None:
    event = row()
    early, late = "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"
    assert ids(reader, since=early, until=late) == [str(event.pk)]
    assert ids(reader, since=late, until=early) == ids(reader, until=early) == []


def test_text_is_taken_literally(reader: Client) -> None:
    row(source="a")
    assert ids(reader, source="%") == ids(reader, source="A ") == ids(reader, source=" a") == []


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("events=limit_hit", {"events": "unknown"}),
        ("format=json", {"format": "unknown"}),
        ("a=1&b=2&event=x", {"a": "unknown", "b": "unknown"}),
        ("limit=1&limit=2", {"limit": "repeated"}),
        ("event=nothing", {"event": "invalid_choice"}),
        ("event=", {"event": "invalid_choice"}),
        ("outcome=good", {"outcome": "invalid_choice"}),
        ("source=", {"source": "blank"}),
        ("source=" + "x" * 65, {"source": "max_length"}),
        ("source=%00", {"source": "null_characters_not_allowed"}),
        ("actor=5", {"actor": "invalid"}),
        ("actor=user:5%0A", {"actor": "invalid"}),
        ("subject=User:5", {"subject": "invalid"}),
        ("actor=user:" + "5" * 65, {"actor": "invalid"}),
        ("limit=0", {"limit": "min_value"}),
        ("limit=201", {"limit": "max_value"}),
        ("limit=-1", {"limit": "invalid"}),
        ("limit=1.0", {"limit": "invalid"}),
        ("limit=1_0", {"limit": "invalid"}),
        ("limit=%205", {"limit": "invalid"}),
        ("limit=%D9%A5", {"limit": "invalid"}),
        ("limit=" + "9" * 5000, {"limit": "invalid"}),
        ("limit=", {"limit": "invalid"}),
        ("since=2026-11-22", {"since": "rfc3339"}),
        ("since=2026-11-22T16:28:00", {"since": "rfc3339"}),
        ("since=2026-11-22T16:28:00+00:00", {"since": "rfc3339"}),
        ("since=2026-02-30T00:00:00Z", {"since": "rfc3339"}),
        ("since=2026-11-22T24:00:01Z", {"since": "rfc3339"}),
        ("until=now", {"until": "rfc3339"}),
        ("limit=x&since=x", {"limit": "invalid", "since": "rfc3339"}),
        ("cursor=", {"cursor": "blank"}),
        ("cursor=MTIz", {"cursor": "invalid"}),
    ],
)
def test_what_is_wrong_is_named(reader: Client, query: str, wrong: dict[str, str]) -> None:
    assert refused(reader, query) == wrong
    assert not AuditEvent.objects.exists(), "nothing was read"


def test_an_endless_name_is_not_thrown_back(reader: Client) -> None:
    (name,) = refused(reader, f"{'x' * 5000}=1")
    assert len(name) == 64


# Pages


def test_pages_go_through_everything_once(reader: Client) -> None:
    rows = [row(minutes // 3, source="hibp") for minutes in range(20)]  # three at each time
    found, page = [], ask(reader, source="hibp", limit=7)
    sizes = [len(page["events"])]
    found += page["events"]
    while page["next"]:
        row(-1, source="hibp")  # what is new meanwhile moves nothing
        page = ask(reader, source="hibp", limit=7, cursor=page["next"])
        sizes.append(len(page["events"]))
        found += page["events"]
    assert sizes == [7, 7, 6]
    assert {each["id"] for each in found} == {str(each.pk) for each in rows}
    assert [each["at"] for each in found] == sorted((each["at"] for each in found), reverse=True)


def test_a_last_page_that_is_full_says_so(reader: Client) -> None:
    for minutes in range(3):
        row(minutes, source="hibp")
    assert ask(reader, source="hibp", limit=3)["next"] is None
    assert ask(reader, source="nothing") == {"events": [], "next": None}


def test_fifty_unless_told(reader: Client) -> None:
    for minutes in range(51):
        row(minutes)
    assert len(ask(reader)["events"]) == 50
    assert len(ask(reader, limit=200)["events"]) == 52  # and the reading before


def test_a_cursor_is_opaque_and_cannot_be_made(reader: Client, settings: Settings) -> None:
    row(0)
    event = row(1)
    cursor = ask(reader, limit=1)["next"]
    assert event.pk.hex not in cursor
    middle = len(cursor) // 2
    swapped = "A" if cursor[middle] != "A" else "B"
    forged = cursor[:middle] + swapped + cursor[middle + 1 :]
    foreign = Signer(salt="another", sep=".").sign_object("1-" + uuid.uuid4().hex)
    for wrong in (forged, foreign, cursor + "=", cursor[:-1]):
        assert refused(reader, f"cursor={wrong}") == {"cursor": "invalid"}
    odd = Signer(salt=SALT, sep=".").sign_object("nowhere")
    assert refused(reader, f"cursor={odd}") == {"cursor": "invalid"}
    assert ids(reader, cursor=cursor) == [str(event.pk)]
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new one, which the session does not know either"
    client = Client(headers={"Host": "localhost"})
    client.force_login(User.objects.get())
    assert ids(client, cursor=cursor) == [str(event.pk)]


# Recording


def test_a_reading_is_recorded_with_what_was_filtered_and_not_by_what(reader: Client) -> None:
    headers = {"User-Agent": "curl/8", "X-Request-ID": "r-1"}
    query = {"actor": "user:5", "limit": "3", "source": "hibp"}
    response = reader.get(PATH, query, headers=headers)
    assert response.json() == {"events": [], "next": None}
    (event,) = AuditEvent.objects.all()
    assert (event.event, event.outcome, event.actor_type) == ("audit_read", "success", "user")
    assert event.actor_id == str(User.objects.get().pk)
    assert (event.user_agent, event.request_id) == ("curl/8", "r-1")
    assert json.loads(event.details) == {"filters": ["actor", "source"], "view": "api"}


def test_a_reading_is_not_in_its_own_answer(reader: Client) -> None:
    assert ask(reader)["events"] == []
    (event,) = ask(reader)["events"]
    assert event["event"] == "audit_read"


def test_who_was_refused_has_read_nothing(client: Client) -> None:
    client.get(PATH)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(("policy", "status"), [("raise", 503), ("log", 200)])
def test_a_log_that_takes_no_record(
    reader: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, policy: str, status: int
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OperationalError("disk full at /var/lib")

    monkeypatch.setattr(AuditEvent, "insert", full)
    settings.CREDFIREWALL = {"AUDIT_ON_FAILURE": policy}
    response = reader.get(PATH)
    assert response.status_code == status
    assert "disk" not in response.content.decode()
    assert status == 200 or response.json()["code"] == "audit_unavailable"


# Cost


def test_the_number_of_queries_does_not_grow(reader: Client) -> None:
    def queries() -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as context:
            ask(reader, event="screening_refused", limit=200)
        return [each["sql"] for each in context.captured_queries]

    for number in range(2):
        user = User.objects.create(username=f"u{number}")
        record(ScreeningRefused(source=Code("hibp"), count=1), actor=user, subject=user)
    ask(reader)  # the reader's own name is stored with the first reading
    few = queries()
    for number in range(2, 80):
        user = User.objects.create(username=f"u{number}")
        record(ScreeningRefused(source=Code("hibp"), count=1), actor=user, subject=user)
    many = queries()
    assert len(many) == len(few)
    reads = [sql for sql in many if sql.startswith("SELECT")]
    assert len([sql for sql in reads if "credfirewall_auditevent" in sql]) == 1
    assert len([sql for sql in reads if "credfirewall_auditidentity" in sql]) == 1
    assert not [sql for sql in many if "COUNT(" in sql or "OFFSET" in sql]
