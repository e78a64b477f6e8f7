"""The range server speaks the range API, keeps account, bears load, dies and returns."""

import base64
import hashlib
import http.client
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from credfirewall.testing import server as module
from credfirewall.testing.faults import Delay, Status
from credfirewall.testing.loopback import HOST, refusing_port, silent_port
from credfirewall.testing.server import RangeServer
from tests.testing.talk import ask, request

PREFIX, SUFFIX = "F3BBB", "D66A63D4BF1747940578EC3D0103530E21D"  # of hunter2


@pytest.fixture
def server() -> Iterator[RangeServer]:
    with RangeServer({"hunter2": 17}) as running:
        yield running


class TestProtocol:
    def test_a_range(self, server: RangeServer) -> None:
        reply = ask(server.port, request(PREFIX))
        assert reply.status == 200
        assert f"{SUFFIX}:17".encode() in reply.body.split(b"\r\n")
        assert reply.headers["content-type"] == "text/plain"
        assert reply.headers["cache-control"] == "public, max-age=2678400"
        assert int(reply.headers["content-length"]) == len(reply.body)

    def test_a_prefix_of_any_case(self, server: RangeServer) -> None:
        upper, lower = (ask(server.port, request(text)) for text in (PREFIX, PREFIX.lower()))
        assert upper.body == lower.body

    def test_every_prefix_has_rows_by_default(self, server: RangeServer) -> None:
        assert len(ask(server.port, request("00000")).body.split(b"\r\n")) == 8

    def test_no_filler(self) -> None:
        with RangeServer(filler=0) as server:
            reply = ask(server.port)
        assert (reply.status, reply.body) == (200, b"")

    @pytest.mark.parametrize("prefix", ["ABCD", "ABCDEF", "ABCDG", "", "ABCDE?", "ABC/D"])
    def test_a_bad_prefix(self, server: RangeServer, prefix: str) -> None:
        assert ask(server.port, request(prefix)).status == 400

    def test_a_user_agent_is_required(self, server: RangeServer) -> None:
        assert ask(server.port, request(PREFIX, User_Agent="")).status == 403

    def test_another_path(self, server: RangeServer) -> None:
        assert ask(server.port, request(PREFIX, path="/elsewhere/")).status == 404

    def test_pages_of_any_site_may_ask(self, server: RangeServer) -> None:
        server.fault = Status(503)
        ahead = ask(server.port, request(PREFIX).replace(b"GET", b"OPTIONS"))
        assert (ahead.status, ahead.body) == (204, b"")
        assert ahead.headers["access-control-allow-headers"] == "Add-Padding"
        server.faults([])
        replies = [ahead, *(ask(server.port, request(prefix)) for prefix in (PREFIX, "XYZ"))]
        assert {each.headers["access-control-allow-origin"] for each in replies} == {"*"}
        assert len(server.requests) == 3

    def test_another_method(self, server: RangeServer) -> None:
        reply = ask(server.port, request(PREFIX).replace(b"GET", b"PUT"))
        assert (reply.status, reply.headers["allow"]) == (405, "GET")

    @pytest.mark.parametrize(
        "data",
        [
            b"nonsense\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        ],
    )
    def test_what_is_not_http(self, server: RangeServer, data: bytes) -> None:
        assert ask(server.port, data).status == 400
        assert server.count == 0

    def test_padding_on_request(self, server: RangeServer) -> None:
        plain = ask(server.port, request(PREFIX))
        padded = ask(server.port, request(PREFIX, Add_Padding="true"))
        assert padded.body.startswith(plain.body + b"\r\n")
        assert padded.body.endswith(b":0")
        assert "content-md5" not in padded.headers

    def test_a_checksum_on_unpadded_bodies(self, server: RangeServer) -> None:
        reply = ask(server.port, request(PREFIX))
        digest = hashlib.md5(reply.body).digest()
        assert base64.b64decode(reply.headers["content-md5"]) == digest

    def test_no_checksum(self) -> None:
        with RangeServer(checksum=False) as server:
            assert "content-md5" not in ask(server.port).headers

    def test_a_connection_is_kept(self, server: RangeServer) -> None:
        connection = http.client.HTTPConnection(HOST, server.port)
        try:
            ends = set()
            for _ in range(3):
                connection.request("GET", f"/range/{PREFIX}", headers={"User-Agent": "tests"})
                ends.add(connection.sock.getsockname())
                assert SUFFIX.encode() in connection.getresponse().read()
        finally:
            connection.close()
        assert len(ends) == 1

    def test_http_1_0_closes(self, server: RangeServer) -> None:
        old = request(PREFIX, Connection="").replace(b"HTTP/1.1", b"HTTP/1.0")
        assert ask(server.port, old).end == "eof"

    def test_another_path_of_its_own(self) -> None:
        with RangeServer(path="/mirror/") as server:
            assert server.url.endswith("/mirror/")
            assert ask(server.port, request(path="/mirror/")).status == 200

    def test_a_password_added_while_it_runs(self, server: RangeServer) -> None:
        digest = hashlib.sha1(b"another").hexdigest().upper()
        before = ask(server.port, request(digest[:5]))
        server.add("another", count=5)
        after = ask(server.port, request(digest[:5]))
        row = f"{digest[5:]}:5".encode()
        assert row not in before.body
        assert row in after.body
        server.add("another")
        assert f"{digest[5:]}:1".encode() in ask(server.port, request(digest[:5])).body


class TestRecords:
    def test_requests_are_recorded(self, server: RangeServer) -> None:
        ask(server.port, request("0000a", X_Extra="some thing"))
        ask(server.port, request("bad", Content_Length="4") + b"body")
        first, second = server.requests
        assert (first.method, first.path, first.body) == ("GET", "/range/0000a", b"")
        assert first.headers["x-extra"] == "some thing"
        assert (second.path, second.body) == ("/range/bad", b"body")
        assert server.count == 2

    def test_reset_forgets_them_and_keeps_the_fault(self, server: RangeServer) -> None:
        server.fault = Status(503)
        ask(server.port)
        server.reset()
        assert (server.requests, server.count) == ([], 0)
        assert ask(server.port).status == 503

    def test_only_so_many_are_kept(
        self, server: RangeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_REQUESTS", 2)
        with RangeServer() as small:
            for prefix in ("00000", "00001", "00002"):
                ask(small.port, request(prefix))
        assert [each.path for each in small.requests] == ["/range/00001", "/range/00002"]
        assert small.count == 3

    def test_a_repr_shows_no_prefix_no_header_and_no_body(self, server: RangeServer) -> None:
        told = request(PREFIX, Authorization="Bearer token", Content_Length="6")
        ask(server.port, told + b"secret")
        (recorded,) = server.requests
        assert (recorded.body, repr(recorded)) == (b"secret", "Request(method='GET')")
        assert SUFFIX not in repr(server.respond(recorded))

    def test_a_record_cannot_be_changed(self, server: RangeServer) -> None:
        ask(server.port)
        with pytest.raises(FrozenInstanceError):
            server.requests[0].method = "PUT"  # type: ignore[misc]  # that is the point


class TestLife:
    def test_the_port_is_free_and_stays(self, server: RangeServer) -> None:
        url = server.url
        assert url == f"http://127.0.0.1:{server.port}/range/"
        server.stop()
        assert ask(server.port).end == "ConnectionRefusedError"
        assert server.start().url == url
        assert server.running
        assert ask(server.port).status == 200

    def test_dying_cuts_connections(self, server: RangeServer) -> None:
        with socket.create_connection((HOST, server.port), timeout=10) as kept:
            kept.sendall(request(PREFIX, Connection=""))
            kept.recv(1 << 16)
            server.stop()
            assert kept.recv(1) == b""

    def test_it_dies_with_its_context(self) -> None:
        with RangeServer() as server:
            pass
        assert not server.running
        assert ask(server.port).end == "ConnectionRefusedError"

    def test_stopping_twice_is_nothing(self, server: RangeServer) -> None:
        server.stop()
        assert not server.running
        server.stop()

    def test_starting_twice_is_a_mistake(self, server: RangeServer) -> None:
        with pytest.raises(RuntimeError, match="running already"):
            server.start()

    def test_a_port_that_is_taken(self, server: RangeServer) -> None:
        with pytest.raises(OSError, match="in use"):
            RangeServer(port=server.port).start()

    def test_the_thread_ends(self) -> None:
        before = threading.active_count()
        with RangeServer() as server:
            server.fault = Delay(30)
            with socket.create_connection((HOST, server.port)) as waiting:
                waiting.sendall(request())
                until(lambda: server.count == 1)
                server.stop()
        assert threading.active_count() == before

    def test_no_connection_is_lost_on_the_way_out(self) -> None:
        """Connections that are accepted while the server stops are closed all the same."""
        for _ in range(5):
            with RangeServer() as server:
                lines = [socket.create_connection((HOST, server.port)) for _ in range(10)]
            for line in lines:
                line.close()


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"


class TestLoad:
    def test_three_hundred_at_once(self, server: RangeServer) -> None:
        """All of them are connected before the first is answered."""
        wanted = 300
        with selectors.DefaultSelector() as selector:
            lines = [socket.create_connection((HOST, server.port)) for _ in range(wanted)]
            try:
                for line in lines:
                    line.sendall(request(PREFIX))
                    selector.register(line, selectors.EVENT_READ)
                answers: dict[int, bytes] = {}
                end = time.monotonic() + 20
                while selector.get_map():
                    assert time.monotonic() < end
                    for key, _ in selector.select(1):
                        answering = key.fileobj
                        assert isinstance(answering, socket.socket)
                        if data := answering.recv(1 << 16):
                            answers[key.fd] = answers.get(key.fd, b"") + data
                        else:
                            selector.unregister(answering)
            finally:
                for line in lines:
                    line.close()
        assert len(answers) == wanted
        assert all(SUFFIX.encode() in answer for answer in answers.values())
        assert server.count == wanted

    def test_delays_do_not_add_up(self, server: RangeServer) -> None:
        server.fault = Delay(0.1)
        start = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            replies = list(pool.map(lambda _: ask(server.port), range(40)))
        assert time.monotonic() - start < 2
        assert {reply.status for reply in replies} == {200}

    def test_a_request_costs_little(self) -> None:
        """Under 100 us in fact; the bound is loose, for a busy machine."""
        with RangeServer(filler=2000) as server:
            data = request(Connection="")
            with socket.create_connection((HOST, server.port)) as line:
                answer = bytearray(1 << 20)
                line.sendall(data)
                size = len(ask(server.port).data)
                rounds = 300

                def read() -> None:
                    received = 0
                    while received < size:
                        received += line.recv_into(answer)

                read()
                spent = time.process_time() - time.thread_time()
                for _ in range(rounds):
                    line.sendall(data)
                    read()
                spent = time.process_time() - time.thread_time() - spent
        assert spent / rounds < 0.0005


class TestProcess:
    @staticmethod
    def run(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "credfirewall.testing.server", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    @staticmethod
    def port(process: "subprocess.Popen[str]") -> int:
        assert process.stdout is not None
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/range/\n", process.stdout.readline())
        assert found is not None
        return int(found[1])

    def test_it_serves_until_its_input_closes(self, tmp_path: Path) -> None:
        (tmp_path / "00000").write_bytes(b"A" * 35 + b":7")
        with self.run(
            "--rows", "5", "--delay", "0.2", "--directory", str(tmp_path), "--no-checksum"
        ) as process:
            port = self.port(process)
            start = time.monotonic()
            reply = ask(port)
            assert time.monotonic() - start >= 0.2
            assert len(reply.body.split(b"\r\n")) == 5
            assert "content-md5" not in reply.headers
            assert ask(port, request("00000")).body == b"A" * 35 + b":7"
            out, errors = process.communicate(timeout=20)
        assert (process.returncode, out, errors) == (0, "", "")

    def test_it_ends_with_sigterm(self) -> None:
        with self.run() as process:
            port = self.port(process)
            assert len(ask(port).body.split(b"\r\n")) == 2000
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(timeout=20) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""


class TestPorts:
    def test_one_that_refuses(self) -> None:
        with refusing_port() as port:
            assert ask(port).end == "ConnectionRefusedError"
            with pytest.raises(OSError, match="in use"):
                RangeServer(port=port).start()

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse instead")
    def test_one_on_which_connecting_hangs(self) -> None:
        with silent_port() as port, pytest.raises(TimeoutError):
            socket.create_connection((HOST, port), timeout=0.2).close()
