"""The blocking client: requests, with one deadline over everything that can take time.

requests and urllib3 time each read on its own, so a server that drips one byte at a time holds a
caller for as long as it likes. Here the sockets themselves know the deadline: name look-up, every
address, the TLS handshake and each read of headers or body get what is left of it. They count
what comes, too: http.client has its own idea of how much may be read for a chunk of "-1" bytes.
"""

import logging
import os
import socket
import ssl
import threading
import time
from concurrent.futures import TimeoutError as FutureTimeout
from http.client import HTTPException
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening import egress, lookup
from credfirewall.screening.bounded import Saturated
from credfirewall.screening.deadline import Deadline
from credfirewall.screening.verdict import Reason

CONNECTIONS = 32
"""Idle connections kept for reuse."""
IDLE = 15.0
"""Seconds for which they are, as in aiohttp."""
MAX_RECEIVED = egress.MAX_BODY + (1 << 20)
"""Bytes of one exchange: a body, headers and what frames chunks."""

_HEADERS = {
    False: requests.structures.CaseInsensitiveDict(egress.HEADERS),
    True: requests.structures.CaseInsensitiveDict(egress.PADDED_HEADERS),
}


class _Current(threading.local):
    """The request that this thread is making: its deadline, and what became of it so far."""

    deadline: Deadline | None = None
    received = 0
    connected = False
    """Whether it opened a connection of its own."""


_current = _Current()


def _remaining() -> float:
    return _current.deadline.remaining() if _current.deadline else 0.001


def _count(size: int) -> None:
    _current.received += size
    if _current.received > MAX_RECEIVED:
        raise SourceUnavailable(Reason.TOO_LARGE)


class _Quiet(logging.Filter):
    """Drops what urllib3 would log of our requests: the URL holds the prefix."""

    def filter(self, record: logging.LogRecord) -> bool:
        return _current.deadline is None


class DeadlineSocket(socket.socket):
    """A socket that waits no longer, and takes no more, than the current request may."""

    def recv_into(self, *args: Any) -> int:
        self.settimeout(_remaining())
        size = super().recv_into(*args)
        _count(size)
        return size

    def recv(self, *args: Any) -> bytes:
        self.settimeout(_remaining())
        data = super().recv(*args)
        _count(len(data))
        return data

    def sendall(self, *args: Any) -> None:  # whose timeout is a total one, as a TLS record's is
        self.settimeout(_remaining())
        super().sendall(*args)


class DeadlineTLSSocket(DeadlineSocket, ssl.SSLSocket):
    """The same above TLS, and below it where urllib3 has TLS in TLS through a proxy."""

    def do_handshake(self, block: bool = False) -> None:  # whose timeout is a total one
        self.settimeout(_remaining())
        super().do_handshake(block)


def _addresses(host: str, port: int) -> lookup.Addresses:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        reason = Reason.DNS
    try:
        return lookup.look_up(host, port).result(_remaining())
    except FutureTimeout:
        reason = Reason.TIMEOUT
    except Saturated:
        reason = Reason.BUSY
    except (OSError, UnicodeError):
        reason = Reason.DNS
    raise SourceUnavailable(reason)


def open_socket(host: str, port: int, options: Any) -> socket.socket:
    """Connect to the first address that answers, giving each an equal share of the time left."""
    _current.connected = True
    addresses = _addresses(host, port)
    timed_out = False
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        try:
            sock = DeadlineSocket(family, kind, protocol)
        except OSError:  # a machine without this kind of address
            continue
        try:
            for option in options or ():
                sock.setsockopt(*option)
            sock.settimeout(_remaining() / (len(addresses) - tried))
            sock.connect(address)
        except OSError as error:
            sock.close()
            timed_out = isinstance(error, TimeoutError)
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise SourceUnavailable(Reason.TIMEOUT if timed_out else Reason.CONNECT)


class _Kept:
    """What is idle for long is not used again: a NAT may have dropped it and told nobody."""

    used_at = 0.0

    @property
    def is_connected(self) -> bool:
        connected: bool = super().is_connected  # type: ignore[misc]  # of the other base
        return connected and time.monotonic() - self.used_at < IDLE

    def getresponse(self) -> Any:
        self.used_at = time.monotonic()
        return super().getresponse()  # type: ignore[misc]  # of the other base


class _Connection(_Kept, HTTPConnection):
    debuglevel = 0  # even where a developer has http.client print what it sends

    def _new_conn(self) -> socket.socket:
        return open_socket(self._dns_host, self.port, self.socket_options)


class _TLSConnection(_Kept, HTTPSConnection):
    debuglevel = 0

    def _new_conn(self) -> socket.socket:
        return open_socket(self._dns_host, self.port, self.socket_options)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class DeadlineAdapter(HTTPAdapter):
    """Connects through deadline sockets and always verifies: there is no switch for it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._targets: dict[tuple[str, str | None], tuple[Any, str]] = {}
        super().__init__(pool_maxsize=CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._use_our_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, proxy_ssl_context=self._context, **kwargs)
        if not known:
            self._use_our_pools(manager)
        return manager

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, True, cert)
        return host, {"ssl_context": self._context, "cert_reqs": "CERT_REQUIRED"}

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        return self._target(request, proxies)[0]

    def request_url(self, request: Any, proxies: Any) -> str:
        prefix: str = request.url.rpartition("/")[2]
        return self._target(request, proxies)[1] + prefix

    def _target(self, request: Any, proxies: Any) -> tuple[Any, str]:
        """Return the pool for a request and its target up to the prefix.

        Both are the same for each request to one address, and requests parses URLs six times
        over to find them, which takes as long as the rest of its work.
        """
        key = request.url.rpartition("/")[0], proxies.get("all")
        target = self._targets.get(key)
        if target is None:
            pool = super().get_connection_with_tls_context(request, True, proxies)
            url = super().request_url(request, proxies).rpartition("/")[0] + "/"
            target = self._targets[key] = pool, url
        return target

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """Keep what is used of an answer: no cookies, no guess at an encoding."""
        response = requests.Response()
        response.status_code, response.headers, response.raw = resp.status, resp.headers, resp
        return response

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the pool as it is: requests would load the certificates at each connection."""

    @staticmethod
    def _use_our_pools(manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class Client:
    """A pooled ``requests`` session for range requests. Thread safe; renewed after a fork."""

    def __init__(self) -> None:
        self._session: requests.Session | None = None
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """Begin anew. What a parent process goes on using is kept, because it must stay open."""
        self._lock = threading.Lock()
        self._parents, self._session = self._session, None

    def fetch(self, request: egress.Request, deadline: Deadline) -> egress.Response:
        """Return the whole answer to ``request``. Raises SourceUnavailable."""
        _current.deadline, _current.received, _current.connected = deadline, 0, False
        try:
            reason = self._try(request, deadline)
            # The server may just have closed a connection that was kept. A new one that ends so
            # was the request, and no budget knows of another.
            if reason == Reason.RESET and not _current.connected:
                reason = self._try(request, deadline)
        finally:
            _current.deadline = None
        if isinstance(reason, egress.Response):
            return reason
        # Raised here and not in a handler: the errors of requests hold the URL.
        deadline.remaining()
        raise SourceUnavailable(reason)

    def close(self) -> None:
        with self._lock:
            if self._session is not None:
                self._session.close()
            self._session = None

    def _try(self, request: egress.Request, deadline: Deadline) -> egress.Response | str:
        try:
            session, proxy = self._get_session(), request.proxy
        except OSError:  # the environment names certificates that are not there
            return Reason.TLS
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url = "GET", request.url
        prepared.headers = _HEADERS[request.padded]
        try:
            # The adapter and not session.send: that would follow redirects, keep cookies, read
            # the environment again, and cost as much as the exchange itself.
            answer = session.get_adapter(request.url).send(
                prepared,
                stream=True,
                timeout=deadline.remaining(),
                proxies={"all": proxy} if proxy else {},
            )
        except SourceUnavailable as error:
            return error.reason
        except requests.exceptions.SSLError:
            return Reason.TLS
        except requests.exceptions.ProxyError:
            return Reason.CONNECT
        except requests.exceptions.Timeout:
            return Reason.TIMEOUT
        except (requests.exceptions.RequestException, HTTPError, OSError, ValueError):
            return Reason.RESET
        return self._read(answer)

    @staticmethod
    def _read(answer: requests.Response) -> egress.Response | str:
        raw, complete = answer.raw, False
        headers = {name.lower(): value for name, value in answer.headers.items()}
        try:
            if raw.status != 200:  # its body says nothing, and its connection is not kept
                return egress.Response(raw.status, headers, b"")
            announced = raw.length_remaining
            if announced is not None and announced > egress.MAX_BODY:
                return Reason.TOO_LARGE
            body = raw.read(egress.MAX_BODY + 1)
            complete = len(body) <= egress.MAX_BODY
            if not complete:
                return Reason.TOO_LARGE
            return egress.Response(raw.status, headers, body)
        except SourceUnavailable as error:
            return error.reason
        except (HTTPError, HTTPException, OSError, ValueError, OverflowError):
            # The last two out of http.client, which reads "-5" and less as the size of a chunk.
            return Reason.TRUNCATED
        finally:
            if complete:
                raw.release_conn()
            else:  # what may still come must not be taken for the answer to another question
                raw.close()

    def _get_session(self) -> requests.Session:
        if self._session is None:
            with self._lock:
                if self._session is None:
                    self._session = self._new_session()
        return self._session

    @staticmethod
    def _new_session() -> requests.Session:
        context = egress.tls_context(egress.ca_bundle(), DeadlineTLSSocket)
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, DeadlineAdapter(context))
        return session


client = Client()
# The first two write the URL, one of them at WARNING when the headers are garbage.
for _name in ("connectionpool", "connection", "poolmanager", "response", "util.retry"):
    logging.getLogger(f"urllib3.{_name}").addFilter(_Quiet())
