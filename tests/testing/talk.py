"""A client as plain as can be, so that what the server does is what a test sees."""

import contextlib
import socket
import ssl
from dataclasses import dataclass

from credfirewall.testing.loopback import HOST

SECONDS = 10.0


@dataclass(frozen=True)
class Reply:
    """All that came, and how it ended: "eof", or the class of the error."""

    data: bytes
    end: str

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


def request(prefix: str = "ABCDE", *, path: str = "/range/", **headers: str) -> bytes:
    """A request for one answer; header names are written with underscores."""
    given = {"Host": HOST, "User-Agent": "tests", "Connection": "close"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"GET {path}{prefix} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items() if v)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def ask(
    port: int,
    data: bytes | None = None,
    *,
    seconds: float = SECONDS,
    tls: ssl.SSLContext | None = None,
    host: str = HOST,
) -> Reply:
    """Send ``data`` on a connection of its own and read until the end."""
    received = b""
    try:
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(socket.create_connection((HOST, port), timeout=seconds))
            line = plain
            if tls is not None:
                line = stack.enter_context(tls.wrap_socket(plain, server_hostname=host))
            line.sendall(request() if data is None else data)
            while chunk := line.recv(1 << 16):
                received += chunk
    except OSError as error:
        return Reply(received, type(error).__name__)
    return Reply(received, "eof")
