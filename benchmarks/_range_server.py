"""The range service of the screening benchmark, as a process of its own on loopback.

    python -m benchmarks._range_server --rows 2000 --passwords 200

It prints a JSON object with one URL for each way to answer, and serves until its standard input
closes. Bodies are made, padded and compressed ahead of time, as a service behind a CDN has them.
"""

import argparse
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from credfirewall.testing.faults import Delay, Exchange, Fault, Hang
from credfirewall.testing.server import RangeServer

BREACHED_EVERY = 16


def passwords(number: int) -> list[str]:
    """Return the passwords that are checked, all of them with prefixes of their own."""
    return [f"benchmark password {index} of many" for index in range(number)]


def breached(number: int) -> dict[str, int]:
    """Return those that the service knows, with their counts: both sides must find the same."""
    return {
        password: index + 1 for index, password in enumerate(passwords(number)[::BREACHED_EVERY])
    }


@dataclass(frozen=True)
class GzipKept(Fault):
    """Answers compressed where the client accepts gzip, each compressed once (level 6)."""

    kept: dict[bytes, bytes] = field(default_factory=dict)
    kind = "gzip-kept"

    async def answer(self, exchange: Exchange) -> bool:
        response = exchange.response
        if "gzip" not in exchange.request.headers.get("accept-encoding", ""):
            wire = response.wire
        elif (wire := self.kept.get(response.body, b"")) == b"":
            marked = response.with_headers(content_encoding="gzip", content_md5=None)
            body = gzip.compress(response.body, compresslevel=6, mtime=0)
            wire = self.kept[response.body] = marked.with_body(body).wire
        await exchange.send(wire)
        return True


@contextmanager
def started(*, rows: int, number: int, delay: float) -> Iterator[tuple[Mapping[str, str], int]]:
    """Run the services in a process of their own: URLs by how they answer, and its number."""
    command = [sys.executable, "-m", "benchmarks._range_server"]
    command += [f"--rows={rows}", f"--passwords={number}", f"--delay={delay}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline()), process.pid
        finally:
            process.kill()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser("python -m benchmarks._range_server", description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--passwords", type=int, required=True)
    parser.add_argument("--delay", type=float, required=True)
    options = parser.parse_args()
    ways = {
        "identity": None,
        "gzip": GzipKept(),
        "slow": Delay(options.delay),
        "hanging": Hang("headers"),
    }
    known = breached(options.passwords)
    with ExitStack() as stack:
        urls = {}
        for way, fault in ways.items():
            server = stack.enter_context(RangeServer(known, filler=options.rows))
            server.fault = fault
            urls[way] = server.url
        print(json.dumps(urls), flush=True)
        sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
