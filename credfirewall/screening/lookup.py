"""Name look-ups, which nothing can interrupt: in a small pool, for both clients."""

import socket
from concurrent.futures import Future
from typing import Any

from credfirewall.screening.bounded import BoundedPool

Addresses = list[tuple[Any, ...]]
"""What getaddrinfo gives."""

_pool = BoundedPool("dns", threads=4, backlog=64)


def look_up(host: str, port: int) -> Future[Addresses]:
    """Start a look-up, which ends with addresses, OSError or UnicodeError. Raises Saturated."""
    return _pool.submit(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
