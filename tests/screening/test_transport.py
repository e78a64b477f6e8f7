"""A range service that fails: the verdict, in time, and what a form makes of it."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from pytest_django import Settings

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening import Status, Verdict, async_transport, egress, screen, transport
from credfirewall.screening.deadline import Deadline
from credfirewall.screening.transport import DeadlineSocket
from credfirewall.screening.verdict import Reason
from credfirewall.testing import faults
from credfirewall.testing.faults import Exchange, Fault
from credfirewall.testing.loopback import HOST, refusing_port, silent_port
from credfirewall.testing.quirks import QUIRKS
from credfirewall.testing.server import RangeServer
from credfirewall.testing.tls import TlsContexts
from tests.screening.asking import BREACHED, CLEAN, DEADLINE, LEISURE, Check, in_time, unknown
from tests.screening.conftest import Configure
from tests.screening.outages import NAME, TABLE, Break, Large, World, look_up

ROWS = pytest.mark.parametrize(
    ("broken", "reasons"), [pytest.param(*row[1:], id=row[0]) for row in TABLE]
)


@pytest.fixture
def world(hibp: RangeServer, tls: TlsContexts, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.ca_file))
    return World(hibp, tls, monkeypatch)


@ROWS
def test_no_answer_is_unknown_and_then_forgotten(
    check: Check, world: World, configure: Configure, broken: Break, reasons: str | set[str]
) -> None:
    with broken(world) as settings:
        configure(HIBP_DEADLINE=DEADLINE, **settings)
        expected = [unknown(each) for each in ({reasons} if isinstance(reasons, str) else reasons)]
        assert in_time(DEADLINE, lambda: check("hunter2"), *expected) in expected
    configure(HIBP_DEADLINE=LEISURE, HIBP_URL=world.server.url)
    after = unknown(Reason.BREAKER_OPEN) if reasons == Reason.RATE_LIMITED else BREACHED
    assert check("hunter2") == after


@ROWS
def test_a_form_sees_the_policy_and_no_exception(
    world: World, configure: Configure, settings: Settings, broken: Break, reasons: str | set[str]
) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": "credfirewall.validators.BreachedPasswordValidator"}
    ]
    data = {"new_password1": "hunter2", "new_password2": "hunter2"}
    with broken(world) as keys:
        for policy, codes in (("allow", []), ("reject", ["password_breach_unknown"])):
            configure(HIBP_DEADLINE=DEADLINE, ON_UNKNOWN=policy, **keys)
            errors = in_time(DEADLINE, lambda: SetPasswordForm(User(), data).errors.as_data())
            assert [error.code for each in errors.values() for error in each] == codes


@pytest.mark.parametrize("quirk", QUIRKS, ids=str)
@pytest.mark.parametrize("padded", [True, False], ids=["padded", "plain"])
def test_an_odd_answer_is_one(
    check: Check, hibp: RangeServer, configure: Configure, quirk: Fault, padded: bool
) -> None:
    configure(HIBP_PADDING=padded)
    hibp.fault = quirk
    assert check.each("hunter2", "hunter3") == [BREACHED, CLEAN]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(check: Check, hibp: RangeServer, code: int) -> None:
    with RangeServer() as other:
        hibp.fault = faults.Redirect(f"{other.url}F3BBB", code)
        assert check("hunter2") == unknown(Reason.REDIRECT)
        assert (hibp.count, other.count) == (1, 0)


def test_a_name_that_nobody_has(check: Check, configure: Configure) -> None:
    """A real look-up, for what the machine makes of it."""
    configure(HIBP_URL="http://no-such-host.invalid/range/", HIBP_DEADLINE=DEADLINE)
    verdict = in_time(DEADLINE, lambda: check("hunter2"))
    assert verdict in (unknown(Reason.DNS), unknown(Reason.TIMEOUT))


def test_what_nobody_takes_is_not_sent_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeout that was set before is no longer one: connecting may have taken most of it."""
    deaf, near = socket.socketpair()
    with deaf, DeadlineSocket(near.family, near.type, near.proto, near.detach()) as sock:
        sock.settimeout(10)

        def send() -> str:
            monkeypatch.setattr(transport._current, "deadline", Deadline.after(DEADLINE))
            with pytest.raises(TimeoutError):
                sock.sendall(bytes(1 << 22))
            return Reason.TIMEOUT

        assert in_time(DEADLINE, send) == Reason.TIMEOUT


@dataclass(frozen=True)
class Stream(Fault):
    """``first``, and then ``more`` again and again: 64 MiB of it if anybody takes that much."""

    first: bytes
    more: bytes
    sent: list[int] = field(default_factory=list)
    kind = "stream"

    async def answer(self, exchange: Exchange) -> bool:
        await exchange.send(self.first)
        piece = self.more * ((1 << 16) // len(self.more))
        for _ in range(1 << 10):
            await exchange.send(piece)
            self.sent.append(len(piece))
        return False

    @property
    def was_cut(self) -> bool:
        """A client may take 5 MiB, and the buffers of the kernel some more."""
        return sum(self.sent) < 32 << 20


START = b"HTTP/1.1 200 OK\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"
ROW = b"%035X:1\r\n" % 1
BROKEN = {Reason.RESET, Reason.TRUNCATED}
"""Which one depends on whether it came with the headers or after them."""


@pytest.mark.parametrize(
    ("first", "more", "reasons"),
    [
        pytest.param(CHUNKED + b"-1\r\n", ROW, {Reason.TOO_LARGE, *BROKEN}, id="minus one"),
        pytest.param(CHUNKED + b"F" * 8 + b"\r\n", ROW, {Reason.TOO_LARGE}, id="one chunk"),
        pytest.param(CHUNKED, b"27\r\n%s\r\n" % ROW, {Reason.TOO_LARGE}, id="chunks"),
        pytest.param(CHUNKED + b"0\r\n", b"X: y\r\n", {Reason.TOO_LARGE, *BROKEN}, id="trailers"),
        pytest.param(START, b"X: y\r\n", {Reason.RESET}, id="headers"),
        pytest.param(START + b"X: ", b"y", {Reason.RESET}, id="header"),
        pytest.param(b"HTTP/1.1 200 ", b"O", {Reason.RESET}, id="status line"),
    ],
)
def test_no_stream_is_read_to_its_end(
    check: Check, hibp: RangeServer, first: bytes, more: bytes, reasons: set[str]
) -> None:
    hibp.fault = stream = Stream(first, more)
    assert check("hunter2") in map(unknown, reasons)
    assert stream.was_cut


@pytest.mark.parametrize(
    ("first", "more", "reason"),
    [
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", Reason.TOO_LARGE, id="interim"),
        pytest.param(CHUNKED + b"5;", b"x", Reason.TRUNCATED, id="extension"),
    ],
)
def test_nor_one_of_which_nothing_is_kept(
    hibp: RangeServer, first: bytes, more: bytes, reason: str
) -> None:
    """aiohttp forgets these as they come, and goes on until the deadline."""
    hibp.fault = stream = Stream(first, more)
    assert screen("hunter2") == unknown(reason)
    assert stream.was_cut


def test_nor_one_in_tls(
    check: Check, hibp: RangeServer, tls: TlsContexts, configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.ca_file))
    hibp.ssl_context = tls.trusted
    configure(HIBP_URL=hibp.url)
    hibp.fault = stream = Stream(CHUNKED + b"-1\r\n", ROW)
    assert check("hunter2") in map(unknown, {Reason.TOO_LARGE, *BROKEN})
    assert stream.was_cut


@dataclass(frozen=True)
class Raw(Fault):
    """An answer to the byte, and the end."""

    wire: bytes
    kind = "raw"

    async def answer(self, exchange: Exchange) -> bool:
        await exchange.send(self.wire)
        return False


class TestBrokenFraming:
    @pytest.mark.parametrize(
        "size",
        [
            "-1", "-2", "-5", "-0x5", "-" + "F" * 15, "-" + "F" * 30, "-" + "F" * 9000, "", "g",
            "5 5", "\0", "0x", "1e5", "\xb2",
        ],
        ids=lambda size: repr(size[:9]),
    )  # fmt: skip
    def test_a_size_that_is_none(
        self, check: Check, hibp: RangeServer, caplog: pytest.LogCaptureFixture, size: str
    ) -> None:
        hibp.fault = Raw(CHUNKED + size.encode("latin-1") + b"\r\n" + ROW * 9)
        verdicts = check.each("a", "b", "c", "d", "e", "f")
        assert {each.reason for each in verdicts[:5]} <= BROKEN
        assert verdicts[5] == unknown(Reason.BREAKER_OPEN)
        assert {each.name for each in caplog.records} == {"credfirewall.screening"}

    def test_whatever_comes_there_is_one_exception(
        self, hibp: RangeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        answers = list(broken_answers(random.Random(5), 250))
        request = egress.Request(hibp.url, "F3BBB", padded=True)

        def deadline() -> Deadline:
            return Deadline.after(10)

        async def ask_all() -> None:
            for wire in answers:
                hibp.fault = Raw(wire)
                with unavailable_at_worst():
                    (await async_transport.client.fetch(request, deadline())).packed()

        asyncio.run(ask_all())
        for wire in answers:
            hibp.fault = Raw(wire)
            with unavailable_at_worst():
                transport.client.fetch(request, deadline()).packed()
        assert caplog.messages == []


@contextlib.contextmanager
def unavailable_at_worst() -> Iterator[None]:
    behind: BaseException | None = None
    try:
        yield
    except SourceUnavailable as error:
        behind = error.__context__
    assert behind is None


def broken_answers(chance: random.Random, number: int) -> Iterator[bytes]:
    body = ROW * 3
    healthy = [
        START + b"Content-Length: %d\r\nServer: a\r\n\r\n" % len(body) + body,
        CHUNKED + b"27\r\n%s\r\n" % ROW * 3 + b"0\r\n\r\n",
        START + b"Connection: close\r\n\r\n" + body,
        b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + START + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.0 429 No\r\nRetry-After: 9\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nno",
    ]
    odd = [
        b"", b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b":", b" ", b"\t", b";", b"-", b"+", b"_",
        b"-5", b"\xff", b"\xb2", b"9" * 20, b"9" * 5000, b"F" * 40, b"A" * 70_000,
        b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
        b"Content-Length: -1\r\n", b"Content-Length: 1, 2\r\n", b"Content-Length: x\r\n",
        b"Content-Encoding: gzip\r\n", b"Content-Type: text/plain; charset=\xff\r\n",
        b"Set-Cookie: \xff=\xff; expires=x\r\n", b"Content-MD5: =\r\n", b"Upgrade: x\r\n",
        b"HTTP/1.1 101 Switching\r\n", b"HTTP/9.9", b"Link: <\xff>; rel\r\n",
        b"Retry-After: \xb2\r\n",
    ]  # fmt: skip
    for _ in range(number):
        wire = chance.choice(healthy)
        for _ in range(chance.randint(1, 3)):
            starts = [at + 1 for at, byte in enumerate(wire) if byte == 10]
            at = chance.choice([chance.randrange(len(wire) + 1), chance.choice(starts or [0])])
            gone = chance.choice([0, 0, 1, 2, 5, 1000])
            wire = wire[:at] + chance.choice(odd) + wire[at + gone :]
        yield wire


@dataclass(frozen=True)
class Unannounced(Fault):
    """Some rows, with nothing but the end of the connection to tell that they are all."""

    rows: int
    header: str
    kind = "unannounced"

    async def answer(self, exchange: Exchange) -> bool:
        response = exchange.response.with_headers(
            content_length=None, transfer_encoding=self.header
        )
        rows = response.body.splitlines(keepends=True)
        await exchange.send(response.head + b"".join(rows[: self.rows]))
        return False


@pytest.mark.parametrize("header", [None, "identity"])
@pytest.mark.parametrize("rows", [0, 1, 5, None])
def test_an_end_that_nothing_announced_may_be_a_cut(
    check: Check, hibp: RangeServer, rows: Any, header: Any
) -> None:
    hibp.fault = Unannounced(rows, header)
    assert check.each("hunter2", "hunter3") == [unknown(Reason.TRUNCATED)] * 2


class TestAddresses:
    @pytest.mark.parametrize("dead", [refusing_port, silent_port])
    def test_the_first_is_dead(
        self, check: Check, hibp: RangeServer, configure: Configure,
        monkeypatch: pytest.MonkeyPatch, dead: Any,
    ) -> None:  # fmt: skip
        configure(HIBP_URL=f"http://{NAME}/range/", HIBP_DEADLINE=1.0)
        with dead() as port:
            look_up(monkeypatch, lambda: addresses(port, hibp.port))
            assert in_time(1.0, lambda: check("hunter2"), BREACHED) == BREACHED

    def test_the_first_is_of_a_kind_that_this_machine_has_not(
        self, check: Check, hibp: RangeServer, configure: Configure,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        configure(HIBP_URL=f"http://{NAME}/range/")
        unknown_kind = (98, socket.SOCK_STREAM, 0, "", ("::1", hibp.port, 0, 0))
        look_up(monkeypatch, lambda: [unknown_kind, *addresses(hibp.port)])
        assert check("hunter2") == BREACHED

    def test_all_are_dead(
        self, check: Check, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configure(HIBP_URL=f"http://{NAME}/range/", HIBP_DEADLINE=DEADLINE)
        with silent_port() as one, silent_port() as two, refusing_port() as three:
            look_up(monkeypatch, lambda: addresses(three, one, two))
            verdict = in_time(DEADLINE, lambda: check("hunter2"))
        assert verdict == unknown(Reason.TIMEOUT)


def addresses(*ports: int) -> list[Any]:
    kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    return [(*kind, (HOST, port)) for port in ports]


class Counting(RangeServer):
    """Counts connections."""

    connections = 0

    async def admit(self, connection: socket.socket) -> bool:
        self.connections += 1
        return await super().admit(connection)


class Late(Fault):
    """An answer of its own ahead of the one that was asked for, which comes too late for it."""

    kind = "late"

    async def answer(self, exchange: Exchange) -> bool:
        await exchange.send(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno")
        await asyncio.sleep(0.05)
        await exchange.send(exchange.response.wire)
        return True


class TestKeptConnections:
    @pytest.fixture
    def counting(self, configure: Configure) -> Any:
        with Counting({"hunter2": 17}) as server:
            configure(HIBP_URL=server.url)
            yield server

    def test_one_serves_many_checks(self, check: Check, counting: Counting) -> None:
        assert check.each("a", "b", "hunter2") == [CLEAN, CLEAN, BREACHED]
        assert (counting.count, counting.connections) == (3, 1)

    def test_one_that_the_server_closed(self, check: Check, counting: Counting) -> None:
        def restart() -> None:
            counting.stop()
            counting.start()

        assert check.each("a", "hunter2", between=restart) == [CLEAN, BREACHED]

    def test_one_that_was_idle_for_long_is_left_alone(
        self, counting: Counting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A NAT may have dropped it without a word; aiohttp sees to that by itself."""
        assert screen("a").status is Status.CLEAN
        assert screen("b").status is Status.CLEAN
        assert counting.connections == 1
        monkeypatch.setattr(transport, "IDLE", 0.0)
        assert screen("c").status is Status.CLEAN
        assert counting.connections == 2

    def test_one_that_ends_as_it_is_used(self, check: Check, counting: Counting) -> None:
        counting.faults([None, faults.Reset("headers"), None])
        assert check.each("a", "hunter2") == [CLEAN, BREACHED]
        assert (counting.count, counting.connections) == (3, 2)

    def test_only_one_that_was_kept_is_tried_again(self, check: Check, counting: Counting) -> None:
        """The service, or its rate limit, counts each question."""
        for fault in (faults.Reset("headers"), Raw(b"")):
            counting.fault = fault
            assert check("hunter2") == unknown(Reason.RESET)
        assert (counting.count, counting.connections) == (2, 2)

    def test_and_only_once(self, check: Check, counting: Counting) -> None:
        counting.faults([None, *[faults.Reset("headers")] * 9])
        assert check.each("a", "hunter2") == [CLEAN, unknown(Reason.RESET)]
        assert (counting.count, counting.connections) == (3, 2)

    @pytest.mark.parametrize(
        "fault",
        [faults.Truncate(), Large(), faults.Status(500, {"Content-Length": "9"})],
        ids=str,
    )
    def test_one_with_half_an_answer_in_it_is_not(
        self, check: Check, counting: Counting, configure: Configure, fault: Fault
    ) -> None:
        configure(HIBP_DEADLINE=1)
        counting.faults([fault, None, None])
        verdicts = check.each("a", "hunter2", "b")
        assert (verdicts[0].status, verdicts[1:]) == (Status.UNKNOWN, [BREACHED, CLEAN])

    def test_no_answer_is_taken_for_that_of_the_next_question(
        self, check: Check, counting: Counting
    ) -> None:
        counting.faults([Late(), None])
        counting.add({"a": 2})
        verdicts = check.each("hunter2", "a")
        assert verdicts == [unknown(Reason.HTTP_SERVER_ERROR), Verdict(Status.BREACHED, 2, "hibp")]
