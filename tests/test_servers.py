"""The servers of the tests: they start, they end with the session, and a missing one is told."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pymysql
import pytest

from dev import ROOT
from tests import servers
from tests.plugin import unavailable
from tests.servers import Server, Unavailable, start_mariadb, start_postgres, start_valkey

STARTS = {"Valkey": start_valkey, "PostgreSQL": start_postgres, "MariaDB": start_mariadb}


def start(name: str, config: pytest.Config) -> Server:
    try:
        return STARTS[name]()
    except Unavailable as error:
        unavailable(config, name, str(error))


def wait_until(done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 15
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    return done()


@pytest.mark.slow
@pytest.mark.parametrize("name", STARTS)
def test_a_server_leaves_nothing_behind(name: str, pytestconfig: pytest.Config) -> None:
    server = start(name, pytestconfig)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5
    assert server.process.returncode == 0
    assert not server.directory.exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", STARTS)
def test_a_server_ends_with_a_session_that_is_killed(
    name: str, pytestconfig: pytest.Config
) -> None:
    task = (
        "import time\n"
        f"from tests.servers import {STARTS[name].__name__} as start\n"
        "server = start()\n"
        "print(server.process.pid, server.directory, flush=True)\n"
        "time.sleep(60)"
    )
    session = subprocess.Popen(
        [sys.executable, "-c", task], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert session.stdout
    with session.stdout:
        line = session.stdout.readline()
    if not line:
        start(name, pytestconfig).stop()
    number, directory = line.split()
    server = psutil.Process(int(number))
    session.kill()
    session.wait()

    def gone() -> bool:
        # In a container nobody may be there to bury it.
        with contextlib.suppress(psutil.NoSuchProcess):
            return server.status() == psutil.STATUS_ZOMBIE and not Path(directory).exists()
        return not Path(directory).exists()

    assert wait_until(gone)


@pytest.mark.slow
def test_two_of_mariadb_do_not_meet(pytestconfig: pytest.Config) -> None:
    with contextlib.ExitStack() as stack:
        seen = set()
        for _ in range(2):
            server = start("MariaDB", pytestconfig)
            stack.callback(server.stop)
            port = urlsplit(server.url).port
            assert port
            connection = stack.enter_context(pymysql.connect(port=port, user="root"))
            with connection.cursor() as cursor:
                cursor.execute("SELECT @@datadir, @@socket, @@bind_address, @@collation_server")
                row = cursor.fetchone()
            assert row
            assert row[1:] == ("", "127.0.0.1", "utf8mb4_general_ci")
            seen.add(row[0])
        assert len(seen) == 2


def test_a_mariadb_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "which", lambda name: None)
    with pytest.raises(Unavailable, match=r"^MariaDB: no MariaDB server is installed$"):
        start_mariadb()


def test_a_mariadb_that_cannot_be_set_up_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho; echo nothing works; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(servers, "unprivileged", dict)  # who could not look in there
    monkeypatch.setattr(servers, "which", lambda name: str(broken))
    with pytest.raises(Unavailable, match=r"^MariaDB: nothing works$"):
        start_mariadb()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
@pytest.mark.parametrize(("ci", "status"), [("", 5), ("true", 4)])
@pytest.mark.parametrize("processes", [0, 2])
def test_a_missing_database_is_named_and_fails_in_ci(
    name: str, ci: str, status: int, processes: int
) -> None:
    task = (
        "import sys, pytest\n"
        "from tests import servers\n"
        "def fail():\n"
        "    raise servers.Unavailable('it is not here')\n"
        "servers.start_postgres = servers.start_mariadb = fail\n"
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-c", task, "--database", name, f"-n{processes}"),
            "tests/screening/test_blocklist.py",
        ],
        cwd=ROOT,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    if ci:
        assert "could not start: it is not here" in done.stderr
    else:
        title = {"postgresql": "PostgreSQL", "mariadb": "MariaDB"}[name]
        assert f"\n{title}: it is not here\n" in done.stdout
        assert "passed" not in done.stdout
