"""The packed range: what goes in comes out, and nothing else does."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from credfirewall.corpus.layout import MAX_RECORDS, LayoutError, PackedRange, pack
from credfirewall.testing.ranges import Ranges

KEPT = 11
"""Digits of a suffix that a record keeps; what differs only behind them is the same to it."""
TABLE_BYTES = 255 * 2
RECORD_BYTES = 5

Rows = Mapping[str, int]

SUFFIXES = st.integers(0, 16**35 - 1).map(lambda number: f"{number:035X}")
EDGES = (1, 9, 10, 14, 15, 16, 99, 254, 255, 256, 2**16, 2**32 - 2, 2**32 - 1)
COUNTS = st.sampled_from(EDGES) | st.integers(1, 2**32 - 1)


def ranges(suffixes: st.SearchStrategy[str]) -> st.SearchStrategy[Rows]:
    rows = st.tuples(suffixes, COUNTS)
    unique = st.lists(rows, min_size=1, max_size=60, unique_by=lambda row: row[0][:KEPT])
    return unique.map(dict)


def lines(rows: Rows) -> list[bytes]:
    return sorted(f"{suffix}:{count}".encode() for suffix, count in rows.items())


def suffix(head: str) -> str:
    return head.ljust(35, "0")


@given(rows=ranges(SUFFIXES))
@example(rows={suffix(f"{at:02X}"): count for at, count in enumerate(EDGES)})
@example(rows={suffix("00"): 1})
@example(rows={suffix("FF"): 255})
@example(rows={suffix(f"{bucket:02X}"): 15 for bucket in range(256)})
def test_every_count_comes_back(rows: Rows) -> None:
    packed = pack(lines(rows))
    assert packed.n == len(rows)
    assert {each: packed.count(each) for each in rows} == rows


@given(rows=ranges(SUFFIXES.map(lambda each: "A7" + each[2:])))
def test_all_rows_in_one_bucket(rows: Rows) -> None:
    packed = pack(lines(rows))
    assert {each: packed.count(each) for each in rows} == rows
    assert not any(packed.count(f"{other}{each[2:]}") for each in rows for other in ("A6", "A8"))


@given(rows=ranges(SUFFIXES), others=st.lists(SUFFIXES), digit=st.integers(0, KEPT - 1))
def test_neighbours_are_not_found(rows: Rows, others: list[str], digit: int) -> None:
    packed = pack(lines(rows))
    kept = {each[:KEPT] for each in rows}
    others += [f"{each[:digit]}{int(each[digit], 16) ^ 1:X}{each[digit + 1 :]}" for each in rows]
    assert not any(packed.count(each) for each in others if each[:KEPT] not in kept)


@settings(max_examples=30)
@given(rows=ranges(SUFFIXES.map(lambda each: "FF" + each[2:])))
@example(rows={suffix("FF0123456789"): 1})
@example(rows={suffix("FF" + "01" * 8): 1, suffix("FF" + "10" * 8): 1})
def test_what_lies_across_records_is_not_found(rows: Rows) -> None:
    """The nine digits at every byte from the first record on, wherever a record starts."""
    packed = pack(lines(rows))
    kept = {each[:KEPT] for each in rows}
    for at in range(TABLE_BYTES, len(packed.block) - 3):
        digits = packed.block[at : at + 5].hex().upper().ljust(9, "0")[:9]
        assert bool(packed.count(suffix(f"FF{digits}"))) == (f"FF{digits}" in kept)


def test_the_bytes_are_these() -> None:
    packed = pack([
        b"00000000000" + b"F" * 24 + b":1",
        b"00123456789" + b"0" * 24 + b":15",
        b"7FABCDEF012" + b"0" * 24 + b":70000",
    ])  # fmt: skip
    ends = [2] * 0x7F + [3] * (255 - 0x7F)
    table = b"".join(end.to_bytes(2, "little") for end in ends)
    records = bytes.fromhex("0000000001123456789FABCDEF012F")
    assert packed.block == table + records + bytes([15, 255]) + (70_000).to_bytes(4, "little")


def test_either_case_of_a_suffix_is_looked_for() -> None:
    packed = pack([suffix("ABCDEF").encode() + b":3"])
    assert packed.count(suffix("abcdef")) == 3


@pytest.mark.slow
def test_as_many_rows_as_fit() -> None:
    rows = {
        f"{number * 268_435_399:011X}{number:024X}": number + 1 for number in range(MAX_RECORDS)
    }
    assert len({each[:KEPT] for each in rows}) == MAX_RECORDS
    packed = pack(lines(rows))
    assert packed.n == MAX_RECORDS
    assert all(packed.count(each) == count for each, count in list(rows.items())[::97])
    with pytest.raises(LayoutError, match="65,535"):
        pack([*lines(rows), b"F" * 35 + b":1"])


def test_a_range_of_real_size_is_small() -> None:
    rows = Ranges(filler=2000).body("ABCDE").split(b"\r\n")
    packed = pack(rows)
    assert all(packed.count(row[:35].decode()) == int(row[36:]) for row in rows)
    assert len(packed.block) <= 12_950


ROW = suffix("0123456789ABCDEF").encode() + b":7"
BAD: dict[str, list[bytes]] = {
    "nothing": [],
    "a blank row": [b""],
    "a blank row among others": [b"", ROW],
    "no count": [ROW[:-1]],
    "no colon": [ROW[:-2]],
    "another separator": [ROW.replace(b":", b";")],
    "two colons": [ROW + b":7"],
    "a colon in the suffix": [b":" + ROW[1:]],
    "a short suffix": [ROW[1:]],
    "a long suffix": [b"0" + ROW],
    "a short and a long one": [b"0" * 34 + b":7", b"0" + ROW],
    "a digit that is none": [b"0G" + ROW[2:]],
    "lower case": [ROW.lower()],
    "zero": [ROW[:-1] + b"0"],
    "a leading zero": [ROW[:-1] + b"07"],
    "a negative count": [ROW[:-1] + b"-7"],
    "a signed count": [ROW[:-1] + b"+7"],
    "a count in hexadecimal": [ROW + b"A"],
    "a count of A": [ROW[:-1] + b"A"],
    "a fraction": [ROW + b".5"],
    "separated thousands": [ROW + b",000"],
    "underlined thousands": [ROW + b"_000"],
    "Arabic digits": [ROW[:-1] + "\u0667".encode()],
    "a space in front": [b" " + ROW],
    "a space behind": [ROW + b" "],
    "a space before the count": [ROW[:-1] + b" 7"],
    "a space in the count": [ROW + b" 7"],
    "a carriage return": [ROW + b"\r"],
    "a line feed": [ROW + b"\n"],
    "a zero byte": [ROW + b"\0"],
    "a percent sign": [b"%s" + ROW[2:]],
    "a count too large": [ROW[:-1] + b"4294967296"],
    "a count of eleven digits": [ROW[:-1] + b"10000000000"],
    "rows out of order": [b"F" + ROW[1:], ROW],
    "buckets out of order": [b"01" + ROW[2:], b"00" + ROW[2:]],
}


@pytest.mark.parametrize("rows", BAD.values(), ids=BAD)
def test_anything_else_is_refused(rows: list[bytes]) -> None:
    with pytest.raises(LayoutError):
        pack(rows)
    if rows != [] and rows == sorted(rows):
        with pytest.raises(LayoutError):
            pack(sorted([*rows, b"F" * 35 + b":1"]))


@settings(max_examples=40)
@given(
    rows=st.lists(
        st.binary(max_size=50) | st.from_regex(rb"[0-9A-F]{33,36}:[0-9]{0,12}"), max_size=4
    )
)
def test_it_is_a_row_or_an_error(rows: list[bytes]) -> None:
    rows = sorted(rows)
    good = re.compile(rb"[0-9A-F]{35}:[1-9][0-9]{0,9}")
    fits = all(good.fullmatch(row) and int(row[36:]) < 2**32 for row in rows)
    if rows and fits:
        assert pack(rows).n == len(rows)
    else:
        with pytest.raises(LayoutError):
            pack(rows)


@pytest.mark.parametrize("missing", [1, 5])
def test_a_block_shorter_than_its_records(missing: int) -> None:
    packed = pack([ROW, b"F" * 35 + b":1"])
    with pytest.raises(LayoutError):
        PackedRange(2, packed.block[: TABLE_BYTES + 2 * RECORD_BYTES - missing])


def test_its_repr_shows_no_hash() -> None:
    assert repr(pack([ROW])) == "PackedRange(n=1)"
