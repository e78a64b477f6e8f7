"""What answers when nothing else can: a list of common passwords that is always at hand."""

import gzip
import os
import threading
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path

from django.contrib import auth

from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.digest import Candidate, fold
from credfirewall.screening.sources.derived import derived_forms
from credfirewall.screening.verdict import Answer, Reason

COMMON_PASSWORDS = Path(auth.__file__).with_name("common-passwords.txt.gz")
"""Django's own list: 19,640 passwords, most frequent first, few of them long."""
SHORTEST_UNIT = 5
"""Code points that a unit needs before its repetition can count as more than the unit."""
SLOTS = 1 << 18
"""Places in the table: 2 MB. A power of two; about half stay free, which keeps searches short."""

FOUND = Answer(found=True)
NOT_FOUND = Answer(found=False)


class BundledSource:
    """Common passwords and what people make of them (ASVS 6.2.4), compared folded and whole.

    A value that only contains a listed one is not refused. A listed value written several times
    over is, and so is anything up to four code points: repetition adds nothing to guess. The list
    is loaded once per process, when it is first needed.
    """

    name = "bundled"
    authoritative = False

    def ready(self) -> bool:
        """Whether ``lookup`` answers without loading anything."""
        return _list.table is not None

    def refresh(self) -> None:
        """Load the list. Raises SourceUnavailable("error") when Django's file cannot be read."""
        _list.load()

    def lookup(self, candidate: Candidate) -> Answer:
        """Answer for ``candidate``. Raises SourceUnavailable("error") as ``refresh`` does."""
        table = _list.load()
        if _holds(table, candidate.folded):
            return FOUND
        unit = repeated_unit(candidate.folded)
        if unit and (len(unit) < SHORTEST_UNIT or _holds(table, unit)):
            return FOUND
        return NOT_FOUND


def entries() -> Iterator[str]:
    """Yield what the list holds, folded; some of it more than once. Raises OSError, EOFError."""
    with gzip.open(COMMON_PASSWORDS) as file:
        common = fold(file.read().decode()).strip().split("\n")
    yield from common
    yield from derived_forms(common)


def repeated_unit(text: str) -> str:
    """Return the shortest text that makes ``text`` when repeated, "" when there is none."""
    length = (text + text).find(text, 1)
    return text[:length] if length < len(text) else ""


class _List:
    """A hash table of hash values: 2 MB, where a set of the strings would take 15.

    ``hash`` is keyed at random in each process. A password that is not listed meets a listed hash
    once in 10^14 times, is then refused although it could have passed, and passes after the next
    restart. A listed one is found.
    """

    def __init__(self) -> None:
        self.table: array[int] | None = None
        self._renew_lock()
        os.register_at_fork(after_in_child=self._renew_lock)  # a thread of the parent may hold it

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def load(self) -> "array[int]":
        """Return the table. Those who come while another thread builds it wait."""
        if self.table is None:
            with self._lock:
                if self.table is None:
                    self.table = self._build()
        return self.table

    @staticmethod
    def _build() -> "array[int]":
        table, mask = array("q", bytes(8 * SLOTS)), SLOTS - 1
        try:
            for value in map(hash, entries()):  # as _slot does, without 150,000 calls of it
                slot = value & mask
                while (held := table[slot]) and held != value:
                    slot = (slot + 1) & mask
                table[slot] = value
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            raise SourceUnavailable(Reason.ERROR) from error
        return table


def _slot(table: "array[int]", value: int) -> int:
    """Return where ``value`` is, or the free place (0) where it belongs."""
    slot = value & (SLOTS - 1)
    while (held := table[slot]) and held != value:
        slot = (slot + 1) & (SLOTS - 1)
    return slot


def _holds(table: "array[int]", text: str) -> bool:
    return table[_slot(table, hash(text))] != 0


_list = _List()
