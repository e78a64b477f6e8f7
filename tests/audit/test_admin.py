"""The log in the admin: who may read, what reading leaves behind, and that nobody writes."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from credfirewall.audit import exporting, services
from credfirewall.audit.events import Code, Event, LimitHit, Party, ScreeningRefused
from credfirewall.audit.models import AuditEvent, AuditIdentity, AuditMember, AuditSeal
from credfirewall.exceptions import AuditUnavailable
from tests.audit import seeding

HIT = LimitHit(rate=Code("check"))
DANA = Party("user", "5", "dana")

pytestmark = pytest.mark.django_db


def url(name: str, *args: object) -> str:
    return reverse(f"admin:credfirewall_auditevent_{name}", args=args, urlconf="tests.urls")


LIST, OVERVIEW, TIMELINE, EXPORT = map(url, ("changelist", "overview", "timeline", "export"))


def event_url(row: AuditEvent) -> str:
    return url("change", row.pk)


def staff(*permissions: str) -> Client:
    user = User.objects.create_user(f"ada-{uuid.uuid4()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def reader() -> Client:
    return staff("view_auditevent")


@pytest.fixture
def exporter() -> Client:
    return staff("view_auditevent", "export_auditevent")


def text(response: HttpResponseBase) -> str:
    assert response.status_code == 200, response
    # As it is read: without markup, white space as one blank.
    body = re.sub(r"<(script|style).*?</\1>", "", response.content.decode(), flags=re.DOTALL)  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def shown(response: HttpResponseBase) -> list[uuid.UUID]:
    assert response.status_code == 200
    return [row["id"] for row in response.context["rows"]]  # type: ignore[attr-defined]


def reads() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event="audit_read").order_by("at"))


# Who may


@pytest.mark.parametrize("path", [LIST, OVERVIEW, f"{TIMELINE}?type=user&id=5"])
def test_reading_needs_the_permission(path: str, reader: Client) -> None:
    seeding.add(HIT, actor=DANA)
    assert Client().get(path).status_code == 302
    assert staff("view_user", "export_auditevent").get(path).status_code == 403
    assert reader.get(path).status_code == 200
    assert len(reads()) == 1


def test_one_event_needs_the_permission(reader: Client) -> None:
    row = seeding.add(HIT)
    assert staff("view_user").get(event_url(row)).status_code == 403
    assert reader.get(event_url(row)).status_code == 200


def test_exporting_needs_a_permission_of_its_own(reader: Client, exporter: Client) -> None:
    assert reader.post(EXPORT, {"format": "csv"}).status_code == 403
    assert staff("export_auditevent").post(EXPORT, {"format": "csv"}).status_code == 403
    assert exporter.post(EXPORT, {"format": "csv"}).status_code == 200
    assert "CSV" not in text(reader.get(LIST))
    assert "CSV" in text(exporter.get(LIST))


def test_the_admin_lists_it_only_for_who_may_read(reader: Client) -> None:
    index = reverse("admin:index", urlconf="tests.urls")
    assert "Audit events" in text(reader.get(index))
    assert "Audit events" not in text(staff("view_user").get(index))


# Nobody writes


def test_not_even_a_superuser_adds_changes_or_deletes(admin_client: Client) -> None:
    row = seeding.add(HIT)
    for name, args in (("add", ()), ("delete", (row.pk,)), ("history", (row.pk,))):
        for method in (admin_client.get, admin_client.post):
            assert method(url(name, *args)).status_code == 403
    assert admin_client.post(event_url(row), {"event": "x"}).status_code == 405
    action = {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"}
    assert admin_client.post(LIST, action).status_code == 405
    stored = AuditEvent.objects.get(pk=row.pk)
    assert (stored.event, stored.mac) == (row.event, row.mac)


# The list


def test_events_are_listed_newest_first_in_utc(reader: Client, settings: Settings) -> None:
    settings.TIME_ZONE = "America/Chicago"
    old = seeding.add(HIT, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), actor=DANA)
    new = seeding.add(HIT, datetime(2026, 1, 3, tzinfo=UTC), subject=DANA, address="192.0.2.0/24")
    response = reader.get(LIST)
    assert shown(response) == [new.pk, old.pk]
    page = text(response)
    assert "Time (UTC)" in page and "2026-01-02 03:04:05" in page
    assert "Limit hit Refused dana (user 5)" in page
    assert "192.0.2.0/24" in page


def test_pages_are_linked_both_ways(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credfirewall.audit.listing.PAGE", 2)
    rows = [seeding.add(HIT, seeding.ago(hours=n)) for n in range(1, 6)]
    first = reader.get(LIST, {"event": "limit_hit"})
    assert shown(first) == [row.pk for row in rows[:2]]
    assert first.context["newer"] is None
    second = reader.get(f"{LIST}?{first.context['older']}")
    assert shown(second) == [row.pk for row in rows[2:4]]
    third = reader.get(f"{LIST}?{second.context['older']}")
    assert shown(third) == [rows[4].pk]
    assert third.context["older"] is None
    back = reader.get(f"{LIST}?{second.context['newer']}")
    assert shown(back) == shown(first)


def test_filters_and_search(reader: Client) -> None:
    refused = ScreeningRefused(source=Code("hibp"), count=1)
    one = seeding.add(refused, seeding.ago(days=2), actor=DANA, request_id="r-1")
    two = seeding.add(HIT, seeding.ago(days=2))
    assert shown(reader.get(LIST, {"source": "hibp"})) == [one.pk]
    assert shown(reader.get(LIST, {"event": "limit_hit", "time": "7d"})) == [two.pk]
    assert shown(reader.get(LIST, {"event": "limit_hit", "time": "today"})) == []
    for search in ("dana", "5", "r-1", str(one.pk)):
        assert one.pk in shown(reader.get(LIST, {"q": search}))
        assert two.pk not in shown(reader.get(LIST, {"q": search}))


def test_a_filter_stays_chosen_and_can_be_cleared(reader: Client) -> None:
    response = reader.get(LIST, {"event": "limit_hit", "actor": 'x"><b>', "time": "2026"})
    html = response.content.decode()
    assert '<option value="limit_hit" selected>' in html
    assert 'value="x&quot;&gt;&lt;b&gt;"' in html
    assert '<input type="hidden" name="time" value="2026">' in html
    assert "Clear all filters" in html


@pytest.mark.parametrize(
    "query",
    [
        {"before": "x"},
        {"after": "9-9"},
        {"time": "2026-99"},
        {"event": "no_such"},
        {"q": "\x00"},
        {"address": "\x00"},
        {"actor": "x" * 5000},
        {"time": "9" * 50},
    ],
)
def test_nonsense_is_no_error(reader: Client, query: dict[str, str]) -> None:
    seeding.add(HIT)
    assert reader.get(LIST, query).status_code == 200


def test_times_are_drilled_down(reader: Client) -> None:
    seeding.add(HIT, datetime(2024, 2, 29, tzinfo=UTC))
    labels = [link["label"] for link in reader.get(LIST).context["times"]["within"]]
    assert labels[0] == "2024"
    times = reader.get(LIST, {"time": "2024-02", "event": "limit_hit"}).context["times"]
    assert [link["label"] for link in times["within"]] == ["2024-02-29"]
    assert times["within"][0]["query"] == "event=limit_hit&time=2024-02-29"
    assert [link["label"] for link in times["around"]] == ["2024"]


# One event


def findings(client: Client, row: AuditEvent) -> list[tuple[str, bool | None]]:
    found = client.get(event_url(row)).context["findings"]
    return [(finding.text, finding.sound) for finding in found]


def test_an_event_is_shown_with_its_details_and_its_seal(reader: Client) -> None:
    row = seeding.add(ScreeningRefused(source=Code("hibp"), count=12), actor=DANA)
    waiting = "No seal covers this row yet: it waits for the next one."
    assert findings(reader, row) == [("This row is as it was recorded.", True), (waiting, None)]
    seal = seeding.seal()[0]
    page = text(reader.get(event_url(row)))
    assert "count 12 source hibp" in page
    place = AuditMember.objects.get(pk=row.pk).leaf + 1
    assert f"Seal 1 of {seal.at:%Y-%m-%d %H:%M:%S} UTC covers it, as row {place} of" in page


@pytest.mark.parametrize("column", ["event", "details", "actor_id", "address", "at"])
def test_a_changed_row_is_said_to_be_changed(reader: Client, column: str) -> None:
    row = seeding.add(HIT, actor=DANA)
    seeding.seal()
    changed = {"at": row.at + timedelta(seconds=1)}.get(column, "x")
    AuditEvent._base_manager.filter(pk=row.pk).update(**{column: changed})
    assert findings(reader, row)[0] == (
        "This row is not as it was recorded: somebody changed or forged it.",
        False,
    )


def test_what_else_can_be_wrong_with_a_row(reader: Client, settings: Settings) -> None:
    row, other = seeding.add(HIT, actor=DANA), seeding.add(HIT)
    seeding.seal()
    identities = AuditIdentity.objects.filter(text="dana")
    identities.update(text="eve")
    assert ("A name is not the one that was recorded.", False) in findings(reader, row)
    identities.model.objects.all().delete()
    erased = ("A name was erased. The row stays as it was recorded.", None)
    assert erased in findings(reader, row)
    assert "(name erased)" in text(reader.get(event_url(row)))
    AuditMember.objects.filter(pk=row.pk).update(leaf=500)
    assert ("This row is not the one that was sealed in seal 1.", False) in findings(reader, row)
    AuditSeal.objects.filter(pk=1).update(count=3)
    assert ("Seal 1 is not the one that was made.", False) in findings(reader, other)
    AuditSeal.objects.filter(pk=1).delete()
    assert ("The seal 1 that covers this row is gone.", False) in findings(reader, other)
    settings.CREDFIREWALL = {"AUDIT_KEY": "another key that is long enough to be one"}
    text_, sound = findings(reader, row)[0]
    assert sound is None and "is not in AUDIT_KEY" in text_


def test_details_that_nobody_can_read_are_shown_as_they_are(reader: Client) -> None:
    row = seeding.add(HIT)
    AuditEvent._base_manager.filter(pk=row.pk).update(details="<b>[")
    assert "&lt;b&gt;[" in reader.get(event_url(row)).content.decode()


@pytest.mark.parametrize("identity", [uuid.UUID(int=1), "x", "1/2"])
def test_an_event_that_is_not_there(reader: Client, identity: object) -> None:
    assert reader.get(url("change", identity)).status_code == 404
    assert reads() == []


def test_a_name_that_was_changed_is_shown_as_changed(reader: Client) -> None:
    row = seeding.add(HIT, actor=DANA)
    AuditIdentity.objects.filter(text="dana").update(text="mallory")
    timeline = f"{TIMELINE}?type=user&id=5"
    for path in (LIST, event_url(row), timeline, OVERVIEW):
        page = text(reader.get(path))
        assert re.search(r"user 5 \(name changed\)", page), path
        assert "mallory" not in page
    assert "Known as" not in text(reader.get(timeline))


# A timeline


def test_a_timeline_has_all_by_and_about_somebody(reader: Client) -> None:
    by = seeding.add(HIT, seeding.ago(hours=1), actor=DANA)
    about = seeding.add(HIT, seeding.ago(hours=2), subject=DANA)
    seeding.add(HIT, actor=Party("command", "5"))
    response = reader.get(TIMELINE, {"type": "user", "id": "5"})
    assert shown(response) == [by.pk, about.pk]
    assert "Timeline of user 5" in text(response)
    assert "Known as: dana." in text(response)


def test_a_timeline_is_of_one_party_and_of_no_name(reader: Client) -> None:
    seeding.add(HIT, actor=Party("user", "7", "robot:5"))
    assert reader.get(TIMELINE, {"type": "robot", "id": "5"}).status_code == 404
    own = seeding.add(HIT, actor=Party("robot", "5", "r"))
    AuditIdentity.objects.create(ref="0" * 64, salt="", type="robot", party_id="5", text="eve")
    response = reader.get(TIMELINE, {"type": "robot", "id": "5"})
    assert shown(response) == [own.pk]
    assert "Known as: r." in text(response)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 404),
        ({"type": "user"}, 404),
        ({"type": "user", "id": "\x00"}, 404),
        ({"type": "u" * 99, "id": "1" * 999}, 404),
        ({"type": "_", "id": "1"}, 404),
        ({"type": "user", "id": "5"}, 404),
        ({"type": "no such", "id": "5"}, 404),
    ],
)
def test_a_timeline_of_nobody(reader: Client, query: dict[str, str], status: int) -> None:
    """To look for somebody who is not on record leaves nobody on record."""
    assert reader.get(TIMELINE, query).status_code == status
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("same-site", "cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "no-cors", 200),
        ("none", "navigate", 200),
    ],
)
def test_a_foreign_page_s_image_reads_nothing_in_a_reader_s_name(
    reader: Client, site: str, mode: str, status: int
) -> None:
    seen = reader.get(OVERVIEW, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode})
    assert seen.status_code == status
    assert AuditEvent.objects.exists() == (status == 200)


@pytest.mark.parametrize(
    "details", ["[" * 100_000, '{"a":"\\ud800"}', '{"a":NaN}', '"' + "x" * 100_000 + '"', ""]
)
def test_an_event_whose_details_are_not_ours_is_shown(reader: Client, details: str) -> None:
    row = seeding.row(HIT)
    row.details = details
    row.insert("default")
    assert "not as it was recorded" in text(reader.get(event_url(row)))


# The overview


def test_the_overview_says_what_it_shows(reader: Client) -> None:
    seeding.add(HIT, seeding.ago(minutes=1))
    page = text(reader.get(OVERVIEW))
    assert "All times are UTC." in page
    assert "1 row waiting" in page
    assert "A limit was hit 1 time." in page


@pytest.mark.parametrize("span", ["24h", "7d", "30d", "nonsense"])
def test_the_overview_of_each_span(reader: Client, span: str) -> None:
    response = reader.get(OVERVIEW, {"span": span})
    chosen = response.context["window"].span.name
    assert chosen == (span if span != "nonsense" else "24h")
    assert not any(
        "could not be made" in str(panel.alert) for _, panel in response.context["panels"]
    )


# Reading is recorded


def test_each_page_leaves_one_event(reader: Client) -> None:
    row = seeding.add(HIT, actor=DANA)
    reader.get(LIST, {"event": "limit_hit", "q": "dana", "time": "7d"})
    reader.get(event_url(row))
    reader.get(TIMELINE, {"type": "user", "id": "5"})
    reader.get(OVERVIEW)
    assert [(r.details, r.subject_type, r.subject_id) for r in reads()] == [
        ('{"filters":["event","time","q"],"view":"list"}', "", ""),
        ('{"filters":[],"view":"event"}', "event", row.pk.hex),
        ('{"filters":[],"view":"timeline"}', "user", "5"),
        ('{"filters":[],"view":"overview"}', "", ""),
    ]
    assert {(r.actor_type, r.address) for r in reads()} == {("user", "127.0.0.0/24")}


def test_what_was_looked_for_is_not_recorded(reader: Client) -> None:
    reader.get(LIST, {"q": "correct horse"})
    assert all("horse" not in str(vars(row)) for row in reads())


# Exports


def exported(client: Client, **data: str) -> list[str]:
    response = client.post(EXPORT, data)
    assert response.status_code == 200
    body = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    return body.decode().splitlines()


def test_an_export_holds_what_the_filters_let_through(exporter: Client) -> None:
    one = seeding.add(HIT, actor=DANA)
    two = seeding.add(HIT, subject=DANA)
    seeding.add(HIT)
    for form, head in (("csv", 1), ("jsonl", 0)):
        lines = exported(exporter, format=form, q="dana", event="limit_hit")
        assert len(lines) == head + 2
        assert all(str(row.pk) in "".join(lines) for row in (one, two))
    events = AuditEvent.objects.filter(event="audit_exported").order_by("at")
    assert '"state":"begun"' in events[0].details
    assert '"filters":["event","q"]' in events[0].details


def test_names_are_exported_only_when_asked_for(exporter: Client) -> None:
    seeding.add(HIT, actor=DANA)
    assert "dana" not in "".join(exported(exporter, format="csv", event="limit_hit"))
    assert "dana" in "".join(exported(exporter, format="csv", event="limit_hit", names="on"))


def test_an_export_is_a_file_that_nobody_caches(exporter: Client) -> None:
    response = exporter.post(EXPORT, {"format": "csv"})
    assert re.fullmatch(
        r'attachment; filename="audit-\d{8}T\d{6}Z\.csv"', response["Content-Disposition"]
    )
    assert "no-store" in response["Cache-Control"]
    response.close()


def test_an_export_is_posted_with_a_token(exporter: Client) -> None:
    assert exporter.get(EXPORT).status_code == 405
    assert exporter.post(EXPORT, {"format": "xml"}).status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = exporter.cookies
    assert strict.post(EXPORT, {"format": "csv"}).status_code == 403


def test_nothing_is_exported_that_cannot_be_recorded(
    exporter: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(event: Event, **how: object) -> None:
        raise AuditUnavailable("no")

    monkeypatch.setattr(exporting, "record", refuse)
    response = exporter.post(EXPORT, {"format": "csv"})
    assert response.status_code == 503
    assert b"nothing leaves the log unrecorded" in response.content


def test_reading_is_refused_where_it_cannot_be_recorded_and_must(
    reader: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.CREDFIREWALL = {"AUDIT_ON_FAILURE": "raise"}

    def fail(draft: services.Draft) -> None:
        raise DatabaseError

    monkeypatch.setattr(services, "_write", fail)
    response = reader.get(LIST)
    assert response.status_code == 503
    assert b"nothing leaves the log unrecorded" in response.content
