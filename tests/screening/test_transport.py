"""A range service that fails: the verdict, in time, and what a form makes of it."""

import asyncio
import socket
from typing import Any

import pytest
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from pytest_django import Settings

from credfirewall.screening import Status, Verdict
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

    def test_one_that_ends_as_it_is_used(self, check: Check, counting: Counting) -> None:
        counting.faults([None, faults.Reset("headers"), None])
        assert check.each("a", "hunter2") == [CLEAN, BREACHED]
        assert counting.connections == 2

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
