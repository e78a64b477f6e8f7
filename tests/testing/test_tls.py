"""Certificates that a strict client takes, others that it does not, and a proxy on the way."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from credfirewall.testing.faults import Hang, Reset, Truncate
from credfirewall.testing.loopback import HOST, refusing_port
from credfirewall.testing.server import RangeServer
from credfirewall.testing.tls import TlsContexts, tls_contexts
from tests.testing.proxy import ConnectProxy
from tests.testing.talk import ask, request


@pytest.fixture(scope="module")
def tls() -> Iterator[TlsContexts]:
    with tls_contexts() as contexts:
        yield contexts


@pytest.fixture
def client(tls: TlsContexts) -> ssl.SSLContext:
    """As strict as Python can be, which 3.13 is by default."""
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.fixture
def server(tls: TlsContexts) -> Iterator[RangeServer]:
    with RangeServer({"hunter2": 17}, ssl_context=tls.trusted) as running:
        yield running


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_trusted_server(server: RangeServer, client: ssl.SSLContext, host: str) -> None:
    assert server.url.startswith("https://127.0.0.1:")
    reply = ask(server.port, tls=client, host=host)
    assert (reply.status, reply.end) == (200, "eof")


@pytest.mark.parametrize("which", ["untrusted", "expired", "wrong_name"])
def test_one_that_is_not(
    server: RangeServer, tls: TlsContexts, client: ssl.SSLContext, which: str
) -> None:
    server.ssl_context = getattr(tls, which)
    assert ask(server.port, tls=client).end == "SSLCertVerificationError"
    assert server.count == 0
    server.ssl_context = tls.trusted
    assert ask(server.port, tls=client).status == 200


@pytest.mark.parametrize(
    ("which", "reason"),
    [("untrusted", "self-signed"), ("expired", "expired"), ("wrong_name", "not valid for")],
)
def test_why_it_is_not(
    server: RangeServer, tls: TlsContexts, client: ssl.SSLContext, which: str, reason: str
) -> None:
    server.ssl_context = getattr(tls, which)
    with (
        socket.create_connection((HOST, server.port)) as line,
        pytest.raises(ssl.SSLCertVerificationError, match=reason),
    ):
        client.wrap_socket(line, server_hostname=HOST)


def test_a_client_without_tls(server: RangeServer) -> None:
    assert ask(server.port).data == b""


def test_the_faults_speak_tls(server: RangeServer, client: ssl.SSLContext) -> None:
    server.fault = Truncate(5)
    assert len(ask(server.port, tls=client).body) == 5
    server.fault = Reset()
    # What a reset within TLS is called differs between versions of Python.
    assert ask(server.port, tls=client).data == b""


def test_the_handshake_can_hang_and_be_reset(server: RangeServer, client: ssl.SSLContext) -> None:
    server.fault = Hang("accept")
    assert ask(server.port, tls=client, seconds=0.1).end == "TimeoutError"
    server.fault = Reset("accept")
    assert ask(server.port, tls=client).end == "ConnectionResetError"


def test_no_file_outlives_the_context() -> None:
    with tls_contexts() as contexts:
        directory = contexts.ca_file.parent
        assert list(directory.iterdir()) == [contexts.ca_file]
    assert not Path(directory).exists()


class TestProxy:
    def test_it_leads_to_the_server(self, server: RangeServer) -> None:
        with ConnectProxy() as proxy:
            target = f"127.0.0.1:{server.port}"
            server.ssl_context = None
            data = f"CONNECT {target} HTTP/1.1\r\n\r\n".encode() + request()
            reply = ask(proxy.port, data)
        assert reply.status == 200
        assert b"HTTP/1.1 200 OK" in reply.body
        assert proxy.targets == [target]
        assert server.count == 1

    def test_it_can_refuse(self) -> None:
        with ConnectProxy() as proxy:
            proxy.status = 407
            assert ask(proxy.port, b"CONNECT a:1 HTTP/1.1\r\n\r\n").status == 407
            assert ask(proxy.port, b"GET http://a/ HTTP/1.1\r\n\r\n").status == 405
        assert proxy.targets == ["a:1", "http://a/"]

    def test_it_can_speak_tls_and_take_its_time(
        self, server: RangeServer, tls: TlsContexts, client: ssl.SSLContext
    ) -> None:
        server.ssl_context = None
        with ConnectProxy(ssl_context=tls.trusted) as proxy:
            assert proxy.url == f"https://127.0.0.1:{proxy.port}"
            proxy.drip = 0.001
            data = f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n\r\n".encode()
            reply = ask(proxy.port, data + request(), tls=client)
        assert reply.data.startswith(b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK")
        assert server.count == 1

    def test_it_can_lead_nowhere(self, server: RangeServer) -> None:
        with ConnectProxy() as proxy:
            proxy.leads_nowhere = True
            data = f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n\r\n".encode()
            reply = ask(proxy.port, data + request(), seconds=0.1)
        assert (reply.status, reply.body, reply.end) == (200, b"", "TimeoutError")
        assert server.count == 0

    def test_a_target_that_is_not_there(self) -> None:
        with ConnectProxy() as proxy, refusing_port() as port:
            reply = ask(proxy.port, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        assert reply.data == b""
