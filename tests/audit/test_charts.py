"""What a chart says, and that nothing of it breaks a strict policy."""

from xml.etree import ElementTree

import pytest

from credfirewall.audit import charts
from credfirewall.audit.charts import Series

EVIL = "\"><script>alert('x')</script>&"
NAME = {"svg": ""}


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def chart(*series: Series, title: str = "Refused") -> ElementTree.Element:
    labels = [f"{hour:02}:00" for hour in range(24)]
    return parsed(charts.columns("key", title, "By hour.", labels, labels, series))


def height_of(rect: ElementTree.Element) -> float:
    return float(rect.attrib["height"])


def columns(svg: ElementTree.Element) -> list[ElementTree.Element]:
    return [rect for rect in svg.findall("rect") if rect.attrib.get("fill")]


def test_a_screen_reader_hears_one_image_with_title_and_description() -> None:
    svg = chart(Series("hibp", [1] * 24))
    assert svg.attrib["role"] == "img"
    named = svg.attrib["aria-labelledby"].split()
    texts = {each.attrib["id"]: each.text for each in svg if "id" in each.attrib}
    assert [texts[name] for name in named] == ["Refused", "By hour."]


def test_heights_follow_the_numbers_and_stack() -> None:
    one, two = columns(chart(Series("a", [1] + [0] * 23), Series("b", [3] + [0] * 23)))
    assert height_of(two) == pytest.approx(3 * height_of(one), abs=0.2)
    assert float(two.attrib["y"]) + height_of(two) == pytest.approx(float(one.attrib["y"]), abs=0.1)
    assert height_of(one) + height_of(two) == pytest.approx(charts.PLOT, abs=0.2)


def test_each_column_says_its_number() -> None:
    found = columns(chart(Series("hibp", [0, 7] + [0] * 22)))
    assert [rect.findtext("title") for rect in found] == ["01:00: 7 hibp"]


def test_nothing_at_all_is_an_empty_plot() -> None:
    assert columns(chart(Series("hibp", [0] * 24))) == []


def test_series_differ_by_more_than_colour() -> None:
    svg = chart(*(Series(str(n), [1] * 24, n) for n in range(4)))
    patterns = [
        [(part.tag, part.attrib.get("d")) for part in pattern] for pattern in svg.iter("pattern")
    ]
    assert len(patterns) == 4
    assert all(pattern not in patterns[:n] for n, pattern in enumerate(patterns))


def test_text_is_escaped_and_nothing_needs_a_looser_policy() -> None:
    whole = ElementTree.tostring(chart(Series(EVIL, [1] * 24), title=EVIL), encoding="unicode")
    strips = charts.strips("k", EVIL, EVIL, [(EVIL, [(0.0, 1.0)])], (EVIL, EVIL))
    for text in (whole, strips):
        assert "<script" not in text
        for element in parsed(text).iter():
            assert "style" not in element.attrib
            assert not any(name.startswith("on") for name in element.attrib)


def test_few_labels_are_shown_and_fewer_on_a_phone() -> None:
    ticks = [text for text in chart(Series("a", [1] * 24)).findall("text") if ":" in str(text.text)]
    assert len(ticks) <= charts.MOST_LABELS
    assert sum(text.attrib.get("class") == "cf-minor" for text in ticks) == len(ticks) // 2


def test_what_was_short_can_be_seen_and_stays_inside() -> None:
    svg = parsed(charts.strips("k", "t", "d", [("hibp", [(0.5, 0.5), (1.0, 1.0)])], ("a", "b")))
    marked = [rect for rect in svg.findall("rect") if rect.attrib.get("fill")]
    for rect in marked:
        x, width = (float(rect.attrib[name].rstrip("%")) for name in ("x", "width"))
        assert width > 0
        assert x + width <= 100.01


@pytest.mark.parametrize(
    ("value", "top"),
    [(0, 2), (1, 2), (2, 2), (3, 4), (5, 6), (7, 10), (10, 10), (11, 20), (21, 40), (601, 1000)],
)
def test_the_scale_ends_at_a_number_that_halves(value: int, top: int) -> None:
    assert charts.ceiling(value) == top


@pytest.mark.parametrize(
    ("value", "text"), [(950, "950"), (1200, "1.2k"), (40_000, "40k"), (3_000_000, "3M")]
)
def test_large_numbers_are_short_on_the_scale(value: int, text: str) -> None:
    assert charts.short(value) == text
