"""A real range server on 127.0.0.1, which can be told to be slow, to lie, or to die.

    with RangeServer({"hunter2": 17}) as server:
        ...  # CREDFIREWALL["HIBP_URL"] = server.url
        server.fault = faults.Status(503)

It speaks Have I Been Pwned's range API over HTTP/1.1. To run it as a process of its own:
``python -m credfirewall.testing.server --rows 2000``.
"""

import argparse
import asyncio
import signal
import socket
import ssl
import sys
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from credfirewall.testing.faults import Delay, Exchange, Fault
from credfirewall.testing.loopback import HOST, LoopbackServer
from credfirewall.testing.messages import Request, Response, content_md5
from credfirewall.testing.ranges import Passwords, Ranges, Row, is_prefix

MAX_BODIES = 2048
MAX_REQUESTS = 10_000
_BODY_LIMIT = 1 << 20
_ANY_PAGE = {"Access-Control-Allow-Origin": "*"}
"""Pages of any site may ask, as they may ask the real service."""


class RangeServer(LoopbackServer):
    """HIBP's range API on loopback.

    ``passwords``, ``rows``, ``directory`` and ``filler`` are those of ``Ranges``. The real API
    never has an empty range, so some filler is on by default; 0 turns it off.
    ``checksum`` sends Content-MD5 with unpadded bodies. Requests without a User-Agent get 403.
    Pages of any origin may ask (CORS); what a browser asks ahead of that is in ``requests``, too.
    """

    def __init__(
        self,
        passwords: Passwords = (),
        *,
        rows: Mapping[str, Iterable[Row]] | None = None,
        directory: str | Path | None = None,
        filler: int = 8,
        checksum: bool = True,
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        path: str = "/range/",
    ) -> None:
        super().__init__(port=port, ssl_context=ssl_context)
        self._ranges = Ranges(passwords, rows=rows, directory=directory, filler=filler)
        self._checksum = checksum
        self._path = path
        self._range = lru_cache(MAX_BODIES)(self._build)
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque(maxlen=MAX_REQUESTS)
        self._count = 0
        self._fault: Fault | None = None
        self._queue: deque[Fault | None] = deque()

    @property
    def url(self) -> str:
        """The value for ``HIBP_URL``, such as "http://127.0.0.1:8765/range/"."""
        scheme = "http" if self.ssl_context is None else "https"
        return f"{scheme}://{HOST}:{self.port}{self._path}"

    @property
    def requests(self) -> list[Request]:
        """The requests so far, oldest first: the last 10,000 of them."""
        with self._lock:
            return list(self._requests)

    @property
    def count(self) -> int:
        """How many requests came since the start or the last ``reset``."""
        return self._count

    def reset(self) -> None:
        """Forget the requests so far. The fault stays: set ``fault`` to None to be healthy."""
        with self._lock:
            self._requests.clear()
            self._count = 0

    @property
    def fault(self) -> Fault | None:
        """What happens to every following request; None is healthy."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        with self._lock:
            self._queue.clear()
            self._fault = fault

    def faults(self, faults: Iterable[Fault | None]) -> None:
        """Apply one of ``faults`` to each following request, in order, and then be healthy."""
        with self._lock:
            self._queue = deque(faults)
            self._fault = None

    def add(self, passwords: Passwords, count: int = 1) -> None:
        """Add breached ``passwords``; following requests see them."""
        self._ranges.add(passwords, count)
        self._range.cache_clear()

    async def admit(self, connection: socket.socket) -> bool:
        fault = self._take(at_accept=True)
        if fault is None:
            return True
        await fault.meet(connection)
        return False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        keeps_alive = True
        while keeps_alive:
            try:
                request = await self._receive(reader)
            except ValueError:
                writer.write(_refusal(400, "That is not an HTTP request").wire)
                return
            with self._lock:
                self._requests.append(request)
                self._count += 1
            # A browser asks ahead whether it may ask; no fault is used up by that.
            fault = None if request.method == "OPTIONS" else self._take()
            response = self.respond(request)
            keeps_alive = request.keeps_alive
            if fault is None:
                writer.write(response.wire)
                await writer.drain()
            else:
                exchange = Exchange(request, response, reader, writer)
                keeps_alive = await fault.answer(exchange) and keeps_alive

    def respond(self, request: Request) -> Response:
        """Return the healthy answer to ``request``."""
        if request.method == "OPTIONS":
            return Response(204, {**_ANY_PAGE, "Access-Control-Allow-Headers": "Add-Padding"})
        if request.method != "GET":
            return _refusal(405, "Only GET is supported", Allow="GET")
        if not request.headers.get("user-agent"):
            return _refusal(403, "A user agent is required")
        if not request.path.startswith(self._path):
            return _refusal(404, "There is nothing here")
        prefix = request.path.removeprefix(self._path)
        if not is_prefix(prefix):
            return _refusal(400, "The hash prefix was not in a valid format")
        padded = request.headers.get("add-padding", "").lower() == "true"
        return self._range(prefix.upper(), padded)

    async def _receive(self, reader: asyncio.StreamReader) -> Request:
        head = await reader.readuntil(b"\r\n\r\n")
        request = Request.parse(head)
        length = int(request.headers.get("content-length", "0"))
        if not length:
            return request
        if not 0 < length <= _BODY_LIMIT:
            raise ValueError("a body too large to keep")
        return request.with_body(await reader.readexactly(length))

    def _take(self, *, at_accept: bool = False) -> Fault | None:
        """Return the fault that is due; at accept only one that belongs there."""
        with self._lock:
            fault = self._queue[0] if self._queue else self._fault
            if at_accept and (fault is None or not fault.at_accept):
                return None
            if self._queue:
                self._queue.popleft()
            return fault

    def _build(self, prefix: str, padded: bool) -> Response:
        body = self._ranges.body(prefix, padded=padded)
        headers = {
            "Content-Type": "text/plain",
            "Content-Length": str(len(body)),
            "Cache-Control": "public, max-age=2678400",
            "Last-Modified": "Mon, 02 Nov 2026 09:00:00 GMT",
            **_ANY_PAGE,
        }
        if self._checksum and not padded:
            headers["Content-Md5"] = content_md5(body)
        return Response(200, headers, body)


def _refusal(status: int, text: str, **headers: str) -> Response:
    body = text.encode()
    described = {
        "Content-Type": "text/plain",
        "Content-Length": str(len(body)),
        **_ANY_PAGE,
        **headers,
    }
    return Response(status, described, body)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until standard input closes, or SIGTERM or Ctrl-C comes."""
    parser = argparse.ArgumentParser(
        prog="python -m credfirewall.testing.server",
        description="Serve the range API on loopback until standard input closes.",
    )
    parser.add_argument("--rows", type=int, default=2000, help="filler rows a prefix (2000)")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--directory", type=Path, help="range files named by prefix")
    parser.add_argument("--no-checksum", action="store_true", help="leave Content-MD5 out")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = RangeServer(
        directory=options.directory,
        filler=options.rows,
        checksum=not options.no_checksum,
        port=options.port,
    )
    server.fault = Delay(options.delay) if options.delay else None
    try:
        with server:
            sys.stdout.write(f"{server.url}\n")
            sys.stdout.flush()
            sys.stdin.buffer.read()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
