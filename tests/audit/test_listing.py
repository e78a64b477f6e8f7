"""Pages and filters of the log."""

import uuid
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from credfirewall.addresses import kept
from credfirewall.audit import listing
from credfirewall.audit.events import Code, LimitHit, LoginRefused, Party, ScreeningRefused
from credfirewall.audit.keys import ring
from credfirewall.audit.listing import PAGE, Cursor, Filters
from credfirewall.audit.models import AuditEvent, AuditIdentity
from tests.audit import seeding

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
DANA = Party("user", "5", "dana")
ROBIN = Party("user", "6", "robin")
HIT = LimitHit(rate=Code("check"))
LOGIN = LoginRefused(reason=Code("exposed"))


def refused(source: str = "hibp") -> ScreeningRefused:
    return ScreeningRefused(source=Code(source), count=1)


def found(**filters: str) -> list[uuid.UUID]:
    """The ids of the first page."""
    return [row.pk for row in listing.select(Filters(**filters), "default", NOON).page().rows]


def walk(forward: bool = True) -> list[AuditEvent]:
    """All rows, by following the links in one direction."""
    selection = listing.select(Filters(), "default", NOON)
    page = selection.page()
    rows = [*page.rows]
    while page.older:
        page = selection.page(before=page.older)
        rows += page.rows
    if forward:
        return rows
    rows = [*page.rows]
    while page.newer:
        page = selection.page(after=page.newer)
        rows = [row for row in page.rows if row not in rows] + rows
    return rows


# Pages


@pytest.mark.django_db
def test_pages_go_through_every_row_once_newest_first() -> None:
    # Three at each moment: the time alone is no place.
    made = [seeding.add(HIT, NOON - timedelta(seconds=n // 3)) for n in range(2 * PAGE + 7)]
    expected = sorted(made, key=lambda row: (row.at, row.pk.int), reverse=True)
    assert [row.pk for row in walk()] == [row.pk for row in expected]
    assert [row.pk for row in walk(forward=False)] == [row.pk for row in expected]


@pytest.mark.django_db
@pytest.mark.parametrize("number", [0, 1, PAGE, PAGE + 1])
def test_there_are_links_only_to_where_rows_are(number: int) -> None:
    for n in range(number):
        seeding.add(HIT, NOON - timedelta(seconds=n))
    selection = listing.select(Filters(), "default", NOON)
    first = selection.page()
    assert first.newer is None
    assert (first.older is not None) == (number > PAGE)
    if first.older:
        second = selection.page(before=first.older)
        assert len(second.rows) == 1
        assert second.older is None and second.newer is not None
        back = selection.page(after=second.newer)
        assert [row.pk for row in back.rows] == [row.pk for row in first.rows]


@pytest.mark.django_db
def test_a_page_costs_one_query_without_counting(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    seeding.add(HIT, NOON)
    with django_assert_num_queries(1) as queries:
        listing.select(Filters(event="limit_hit"), "default", NOON).page()
    sql = queries[0]["sql"].upper()
    assert "COUNT(" not in sql and "OFFSET" not in sql


@pytest.mark.parametrize(
    "text",
    ["", "x", "1-", "1-x", "-", "9" * 30 + "-" + "0" * 32, "\u0661-" + "0" * 32, "1-" + "0" * 31],
)
def test_a_cursor_that_nobody_made_is_none(text: str) -> None:
    assert Cursor.read(text) is None


def test_a_cursor_survives_the_address_bar() -> None:
    cursor = Cursor(NOON + timedelta(microseconds=1), uuid.uuid4())
    assert Cursor.read(str(cursor)) == cursor


# Filters


@pytest.mark.django_db
def test_filters_narrow_each_other() -> None:
    one = seeding.add(refused(), NOON, actor=DANA, address="203.0.113.0/24")
    seeding.add(refused("bundled"), NOON, actor=DANA, address="203.0.113.0/24")
    seeding.add(refused(), NOON, actor=ROBIN, address="203.0.113.0/24")
    seeding.add(refused(), NOON, actor=DANA)
    seeding.add(HIT, NOON, actor=DANA, address="203.0.113.0/24")
    assert found(
        event="screening_refused",
        outcome="refused",
        source="hibp",
        actor="dana",
        address="203.0.113.0/24",
    ) == [one.pk]


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["dana", "5", "user:5"])
def test_an_actor_is_found_by_name_by_id_and_by_both(text: str) -> None:
    acted = seeding.add(HIT, NOON, actor=DANA)
    seeding.add(HIT, NOON, actor=ROBIN, subject=DANA)
    assert found(actor=text) == [acted.pk]


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["dan", "danas", "Dana ", "user", "user:", "%", "6:5"])
def test_an_actor_is_not_found_by_less_or_more(text: str) -> None:
    seeding.add(HIT, NOON, actor=DANA)
    assert found(actor=text) == []


@pytest.mark.django_db
def test_a_kind_and_an_id_are_nobody_s_name() -> None:
    acted = seeding.add(HIT, NOON, actor=DANA)
    seeding.add(HIT, NOON, actor=Party("user", "7", "user:5"))
    seeding.add(HIT, NOON, actor=Party("typed", "user:5"))
    assert found(actor="user:5") == found(q="user:5") == found(party="user:5") == [acted.pk]
    assert listing.parties("user:5", "default") == [("user", "5")]


@pytest.mark.django_db
def test_what_is_before_a_colon_may_be_a_kind_or_a_part() -> None:
    robot = seeding.add(HIT, NOON, actor=Party("robot", "5"))
    named = seeding.add(HIT, NOON - timedelta(1), actor=Party("user", "7", "robot:5"))
    typed = seeding.add(HIT, NOON, actor=Party("typed", "h:00ff"))
    assert found(actor="robot:5") == [robot.pk, named.pk]
    assert found(party="robot:5") == [robot.pk]
    assert found(q="h:00ff") == [typed.pk]


@pytest.mark.django_db
def test_kinds_that_somebody_adds_hide_nobody() -> None:
    acted = seeding.add(HIT, NOON, actor=DANA)
    for number in range(listing.MOST_VALUES + 1):
        row = seeding.row(HIT, NOON)
        row.actor_type = f"a{number}"
        row.insert("default")
    assert found(actor="5") == found(actor="user:5") == [acted.pk]
    assert len(listing.parties("5", "default")) < 10


@pytest.mark.django_db
def test_a_name_that_was_changed_finds_nobody() -> None:
    seeding.add(HIT, NOON, actor=DANA)
    AuditIdentity.objects.filter(text="dana").update(text="eve")
    assert found(actor="eve") == found(actor="dana") == []
    both = seeding.add(HIT, NOON, actor=Party("user", "8", "eve"))
    assert found(actor="eve") == [both.pk]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("filters", "finds"),
    [
        ({"event": "limit_hit", "outcome": "refused"}, True),
        ({"event": "limit_hit", "outcome": "success"}, False),
        ({"event": "limit_hit", "source": "hibp"}, False),
        ({"outcome": "refused", "source": "hibp"}, False),
        ({"outcome": "nothing", "source": "hibp"}, False),
        ({"event": "former", "outcome": "notice"}, True),
    ],
    ids=str,
)
def test_what_no_event_can_be_is_not_looked_for(
    filters: dict[str, str], finds: bool, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    seeding.add(HIT, NOON)
    former = seeding.row(HIT, NOON)
    former.event, former.outcome = "former", "notice"
    former.insert("default")
    looks = finds or filters == {"outcome": "refused", "source": "hibp"}
    with django_assert_num_queries(int(looks)):
        assert bool(found(**filters)) == finds


def test_what_few_events_can_be_is_looked_for_among_them() -> None:
    where = listing.kinds("", "failed", "hibp")
    assert where is not None and ("event__in", ["screening_degraded"]) in where.children


@pytest.mark.django_db
def test_a_search_finds_who_acted_whom_it_concerned_the_request_and_the_event() -> None:
    acted = seeding.add(HIT, NOON, actor=DANA, request_id="r-1")
    concerned = seeding.add(HIT, NOON - timedelta(1), actor=ROBIN, subject=DANA)
    both = seeding.add(HIT, NOON - timedelta(2), actor=DANA, subject=DANA)
    seeding.add(HIT, NOON, actor=ROBIN)
    assert found(q="dana") == found(q="5") == [acted.pk, concerned.pk, both.pk]
    assert found(q="r-1") == [acted.pk]
    assert found(q=str(both.pk)) == found(q=both.pk.hex) == [both.pk]
    assert found(q="dana", time="2026-03-30") == [concerned.pk]
    assert found(q="nobody") == []


@pytest.mark.django_db
def test_branches_are_paged_as_one_list() -> None:
    roles = ({"actor": DANA}, {"subject": DANA}, {"actor": DANA, "subject": DANA})
    made = [
        seeding.add(HIT, NOON - timedelta(seconds=n), **roles[n % 3]) for n in range(2 * PAGE + 9)
    ]
    selection = listing.select(Filters(party="user:5"), "default", NOON)
    seen, page = [], selection.page()
    while True:
        seen += [row.pk for row in page.rows]
        if page.older is None:
            break
        page = selection.page(before=page.older)
    assert seen == [row.pk for row in made]
    assert [row.pk for row in selection.queryset()] == seen
    assert page.newer is not None
    assert len(selection.page(after=page.newer).rows) == PAGE


@pytest.mark.django_db
def test_an_erased_name_finds_nothing_and_the_id_still_does() -> None:
    made = seeding.add(HIT, NOON, actor=DANA)
    AuditIdentity.objects.all().delete()
    assert found(q="dana") == []
    assert found(q="5") == [made.pk]


@pytest.mark.parametrize(
    ("kept_as", "typed"),
    [
        ("203.0.113.0/24", "203.0.113.9"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1::/48", "2001:DB8:1:2::3"),
    ],
)
def test_an_address_is_found_as_it_is_and_in_its_network(kept_as: str, typed: str) -> None:
    assert kept_as in listing.addresses(typed, NOON)


def test_a_hashed_address_is_found_in_every_month_that_is_kept(settings: Settings) -> None:
    settings.CREDFIREWALL = {"AUDIT_IP": "hashed", "AUDIT_RETENTION_DAYS": 365}
    key = ring().first.address
    found = listing.addresses("203.0.113.9", NOON)
    address = ip_address("203.0.113.9")
    for days in range(0, 366, 5):
        assert kept(address, key, NOON - timedelta(days=days)) in found


def test_what_is_no_address_stays_text() -> None:
    assert listing.addresses("h:0123", NOON) == {"h:0123"}


# Time


@pytest.mark.parametrize(
    ("time", "since", "until"),
    [
        ("2026", "2026-01-01", "2027-01-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2026-02", "2026-02-01", "2026-03-01"),
        ("2026-02-28", "2026-02-28", "2026-03-01"),
        ("today", "2026-03-31", None),
        ("7d", "2026-03-24T12:00", None),
    ],
)
def test_spans(time: str, since: str, until: str | None) -> None:
    ends = [text and datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (since, until)]
    assert list(listing.span(time, NOON)) == ends


@pytest.mark.parametrize(
    "time", ["", "2026-13", "2026-02-30", "0000", "9999", "26", "\uff12026", "x"]
)
def test_what_is_no_time_limits_nothing(time: str) -> None:
    assert listing.span(time, NOON) == (None, None)


@pytest.mark.django_db
def test_the_drill_down_offers_what_lies_within_the_log() -> None:
    for at in (datetime(2024, 11, 29, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC)):
        seeding.add(HIT, at)
    assert listing.periods("", "default") == ["2024", "2025", "2026"]
    assert listing.periods("2024", "default") == ["2024-11", "2024-12"]
    assert listing.periods("2024-11", "default") == ["2024-11-29", "2024-11-30"]
    assert listing.periods("2026-02", "default") == ["2026-02-01", "2026-02-02", "2026-02-03"]
    assert listing.periods("2026-02-03", "default") == []


@pytest.mark.django_db
def test_an_empty_log_offers_no_times() -> None:
    assert listing.periods("", "default") == []


# What is offered to choose from


@pytest.mark.django_db
def test_values_are_found_one_after_the_other() -> None:
    for source in ("hibp", "bundled", "hibp", "blocklist"):
        seeding.add(refused(source))
    seeding.add(HIT)
    assert listing.values("source", "default") == ["", "blocklist", "bundled", "hibp"]


def test_filters_are_made_of_what_a_browser_sends() -> None:
    filters = Filters.of({"q": " a\x00b ", "event": "x" * 999, "unknown": "1", "actor": ""})
    assert filters.q == "a\ufffdb"
    assert len(filters.event) == listing.LENGTH
    assert filters.codes() == ("event", "q")


# Cost


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plans")
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"event": "limit_hit"},
        {"outcome": "refused"},
        {"source": "hibp"},
        {"address": "203.0.113.9"},
        {"actor": "dana"},
        {"party": "user:5"},
        {"time": "2026-03"},
        {"event": "limit_hit", "time": "7d"},
        {"event": "screening_refused", "outcome": "refused", "source": "hibp"},
        {"actor": "dana", "event": "limit_hit", "address": "203.0.113.0/24"},
    ],
    ids=lambda filters: " ".join(filters) or "none",
)
def test_each_branch_goes_along_an_index_in_its_order(filters: dict[str, str]) -> None:
    seeding.add(HIT, NOON, actor=DANA)
    selection = listing.select(Filters(**filters), "default", NOON)
    for branch in selection.branches:
        for where in (branch, branch & Cursor(NOON, uuid.uuid4()).older()):
            plan = selection.base.filter(where).order_by("-at", "-pk")[: PAGE + 1].explain()
            assert "USING INDEX credfirewall_ae_" in plan
            # Rows of one moment are sorted among themselves, and never all of them.
            assert "TEMP B-TREE FOR ORDER BY" not in plan, plan
