"""The native asynchronous client: aiohttp, one session per event loop.

A session belongs to the loop it was made in, and a process may see many loops (each
``async_to_sync`` without an outer loop makes one). It lives in an asynchronous generator, because
every well-behaved runner (asyncio.run, asgiref, uvicorn) finishes those when its loop ends: that
closes the connections in the loop they belong to.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType, Connection

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening import egress, lookup
from credfirewall.screening.bounded import Saturated
from credfirewall.screening.deadline import Deadline
from credfirewall.screening.verdict import Reason

CONNECTIONS = 256
"""Connections per event loop; ``hibp.CONCURRENCY`` bounds the requests."""


class _Resolver(AbstractResolver):
    """Looks names up as the blocking client does.

    aiohttp would ask in the loop's own threads, and a loop cannot end before those are done.
    """

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        try:
            found = await asyncio.wrap_future(lookup.look_up(host, port))
        except Saturated:
            reason = Reason.BUSY
        except UnicodeError:
            reason = Reason.DNS
        else:
            return [
                ResolveResult(
                    hostname=host,
                    host=address[0],
                    port=address[1],
                    family=family,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
                for family, _, protocol, _, address in found
            ]
        raise SourceUnavailable(reason)

    async def close(self) -> None:
        """There is nothing to close."""


_kept: WeakSet[Any] = WeakSet()
"""Connections that have answered before."""


class _Answer(aiohttp.ClientResponse):
    """Keeps a connection only after a 200: what may still come is not the next one's answer.

    When a connection ends in place of an answer, aiohttp asks once more by itself. Here it does so
    only if the connection was kept, because the server may just have closed that one. A new one
    that ends so was the request, and no budget knows of another.
    """

    def __repr__(self) -> str:
        return f"<answer {self.status}>"  # aiohttp's shows the URL, which holds the prefix

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        ended = False
        try:
            await super().start(connection)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            if protocol in _kept:
                raise
            ended = True
        if ended:  # raised here and not in a handler, as below
            raise SourceUnavailable(Reason.RESET)
        if protocol is not None:
            _kept.add(protocol)
            if self.status != 200:
                protocol.close()
        return self


async def _session() -> AsyncGenerator[aiohttp.ClientSession, None]:
    context = egress.tls_context(egress.ca_bundle())
    sockets: WeakSet[socket.socket] = WeakSet()

    def make_socket(address: AddrInfoType) -> socket.socket:
        made = socket.socket(*address[:3])
        sockets.add(made)
        return made

    connector = aiohttp.TCPConnector(
        limit=CONNECTIONS, ssl=context, resolver=_Resolver(), socket_factory=make_socket
    )
    try:
        async with aiohttp.ClientSession(
            connector=connector,
            response_class=_Answer,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(),  # the deadline is around all of it
        ) as session:
            yield session
    finally:
        # After a timeout TLS may still be waiting for the other side's good-bye.
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for _ in range(3):  # in which the loop notices
            await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class _InLoop:
    """What belongs to one event loop."""

    scope: AsyncGenerator[aiohttp.ClientSession, None]
    session: aiohttp.ClientSession


class AsyncClient:
    """Range requests without threads, in whichever event loop it is used."""

    def __init__(self) -> None:
        self._loops: dict[asyncio.AbstractEventLoop, _InLoop] = {}

    async def fetch(self, request: egress.Request, deadline: Deadline) -> egress.Response:
        """Return the whole answer to ``request``. Raises SourceUnavailable."""
        reason = await self._in_time(request, deadline)
        if isinstance(reason, egress.Response):
            return reason
        # Raised here and not in a handler: the errors of aiohttp hold the URL.
        raise SourceUnavailable(reason)

    async def _in_time(self, request: egress.Request, deadline: Deadline) -> egress.Response | str:
        try:
            here = await self._here()
        except OSError:  # the environment names certificates that are not there
            return Reason.TLS
        outcome: egress.Response | str = Reason.TIMEOUT
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline.remaining()):
                outcome = await self._try(request, here.session)
        return outcome

    @classmethod
    async def _try(
        cls, request: egress.Request, session: aiohttp.ClientSession
    ) -> egress.Response | str:
        try:
            async with session.get(
                request.url,
                headers=request.headers,
                allow_redirects=False,
                proxy=request.proxy,
            ) as answer:
                return await cls._read(answer)
        except aiohttp.ClientConnectorDNSError:
            return Reason.DNS
        except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch):
            return Reason.TLS
        except aiohttp.ClientConnectorError as error:
            was_reset = isinstance(error.os_error, ConnectionResetError)
            return Reason.RESET if was_reset else Reason.CONNECT
        except aiohttp.ClientHttpProxyError:
            return Reason.CONNECT
        except aiohttp.ClientPayloadError:
            return Reason.TRUNCATED
        except (aiohttp.ClientError, OSError, ValueError):
            return Reason.RESET

    @staticmethod
    async def _read(answer: aiohttp.ClientResponse) -> egress.Response | str:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if answer.status != 200:
            return egress.Response(answer.status, headers, b"")
        if (answer.content_length or 0) > egress.MAX_BODY:
            answer.close()
            return Reason.TOO_LARGE
        parts: list[bytes] = []
        size = 0
        async for part in answer.content.iter_any():
            size += len(part)
            if size > egress.MAX_BODY:
                answer.close()
                return Reason.TOO_LARGE
            parts.append(part)
        return egress.Response(answer.status, headers, b"".join(parts))

    async def _here(self) -> _InLoop:
        loop = asyncio.get_running_loop()
        known = self._loops.get(loop)
        if known is None or known.session.closed:
            for other in [each for each in tuple(self._loops) if each.is_closed()]:
                self._loops.pop(other, None)
            scope = _session()
            # Nothing here suspends, so that no other task of this loop can come in between.
            known = self._loops[loop] = _InLoop(scope, await anext(scope))
        return known


client = AsyncClient()
