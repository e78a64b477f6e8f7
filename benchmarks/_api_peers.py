"""The environments of the peers, in a folder that git ignores, with the versions of their locks."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import dev

SOURCES = Path(__file__).parent / "peers"
INSTALLED = Path(__file__).parent / ".peers"
SERVER = INSTALLED / "server"
"""Packages that serve what runs in the project's own environment."""
FASTAPI = INSTALLED / "fastapi"
"""A virtual environment."""
EXPRESS = INSTALLED / "express"
"""A folder with ``node_modules``."""
STAMP = "credfirewall.stamp"


LOCKS = {
    SERVER: SOURCES / "server.txt",
    FASTAPI: SOURCES / "fastapi.txt",
    EXPRESS: SOURCES / "express" / "package-lock.json",
}


def install() -> None:
    """Install what is not there yet. Raises DevError."""
    fill = {SERVER: _install_server, FASTAPI: _install_fastapi, EXPRESS: _install_express}
    for place in _missing():
        shutil.rmtree(place, ignore_errors=True)
        dev.say(f"Installing {place.name} into {place}")
        fill[place](LOCKS[place])
        (place / STAMP).write_text(_stamp(place))


def are_installed() -> bool:
    """Whether ``install`` has nothing to do."""
    return not _missing()


def has_node() -> bool:
    """Whether Express can be measured."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


def versions() -> dict[str, str]:
    """Return what is wanted of the peers by name. The locks say what that needs."""
    wanted = dict(
        line.split("==")
        for name in ("fastapi.in", "server.in")
        for line in (SOURCES / name).read_text().splitlines()
    )
    package = json.loads((SOURCES / "express" / "package.json").read_text())
    wanted.update(package["dependencies"])
    return wanted


def python_of_fastapi() -> Path:
    """Return the interpreter that has FastAPI."""
    return dev.python_of(FASTAPI)


def _missing() -> list[Path]:
    places = LOCKS if has_node() else (SERVER, FASTAPI)
    stamps = {place: place / STAMP for place in places}
    return [
        place
        for place, stamp in stamps.items()
        if not stamp.exists() or stamp.read_text() != _stamp(place)
    ]


def _stamp(place: Path) -> str:
    """Say for which Python, where and from which lock ``place`` is made."""
    return f"{sys.version}\n{place}\n{hashlib.sha256(LOCKS[place].read_bytes()).hexdigest()}\n"


def _install_server(lock: Path) -> None:
    _do(*_pip_install(Path(sys.executable)), "--target", SERVER, "-r", lock)


def _install_fastapi(lock: Path) -> None:
    dev.make(FASTAPI)
    _do(*_pip_install(python_of_fastapi()), "-r", lock)


def _install_express(lock: Path) -> None:
    EXPRESS.mkdir(parents=True)
    for name in (lock.name, "package.json"):
        shutil.copy(lock.with_name(name), EXPRESS)
    _do("npm", "ci", "--prefix", EXPRESS, "--ignore-scripts", "--no-audit", "--no-fund")


def _pip_install(python: Path) -> list[str | Path]:
    """Return the command that installs for ``python``, which may lack pip itself."""
    pip: list[str | Path] = [python, "-m", "pip"]
    if not dev.quietly(*pip, "--version")[0]:
        pip = [dev.BASE, "-m", "pip", "--python", python]
    return [*pip, "install", "--require-hashes", "--progress-bar", "off"]


def _do(*command: str | Path) -> None:
    done, output = dev.quietly(*command)
    if not done:
        raise dev.DevError(f"{Path(command[0]).name} could not install it:\n{dev.tail(output)}")
