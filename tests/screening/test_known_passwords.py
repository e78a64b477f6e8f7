"""Passwords that are known, and neighbours that are not, over a folder of range files.

CREDFIREWALL_REAL_RANGES may name a folder of real ones, with what is known of them in known.json;
without it the test makes its own.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import pytest

from credfirewall.screening import Status, Verdict
from credfirewall.testing.ranges import Ranges
from credfirewall.testing.server import RangeServer
from tests.plugin import REAL_RANGES
from tests.screening.asking import CLEAN, Check
from tests.screening.conftest import Configure


@dataclass(frozen=True)
class Folder:
    path: Path
    known: Mapping[str, int]

    def neighbours(self) -> Iterator[str]:
        """Passwords that nobody has, with a prefix of the folder."""
        prefixes = {each.name for each in self.path.iterdir() if len(each.name) == 5}
        listed = {f"{each.name}{row[:35].decode()}" for each in self.ranges() for row in rows(each)}
        for number in count():
            digest = sha1(f"neighbour {number}")
            if digest[:5] in prefixes and digest not in listed:
                yield f"neighbour {number}"

    def ranges(self) -> Iterator[Path]:
        return (each for each in self.path.iterdir() if len(each.name) == 5)


def rows(range_file: Path) -> list[bytes]:
    return range_file.read_bytes().split(b"\r\n")


def sha1(password: str) -> str:
    return hashlib.sha1(password.encode()).hexdigest().upper()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    real = os.environ.get(REAL_RANGES)
    path = Path(real) if real else made(tmp_path_factory.mktemp("ranges"))
    return Folder(path, json.loads((path / "known.json").read_text()))


def made(path: Path) -> Path:
    counts = (1, 2, 14, 15, 16, 254, 255, 256, 70_000, 2**32 - 1)
    known = {f"known {number}": counts[number % len(counts)] for number in range(60)}
    ranges = Ranges(known, filler=800)
    for password in known:
        prefix = sha1(password)[:5]
        (path / prefix).write_bytes(ranges.body(prefix))
    for prefix in (f"{number:05X}" for number in range(0, 1 << 20, 1 << 12)):
        (path / prefix).write_bytes(ranges.body(prefix))
    (path / "known.json").write_text(json.dumps(known))
    return path


def test_they_are_found_with_their_counts_and_others_are_not(
    check: Check, configure: Configure, folder: Folder
) -> None:
    configure(HIBP_DEADLINE=10)
    with RangeServer(directory=folder.path) as server:
        configure(HIBP_URL=server.url)
        verdicts = check.each(*folder.known)
        assert dict(zip(folder.known, verdicts, strict=True)) == {
            password: Verdict(Status.BREACHED, times, "hibp")
            for password, times in folder.known.items()
        }
        assert check.each(*islice(folder.neighbours(), 25)) == [CLEAN] * 25
        asked = {request.path.rpartition("/")[2] for request in server.requests}
    assert asked <= {each.name for each in folder.ranges()}
