"""The content of the range server has the form of the real one."""

import hashlib
from pathlib import Path

import pytest

from credfirewall.testing.ranges import PADDED_TO, Ranges, counts_of, draw_counts, is_prefix

# echo -n hunter2 | sha1sum
HUNTER2 = ("F3BBB", "D66A63D4BF1747940578EC3D0103530E21D")


def rows(body: bytes) -> list[tuple[str, int]]:
    lines = (line.split(":") for line in body.decode().split("\r\n"))
    return [(suffix, int(count)) for suffix, count in lines]


def test_a_password_is_found_under_its_digest() -> None:
    prefix, suffix = HUNTER2
    assert rows(Ranges({"hunter2": 17}).body(prefix)) == [(suffix, 17)]
    assert rows(Ranges(["hunter2"]).body(prefix.lower())) == [(suffix, 1)]


def test_a_password_can_be_added_later() -> None:
    ranges = Ranges()
    assert ranges.body(HUNTER2[0]) == b""
    ranges.add("hunter2", count=3)
    assert rows(ranges.body(HUNTER2[0])) == [(HUNTER2[1], 3)]


def test_filler_has_the_size_and_form_of_the_real_thing() -> None:
    body = Ranges({"hunter2": 17}, filler=2000).body(HUNTER2[0])
    found = rows(body)
    assert len(found) == 2001
    assert (HUNTER2[1], 17) in found
    assert found == sorted(found)
    assert len({suffix for suffix, _ in found}) == 2001
    assert all(len(suffix) == 35 and set(suffix) <= set("0123456789ABCDEF") for suffix, _ in found)
    assert not body.endswith(b"\n")
    assert 77_000 < len(body) < 80_000


def test_filler_is_the_same_each_time_and_another_for_each_prefix() -> None:
    one, other = Ranges(filler=50), Ranges(filler=50)
    assert one.body("00000") == other.body("00000")
    assert not set(rows(one.body("00000"))) & set(rows(one.body("00001")))


def test_filler_counts_are_spread_as_in_the_corpus() -> None:
    ranges = Ranges(filler=2000)
    counts = [count for at in range(50) for _, count in rows(ranges.body(f"{at:05X}"))]
    for low, high, share in ((1, 1, 0.435), (10, 10**9, 0.089), (100, 10**9, 0.0056)):
        found = sum(low <= count <= high for count in counts) / len(counts)
        assert found == pytest.approx(share, rel=0.15)
    assert min(counts) == 1


@pytest.mark.parametrize("size", [1, 3, 100, 4096])
def test_as_many_counts_are_drawn_as_asked(size: int) -> None:
    assert len(draw_counts(size)) == size


def test_rows_are_served_as_given() -> None:
    ranges = Ranges(rows={"abcde": [("F" * 35, 2), ("0" * 34, -5)]})
    assert ranges.body("ABCDE") == b"0" * 34 + b":-5\r\n" + b"F" * 35 + b":2"


@pytest.mark.parametrize(("filler", "span"), [(0, PADDED_TO), (500, PADDED_TO), (900, (901, 1000))])
def test_padding_comes_after_the_real_rows_and_counts_nothing(
    filler: int, span: tuple[int, int]
) -> None:
    ranges = Ranges({"hunter2": 17}, filler=filler)
    plain, padded = ranges.body(HUNTER2[0]), ranges.body(HUNTER2[0], padded=True)
    assert padded.startswith(plain + b"\r\n")
    padding = rows(padded)[filler + 1 :]
    assert padding
    assert {count for _, count in padding} == {0}
    assert span[0] <= len(rows(padded)) <= span[1]
    assert padded == ranges.body(HUNTER2[0], padded=True)


def test_an_empty_range_is_padded_without_a_blank_line() -> None:
    assert rows(Ranges().body("00000", padded=True))[0][1] == 0


def test_a_folder_is_served_byte_for_byte(tmp_path: Path) -> None:
    stored = b"\xef\xbb\xbf" + b"A" * 35 + b":1\n\n"
    (tmp_path / "0000A").write_bytes(stored)
    ranges = Ranges({"hunter2": 17}, directory=tmp_path, filler=3)
    assert ranges.body("0000a") == stored
    assert len(rows(ranges.body("0000B"))) == 3
    assert (HUNTER2[1], 17) in rows(ranges.body(HUNTER2[0]))


@pytest.mark.parametrize("text", ["00000", "fffff", "FfF0a"])
def test_prefixes(text: str) -> None:
    assert is_prefix(text)


@pytest.mark.parametrize(
    "text", ["", "0000", "000000", "0000G", "0000\n", "٣٣٣٣٣", "../00", "0000ß"]
)
def test_what_is_no_prefix(text: str) -> None:
    assert not is_prefix(text)


def test_passwords_come_in_three_forms() -> None:
    assert counts_of("hunter2") == {"hunter2": 1}
    assert counts_of(("a", "b"), count=4) == {"a": 4, "b": 4}
    assert counts_of({"a": 2, "b": 3}) == {"a": 2, "b": 3}
    assert counts_of(()) == {}


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_is_at_least_one(count: int) -> None:
    with pytest.raises(ValueError, match="at least once"):
        counts_of({"hunter2": count})


@pytest.mark.parametrize("passwords", [[b"hunter2"], {"hunter2": "3"}, {"hunter2": True}, [None]])
def test_what_is_no_password(passwords: object) -> None:
    with pytest.raises(TypeError, match="must be") as caught:
        counts_of(passwords)  # type: ignore[arg-type]  # that is the point
    assert "hunter2" not in str(caught.value)


def test_the_digest_is_that_of_utf_8() -> None:
    digest = hashlib.sha1("pässwörd".encode()).hexdigest().upper()
    assert rows(Ranges("pässwörd").body(digest[:5])) == [(digest[5:], 1)]
