"""A range body is read as the service means it, or not at all."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credfirewall.corpus.layout import pack
from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.egress import MAX_BODY
from credfirewall.screening.ranges import parse
from credfirewall.screening.verdict import Reason
from credfirewall.testing.messages import content_md5
from tests.screening.asking import in_time

A, B, C, D = (f"{digit:X}" * 35 for digit in (10, 11, 12, 13))
ROWS = [f"{A}:3".encode(), f"{B}:1234567".encode(), f"{C}:14".encode(), f"{D}:1".encode()]
PADDING = [b"0" * 35 + b":0", b"5" * 35 + b":0", b"F" * 35 + b":0"]
BODY = b"\r\n".join(ROWS)
PADDED = b"\r\n".join([*ROWS, *PADDING])
BOM = b"\xef\xbb\xbf"
BAD_MD5 = content_md5(b"another body")


def commas(body: bytes) -> bytes:
    return body.replace(b":1234567", b":1,234,567")


HEALTHY: dict[str, bytes] = {
    "as it is": BODY,
    "a final newline": BODY + b"\r\n",
    "LF": BODY.replace(b"\r\n", b"\n"),
    "LF and a final newline": BODY.replace(b"\r\n", b"\n") + b"\n",
    "CRLF and LF": BODY.replace(b"\r\n", b"\n", 2),
    "a byte order mark": BOM + BODY,
    "blank lines": b"\r\n\r\n" + BODY.replace(b"\r\n", b"\r\n\r\n") + b"\r\n\r\n",
    "blank lines, LF": b"\n" + BODY.replace(b"\r\n", b"\n\n") + b"\n\n",
    "thousands": commas(BODY),
    "lower case": BODY.lower(),
    "mixed case": BODY.replace(b"A", b"a").replace(b"D", b"d"),
    "mixed case, sorted as bytes": b"\r\n".join(sorted([ROWS[0].lower(), *ROWS[1:]])),
    "out of order": b"\r\n".join(reversed(ROWS)),
    "padding": PADDED,
    "padding, LF": PADDED.replace(b"\r\n", b"\n"),
    "padding and a final newline": PADDED + b"\r\n",
    "padding in front": b"\r\n".join([*PADDING, *ROWS]),
    "padding in the middle": b"\r\n".join([*ROWS[:2], *PADDING, *ROWS[2:]]),
    "padding here and there": b"\r\n".join(
        [PADDING[0], ROWS[0], PADDING[1], *ROWS[1:], PADDING[2]]
    ),
    "all of it": BOM + b"\n" + commas(PADDED.lower()).replace(b"\r\n", b"\n\n") + b"\n",
}


@pytest.mark.parametrize("body", HEALTHY.values(), ids=HEALTHY)
def test_what_the_service_may_send(body: bytes) -> None:
    packed = parse(body)
    assert packed == pack(ROWS)
    assert [packed.count(each) for each in (A, B, C, D)] == [3, 1234567, 14, 1]
    assert [packed.count(row[:35].decode()) for row in PADDING] == [0, 0, 0]


def insert(row: bytes) -> bytes:
    return b"\r\n".join([*ROWS[:2], row, *ROWS[2:]])


BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", Reason.EMPTY),
    "a newline": (b"\r\n", Reason.EMPTY),
    "newlines": (b"\r\n\n\n\r\n", Reason.EMPTY),
    "a byte order mark alone": (BOM, Reason.EMPTY),
    "padding alone": (b"\r\n".join(PADDING), Reason.EMPTY),
    "padding alone, LF": (b"\n".join(PADDING) + b"\n", Reason.EMPTY),
    "a web page": (b"<html>\r\n<p>Sign in\r\n</html>", Reason.MALFORMED),
    "a web page in front": (b"<html>\r\n" + BODY, Reason.MALFORMED),
    "JSON": (b'{"message": "internal error"}', Reason.MALFORMED),
    "spaces": (b"    ", Reason.MALFORMED),
    "a space behind a row": (BODY + b" ", Reason.MALFORMED),
    "a tab": (BODY.replace(b":3", b":\t3"), Reason.MALFORMED),
    "a zero byte": (BODY + b"\0", Reason.MALFORMED),
    "a byte order mark in the middle": (insert(BOM + b"1" * 35 + b":1"), Reason.MALFORMED),
    "old Mac line ends": (BODY.replace(b"\r\n", b"\r"), Reason.MALFORMED),
    "whole hashes": (insert(b"1" * 40 + b":1"), Reason.MALFORMED),
    "a short suffix": (insert(b"1" * 34 + b":1"), Reason.MALFORMED),
    "a short suffix with a comma": (insert(b"1" * 33 + b",1:1"), Reason.MALFORMED),
    "no hexadecimal": (insert(b"G" * 35 + b":1"), Reason.MALFORMED),
    "no count": (insert(b"1" * 35 + b":"), Reason.MALFORMED),
    "no colon": (insert(b"1" * 35), Reason.MALFORMED),
    "a negative count": (insert(b"1" * 35 + b":-1"), Reason.MALFORMED),
    "a count of commas": (insert(b"1" * 35 + b":,,"), Reason.MALFORMED),
    "a fraction": (insert(b"1" * 35 + b":1.0"), Reason.MALFORMED),
    "a count too large": (insert(b"1" * 35 + b":4294967296"), Reason.MALFORMED),
    "two zeros": (insert(b"1" * 35 + b":00"), Reason.MALFORMED),
    "zero in front": (insert(b"1" * 35 + b":01"), Reason.MALFORMED),
}


@pytest.mark.parametrize(("body", "reason"), BAD.values(), ids=BAD)
def test_anything_else_is_no_answer(body: bytes, reason: str) -> None:
    for each in (body, body + b"\r\n", body + b"\n\n"):
        with pytest.raises(SourceUnavailable) as caught:
            parse(each)
        assert caught.value.reason == reason


@given(body=st.binary() | st.binary().map(lambda junk: BODY + b"\r\n" + junk))
def test_bytes_are_rows_or_an_error(body: bytes) -> None:
    with contextlib.suppress(SourceUnavailable):
        assert parse(body).n > 0


@pytest.mark.parametrize("body", [BODY, PADDED], ids=["plain", "padded"])
def test_wherever_it_is_cut_nothing_false_is_read(body: bytes) -> None:
    """A cut between rows, or in a count, is not to be seen; what is left of it is right."""
    for at in range(len(body)):
        whole = [row for row in body[:at].split(b"\r\n") if row in ROWS]
        try:
            packed = parse(body[:at])
        except SourceUnavailable:
            continue
        assert packed.n - len(whole) in (0, 1)
        assert all(packed.count(row[:35].decode()) == int(row[36:]) for row in whole)


@pytest.mark.parametrize("line", [b"\n", b"\r\n", b":0\r\n", b"x\n", b",\n", b"0" * 35 + b":0\n"])
def test_what_is_as_large_as_can_be_is_looked_through_quickly(line: bytes) -> None:
    """The deadline is over the request; reading the answer comes on top of it."""

    def look() -> str:
        with pytest.raises(SourceUnavailable) as caught:
            parse(line * (MAX_BODY // len(line)))
        return caught.value.reason

    assert in_time(0.1, look) in {Reason.EMPTY, Reason.MALFORMED}


class TestChecksum:
    @pytest.mark.parametrize(
        "body", [BODY, BODY + b"\r\n", BODY.replace(b"\r\n", b"\n"), BOM + BODY]
    )
    def test_of_an_unpadded_body(self, body: bytes) -> None:
        assert parse(body, content_md5(body)) == parse(body, f" {content_md5(body)} ") == pack(ROWS)
        for wrong in (BAD_MD5, content_md5(body)[:-1], "00" * 16, "?"):
            with pytest.raises(SourceUnavailable, match=Reason.CHECKSUM):
                parse(body, wrong)

    def test_goes_ahead_of_the_grammar(self) -> None:
        with pytest.raises(SourceUnavailable, match=Reason.CHECKSUM):
            parse(BODY[:-20], content_md5(BODY))

    @pytest.mark.parametrize("body", [PADDED, PADDED + b"\r\n", PADDED.replace(b"\r\n", b"\n")])
    def test_of_a_padded_body_is_that_of_another(self, body: bytes) -> None:
        assert parse(body, content_md5(BODY)) == pack(ROWS)
