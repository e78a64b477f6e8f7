"""What can be wrong with a range server, or merely odd. Give one to ``RangeServer.fault``."""

import asyncio
import contextlib
import gzip
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

from credfirewall.testing.loopback import reset_on_close
from credfirewall.testing.messages import Request, Response, content_md5

ACCEPT: Final = "accept"
Part = Literal["accept", "headers", "body"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on its connection, and the healthy answer to it."""

    request: Request
    response: Response
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hang(self) -> None:
        """Say nothing more until the client has gone."""
        while await self.reader.read(1 << 16):
            pass

    def reset(self) -> None:
        """Cut the connection with RST."""
        reset_on_close(self.writer.get_extra_info("socket"))
        self.writer.transport.abort()


@dataclass(frozen=True)
class Fault:
    """Base of all faults; make your own by overriding ``alter`` or ``answer``.

    ``name`` is a short stable word for each variant, good as the id of a test parameter.
    """

    kind: ClassVar[str] = ""

    @property
    def name(self) -> str:
        return self.kind

    @property
    def at_accept(self) -> bool:
        """Whether it strikes a new connection, ahead of TLS and of any request."""
        return False

    def __str__(self) -> str:
        return self.name

    def alter(self, response: Response) -> Response:
        """Return what is sent in place of the healthy ``response``."""
        return response

    async def answer(self, exchange: Exchange) -> bool:
        """Answer; the connection is kept for another request when this is true."""
        await exchange.send(self.alter(exchange.response).wire)
        return True

    async def meet(self, connection: socket.socket) -> None:
        """Do to a new connection, which closes afterwards, what ``at_accept`` promises."""


@dataclass(frozen=True)
class Delay(Fault):
    """The healthy answer, or that of another fault, ``seconds`` late."""

    seconds: float
    then: Fault = field(default_factory=Fault)
    kind = "delay"

    async def answer(self, exchange: Exchange) -> bool:
        await asyncio.sleep(self.seconds)
        return await self.then.answer(exchange)


@dataclass(frozen=True)
class Status(Fault):
    """Another status: ``Status(503)``, ``Status(429, {"Retry-After": "2"})``."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    kind = "status"

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.code}"

    def alter(self, response: Response) -> Response:
        headers = {"Content-Length": str(len(self.body)), **self.headers}
        return Response(self.code, headers, self.body)


@dataclass(frozen=True)
class Redirect(Fault):
    """A redirect to ``location``."""

    location: str
    code: int = 302
    kind = "redirect"

    def alter(self, response: Response) -> Response:
        return Response(self.code, {"Location": self.location, "Content-Length": "0"})


@dataclass(frozen=True)
class Empty(Fault):
    """200 and not a byte of body, as HIBP's edge once served for days."""

    kind = "empty"

    def alter(self, response: Response) -> Response:
        return response.with_body(b"")


@dataclass(frozen=True)
class Html(Fault):
    """200 and an error page, as captive portals answer."""

    kind = "html"

    def alter(self, response: Response) -> Response:
        page = b"<!DOCTYPE html>\n<title>Sign in</title>\n<p>Welcome to our network: please wait.\n"
        return response.with_body(page).with_headers(content_type="text/html; charset=utf-8")


@dataclass(frozen=True)
class WrongChecksum(Fault):
    """The healthy body under the Content-MD5 of another one."""

    kind = "wrong-checksum"

    def alter(self, response: Response) -> Response:
        return response.with_headers(content_md5=content_md5(response.body + b"\n"))


@dataclass(frozen=True)
class Oversized(Fault):
    """A well-formed range of at least ``size`` bytes, or a header of that size.

    With ``compressed`` it travels as gzip, whether the client accepts that or not: a small
    message that becomes a large body.
    """

    size: int = 16 << 20
    part: Literal["headers", "body"] = "body"
    compressed: bool = False
    kind = "oversized"

    @property
    def name(self) -> str:
        return f"{self.kind}-{'gzip' if self.compressed else self.part}"

    def alter(self, response: Response) -> Response:
        if self.part == "headers":
            return response.with_headers(x_padding="0" * self.size)
        row = b"%035X:1\r\n"
        body = b"".join(row % number for number in range(self.size // 39 + 1)).rstrip()
        return compress(response.with_body(body)) if self.compressed else response.with_body(body)


@dataclass(frozen=True)
class Truncate(Fault):
    """The full Content-Length, ``after`` bytes of the body (half of it by default), the end."""

    after: int | None = None
    kind = "truncate"

    async def answer(self, exchange: Exchange) -> bool:
        response = exchange.response
        await exchange.send(response.head + response.body[: _cut(response, self.after)])
        return False


@dataclass(frozen=True)
class TruncateQuietly(Fault):
    """No Content-Length and no checksum, and a body that ends within a suffix.

    ``after`` bytes when given; a cut at the end of a row leaves only the lack of a length to see.
    """

    after: int | None = None
    kind = "truncate-quietly"

    async def answer(self, exchange: Exchange) -> bool:
        response = exchange.response.with_headers(
            content_length=None, content_md5=None, connection="close"
        )
        after = self.after
        if after is None:
            after = response.body.rfind(b"\n", 0, len(response.body) // 2) + 11
        await exchange.send(response.head + response.body[:after])
        return False


@dataclass(frozen=True)
class Drip(Fault):
    """One byte every ``seconds``, from the headers on or from the body on."""

    seconds: float
    part: Literal["headers", "body"] = "body"
    kind = "drip"

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.part}"

    async def answer(self, exchange: Exchange) -> bool:
        response = exchange.response
        at_once = response.head if self.part == "body" else b""
        await exchange.send(at_once)
        for byte in response.wire[len(at_once) :]:
            if exchange.reader.at_eof() or exchange.writer.is_closing():
                return False
            await exchange.send(bytes([byte]))
            await asyncio.sleep(self.seconds)
        return True


@dataclass(frozen=True)
class _AtPart(Fault):
    """Goes wrong at one part of the exchange; half a body comes before it goes wrong there."""

    part: Part = "headers"

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.part}"

    @property
    def at_accept(self) -> bool:
        return self.part == ACCEPT

    async def lead(self, exchange: Exchange) -> None:
        if self.part == "body":
            response = exchange.response
            await exchange.send(response.head + response.body[: _cut(response)])


@dataclass(frozen=True)
class Hang(_AtPart):
    """Silence until the client gives up.

    "accept": not even TLS is spoken on a new connection; "headers": nothing is answered;
    "body": the headers and half the body come, and no more. See also ``silent_port``.
    """

    kind = "hang"

    async def answer(self, exchange: Exchange) -> bool:
        await self.lead(exchange)
        await exchange.hang()
        return False

    async def meet(self, connection: socket.socket) -> None:
        while await asyncio.get_running_loop().sock_recv(connection, 1 << 16):
            pass


@dataclass(frozen=True)
class Reset(_AtPart):
    """RST: on a new connection, in place of an answer, or in the middle of the body."""

    kind = "reset"

    async def answer(self, exchange: Exchange) -> bool:
        await self.lead(exchange)
        exchange.reset()
        return False

    async def meet(self, connection: socket.socket) -> None:
        reset_on_close(connection)


@dataclass(frozen=True)
class NotHttp(Fault):
    """Bytes of some other protocol."""

    kind = "not-http"

    async def answer(self, exchange: Exchange) -> bool:
        with contextlib.suppress(ConnectionError):
            await exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n\x00\x00\x00\xff" + bytes(64))
        return False


def compress(response: Response) -> Response:
    """Return ``response`` as gzip; the checksum, whose meaning that would change, goes."""
    packed = response.with_headers(content_encoding="gzip", content_md5=None)
    return packed.with_body(gzip.compress(response.body, compresslevel=1, mtime=0))


def _cut(response: Response, after: int | None = None) -> int:
    return len(response.body) // 2 if after is None else after


Rows = list[bytes]


def _spoil_middle(spoil: Callable[[bytes, bytes], bytes]) -> Callable[[Rows], Rows]:
    """Let ``spoil(suffix, count)`` rewrite one row, not of padding, and leave the others be."""

    def rewrite(rows: Rows) -> Rows:
        real = sum(not row.endswith(b":0") for row in rows)
        at = real // 2
        suffix, _, count = rows[at].partition(b":")
        return [*rows[:at], spoil(suffix, count), *rows[at + 1 :]]

    return rewrite


_GARBAGE: dict[str, Callable[[Rows], Rows]] = {
    "short-suffix": _spoil_middle(lambda suffix, count: suffix[:-1] + b":" + count),
    "long-suffix": _spoil_middle(lambda suffix, count: suffix + b"0:" + count),
    "full-hash": _spoil_middle(lambda suffix, count: b"00000" + suffix + b":" + count),
    "not-hex": _spoil_middle(lambda suffix, count: b"G" + suffix[1:] + b":" + count),
    "no-colon": _spoil_middle(lambda suffix, count: suffix + count),
    "no-count": _spoil_middle(lambda suffix, count: suffix + b":"),
    "negative-count": _spoil_middle(lambda suffix, count: suffix + b":-" + count),
    "signed-count": _spoil_middle(lambda suffix, count: suffix + b":+" + count),
    "word-count": _spoil_middle(lambda suffix, count: suffix + b":many"),
    "decimal-count": _spoil_middle(lambda suffix, count: suffix + b":" + count + b".5"),
    # Python's int() reads the next two, which is why they are here.
    "underscore-count": _spoil_middle(lambda suffix, count: suffix + b":1_000"),
    "arabic-count": _spoil_middle(lambda suffix, count: suffix + ":\u0663".encode()),
    "endless-count": _spoil_middle(lambda suffix, count: suffix + b":" + b"9" * 5000),
    "binary": _spoil_middle(lambda suffix, count: b"\x00\xff\xfe" + suffix),
    "only-padding": lambda rows: [row.partition(b":")[0] + b":0" for row in rows],
}


@dataclass(frozen=True)
class Garbage(Fault):
    """A body with one bad row in its middle (or, "only-padding", none that counts).

    Its length and checksum are right, so only its grammar can give it away.
    """

    what: str
    kind = "garbage"

    def __post_init__(self) -> None:
        if self.what not in _GARBAGE:
            raise ValueError(f"unknown garbage {self.what!r}; known: {', '.join(_GARBAGE)}")

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.what}"

    def alter(self, response: Response) -> Response:
        rows = response.body.split(b"\r\n")
        return response.with_body(b"\r\n".join(_GARBAGE[self.what](rows)))


GARBAGE = tuple(Garbage(what) for what in _GARBAGE)
"""Every kind of garbage there is."""
