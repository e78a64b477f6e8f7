"""The contenders of the API benchmark: each started with one worker, and asked once."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import psutil
import psycopg

from benchmarks import _api_peers as peers
from tests.servers import Server, start

ROOT = Path(__file__).parents[1]
OURS = "credfirewall"
FASTAPI = "FastAPI + slowapi"
EXPRESS = "Express + express-rate-limit"
NAIVE = "plain DRF + django-ratelimit"
LENGTH = 20
GENERATE = "/api/v1/passwords/generate"
QUERY = f"length={LENGTH}&special=true"
RATE = 100_000_000
"""Requests a minute: each is counted, and none refused."""
THREADS = 4
"""Of one Django worker: more only wait for one another's turn."""
START_SECONDS = 30.0


class ContenderError(Exception):
    """A contender does not do what it is there for."""


@dataclass(frozen=True)
class Stores:
    """Where the Django contenders keep things: one database each, one Valkey."""

    postgres: str
    valkey: str

    def make(self, *names: str) -> None:
        """Make empty databases."""
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            for name in names:
                connection.execute(f'CREATE DATABASE "{name}"')

    def database(self, name: str) -> str:
        """Return the URL of a database."""
        return f"{self.postgres.rpartition('/')[0]}/{name}"

    def cache(self, number: int) -> str:
        """Return the URL of one of Valkey's databases."""
        return f"{self.valkey.rpartition('/')[0]}/{number}"


@dataclass(frozen=True)
class Contender:
    """A server, what it is asked for, and with which Authorization header."""

    name: str
    server: Server
    url: str
    authorization: str
    rows: Callable[[], int] | None = None
    """How many audit events there are, where it keeps any."""

    @property
    def workers(self) -> list[int]:
        """The processes that serve: those that the first one started, or itself."""
        first = psutil.Process(self.server.process.pid)
        return [process.pid for process in first.children()] or [first.pid]

    def ask(self) -> bytes:
        """Return an answer, once there is one. Raises ContenderError."""
        request = urllib.request.Request(self.url, headers={"Authorization": self.authorization})
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=START_SECONDS) as response:
                    body: bytes = response.read()
                    return body
            except URLError as error:
                # HTTPError is one as well, and has a status: it is an answer.
                if hasattr(error, "code") or time.monotonic() > deadline:
                    said = " / ".join(self.server.log.read_text(errors="replace").splitlines()[-3:])
                    raise ContenderError(f"{self.name}: {self.url}: {error}: {said}") from None
                time.sleep(0.05)

    def check(self) -> None:
        """See that it answers with a password of the length that it was asked for."""
        answer = json.loads(self.ask())
        if len(answer["password"]) != LENGTH or answer["length"] != LENGTH:
            raise ContenderError(f"{self.name} answers with another length than {LENGTH}")


def ours(stores: Stores, directory: Path, path: str, profile: Path | None = None) -> Contender:
    """Start our endpoint at ``path``, or one that ``profile`` tells about afterwards."""
    stores.make("ours")
    environment = {
        "ALLOWED_HOSTS": "127.0.0.1",
        "AUDIT_ANCHOR": str(directory / "heads.jsonl"),
        "AUDIT_KEY": "w4Zc7Nq1Rt8Yv2Kd5Hb9Xf3Ls6Pm0Gj",
        "DATABASE_URL": stores.database("ours"),
        "DJANGO_SETTINGS_MODULE": "benchmarks._api_settings",
        "REDIS_URL": stores.cache(0),
    }
    if profile:
        environment["PROFILE"] = str(profile)
    query = f"?{QUERY}" if path == GENERATE else ""
    count = "SELECT count(*) FROM credfirewall_auditevent WHERE event = 'password_generated'"
    return _django(
        OURS,
        "benchmarks._api_wsgi",
        environment,
        f"{path}{query}",
        None if not query else lambda: _count(environment["DATABASE_URL"], count),
        threads=1 if profile else THREADS,
    )


def naive(stores: Stores) -> Contender:
    """Start the same in plain Django REST framework."""
    stores.make("naive")
    url = stores.database("naive")
    environment = {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "benchmarks.peers.naive.settings",
        "REDIS_URL": stores.cache(1),
    }
    count = "SELECT count(*) FROM naive_generated"
    module = "benchmarks.peers.naive.wsgi"
    rows = lambda: _count(url, count)  # noqa: E731
    return _django(NAIVE, module, environment, f"/api/generate?{QUERY}", rows)


def fastapi() -> Contender:
    """Start FastAPI under uvicorn, with its fast loop and parser."""
    python = peers.python_of_fastapi()
    command = (python, "-m", "uvicorn", "fastapi_app:app", "--loop=uvloop", "--http=httptools")
    flags = ("--workers=1", "--no-access-log", "--log-level=warning", f"--app-dir={peers.SOURCES}")
    server, url = _start(FASTAPI, lambda port: (*command, *flags, f"--port={port}"), {})
    return Contender(FASTAPI, server, f"{url}/api/generate?{QUERY}", "")


def express() -> Contender:
    """Start Express."""
    environment = {
        "NODE_ENV": "production",
        "NODE_PATH": str(peers.EXPRESS / "node_modules"),
    }
    source = peers.SOURCES / "express" / "app.js"
    command = lambda port: ("env", f"PORT={port}", "node", source)  # noqa: E731
    server, url = _start(EXPRESS, command, environment)
    return Contender(EXPRESS, server, f"{url}/api/generate?{QUERY}", "")


def _django(
    name: str,
    module: str,
    environment: Mapping[str, str],
    path: str,
    rows: Callable[[], int] | None,
    threads: int = THREADS,
) -> Contender:
    environment = {
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, peers.SERVER))),
        "RATE": str(RATE),
        "SECRET_KEY": "for a benchmark, which guards nothing: 3f0d6a52c4 and 8e7b1c90d3",
        **environment,
    }
    made = subprocess.run(
        [sys.executable, "-m", "benchmarks._api_accounts"],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise ContenderError(f"{name} has no account: {made.stderr.strip()}")
    granian = (sys.executable, "-m", "granian", "--interface=wsgi", "--log-level=warning")
    flags = ("--workers=1", f"--blocking-threads={threads}", f"{module}:application")
    server, url = _start(name, lambda port: (*granian, f"--port={port}", *flags), environment)
    return Contender(name, server, f"{url}{path}", made.stdout.strip(), rows)


def _start(
    name: str, command: Callable[[int], Sequence[str | Path]], environment: Mapping[str, str]
) -> tuple[Server, str]:
    """Start a process that ends with us, and return where it is."""
    # The tests' servers have an environment of their own. It guards nothing.
    given = {"RATE": str(RATE), **environment, "PATH": os.environ["PATH"]}

    def launch(directory: Path, port: int) -> tuple[Server, Callable[[], bool]]:
        settings = (f"{key}={value}" for key, value in given.items())
        url = f"http://127.0.0.1:{port}"
        server = Server(["env", *settings, *map(str, command(port))], directory, url)
        return server, lambda: _listens(port)

    server = start(name, launch)
    return server, server.url


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _count(url: str, statement: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(statement).fetchone()
        return found[0] if found else 0
