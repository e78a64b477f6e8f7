#!/usr/bin/env python3
"""The one way in: set-up and tasks. Standard library only.

    python3 dev.py demo [--port 8000]      serve the demo site, with accounts to sign in with
    python3 dev.py test [pytest options]   all tests on SQLite, then the database-facing ones on
                                           PostgreSQL and on MariaDB
    python3 dev.py lint                    format, rules, types, imports, migrations, deployment
    python3 dev.py bench [names]           the benchmarks, or those named
    python3 dev.py build [--outdir DIR]    the wheel and the source archive, into dist/
    python3 dev.py lock [--upgrade]        write requirements.txt anew from pyproject.toml
    python3 dev.py messages                collect the messages to translate, compile the catalogues

The first run makes .venv and installs the hashed lock, later runs find them there. `--venv DIR`
ahead of the command, or CREDFIREWALL_VENV in the environment, chooses another place.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  this very line tells people with an older Python
    sys.exit("dev.py needs Python 3.11 or newer, and this is " + sys.version.split()[0] + ".")

import argparse
import contextlib
import hashlib
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.txt"
STAMP = "credfirewall.stamp"
VERSION = ".".join(map(str, sys.version_info[:2]))
# Never the interpreter of an environment: that may be the very one to be made anew.
BASE = getattr(sys, "_base_executable", None) or sys.executable
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
MARIADB = ("mariadbd", "mariadb-install-db", "my_print_defaults")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Where servers are: an account other than root need not have it on its PATH.
SERVERS = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/libexec")
# What bends Python, pip, pytest or Django; of pip's, what it needs to reach an index stays.
TRAPS = ("PYTHON", "PYTEST_", "PIP_", "UV_", "RUFF_", "MYPY", "VIRTUAL_ENV", "DJANGO_", "CONDA_")
# What stays of a catalogue's header.
HEADER = {"Project-Id-Version", "Language", "Plural-Forms", "MIME-Version", "Content-Type"}
HEADER |= {"Content-Transfer-Encoding"}
NETWORK = ("CERT", "CACHE", "CONFIG", "INDEX", "LINKS", "PROXY", "RETRIES", "TIMEOUT", "TRUSTED")


class DevError(Exception):
    """Something the person at the keyboard can act on: shown without a traceback."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"==> {text}", flush=True)


def clean(environ: Mapping[str, str], **more: str) -> dict[str, str]:
    """The environment for what we start, without what would send it elsewhere."""

    def harmless(name: str) -> bool:
        network = name.startswith("PIP_") and any(word in name for word in NETWORK)
        return network or not name.startswith(TRAPS)

    kept = {name: value for name, value in environ.items() if harmless(name)}
    # PIP_USER and PIP_REQUIRE_VIRTUALENV overrule a pip.conf, too.
    return kept | {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_USER": "0",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


@contextlib.contextmanager
def started(*command: str | Path, **how: Any) -> Iterator[subprocess.Popen[str]]:
    """A child that does not outlive us, and that gets the time to clean up behind itself."""
    with subprocess.Popen(command, cwd=ROOT, text=True, errors="replace", **how) as process:
        try:
            yield process
        except BaseException as stop:
            # Ctrl-C in a terminal has reached the child already.
            asked = isinstance(stop, KeyboardInterrupt)
            for number in (None if asked else signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
                if number is not None:
                    process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(3)
                    break
            raise


def run(*command: str | Path, **environment: str) -> int:
    """Run in the checkout; output goes straight to the terminal."""
    with started(*command, env=clean(os.environ, **environment)) as process:
        return process.wait()


def quietly(*command: str | Path) -> tuple[bool, str]:
    """Run, keeping the output for the case of failure."""
    try:
        with started(*command, env=clean(os.environ), **QUIET) as process:
            output, _ = process.communicate()
    except OSError as error:
        return False, str(error)
    return process.returncode == 0, output.strip()


# The virtual environment


def python_of(venv: Path) -> Path:
    """The interpreter of a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def wanted(venv: Path) -> list[str]:
    """What the stamp of a usable environment says: who made it, and where; what it holds."""
    maker = f"{sys.implementation.name} {VERSION} {platform.machine()} {venv}"
    return [maker, hashlib.sha256(LOCK.read_bytes()).hexdigest()]


def stamped(venv: Path) -> list[str]:
    """The same as the last run left it, or as much of it as that run came to."""
    try:
        return (venv / STAMP).read_text().splitlines()
    except (OSError, ValueError):
        return []


def apt_install(*packages: str) -> bool:
    """Install Debian packages where that is ours to do."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    say(f"Installing {', '.join(packages)} with apt-get: a minute or so")
    apt = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y")
    quietly(*apt, "update")
    # What else is installed, MySQL say, is not ours to take away.
    gently = ("--no-install-recommends", "--no-remove")
    installed, output = quietly(*apt, "install", *gently, *packages)
    if not installed:
        say(f"apt-get could not:\n{tail(output)}")
    return installed


def which(name: str) -> str | None:
    """Where a server's program is."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SERVERS)))


def make(venv: Path) -> None:
    """Make the environment, without pip in it where this Python was shipped without ensurepip."""
    ours = venv == ROOT / ".venv" or (venv / "pyvenv.cfg").exists()
    if not ours and venv.exists() and (not venv.is_dir() or any(venv.iterdir())):
        raise DevError(f"{venv} is not a virtual environment: it is left alone. Choose another.")
    say(f"Making {venv} with Python {platform.python_version()}")
    command = (BASE, "-m", "venv", "--clear", venv)
    made, output = quietly(*command)
    if not made:
        made = quietly(*command, "--without-pip")[0] and quietly(BASE, "-m", "pip", "--version")[0]
    if not made and sys.base_prefix == "/usr" and apt_install(f"python{VERSION}-venv"):
        made, output = quietly(*command)
    if not made:
        advice = "\nInstall pip for it, or python3-venv (Debian, Ubuntu)." * ("ensurepip" in output)
        raise DevError(f"{BASE} cannot make an environment at {venv}:\n{tail(output)}{advice}")


def tail(output: str) -> str:
    """The last lines, indented."""
    return "\n".join(f"    {line}" for line in output.splitlines()[-12:])


def install(venv: Path) -> None:
    """Install the lock with pip, saying how far it is."""
    total = sum(line[:1].isalnum() for line in LOCK.read_text().splitlines())
    say(f"Installing the {total} packages of {LOCK.name}: a minute or two, the first time")
    began = time.monotonic()
    pip: list[str | Path] = [python_of(venv), "-m", "pip"]
    if not quietly(*pip, "--version")[0]:
        pip = [BASE, "-m", "pip", "--python", python_of(venv)]
    pip += ["install", "--require-hashes", "--progress-bar", "off", "-r", LOCK]
    kept: deque[str] = deque(maxlen=12)
    seen = 0
    with started(*pip, env=clean(os.environ), **QUIET) as process:
        for line in process.stdout or ():
            kept.append(line)
            if line.startswith(("Collecting ", "Processing ", "Requirement already satisfied")):
                seen += 1
                if sys.stdout.isatty():
                    print(f"\r    {seen} collected ", end="", flush=True)
                elif seen % 20 == 0:
                    print(f"    {seen} collected", flush=True)
            elif line.startswith("Installing "):
                print(f"\r    {seen} collected, installing them", flush=True)
    if process.returncode:
        raise DevError(f"pip could not install the packages:\n{tail(''.join(kept))}")
    say(f"Installed in {time.monotonic() - began:.0f} s")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Two runs that start together must not fill the same environment."""
    with LOCK.open() as held:
        if sys.platform != "win32":
            from fcntl import LOCK_EX, LOCK_NB, flock

            try:
                flock(held, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                say("Waiting for another dev.py to finish its set-up")
                flock(held, LOCK_EX)
        yield


def prepare(venv: Path) -> Path:
    """An environment made by this Python that holds what the lock says; its interpreter."""
    python = python_of(venv)
    with alone():
        maker, lock = wanted(venv)
        if stamped(venv)[:1] != [maker] or not quietly(python, "-c", "")[0]:
            make(venv)
            (venv / STAMP).write_text(f"{maker}\n")
        if stamped(venv) != [maker, lock]:
            install(venv)
            (venv / STAMP).write_text(f"{maker}\n{lock}\n")
    return python


# The tasks: each takes the place of the environment and its own arguments, and returns a status


def check_port(port: int) -> None:
    """Say so before the database is made, rather than after."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OverflowError:
            raise DevError(f"{port} is not a port: choose one from 1024 to 65535.") from None
        except OSError as error:
            raise DevError(
                f"Port {port} cannot be used ({error.strerror}). "
                f"Choose another: python3 dev.py demo --port {port % 60000 + 1}"
            ) from None


def demo(venv: Path, arguments: Sequence[str]) -> int:
    """Serve the demo site until Ctrl-C."""
    parser = argparse.ArgumentParser("dev.py demo")
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args(arguments).port
    check_port(port)
    python = prepare(venv)
    say(f"Preparing the database, then serving http://127.0.0.1:{port}/ (Ctrl-C ends it)")
    # --insecure serves the style sheet where DJANGO_DEBUG is off, too.
    serve = f"runserver --noreload --insecure 127.0.0.1:{port}"
    # Loading Django is the most of it, so it is loaded once.
    in_turn = "import sys, manage; [manage.main(command.split()) for command in sys.argv[1:]]"
    ours = {name: value for name, value in os.environ.items() if name == "DJANGO_DEBUG"}
    return run(python, "-c", in_turn, "migrate -v 0", "demo_data", serve, **ours)


def test(venv: Path, arguments: Sequence[str]) -> int:
    """Everything on SQLite, then again on PostgreSQL and MariaDB what touches the database."""
    python = prepare(venv)
    # A small Debian lacks the last, which playwright's own Node needs.
    packages = ["chromium", "fonts-liberation", "libatomic1"]
    driver = quietly(python, "-m", "playwright", "--version")[0]
    if not (driver and any(map(shutil.which, BROWSERS))) and not apt_install(*packages):
        say(f"The browser tests cannot start. On Debian, what they need is {' '.join(packages)}")
    # Without mariadb-server, which would have the system start one.
    packages = ["mariadb-server-core", "mariadb-client-core"]
    if not all(map(which, MARIADB)) and not apt_install(*packages):
        say(f"MariaDB cannot start. On Debian, what it needs is {' '.join(packages)}")
    words = {0: "passed", 1: "FAILED", 2: "INTERRUPTED", 5: "ran nothing"}
    results, status = [], 0
    for title in ("SQLite", "PostgreSQL", "MariaDB"):
        say(f"Tests on {title}")
        began = time.monotonic()
        code = run(python, "-m", "pytest", "--database", title.lower(), *arguments)
        spent = time.monotonic() - began
        results.append(f"{title} {words.get(code, f'ended with status {code}')} in {spent:.0f} s")
        # A selection may hold no database test at all, and a machine no such server.
        status = status or (0 if code == 5 and title != "SQLite" else code)
    say(f"Tests: {', '.join(results)}")
    return status


def lint(venv: Path, arguments: Sequence[str]) -> int:
    """Every check, all of them even when one finds something."""
    argparse.ArgumentParser("dev.py lint").parse_args(arguments)
    python = prepare(venv)
    imports = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    throwaway = {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "AUDIT_KEY": secrets.token_urlsafe(32),
        "DATABASE_URL": "sqlite:///:memory:",
    }
    production = {
        "DJANGO_SETTINGS_MODULE": "project.production",
        "ALLOWED_HOSTS": "passwords.example.com",
        "DATABASE_URL": "postgresql://127.0.0.1/credfirewall",
        "REDIS_URL": "redis://127.0.0.1:6379/0",
    }
    deploy = ("check", "--deploy", "--fail-level", "WARNING")
    steps: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
        "ruff format": (("-m", "ruff", "format", "--check", "."), {}),
        "ruff check": (("-m", "ruff", "check", "."), {}),
        "mypy --strict": (("-m", "mypy"), {}),
        "import contracts": (("-c", imports), {}),
        "migrations": (("manage.py", "makemigrations", "--check", "--dry-run"), throwaway),
        "deployment": (("manage.py", *deploy), throwaway | production),
    }
    failed = []
    for name, (command, environment) in steps.items():
        say(name)
        if run(python, *command, **environment):
            failed.append(name)
    say(f"Lint: {'failed: ' + ', '.join(failed) if failed else f'all {len(steps)} steps passed'}")
    return 1 if failed else 0


def bench(venv: Path, arguments: Sequence[str]) -> int:
    """Run benchmarks; what starts with a dash is passed to each."""
    known = sorted(p.stem for p in (ROOT / "benchmarks").glob("[a-z]*.py"))
    names = [a for a in arguments if not a.startswith("-")] or known
    if unknown := set(names) - set(known):
        raise DevError(f"No benchmark {', '.join(sorted(unknown))}. There are: {', '.join(known)}")
    options = [a for a in arguments if a.startswith("-")]
    python = prepare(venv)
    status = 0
    for name in names:
        say(f"Benchmark {name}")
        status = run(python, "-m", f"benchmarks.{name}", *options) or status
    return status


def build(venv: Path, arguments: Sequence[str]) -> int:
    """The wheel and the source archive, with the locked builder."""
    return run(prepare(venv), "-m", "build", "--no-isolation", *arguments)


def lock(venv: Path, arguments: Sequence[str]) -> int:
    """One lock for every extra and group, every platform and Python; versions stay unless asked."""
    python = prepare(venv)
    say(f"Writing {LOCK.name}")
    groups = ("test", "lint", "bench", "build", "lock")
    named = [part for group in groups for part in ("--group", group)]
    return run(
        *(python, "-m", "uv", "pip", "compile", "pyproject.toml", "-o", LOCK.name, "--quiet"),
        *("--universal", "--python-version", "3.11", "--generate-hashes", "--all-extras", *named),
        # Nothing of this machine may get into it, and its certificates may be needed to fetch.
        *("--no-config", "--no-cache", "--system-certs"),
        *("--custom-compile-command", "python3 dev.py lock", *arguments),
    )


def messages(venv: Path, arguments: Sequence[str]) -> int:
    """Collect the app's messages into its catalogues, and compile these."""
    argparse.ArgumentParser("dev.py messages").parse_args(arguments)
    task = "import pathlib, sys, dev; sys.exit(dev.renew_catalogues(pathlib.Path('credfirewall')))"
    return run(prepare(venv), "-c", task)


def renew_catalogues(app: Path) -> int:
    """Do that in the environment, which has Django and polib. 1 means that something is left."""
    if shutil.which("xgettext") or apt_install("gettext"):
        collect = ("-m", "django", "makemessages", "--all", "--no-location", "--no-obsolete")
        command = (sys.executable, *collect)
        status = subprocess.run(command, cwd=app, env=clean(os.environ), check=False).returncode
    else:
        say("GNU gettext is not installed: nothing is collected, what is there is compiled")
        status = 1
    return 1 if compile_catalogues(app) else status


def compile_catalogues(app: Path) -> bool:
    """Tidy each catalogue and compile it; say what is to be translated. True if anything is.

    English is filled with the messages as they are. Dates and persons leave the header, so that
    a file changes when a message does and not otherwise.
    """
    import polib

    left = False
    for path in sorted(app.glob("locale/*/LC_MESSAGES/django.po")):
        language = path.parts[-3]
        catalogue = polib.pofile(str(path))
        for name in set(catalogue.metadata) - HEADER:
            del catalogue.metadata[name]
        if language == "en":
            for entry in catalogue:
                entry.flags = [flag for flag in entry.flags if flag != "fuzzy"]
                entry.previous_msgid = entry.previous_msgid_plural = entry.previous_msgctxt = None
                if entry.msgid_plural:
                    entry.msgstr_plural = {0: entry.msgid, 1: entry.msgid_plural}
                else:
                    entry.msgstr = entry.msgid
        catalogue.save(str(path))
        catalogue.save_as_mofile(str(path.with_suffix(".mo")))
        if missing := len(catalogue) - len(catalogue.translated_entries()):
            say(f"{language}: {missing} of {len(catalogue)} messages to translate, in {path}")
            left = True
    return left


TASKS: dict[str, Callable[[Path, Sequence[str]], int]] = {
    task.__name__: task for task in (demo, test, lint, bench, build, lock, messages)
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one task."""
    parser = argparse.ArgumentParser(
        "dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = os.environ.get("CREDFIREWALL_VENV") or ROOT / ".venv"
    parser.add_argument("--venv", type=Path, default=Path(default), metavar="DIR")
    parser.add_argument("task", choices=TASKS, nargs="?")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    if options.task is None:
        parser.print_help()
        return 0
    # A shell script's background job is started deaf to the first.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return TASKS[options.task](options.venv.absolute(), options.arguments)
    except KeyboardInterrupt:
        print("\nStopped.", flush=True)
        return 130
    except (DevError, OSError) as error:
        print(f"dev.py: {error}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
