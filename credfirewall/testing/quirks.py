"""Healthy answers in unusual clothes: a client must understand every one of them."""

from collections.abc import Callable
from dataclasses import dataclass

from credfirewall.testing.faults import Exchange, Fault, compress
from credfirewall.testing.messages import Response

_BOM = b"\xef\xbb\xbf"


def _thousands(body: bytes) -> bytes:
    rows = (row.partition(b":") for row in body.split(b"\r\n"))
    return b"\r\n".join(b"%s:%s" % (suffix, f"{int(n):,}".encode()) for suffix, _, n in rows)


_BODIES: dict[str, Callable[[bytes], bytes]] = {
    "lf": lambda body: body.replace(b"\r\n", b"\n"),
    "bom": lambda body: _BOM + body,
    "blank-lines": lambda body: b"\r\n" + body.replace(b"\r\n", b"\r\n\r\n", 3) + b"\r\n\r\n",
    "final-newline": lambda body: body + b"\r\n",
    "thousands": _thousands,
    "lowercase": bytes.lower,
    "everything": lambda body: _BOM + b"\n" + _thousands(body).lower().replace(b"\r\n", b"\n"),
}


@dataclass(frozen=True)
class Quirk(Fault):
    """The healthy rows, written otherwise: ``Quirk("lf")``; ``QUIRKS`` has them all."""

    what: str
    kind = "quirk"

    def __post_init__(self) -> None:
        if self.what not in _BODIES:
            raise ValueError(f"unknown quirk {self.what!r}; known: {', '.join(_BODIES)}")

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.what}"

    def alter(self, response: Response) -> Response:
        return response.with_body(_BODIES[self.what](response.body))


@dataclass(frozen=True)
class Chunked(Fault):
    """The healthy body in chunks of ``size`` bytes, which cut through rows."""

    size: int = 1000
    kind = "quirk-chunked"

    async def answer(self, exchange: Exchange) -> bool:
        response = exchange.response.with_headers(content_length=None, transfer_encoding="chunked")
        body, starts = response.body, range(0, len(response.body), self.size)
        chunks = [body[at : at + self.size] for at in starts] + [b""]
        framed = b"".join(b"%X\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
        await exchange.send(response.head + framed)
        return True


@dataclass(frozen=True)
class Gzipped(Fault):
    """The healthy body as gzip where the client accepts it, as HIBP does it."""

    kind = "quirk-gzip"

    async def answer(self, exchange: Exchange) -> bool:
        accepts = "gzip" in exchange.request.headers.get("accept-encoding", "")
        response = compress(exchange.response) if accepts else exchange.response
        await exchange.send(response.wire)
        return True


QUIRKS: tuple[Fault, ...] = (*(Quirk(what) for what in _BODIES), Chunked(), Gzipped())
"""Every healthy oddity there is."""
