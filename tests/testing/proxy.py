"""A CONNECT proxy on loopback that keeps account of where it was asked to go."""

import asyncio
import contextlib
import ssl

from credfirewall.testing.loopback import HOST, LoopbackServer


class ConnectProxy(LoopbackServer):
    """``targets`` lists each CONNECT's host and port. A ``status`` other than 200 refuses them.

    With an ``ssl_context`` it is one that TLS is spoken to, and so TLS in TLS goes through it.
    ``drip`` seconds pass before each byte of its own answer; ``leads_nowhere`` when nothing that
    it is told gets any further.
    """

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None) -> None:
        super().__init__(ssl_context=ssl_context)
        self.targets: list[str] = []
        self.status = 200
        self.drip = 0.0
        self.leads_nowhere = False

    @property
    def url(self) -> str:
        """The value for HTTPS_PROXY."""
        scheme = "http" if self.ssl_context is None else "https"
        return f"{scheme}://{HOST}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.targets.append(target)
        if method != "CONNECT" or self.status != 200:
            status = self.status if method == "CONNECT" else 405
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
            return
        established = b"HTTP/1.1 200 Connection established\r\n\r\n"
        for byte in established if self.drip else ():
            await asyncio.sleep(self.drip)
            writer.write(bytes([byte]))
            await writer.drain()
        if self.leads_nowhere:
            writer.write(established)
            await reader.read()
            return
        host, _, port = target.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(b"" if self.drip else established)
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
    else:  # TLS ends both ways at once
        writer.close()
