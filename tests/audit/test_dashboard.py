"""The numbers of the overview, and the log's own panels."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from credfirewall.audit import chain, counting, dashboard, panels, verifying
from credfirewall.audit.dashboard import SPANS, Panel, Table, Window
from credfirewall.audit.events import Code, LimitHit, LoginRefused, Party, ScreeningRefused
from credfirewall.audit.models import AuditIdentity, AuditSeal, AuditTally, AuditVerification
from tests.audit import seeding

NOW = datetime(2026, 3, 31, 14, 20, tzinfo=UTC)
HIT = LimitHit(rate=Code("check"))
DANA, ROBIN = Party("user", "5", "dana"), Party("user", "6", "robin")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_kept", {})


def window(span: str = "24h") -> Window:
    return Window(SPANS[span], NOW, "default")


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def words(panel: Panel) -> str:
    return " ".join(map(str, panel.words))


# The window


@pytest.mark.parametrize(
    ("span", "begins", "labels"),
    [
        ("24h", "2026-03-30 15:00", ("15:00", "14:00")),
        ("7d", "2026-03-24 18:00", ("03-24 18:00", "03-31 12:00")),
        ("30d", "2026-03-02 00:00", ("03-02", "03-31")),
    ],
)
def test_steps_begin_on_the_hour_and_end_now(
    span: str, begins: str, labels: tuple[str, str]
) -> None:
    shown = window(span)
    assert shown.begins == begins
    assert (shown.labels[0], shown.labels[-1]) == labels
    assert len(shown.labels) == len(shown.ticks) == SPANS[span].steps


def test_sealed_and_waiting_rows_count_alike_and_once() -> None:
    for hours in (1, 2, 30):
        seeding.add(HIT, hours_ago(hours), actor=DANA, address="a")
    seeding.seal(hours_ago(0.5))
    seeding.add(HIT, hours_ago(0.1), actor=DANA, address="a")
    shown = window()
    assert shown.counts("event") == {"limit_hit refused ": 3}
    assert shown.top("actor", 5) == [("user 5", 3)]
    assert shown.top("address", 5) == [("a", 3)]
    steps = shown.series(["limit_hit"])["limit_hit refused "]
    assert (sum(steps), steps[-1], steps[-2], steps[-3]) == (3, 1, 1, 1)


def test_the_top_is_right_where_sealed_and_waiting_rows_disagree() -> None:
    for number, count in (("1", 5), ("2", 4), ("3", 3)):
        for _ in range(count):
            seeding.add(HIT, hours_ago(2), actor=Party("user", number))
    seeding.seal(hours_ago(1))
    for _ in range(3):
        seeding.add(HIT, hours_ago(0.1), actor=Party("user", "3"))
    assert window().top("actor", 2) == [("user 3", 6), ("user 1", 5)]


def test_the_top_of_sealed_rows_is_counted_once_a_seal(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    seeding.add(HIT, hours_ago(2), actor=DANA)
    seeding.seal()
    assert window().top("actor", 5) == [("user 5", 1)]
    later = window()
    assert later.sealed and not later.waiting
    with django_assert_num_queries(0):
        assert later.top("actor", 5) == [("user 5", 1)]
    seeding.add(HIT, hours_ago(1), actor=DANA)
    assert window().top("actor", 5) == [("user 5", 2)]
    seeding.seal()
    assert window().top("actor", 5) == [("user 5", 2)]


def test_numbers_of_sealed_rows_are_read_from_tallies_alone() -> None:
    AuditTally.objects.create(
        hour=NOW.replace(minute=0), kind="event", value="limit_hit refused ", count=10**6
    )
    assert window().counts("event") == {"limit_hit refused ": 10**6}


def test_a_row_from_a_clock_that_is_ahead_is_in_no_step() -> None:
    seeding.add(HIT, hours_ago(-30))
    seeding.add(HIT, hours_ago(1))
    assert sum(window().series(["limit_hit"])["limit_hit refused "]) == 1


def test_there_is_an_end_to_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "NEWEST", 3)
    for n in range(5):
        seeding.add(HIT, hours_ago(n / 10))
    assert len(window().waiting) == 3
    assert "more than 3 rows waiting" in words(panels.seals(window()))


def test_the_page_costs_few_queries(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for n in range(40):
        seeding.add(HIT, hours_ago(n), actor=Party("user", str(n), f"name{n}"), address=str(n))
    seeding.seal(NOW)
    with django_assert_max_num_queries(40):
        dashboard.panels(window("30d"))


# The registry


def test_panels_come_in_order_and_a_broken_one_does_not_take_the_page_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dashboard, "_panels", {})

    def broken(window: Window) -> Panel:
        raise LookupError

    dashboard.register("last", lambda window: Panel("Last"), order=3)
    dashboard.register("broken", broken, order=2)
    dashboard.register("first", lambda window: Panel("First"), order=1)
    shown = dict(dashboard.panels(window()))
    assert list(shown) == ["first", "broken", "last"]
    assert "could not be made" in str(shown["broken"].alert)
    assert "'broken'" in caplog.text


def test_what_does_not_exist_yet_has_no_panel() -> None:
    keys = [key for key, _panel in dashboard.panels(window())]
    assert keys == [
        "audit-seals",
        "audit-events",
        "screening-refused",
        "screening-sources",
        "screening-verdicts",
        "screening-silent",
        "audit-limits",
        "audit-actors",
        "audit-addresses",
    ]


def test_each_chart_has_a_table_of_its_numbers() -> None:
    seeding.add(HIT, hours_ago(1))
    seeding.add(ScreeningRefused(source=Code("hibp"), count=1), hours_ago(1))
    for key, panel in dashboard.panels(window()):
        if panel.chart:
            assert panel.table and panel.table.rows, key


def test_numbers_of_a_table_are_known_as_such() -> None:
    assert Table(["a", "b"], [["x", 1]]).cells() == [[("x", False, "a"), (1, True, "b")]]


# The seals, in words


def verified(at: datetime, findings: int = 0) -> None:
    position = AuditSeal.objects.latest("position").position
    report = verifying.Report(log=chain.log_id("default").hex, seal=position)
    for _ in range(findings):
        report.add(verifying.Fault.ROW_CHANGED, "x", "x")
    verifying.remember(report, "default", at)


def test_seal_status_is_said_in_words(settings: Settings) -> None:
    settings.CREDFIREWALL = {"AUDIT_ANCHOR": "/heads"}
    seeding.add(HIT, hours_ago(1))
    sealed = seeding.seal(NOW - timedelta(minutes=18))[0]
    for _ in range(3):
        seeding.add(HIT, NOW)
    verified(NOW.replace(hour=9, minute=0))
    # The first seal of a log is made now, and time does not go back in the chain.
    shown = Window(SPANS["24h"], sealed.at + timedelta(seconds=1), "default")
    assert words(panels.seals(shown)) == (
        f"Sealed to {panels.clock(sealed.at, shown.now)}, 3 rows waiting, "
        "verified 2026-03-31 09:00."
    )


def test_a_log_that_is_new_says_so(settings: Settings) -> None:
    said = words(panels.seals(window()))
    assert said.startswith("Nothing sealed yet, 0 rows waiting, never verified.")
    assert "not proven against truncation" in said


def test_what_was_forged_is_an_alert() -> None:
    seeding.add(HIT)
    seeding.seal()
    AuditVerification.objects.create(at=NOW, seal=1, head="", findings=0)
    panel = panels.seals(window())
    assert "never verified" in words(panel)
    assert "forged" in str(panel.alert)
    AuditSeal._base_manager.filter(pk=1).update(count=7)
    assert "newest seal is not the one" in str(panels.seals(window()).alert)


def test_findings_of_the_last_verification_are_an_alert() -> None:
    seeding.seal()
    verified(NOW)
    assert not panels.seals(window()).alert
    verified(NOW, findings=2)
    assert "found 2 things wrong" in str(panels.seals(window()).alert)


@pytest.mark.parametrize(
    ("at", "text"), [(hours_ago(5), "09:20"), (hours_ago(24), "2026-03-30 14:20")]
)
def test_a_time_has_its_date_unless_it_is_today(at: datetime, text: str) -> None:
    assert panels.clock(at, NOW) == text


# What happened


def test_events_are_shown_by_outcome() -> None:
    seeding.add(HIT, hours_ago(1))
    seeding.add(LoginRefused(reason=Code("x")), hours_ago(1))
    panel = panels.events(window())
    assert words(panel) == "2 events."
    assert panel.table is not None
    assert list(map(str, panel.table.head)) == ["From (UTC)", "Refused"]
    assert sum(row[1] for row in panel.table.rows if isinstance(row[1], int)) == 2


def test_limits_and_their_absence_are_said() -> None:
    assert words(panels.limits(window())) == "No limit was hit."
    seeding.add(HIT, hours_ago(1))
    assert words(panels.limits(window())) == "A limit was hit 1 time."


def test_actors_have_their_names_and_link_to_their_timelines() -> None:
    seeding.add(HIT, hours_ago(1), actor=DANA)
    seeding.add(HIT, hours_ago(1), actor=DANA)
    seeding.add(HIT, hours_ago(1), actor=ROBIN)
    table = panels.actors(window()).table
    assert table is not None
    links = [str(row[0]) for row in table.rows]
    assert "dana (user 5)" in links[0] and "timeline/?type=user&amp;id=5" in links[0]
    assert [row[1] for row in table.rows] == [2, 1]


def test_an_actor_has_one_name_and_the_newest() -> None:
    for hours, name in ((3, "dana"), (2, "dana2")):
        seeding.add(HIT, hours_ago(hours), actor=Party("user", "5", name))
    seeding.add(HIT, hours_ago(1), actor=ROBIN)
    AuditIdentity.objects.filter(text="robin").update(text="mallory")
    table = panels.actors(window()).table
    assert table is not None
    first, second = (str(row[0]) for row in table.rows)
    assert "dana2 (user 5)" in first and "name changed" not in first
    assert "user 6</a> <em>(name changed)</em>" in second and "mallory" not in second


def test_addresses_link_to_their_events() -> None:
    seeding.add(HIT, hours_ago(1), address="203.0.113.0/24")
    table = panels.addresses(window()).table
    assert table is not None
    assert "?address=203.0.113.0%2F24" in str(table.rows[0][0])


def test_a_name_is_text_and_not_markup() -> None:
    seeding.add(HIT, hours_ago(1), actor=Party("user", "7", "<b>eve</b>"))
    table = panels.actors(window()).table
    assert table is not None
    assert "<b>" not in str(table.rows[0][0])
