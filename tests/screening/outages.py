"""Everything that can be wrong between a check and its answer: one table."""

import asyncio
import contextlib
import gc
import gzip
import socket
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from credfirewall.screening.verdict import Reason
from credfirewall.testing import faults
from credfirewall.testing.faults import Exchange, Fault, compress
from credfirewall.testing.loopback import HOST, refusing_port, silent_port
from credfirewall.testing.messages import Response
from credfirewall.testing.server import RangeServer
from credfirewall.testing.tls import TlsContexts

NAME = "hibp.invalid"


@dataclass
class World:
    """What may be broken."""

    server: RangeServer
    tls: TlsContexts
    patch: pytest.MonkeyPatch


Settings = Mapping[str, Any]
Break = Callable[[World], AbstractContextManager[Settings]]
"""Breaks something, and yields the settings with which that shows."""


def answering(fault: Fault, *, tls: bool = False, **keys: Any) -> Break:
    @contextlib.contextmanager
    def broken(world: World) -> Iterator[Settings]:
        world.server.ssl_context = world.tls.trusted if tls else None
        world.server.fault = fault
        yield {"HIBP_URL": world.server.url, **keys}
        world.server.fault = None

    return broken


@contextlib.contextmanager
def resetting_before_tls(world: World) -> Iterator[Settings]:
    with answering(faults.Reset("accept"), tls=True)(world) as settings:
        yield settings
    # Python before 3.13 leaves a socket open if it was reset just before its handshake.
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


def presenting(certificate: str) -> Break:
    @contextlib.contextmanager
    def broken(world: World) -> Iterator[Settings]:
        world.server.ssl_context = getattr(world.tls, certificate)
        yield {"HIBP_URL": world.server.url}
        world.server.ssl_context = world.tls.trusted

    return broken


def at(port: Callable[[], AbstractContextManager[int]]) -> Break:
    @contextlib.contextmanager
    def broken(world: World) -> Iterator[Settings]:
        with port() as number:
            yield {"HIBP_URL": f"http://{HOST}:{number}/range/"}

    return broken


def looking_up(answer: Callable[[threading.Event], Any]) -> Break:
    @contextlib.contextmanager
    def broken(world: World) -> Iterator[Settings]:
        over = threading.Event()
        look_up(world.patch, lambda: answer(over))
        yield {"HIBP_URL": f"http://{NAME}/range/"}
        over.set()

    return broken


def look_up(patch: pytest.MonkeyPatch, answer: Callable[[], Any]) -> None:
    """Let ``answer`` say where NAME is."""
    real: Any = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, flags: int = 0, **how: Any) -> Any:
        if host == NAME and not flags & socket.AI_NUMERICHOST:
            return answer()
        return real(host, *args, flags=flags, **how)

    patch.setattr(socket, "getaddrinfo", getaddrinfo)


def no_such_name(_over: threading.Event) -> Any:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def no_answer(over: threading.Event) -> Any:
    over.wait(10)
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


class NoTls(Fault):
    """What a server of plain HTTP says when TLS is spoken to it."""

    kind = "no-tls"
    at_accept = True

    async def meet(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await loop.sock_recv(connection, 1 << 16)


class CutChunks(Fault):
    """Chunks, of which the last never comes."""

    kind = "cut-chunks"

    async def answer(self, exchange: Exchange) -> bool:
        response = exchange.response.with_headers(content_length=None, transfer_encoding="chunked")
        await exchange.send(response.head + b"%X\r\n%s" % (len(response.body), response.body[:99]))
        return False


class Squeezed(Fault):
    """Compressed, though nobody asked for that."""

    kind = "squeezed"

    def alter(self, response: Response) -> Response:
        return compress(response)


class Bomb(Fault):
    """Little that would become much: sixteen megabytes."""

    kind = "bomb"

    def alter(self, response: Response) -> Response:
        return response.with_headers(content_encoding="gzip").with_body(bomb())


@cache
def bomb() -> bytes:
    return gzip.compress(bytes(16 << 20), compresslevel=1)


class Large(Fault):
    """Five megabytes, as announced."""

    kind = "large"

    def alter(self, response: Response) -> Response:
        return response.with_body((b"%035X:1\r\n" % 1) * ((5 << 20) // 39))


class SaidToBeSqueezed(Fault):
    """As it should be, under a header that says otherwise."""

    kind = "said-to-be-squeezed"

    def alter(self, response: Response) -> Response:
        return response.with_headers(content_encoding="gzip")


class Endless(Fault):
    """Rows without end, whose number nobody said."""

    kind = "endless"

    async def answer(self, exchange: Exchange) -> bool:
        response = exchange.response.with_headers(content_length=None, connection="close")
        await exchange.send(response.head)
        while not exchange.writer.is_closing():
            await exchange.send((b"%035X:1\r\n" % 1) * 4000)
        return False


class TooMuchToCome(Fault):
    """A length that is too much, and nothing of it."""

    kind = "too-much-to-come"

    async def answer(self, exchange: Exchange) -> bool:
        await exchange.send(exchange.response.with_headers(content_length=str(5 << 20)).head)
        await exchange.hang()
        return False


RESET = {Reason.RESET, Reason.CONNECT}
"""Which one depends on whether the kernel tells while connecting or after."""
CUT = {Reason.RESET, Reason.TRUNCATED}
"""Which one depends on how much of an answer was read before the kernel told."""

TABLE: list[tuple[str, Break, str | set[str]]] = [
    ("refused connection", at(refusing_port), Reason.CONNECT),
    ("silence when connecting", at(silent_port), Reason.TIMEOUT),
    ("no such name", looking_up(no_such_name), Reason.DNS),
    ("hanging name server", looking_up(no_answer), Reason.TIMEOUT),
    ("self-signed certificate", presenting("untrusted"), Reason.TLS),
    ("certificate of another host", presenting("wrong_name"), Reason.TLS),
    ("expired certificate", presenting("expired"), Reason.TLS),
    ("no TLS at all", answering(NoTls(), tls=True), Reason.TLS),
    ("silence instead of TLS", answering(faults.Hang("accept"), tls=True), Reason.TIMEOUT),
    ("reset instead of TLS", resetting_before_tls, RESET),
    ("silence in TLS", answering(faults.Hang("headers"), tls=True), Reason.TIMEOUT),
    ("drip in TLS", answering(faults.Drip(0.01), tls=True), Reason.TIMEOUT),
    ("reset in TLS", answering(faults.Reset("body"), tls=True), CUT),
    ("truncated 200 in TLS", answering(faults.Truncate(), tls=True), Reason.TRUNCATED),
    ("silence", answering(faults.Hang("headers")), Reason.TIMEOUT),
    ("silence in the body", answering(faults.Hang("body")), Reason.TIMEOUT),
    ("drip of headers", answering(faults.Drip(0.01, "headers")), Reason.TIMEOUT),
    ("drip of the body", answering(faults.Drip(0.01)), Reason.TIMEOUT),
    ("reset at once", answering(faults.Reset("accept")), RESET),
    ("reset instead of an answer", answering(faults.Reset("headers")), Reason.RESET),
    ("reset in the body", answering(faults.Reset("body")), CUT),
    ("another protocol", answering(faults.NotHttp()), Reason.RESET),
    ("headers without end", answering(faults.Oversized(1 << 20, "headers")), Reason.RESET),
    ("empty 200", answering(faults.Empty()), Reason.EMPTY),
    ("only padding", answering(faults.Garbage("only-padding")), Reason.EMPTY),
    ("truncated 200", answering(faults.Truncate()), Reason.TRUNCATED),
    ("truncated to nothing", answering(faults.Truncate(0)), Reason.TRUNCATED),
    ("truncated chunks", answering(CutChunks()), Reason.TRUNCATED),
    ("truncated 200, unannounced", answering(faults.TruncateQuietly()), Reason.TRUNCATED),
    ("a web page", answering(faults.Html()), Reason.MALFORMED),
    ("gzip", answering(Squeezed()), Reason.MALFORMED),
    ("gzip that is none", answering(SaidToBeSqueezed()), Reason.MALFORMED),
    ("a bomb", answering(Bomb()), Reason.MALFORMED),
    ("too large", answering(Large()), Reason.TOO_LARGE),
    ("too large, and not sent", answering(TooMuchToCome()), Reason.TOO_LARGE),
    ("too large, unannounced", answering(Endless()), Reason.TOO_LARGE),
    ("wrong checksum", answering(faults.WrongChecksum(), HIBP_PADDING=False), Reason.CHECKSUM),
    ("no content", answering(faults.Status(204)), Reason.HTTP_STATUS),
    ("redirect", answering(faults.Redirect("/range/00000")), Reason.REDIRECT),
    ("not modified", answering(faults.Status(304)), Reason.REDIRECT),
    ("bad request", answering(faults.Status(400)), Reason.HTTP_CLIENT_ERROR),
    ("forbidden", answering(faults.Status(403, body=b"no")), Reason.HTTP_CLIENT_ERROR),
    ("not found", answering(faults.Status(404)), Reason.HTTP_CLIENT_ERROR),
    ("rate limit", answering(faults.Status(429)), Reason.RATE_LIMITED),
    ("server error", answering(faults.Status(500)), Reason.HTTP_SERVER_ERROR),
    ("bad gateway", answering(faults.Status(502, body=b"<html>")), Reason.HTTP_SERVER_ERROR),
    ("unavailable", answering(faults.Status(503)), Reason.HTTP_SERVER_ERROR),
    *(
        (f"row: {fault.what}", answering(fault), Reason.MALFORMED)
        for fault in faults.GARBAGE
        if fault.what != "only-padding"
    ),
]
