"""What the audit overview says of screening."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from credfirewall.audit.dashboard import SPANS, Panel, Window
from credfirewall.audit.events import (
    Code,
    ScreeningDegraded,
    ScreeningRecovered,
    ScreeningRefused,
    ScreeningUnknown,
)
from credfirewall.screening import panels
from credfirewall.screening.panels import Transition
from tests.audit import seeding

NOW = datetime(2026, 3, 31, 14, 0, tzinfo=UTC)
START = NOW - timedelta(hours=23)


def window() -> Window:
    return Window(SPANS["24h"], NOW, "default")


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def down(source: str = "hibp", state: str = "degraded") -> ScreeningDegraded:
    return ScreeningDegraded(source=Code(source), state=Code(state), reason=Code("timeout"))


def up(source: str = "hibp") -> ScreeningRecovered:
    return ScreeningRecovered(source=Code(source))


def words(panel: Panel) -> str:
    return " ".join(map(str, panel.words))


def table(panel: Panel) -> list[list[str]]:
    assert panel.table is not None
    return [[str(cell) for cell in row] for row in panel.table.rows]


# Silence


def silent_hours(*changes: tuple[float, bool]) -> list[tuple[float, float]]:
    """In hours before now."""
    found = [Transition("hibp", hours_ago(hours), silent) for hours, silent in changes]
    hour = timedelta(hours=1)
    return [
        ((NOW - begin) / hour, (NOW - end) / hour)
        for begin, end in panels.silences(found, START, NOW).get("hibp", [])
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], []),
        ([(5, True), (3, False)], [(5, 3)]),
        ([(5, True)], [(5, 0)]),
        ([(5, False)], []),
        ([(30, True), (20, False)], [(23, 20)]),
        ([(30, True)], [(23, 0)]),
        ([(30, True), (29, False)], []),
        ([(9, True), (8, True), (7, False), (6, False), (2, True), (1, False)], [(9, 7), (2, 1)]),
    ],
    ids=["none", "whole", "still", "recovered", "from before", "all", "before", "by processes"],
)
def test_silence_lasts_from_the_first_report_to_the_first_recovery(
    changes: list[tuple[float, bool]], expected: list[tuple[float, float]]
) -> None:
    assert silent_hours(*changes) == expected


@pytest.mark.django_db
def test_silence_is_read_from_events_with_what_was_before_the_window() -> None:
    seeding.add(down(), hours_ago(40))
    seeding.add(up(), hours_ago(21))
    seeding.add(down("bundled"), hours_ago(1))
    panel = panels.silent(window())
    assert [row[:3] for row in table(panel)] == [
        ["Bundled list", "1", "1 h 0 min"],
        ["Have I Been Pwned", "1", "2 h 0 min"],
    ]
    assert "Have I Been Pwned was silent for 2 h 0 min." in words(panel)
    assert panel.chart


@pytest.mark.django_db
def test_no_silence_is_said_too() -> None:
    assert words(panels.silent(window())) == "No password went unscreened. No source was silent."
    seeding.add(ScreeningUnknown(reason=Code("timeout"), accepted=True), hours_ago(1))
    assert words(panels.silent(window())).startswith("1 password was not screened.")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7260, "2 h 1 min")]
)
def test_durations(seconds: int, text: str) -> None:
    assert panels.duration(timedelta(seconds=seconds)) == text


# Verdicts


@pytest.mark.django_db
def test_refusals_are_counted_by_source() -> None:
    for source in ("hibp", "hibp", "bundled"):
        seeding.add(ScreeningRefused(source=Code(source), count=1), hours_ago(1))
    panel = panels.refused(window())
    assert words(panel) == "3 breached passwords were refused."
    assert [str(name) for _swatch, name in panel.legend] == ["Have I Been Pwned", "Bundled list"]
    assert ["13:00", "2", "1"] in table(panel)
    assert table(panels.verdicts(window())) == [
        ["Own words", "0", "0"],
        ["Bundled list", "1", "0"],
        ["Have I Been Pwned", "2", "0"],
    ]


@pytest.mark.django_db
def test_many_sources_are_shown_as_some_and_the_rest() -> None:
    for number in range(6):
        for _ in range(6 - number):
            event = ScreeningRefused(source=Code(f"source{number}"), count=1)
            seeding.add(event, hours_ago(1))
    panel = panels.refused(window())
    assert [str(name) for _swatch, name in panel.legend] == [
        "source0",
        "source1",
        "source2",
        "Others",
    ]
    assert ["13:00", "6", "5", "4", "6"] in table(panel)


@pytest.mark.django_db
def test_no_refusal_has_no_chart() -> None:
    panel = panels.refused(window())
    assert words(panel) == "No breached password was refused."
    assert panel.chart is None


# The sources


@pytest.mark.django_db
def test_a_silent_source_is_an_alert(settings: Settings) -> None:
    seeding.add(ScreeningRefused(source=Code("hibp"), count=1), hours_ago(5))
    seeding.add(down(), hours_ago(2))
    panel = panels.sources(window())
    assert panel.alert == "Silent: Have I Been Pwned."
    assert table(panel)[-1][:3] == [
        "Have I Been Pwned",
        "silent since 2026-03-31 12:00",
        "2026-03-31 09:00",
    ]
    seeding.add(up(), hours_ago(1))
    panel = panels.sources(window())
    assert not panel.alert
    assert table(panel)[-1] == ["Have I Been Pwned", "answers", "2026-03-31 13:00", "closed"]


@pytest.mark.django_db
def test_a_source_that_cannot_be_made_is_shown_as_that(settings: Settings) -> None:
    settings.CREDFIREWALL = {"SOURCES": ["no.such.Source"]}
    assert table(panels.sources(window()))[0][-1] == "cannot be made"
