"""A CONNECT proxy on loopback that keeps account of where it was asked to go."""

import asyncio
import contextlib

from credfirewall.testing.loopback import HOST, LoopbackServer


class ConnectProxy(LoopbackServer):
    """``targets`` lists each CONNECT's host and port. A ``status`` other than 200 refuses them."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.status = 200

    @property
    def url(self) -> str:
        """The value for HTTPS_PROXY."""
        return f"http://{HOST}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.targets.append(target)
        if method != "CONNECT" or self.status != 200:
            status = self.status if method == "CONNECT" else 405
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
            return
        host, _, port = target.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        finally:
            far_writer.transport.abort()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until either end has had enough, and pass the end on."""
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()
