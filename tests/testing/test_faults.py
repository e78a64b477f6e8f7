"""Each fault does to an answer what its name says, and nothing else."""

import base64
import gzip
import hashlib
import socket
import time
from collections.abc import Iterator
from dataclasses import FrozenInstanceError

import pytest

from credfirewall.testing import faults
from credfirewall.testing.faults import GARBAGE, Exchange, Fault
from credfirewall.testing.loopback import HOST
from credfirewall.testing.messages import Response
from credfirewall.testing.quirks import QUIRKS, Chunked, Gzipped, Quirk
from credfirewall.testing.server import RangeServer
from tests.testing.talk import Reply, ask, request

ROWS = [("0" * 35, 12345), ("A" * 35, 3), ("F" * 35, 1)]
BODY = b"\r\n".join(f"{suffix}:{count}".encode() for suffix, count in ROWS)
HALF = BODY[: len(BODY) // 2]
ALL: tuple[Fault, ...] = (
    faults.Delay(0.01),
    faults.Status(503),
    faults.Redirect("/"),
    faults.Empty(),
    faults.Html(),
    faults.WrongChecksum(),
    faults.Oversized(),
    faults.Oversized(part="headers"),
    faults.Oversized(compressed=True),
    faults.Truncate(),
    faults.TruncateQuietly(),
    faults.Drip(0.01, part="headers"),
    faults.Drip(0.01),
    faults.Hang("accept"),
    faults.Hang(),
    faults.Hang("body"),
    faults.Reset("accept"),
    faults.Reset(),
    faults.Reset("body"),
    faults.NotHttp(),
    *GARBAGE,
    *QUIRKS,
)


@pytest.fixture(scope="module")
def running() -> Iterator[RangeServer]:
    with RangeServer(rows={"ABCDE": ROWS}, filler=0) as server:
        yield server


@pytest.fixture
def server(running: RangeServer) -> RangeServer:
    running.fault = None
    running.reset()
    return running


def told(server: RangeServer, fault: Fault, seconds: float = 10, **headers: str) -> Reply:
    server.fault = fault
    return ask(server.port, request(**headers), seconds=seconds)


def checksum_holds(reply: Reply) -> bool:
    return base64.b64decode(reply.headers["content-md5"]) == hashlib.md5(reply.body).digest()


class TestChoosing:
    def test_a_fault_holds_until_it_is_taken_away(self, server: RangeServer) -> None:
        server.fault = faults.Status(503)
        assert server.fault == faults.Status(503)
        assert [ask(server.port).status for _ in range(2)] == [503, 503]
        server.fault = None
        assert ask(server.port).status == 200

    def test_a_queue_is_used_up_and_then_all_is_well(self, server: RangeServer) -> None:
        server.fault = faults.Status(500)
        server.faults([faults.Status(503), None, faults.Reset("accept"), faults.Empty()])
        replies = [ask(server.port) for _ in range(5)]
        assert [reply.end for reply in replies if not reply.data] == ["ConnectionResetError"]
        assert [reply.status for reply in replies if reply.data] == [503, 200, 200, 200]
        assert [len(reply.body) for reply in replies if reply.data][1:] == [len(BODY), 0, len(BODY)]

    def test_setting_one_empties_the_queue(self, server: RangeServer) -> None:
        server.faults([faults.Status(500), faults.Status(500)])
        server.fault = None
        assert ask(server.port).status == 200

    def test_it_applies_to_a_connection_that_is_kept(self, server: RangeServer) -> None:
        with socket.create_connection((HOST, server.port), timeout=10) as line:
            line.sendall(request(Connection=""))
            assert line.recv(1 << 16).startswith(b"HTTP/1.1 200")
            server.fault = faults.Status(503)
            line.sendall(request(Connection=""))
            assert line.recv(1 << 16).startswith(b"HTTP/1.1 503")
            server.fault = faults.Reset("accept")
            line.sendall(request(Connection=""))
            with pytest.raises(ConnectionResetError):
                line.recv(1)

    def test_names_say_which_it_is(self) -> None:
        which = [faults.Status(503), faults.Drip(1), faults.Hang(), faults.Reset("body")]
        which += [faults.Oversized(compressed=True), GARBAGE[0], QUIRKS[0]]
        assert [str(fault) for fault in which] == [
            "status-503",
            "drip-body",
            "hang-headers",
            "reset-body",
            "oversized-gzip",
            "garbage-short-suffix",
            "quirk-lf",
        ]

    def test_names_are_unique(self) -> None:
        assert len({fault.name for fault in ALL}) == len(ALL)
        assert all(str(fault) == fault.name and fault.name for fault in ALL)

    @pytest.mark.parametrize("fault", ALL, ids=str)
    def test_they_cannot_be_changed(self, fault: Fault) -> None:
        with pytest.raises(FrozenInstanceError):
            fault.seconds = 1  # type: ignore[attr-defined]  # that is the point

    def test_one_of_your_own(self, server: RangeServer) -> None:
        class Teapot(Fault):
            def alter(self, response: Response) -> Response:
                return Response(418, {"Content-Length": "0"})

        assert told(server, Teapot()).status == 418

    def test_one_of_your_own_that_talks(self, server: RangeServer) -> None:
        class Twice(Fault):
            async def answer(self, exchange: Exchange) -> bool:
                await exchange.send(exchange.response.wire * 2)
                return True

        assert told(server, Twice()).data.count(BODY) == 2


class TestAnswers:
    def test_delay(self, server: RangeServer) -> None:
        start = time.monotonic()
        reply = told(server, faults.Delay(0.1))
        assert time.monotonic() - start >= 0.1
        assert reply.body == BODY

    def test_delay_and_then_another(self, server: RangeServer) -> None:
        assert told(server, faults.Delay(0.01, then=faults.Status(503))).status == 503
        assert told(server, faults.Delay(0.01, then=faults.Truncate())).body == HALF

    def test_status(self, server: RangeServer) -> None:
        reply = told(server, faults.Status(429, {"Retry-After": "2"}, b"slow down"))
        assert (reply.status, reply.headers["retry-after"], reply.body) == (429, "2", b"slow down")
        assert reply.data.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")

    def test_a_status_that_nobody_knows(self, server: RangeServer) -> None:
        assert told(server, faults.Status(799)).data.startswith(b"HTTP/1.1 799 \r\n")

    def test_redirect(self, server: RangeServer) -> None:
        reply = told(server, faults.Redirect("http://127.0.0.1:1/", 307))
        assert (reply.status, reply.headers["location"]) == (307, "http://127.0.0.1:1/")

    def test_empty(self, server: RangeServer) -> None:
        reply = told(server, faults.Empty())
        assert (reply.status, reply.headers["content-length"], reply.body) == (200, "0", b"")
        assert checksum_holds(reply)

    def test_html(self, server: RangeServer) -> None:
        reply = told(server, faults.Html())
        assert reply.status == 200
        assert reply.headers["content-type"].startswith("text/html")
        assert reply.body.startswith(b"<!DOCTYPE html>")
        assert checksum_holds(reply)

    @pytest.mark.parametrize("padding", ["", "true"])
    def test_wrong_checksum(self, server: RangeServer, padding: str) -> None:
        reply = told(server, faults.WrongChecksum(), Add_Padding=padding)
        assert reply.body.startswith(BODY)
        assert not checksum_holds(reply)

    def test_not_http(self, server: RangeServer) -> None:
        reply = told(server, faults.NotHttp())
        assert reply.end == "eof"
        assert not reply.data.startswith(b"HTTP")

    def test_oversized_body(self, server: RangeServer) -> None:
        reply = told(server, faults.Oversized(1 << 20))
        assert 1 << 20 <= len(reply.body) < (1 << 20) + 100
        assert int(reply.headers["content-length"]) == len(reply.body)
        assert {len(row) for row in reply.body.split(b"\r\n")} == {37}

    def test_oversized_headers(self, server: RangeServer) -> None:
        reply = told(server, faults.Oversized(1 << 17, part="headers"))
        assert len(reply.data) > 1 << 17
        assert reply.body == BODY

    def test_oversized_once_unpacked(self, server: RangeServer) -> None:
        reply = told(server, faults.Oversized(1 << 20, compressed=True))
        assert reply.headers["content-encoding"] == "gzip"
        assert len(reply.body) < 1 << 18
        assert len(gzip.decompress(reply.body)) >= 1 << 20


class TestCuts:
    def test_truncate(self, server: RangeServer) -> None:
        reply = told(server, faults.Truncate())
        assert int(reply.headers["content-length"]) == len(BODY)
        assert reply.body == HALF
        assert reply.end == "eof"

    @pytest.mark.parametrize("after", [0, 1, 40])
    def test_truncate_where_told(self, server: RangeServer, after: int) -> None:
        assert told(server, faults.Truncate(after)).body == BODY[:after]

    def test_truncate_quietly(self, server: RangeServer) -> None:
        reply = told(server, faults.TruncateQuietly())
        assert "content-length" not in reply.headers
        assert "content-md5" not in reply.headers
        *whole, cut = reply.body.split(b"\r\n")
        assert whole == BODY.split(b"\r\n")[: len(whole)]
        assert 0 < len(cut) < 35
        assert reply.end == "eof"

    @pytest.mark.parametrize("after", [0, 1, 40])
    def test_truncate_quietly_where_told(self, server: RangeServer, after: int) -> None:
        assert told(server, faults.TruncateQuietly(after)).body == BODY[:after]

    @pytest.mark.parametrize("part", ["headers", "body"])
    def test_drip(self, server: RangeServer, part: str) -> None:
        fault = faults.Drip(0.02, part=part)  # type: ignore[arg-type]  # one of the two
        server.fault = fault
        with socket.create_connection((HOST, server.port), timeout=10) as line:
            line.sendall(request())
            received = line.recv(1 << 16)
            if part == "body":
                assert b"\r\n\r\n" in received
            start = time.monotonic()
            for _ in range(5):
                assert len(line.recv(1 << 16)) == 1
            assert time.monotonic() - start >= 0.06

    def test_drip_to_the_end(self, server: RangeServer) -> None:
        assert told(server, faults.Drip(0.0001, part="headers")).body == BODY

    def test_hang_at_accept(self, server: RangeServer) -> None:
        reply = told(server, faults.Hang("accept"), seconds=0.1)
        assert reply == Reply(b"", "TimeoutError")
        assert server.count == 0

    def test_hang_before_the_answer(self, server: RangeServer) -> None:
        assert told(server, faults.Hang(), seconds=0.1) == Reply(b"", "TimeoutError")
        assert server.count == 1

    def test_hang_within_the_body(self, server: RangeServer) -> None:
        reply = told(server, faults.Hang("body"), seconds=0.1)
        assert (reply.body, reply.end) == (HALF, "TimeoutError")

    def test_reset_at_accept(self, server: RangeServer) -> None:
        assert told(server, faults.Reset("accept")) == Reply(b"", "ConnectionResetError")
        assert server.count == 0

    def test_reset_in_place_of_an_answer(self, server: RangeServer) -> None:
        assert told(server, faults.Reset()) == Reply(b"", "ConnectionResetError")
        assert server.count == 1

    def test_reset_within_the_body(self, server: RangeServer) -> None:
        reply = told(server, faults.Reset("body"))
        assert reply.end == "ConnectionResetError"
        assert len(reply.data) < len(BODY) + 200


class TestGarbage:
    @pytest.mark.parametrize("fault", GARBAGE, ids=str)
    def test_only_the_grammar_tells(self, server: RangeServer, fault: Fault) -> None:
        reply = told(server, fault)
        assert reply.status == 200
        assert reply.body != BODY
        assert checksum_holds(reply)
        assert int(reply.headers["content-length"]) == len(reply.body)
        if fault.name != "garbage-only-padding":
            first, _, last = reply.body.split(b"\r\n")
            assert [first, last] == BODY.split(b"\r\n")[::2]

    def test_what_each_does(self, server: RangeServer) -> None:
        middle = {
            fault.what: told(server, fault).body.split(b"\r\n")[1].replace(b"A" * 34, b"~")
            for fault in GARBAGE
        }
        assert middle == {
            "short-suffix": b"~:3",
            "long-suffix": b"~A0:3",
            "full-hash": b"00000~A:3",
            "not-hex": b"G~:3",
            "no-colon": b"~A3",
            "no-count": b"~A:",
            "negative-count": b"~A:-3",
            "signed-count": b"~A:+3",
            "word-count": b"~A:many",
            "decimal-count": b"~A:3.5",
            "underscore-count": b"~A:1_000",
            "arabic-count": "~A:\u0663".encode(),
            "endless-count": b"~A:" + b"9" * 5000,
            "binary": b"\x00\xff\xfe~A",
            "only-padding": b"~A:0",
        }

    def test_padding_is_left_alone(self, server: RangeServer) -> None:
        reply = told(server, faults.Garbage("word-count"), Add_Padding="true")
        assert reply.body.split(b"\r\n")[1] == b"A" * 35 + b":many"

    def test_an_unknown_kind(self) -> None:
        with pytest.raises(ValueError, match="known: short-suffix"):
            faults.Garbage("compost")


class TestQuirks:
    @pytest.mark.parametrize("fault", QUIRKS, ids=str)
    def test_it_is_valid_http_with_the_same_rows(self, server: RangeServer, fault: Fault) -> None:
        reply = told(server, fault, Accept_Encoding="gzip")
        body = reply.body
        if reply.headers.get("transfer-encoding") == "chunked":
            body = unchunk(body)
        if reply.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        text = body.decode("utf-8-sig").upper().replace(",", "")
        assert [line for line in text.splitlines() if line] == BODY.decode().split("\r\n")
        if "content-md5" in reply.headers and fault != Chunked():
            assert checksum_holds(reply)

    def test_what_each_does(self, server: RangeServer) -> None:
        def body(what: str) -> bytes:
            return told(server, Quirk(what)).body

        assert b"\r" not in body("lf")
        assert body("bom") == b"\xef\xbb\xbf" + BODY
        assert body("blank-lines").startswith(b"\r\n0")
        assert b"\r\n\r\nA" in body("blank-lines")
        assert body("final-newline") == BODY + b"\r\n"
        assert body("thousands").startswith(b"0" * 35 + b":12,345\r\n")
        assert body("lowercase") == BODY.lower()
        assert body("everything").startswith(b"\xef\xbb\xbf\n" + b"0" * 35 + b":12,345\na")

    def test_chunks_cut_through_rows(self, server: RangeServer) -> None:
        reply = told(server, Chunked(size=20))
        assert "content-length" not in reply.headers
        assert reply.body.startswith(b"14\r\n" + BODY[:20] + b"\r\n")
        assert unchunk(reply.body) == BODY

    def test_gzip_only_where_it_is_accepted(self, server: RangeServer) -> None:
        assert told(server, Gzipped()).body == BODY
        reply = told(server, Gzipped(), Accept_Encoding="br, gzip")
        assert "content-md5" not in reply.headers
        assert gzip.decompress(reply.body) == BODY

    def test_an_unknown_kind(self) -> None:
        with pytest.raises(ValueError, match="known: lf"):
            Quirk("charm")


def unchunk(data: bytes) -> bytes:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        if not (length := int(size, 16)):
            return body
        body, data = body + data[:length], data[length + 2 :]
