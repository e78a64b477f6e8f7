"""Seal heads outside the database: against these a log that was cut short or rolled back shows.

One JSON object a line, appended and never rewritten. Keep the file where the database's
administrators cannot write: on another machine, on write-once storage, or with the SIEM, which
gets the same heads through the log handler.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from credfirewall.audit import rows
from credfirewall.audit.models import AuditSeal


@dataclass(frozen=True, slots=True)
class Anchored:
    """A head as it was when it was sealed."""

    log: str
    position: int
    head: str


def line(seal: AuditSeal) -> str:
    """Return what is kept of ``seal``."""
    return json.dumps(
        {
            "log": seal.log.hex,
            "position": seal.position,
            "head": seal.head,
            "count": seal.count,
            "at": rows.microseconds(seal.at),
        }
    )


def append(path: str | os.PathLike[str], seals: Iterable[AuditSeal]) -> None:
    """Add the heads of ``seals`` to the file, on the disk when this returns. Raises OSError.

    Each process appends in one write, so that many may share a file.
    """
    text = "".join(f"{line(seal)}\n" for seal in seals)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: str | os.PathLike[str]) -> list[Anchored]:
    """Return what the file holds. Raises OSError, and ValueError naming a line that is none."""
    anchored = []
    for number, text in enumerate(Path(path).read_text().splitlines(), start=1):
        try:
            entry = json.loads(text)
            known = Anchored(str(entry["log"]), int(entry["position"]), str(entry["head"]))
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"line {number} is no seal head") from None
        anchored.append(known)
    return anchored
