"""The native asynchronous client: aiohttp, one session per event loop.

A session belongs to the loop it was made in, and a process may see many loops (each
``async_to_sync`` without an outer loop makes one). It lives in an asynchronous generator, because
every well-behaved runner (asyncio.run, asgiref, uvicorn) finishes those when its loop ends: that
closes the connections in the loop they belong to.
"""

import asyncio
from collections.abc import AsyncGenerator

import aiohttp

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening import egress
from credfirewall.screening.deadline import Deadline
from credfirewall.screening.verdict import Reason

CONNECTIONS = 256
"""Connections per event loop; ``hibp.CONCURRENCY`` bounds the requests."""


async def _session() -> AsyncGenerator[aiohttp.ClientSession, None]:
    context = egress.tls_context(egress.ca_bundle())
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(),  # the deadline is around all of it
    ) as session:
        yield session


class AsyncClient:
    """Range requests without threads, in whichever event loop it is used."""

    def __init__(self) -> None:
        self._sessions: dict[
            asyncio.AbstractEventLoop,
            tuple[AsyncGenerator[aiohttp.ClientSession, None], aiohttp.ClientSession],
        ] = {}

    async def fetch(self, request: egress.Request, deadline: Deadline) -> egress.Response:
        """Return the whole answer to ``request``. Raises SourceUnavailable."""
        seconds = deadline.remaining()
        try:
            async with asyncio.timeout(seconds):
                reason = await self._try(request)
        except TimeoutError:
            reason = Reason.TIMEOUT
        if isinstance(reason, egress.Response):
            return reason
        # Raised here and not in a handler: the errors of aiohttp hold the URL.
        raise SourceUnavailable(reason)

    async def _try(self, request: egress.Request) -> egress.Response | str:
        session = await self._get_session()
        try:
            async with session.get(
                request.url,
                headers=request.headers,
                allow_redirects=False,
                proxy=request.proxy,
            ) as answer:
                return await self._read(answer)
        except aiohttp.ClientConnectorDNSError:
            return Reason.DNS
        except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch):
            return Reason.TLS
        except aiohttp.ClientConnectorError:
            return Reason.CONNECT
        except aiohttp.ClientPayloadError:
            return Reason.TRUNCATED
        except (aiohttp.ClientError, OSError, ValueError):
            return Reason.RESET

    @staticmethod
    async def _read(answer: aiohttp.ClientResponse) -> egress.Response | str:
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
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return egress.Response(answer.status, headers, b"".join(parts))

    async def _get_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        known = self._sessions.get(loop)
        if known is None or known[1].closed:
            for other in [each for each in tuple(self._sessions) if each.is_closed()]:
                self._sessions.pop(other, None)
            scope = _session()
            # Nothing here suspends, so that no other task of this loop can come in between.
            known = self._sessions[loop] = scope, await anext(scope)
        return known[1]


client = AsyncClient()
