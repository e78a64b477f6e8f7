"""Seal heads outside the database: against these a log that was cut short or rolled back shows.

One JSON object a line, appended and never rewritten. Keep the file where the database's
administrators cannot write: on another machine, on write-once storage, or with the SIEM, which
gets the same heads through the log handler. Purges stand in it as well, ahead of what they remove.
"""

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credfirewall.audit import rows
from credfirewall.audit.models import AuditSeal, AuditStub
from credfirewall.conf import conf

logger = logging.getLogger("credfirewall.audit")
BEGINNING = '{"log": "'
"""Of each line."""


@dataclass(frozen=True, slots=True)
class Anchored:
    """A head as it was when it was sealed, or that its batch was purged."""

    log: str
    position: int
    head: str
    purged: bool = False


def line(seal: AuditSeal) -> str:
    """Return what is kept of ``seal``."""
    return _line(seal, at=rows.microseconds(seal.at))


def purge_line(seal: AuditSeal, stub: AuditStub) -> str:
    """Return what is kept of the purge of a batch."""
    return _line(seal, at=rows.microseconds(stub.at), purged=True, retention=stub.retention)


def _line(seal: AuditSeal, **facts: Any) -> str:
    known = {"log": seal.log.hex, "position": seal.position, "head": seal.head, "count": seal.count}
    return json.dumps(known | facts)


def publish(seal: AuditSeal) -> None:
    """Add the head of a seal to AUDIT_ANCHOR. What fails is logged, and ``catch_up`` makes good."""
    if (path := conf.AUDIT_ANCHOR) is not None:
        try:
            append(path, [line(seal)])
        except OSError as error:
            logger.error("The anchor could not be written: %s.", error.strerror)  # noqa: TRY400 - the file's name is the administrators' business


def append(path: str | os.PathLike[str], lines: Iterable[str]) -> None:
    """Add ``lines`` to the file, on the disk when this returns. Raises OSError.

    Each process appends in one write, so that many may share a file. A line that was torn, by a
    disk that was full say, is left alone, and these begin on a line of their own.
    """
    data = "".join(f"{each}\n" for each in lines).encode()
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        if os.fstat(descriptor).st_size:
            os.lseek(descriptor, -1, os.SEEK_END)
            data = data if os.read(descriptor, 1) == b"\n" else b"\n" + data
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: str | os.PathLike[str]) -> list[Anchored]:
    """Return what the file holds. Raises OSError, and ValueError naming a line that is none.

    The beginning of a line that was torn counts for nothing: its head stands in a later one.
    """
    anchored = []
    text = Path(path).read_text(encoding="utf-8")
    for number, each in enumerate(text.split("\n"), start=1):
        each = each[max(each.rfind(BEGINNING), 0) :]  # behind what another writer left torn
        if not each or _is_torn(each):
            continue
        try:
            entry = json.loads(each)
            anchored.append(_entry(**entry))
        except (ValueError, TypeError, RecursionError):
            raise ValueError(f"line {number} is no seal head") from None
    return anchored


def _entry(log: str, position: int, head: str, purged: bool = False, **_facts: Any) -> Anchored:
    if not (type(position) is int and position >= 0 and type(purged) is bool):
        raise ValueError
    return Anchored(str(log), position, str(head), purged)


def _is_torn(text: str) -> bool:
    return BEGINNING.startswith(text[: len(BEGINNING)]) and not text.endswith("}")


@dataclass(frozen=True, slots=True)
class Caught:
    """What an anchor was told: so many heads, and whether it had not known of the log at all."""

    heads: int = 0
    begun: bool = False


def catch_up(path: str | os.PathLike[str], using: str) -> Caught:
    """Add what the file lacks of the log in database ``using``.

    A purge is told before it is made. So one that the file does not know of was none, unless the
    file does not know its seal either: then it begins with both. Raises OSError, and ValueError
    for a file that is no anchor.
    """
    sealed = AuditSeal.objects.using(using).order_by("position")
    genesis = sealed.filter(position=0).first()
    if genesis is None:
        return Caught()
    held = read(path) if Path(path).exists() else []
    known = {each.position for each in held if each.log == genesis.log.hex and not each.purged}
    missing = set(sealed.values_list("position", flat=True)) - known
    since = sealed.filter(position__gte=min(missing, default=0)) if missing else sealed.none()
    stubs = {stub.seal: stub for stub in AuditStub.objects.using(using) if stub.seal in missing}
    lines = []
    for seal in since.iterator():
        if seal.position in stubs:  # ahead of the head: what is torn between them is made good
            lines.append(purge_line(seal, stubs[seal.position]))
        if seal.position in missing:
            lines.append(line(seal))
    if lines:
        append(path, lines)
    return Caught(len(missing), begun=0 in missing and len(missing) > 1)
