"""Text of clients: bounded, on one line, and storable everywhere."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credfirewall.audit.text import bounded

BAD = "\ufffd"


@pytest.mark.parametrize(
    "code",
    [0, 9, 0x0A, 0x0B, 0x0C, 0x0D, 0x1B, 0x1C, 0x7F, 0x85, 0x9B, 0x2028, 0x2029, 0xD800, 0xDFFF],
    ids=hex,
)
def test_what_ends_a_line_or_cannot_be_stored_is_replaced(code: int) -> None:
    assert bounded(f"a{chr(code)}b", 10) == f"a{BAD}b"


@pytest.mark.parametrize("text", ["", " ", "curl/8.5", "Zoë Ünïcode", "日本語", "🐟" * 10])
def test_what_is_harmless_stays(text: str) -> None:
    assert bounded(text, 12) == text


def test_the_bound_counts_code_points() -> None:
    assert bounded("🐟" * 11, 10) == "🐟" * 10
    assert bounded("\n" * 11, 10) == BAD * 10


def test_ten_megabytes_are_no_work() -> None:
    agent = "Mozilla/5.0\r\n" * 800_000
    began = time.perf_counter()
    assert len(bounded(agent, 256)) == 256
    assert time.perf_counter() - began < 0.1


@given(st.text(st.characters(), max_size=80), st.integers(0, 40))
def test_whatever_it_is_it_fits_one_line(text: str, length: int) -> None:
    fitted = bounded(text, length)
    assert len(fitted) == min(len(text), length)
    assert len(fitted.encode().splitlines()) <= 1
    assert "\0" not in fitted


def test_what_is_no_text_becomes_it() -> None:
    assert bounded(4711, 3) == "471"
