"""What leaves the machine, by which way, and whom it trusts."""

import asyncio
import hashlib
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import certifi
import pytest

from credfirewall import __version__
from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening import egress, transport
from credfirewall.screening.verdict import Reason
from credfirewall.testing.faults import Drip
from credfirewall.testing.loopback import LoopbackServer, refusing_port
from credfirewall.testing.messages import Request
from credfirewall.testing.server import RangeServer
from credfirewall.testing.tls import TlsContexts
from tests.screening.asking import BREACHED, CLEAN, DEADLINE, Check, in_time, unknown
from tests.screening.conftest import Configure
from tests.testing.proxy import ConnectProxy

CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class Recorder(LoopbackServer):
    """Keeps what arrives byte for byte, and answers with a cookie."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            self.heard.append(head)
            row = b"0" * 35 + b":1"
            writer.write(
                b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: %d\r\n\r\n%s"
                % (len(row), row)
            )
            await writer.drain()


class TestTheRequest:
    @pytest.fixture
    def recorder(self, configure: Configure) -> Iterator[Recorder]:
        with Recorder() as server:
            # By name: no client keeps the cookies of a bare address.
            configure(HIBP_URL=f"http://localhost:{server.port}/range/")
            yield server

    def test_it_holds_five_digits_and_nothing_else_of_the_password(
        self, check: Check, recorder: Recorder
    ) -> None:
        passwords = ["hunter2", "hunter3", "correct horse battery staple", "\U0001f600" * 3, ""]
        assert check.each(*passwords) == [CLEAN] * 5
        lines = [head.split(b" HTTP/1.1\r\n") for head in recorder.heard]
        prefixes = [hashlib.sha1(each.encode()).hexdigest()[:5].upper() for each in passwords]
        assert [line.decode() for line, _ in lines] == [f"GET /range/{each}" for each in prefixes]
        assert len({rest for _, rest in lines}) == 1

    def test_its_headers(self, check: Check, recorder: Recorder, configure: Configure) -> None:
        headers = {
            "host": f"localhost:{recorder.port}",
            "user-agent": f"django-credfirewall/{__version__}",
            "accept": "text/plain, */*",
            "accept-encoding": "identity",
        }
        check("hunter2")
        configure(HIBP_PADDING=False)
        check("hunter3")
        padded, plain = (Request.parse(head).headers for head in recorder.heard)
        assert (dict(padded), dict(plain)) == ({**headers, "add-padding": "true"}, headers)

    def test_it_has_no_credentials(
        self, check: Check, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine localhost login us password secret\ndefault login a password b\n")
        monkeypatch.setenv("NETRC", str(netrc))
        check.each("hunter2", "hunter3")
        assert not re.search(rb"(?i)cookie|authorization|referer|secret", b"".join(recorder.heard))

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_the_address_may_lack_its_slash(
        self, check: Check, hibp: RangeServer, configure: Configure, slash: str
    ) -> None:
        configure(HIBP_URL=hibp.url.rstrip("/") + slash)
        assert check("hunter2") == BREACHED

    @pytest.mark.parametrize(
        "url",
        [
            "api.pwnedpasswords.com/range/", "ftp://127.0.0.1/range/", "http://", "//", "/", "x",
            "http:///range/", "http://127.0.0.1:99999/range/", "http://127.0.0.1:port/range/",
            "http://[::1/range/", "http://a b/range/", "http://a\0b/range/",
            f"http://{'a' * 64}.invalid/range/", f"http://{'ä' * 64}.invalid/range/",
            "http://.invalid/range/", "http://a..invalid/range/",
        ],
    )  # fmt: skip
    def test_an_address_that_is_none_is_no_exception(
        self, check: Check, configure: Configure, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real: Any = socket.getaddrinfo
        numeric = socket.AI_NUMERICHOST  # nobody else needs to be asked for a name that is none
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *how, **keys: real(*how, **{**keys, "flags": numeric})
        )
        configure(HIBP_URL=url, HIBP_DEADLINE=DEADLINE)
        verdict = in_time(DEADLINE, lambda: check("hunter2"))
        assert verdict == unknown(verdict.reason)
        assert verdict.reason in {Reason.RESET, Reason.DNS, Reason.CONNECT, Reason.TIMEOUT}


class TestProxy:
    @pytest.fixture
    def proxy(self) -> Iterator[ConnectProxy]:
        with ConnectProxy() as proxy:
            yield proxy

    @pytest.fixture(autouse=True)
    def _over_tls(
        self, hibp: RangeServer, tls: TlsContexts, configure: Configure,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        hibp.ssl_context = tls.trusted
        configure(HIBP_URL=hibp.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.ca_file))

    @pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
    def test_the_environment_names_one(
        self, check: Check, hibp: RangeServer, proxy: ConnectProxy, variable: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setenv(variable, proxy.url)
        assert check.each("hunter2", "hunter3") == [BREACHED, CLEAN]
        assert proxy.targets == [f"127.0.0.1:{hibp.port}"]

    @pytest.mark.parametrize("hosts", ["127.0.0.1", "example.com,127.0.0.0/8", "*"])
    def test_the_environment_makes_an_exception(
        self, check: Check, proxy: ConnectProxy, hosts: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", hosts)
        assert check("hunter2") == BREACHED
        assert proxy.targets == []

    def test_it_is_down(
        self, check: Check, hibp: RangeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What may not go directly does not, when the proxy fails."""
        with refusing_port() as port:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
            assert check("hunter2") == unknown(Reason.CONNECT)
        assert hibp.count == 0

    @pytest.mark.parametrize("status", [403, 407, 502])
    def test_it_refuses(
        self, check: Check, hibp: RangeServer, proxy: ConnectProxy, status: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        proxy.status = status
        assert check("hunter2") == unknown(Reason.CONNECT)
        assert hibp.count == 0

    def test_it_hangs(
        self, check: Check, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configure(HIBP_DEADLINE=DEADLINE)
        with Silent() as silent:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.port}")
            assert in_time(DEADLINE, lambda: check("hunter2")) == unknown(Reason.TIMEOUT)

    @pytest.mark.parametrize("part", ["headers", "body"])
    def test_what_drips_through_tls_in_tls(
        self, check: Check, hibp: RangeServer, tls: TlsContexts, configure: Configure, part: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        with ConnectProxy(ssl_context=tls.trusted) as secure:
            monkeypatch.setenv("HTTPS_PROXY", secure.url)
            assert check.each("hunter2", "hunter3") == [BREACHED, CLEAN]
            assert secure.targets == [f"127.0.0.1:{hibp.port}"]
            late(check, configure, lambda: setattr(hibp, "fault", Drip(0.01, part)))

    @pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
    @pytest.mark.parametrize("how", ["drip", "leads_nowhere"])
    def test_the_tunnel_itself_takes_for_ever(
        self, check: Check, tls: TlsContexts, configure: Configure, over_tls: bool, how: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        with ConnectProxy(ssl_context=tls.trusted if over_tls else None) as slow:
            monkeypatch.setenv("HTTPS_PROXY", slow.url)
            late(check, configure, lambda: setattr(slow, how, 0.05))

    def test_behind_it_certificates_count_as_ever(
        self, check: Check, hibp: RangeServer, proxy: ConnectProxy, tls: TlsContexts,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        hibp.ssl_context = tls.untrusted
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert check("hunter2") == unknown(Reason.TLS)
        assert (len(proxy.targets), hibp.count) == (1, 0)

    @pytest.mark.parametrize(
        "value", ["http://[::1", "socks5://127.0.0.1:1", "ftp://x", "://", "-"]
    )
    def test_one_that_is_none_is_no_exception(
        self, check: Check, hibp: RangeServer, value: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", value)
        verdict = check("hunter2")
        assert (verdict, hibp.count) == (unknown(verdict.reason), 0)


def late(check: Check, configure: Configure, slow_down: Callable[[], None]) -> None:
    slow_down()
    configure(HIBP_DEADLINE=DEADLINE)
    wanted = unknown(Reason.TIMEOUT)
    assert in_time(DEADLINE, lambda: check("other"), wanted) == wanted


class Silent(LoopbackServer):
    """Hears everything and says nothing."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()


class TestTrust:
    @pytest.fixture(autouse=True)
    def _over_tls(self, hibp: RangeServer, tls: TlsContexts, configure: Configure) -> None:
        hibp.ssl_context = tls.trusted
        configure(HIBP_URL=hibp.url)

    @pytest.mark.parametrize("variable", CERTIFICATES)
    def test_a_private_authority(
        self, check: Check, tls: TlsContexts, variable: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert check("hunter2") == unknown(Reason.TLS)
        transport.client.close()
        monkeypatch.setenv(variable, str(tls.ca_file))
        assert check("hunter2") == BREACHED

    @pytest.mark.parametrize("folder", [True, False], ids=["folder", "file"])
    def test_nobody_is_trusted_beside_those_that_were_named(
        self, check: Check, tls: TlsContexts, tmp_path: Path, folder: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """As OpenSSL reads it, SSL_CERT_FILE is the system's own store."""
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_file))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path) if folder else certifi.where())
        assert check("hunter2") == unknown(Reason.TLS)

    def test_an_empty_variable_is_none(
        self, check: Check, tls: TlsContexts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.ca_file))
        assert check("hunter2") == BREACHED

    @pytest.mark.parametrize("value", ["", "0", "false", "/nowhere", "/dev/null", __file__])
    @pytest.mark.parametrize("variable", CERTIFICATES)
    def test_no_value_turns_it_off(
        self, check: Check, hibp: RangeServer, variable: str, value: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setenv(variable, value)
        assert check("hunter2") == unknown(Reason.TLS)
        assert hibp.count == 0

    def test_neither_do_other_switches(
        self, check: Check, hibp: RangeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unverified: Any = ssl._create_unverified_context
        monkeypatch.setattr(ssl, "_create_default_https_context", unverified)
        monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
        session = transport.client._get_session()
        session.verify = False
        for adapter in session.adapters.values():
            manager: Any = adapter
            manager.poolmanager.connection_pool_kw.update(cert_reqs="CERT_NONE")
        assert check("hunter2") == unknown(Reason.TLS)
        assert hibp.count == 0


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [("25", 25, 25), ("+20 s", 18, 20.1), ("-20 s", -21, -19)],
)
def test_retry_after_is_seconds_or_a_date(asked: str, least: float, most: float) -> None:
    if asked.endswith(" s"):
        asked = formatdate(time.time() + float(asked[:-2]), usegmt=True)
    response = egress.Response(429, {"retry-after": asked}, b"")
    with pytest.raises(SourceUnavailable) as raised:
        response.packed()
    assert raised.value.retry_after is not None
    assert least <= raised.value.retry_after <= most
