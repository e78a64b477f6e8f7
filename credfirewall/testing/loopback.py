"""What the loopback servers have in common: a socket, a thread with an event loop, a way to die."""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
HEAD_LIMIT = 1 << 16
_BACKLOG = 1024


class LoopbackServer(ABC):
    """A TCP server on 127.0.0.1, with its own event loop in a daemon thread.

    ``ssl_context`` makes it speak TLS; set to another one, it holds for later connections.
    Use it as a context manager, or call ``start`` and ``stop``. Once started it keeps its port.
    """

    def __init__(self, *, port: int = 0, ssl_context: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.ssl_context = ssl_context
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def running(self) -> bool:
        return self._thread is not None

    def start(self) -> Self:
        """Listen, on the same port as before if there was one. Raises OSError if it is taken."""
        if self._thread is not None:
            raise RuntimeError("the server is running already")
        listener = socket.create_server((HOST, self.port), backlog=_BACKLOG)
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(listener, ready)),
            name=f"{type(self).__name__}:{self.port}",
            daemon=True,
        )
        self._thread.start()
        ready.wait()
        return self

    def stop(self) -> None:
        """Die: cut every connection and refuse new ones. Does nothing when not running."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def admit(self, connection: socket.socket) -> bool:
        """Decide over a connection before any byte, TLS's too. False: drop it now."""
        return True

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk on one connection, which closes when this returns."""

    async def _run(self, listener: socket.socket, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()
        with listener:
            self._loop.add_reader(listener, self._accept, listener, tasks)
            ready.set()
            await self._stopping.wait()
            self._loop.remove_reader(listener)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Aborted transports tell their protocols so in callbacks of their own.
        for _ in range(3):
            await asyncio.sleep(0)

    def _accept(self, listener: socket.socket, tasks: set[asyncio.Task[None]]) -> None:
        # Not loop.sock_accept: cancelled at the wrong moment, it loses the connection.
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._converse(connection))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        # A task that is cancelled before its first step cannot close anything.
        task.add_done_callback(lambda _: connection.close())

    async def _converse(self, connection: socket.socket) -> None:
        # A client that goes away, or will not have our certificate, is no event here.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            if not await self.admit(connection):
                return
            reader, writer = await self._streams(connection)
            try:
                await self.serve(reader, writer)
                writer.close()
                await writer.wait_closed()
            finally:
                writer.transport.abort()

    async def _streams(
        self, connection: socket.socket
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=HEAD_LIMIT, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, connection, ssl=self.ssl_context
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def reset_on_close(connection: socket.socket) -> None:
    """Make closing ``connection`` send RST instead of FIN, by lingering for zero seconds."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """Give a port of 127.0.0.1 that refuses connections for as long as the context lasts."""
    # Bound but not listening: refused, and nobody else can take it.
    with socket.socket() as held:
        held.bind((HOST, 0))
        yield held.getsockname()[1]


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """Give a port of 127.0.0.1 on which connecting itself hangs (Linux: the queue is full)."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield address[1]
