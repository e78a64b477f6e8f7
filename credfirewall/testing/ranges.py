"""What the range server says of each prefix: rows as Have I Been Pwned writes them. Pure."""

import hashlib
import random
import re
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from credfirewall.screening.digest import PREFIX_LENGTH, Digest

SUFFIX_LENGTH = 40 - PREFIX_LENGTH
PADDED_TO = (800, 1000)
"""HIBP pads a short range to a number of rows in this span."""

_PREFIX = re.compile(r"[0-9A-F]{5}", re.ASCII)
_DRAW = 4  # hexadecimal digits that choose a count

Passwords = Mapping[str, int] | Iterable[str]
Row = tuple[str, int]


def counts_of(passwords: Passwords) -> dict[str, int]:
    """Return passwords with their counts; a bare string is one password, seen once.

    Raises TypeError for anything but text, and ValueError for a count below 1.
    """
    if isinstance(passwords, str):
        counts: dict[Any, Any] = {passwords: 1}
    elif isinstance(passwords, Mapping):
        counts = dict(passwords)
    else:
        counts = dict.fromkeys(passwords, 1)
    for password, count in counts.items():
        if not isinstance(password, str):
            raise TypeError(f"a password must be a string, not {type(password).__name__}")
        if not isinstance(count, int) or isinstance(count, bool):
            raise TypeError(f"a count must be a whole number, not {type(count).__name__}")
        if count < 1:
            raise ValueError("a breached password has been seen at least once")
    return counts


def draw_counts(size: int = 1 << 12) -> list[int]:
    """Return ``size`` counts, spread as in the real corpus: 43.5% are 1, 0.56% are 100 or more."""
    seeded = random.Random("counts")  # noqa: S311 - filler wants to repeat itself
    spans = ((1, 10, 0.911), (10, 100, 0.0834), (100, 5000, 0.0056))
    counts = [1] * round(size * 0.435)
    for low, high, share in spans:
        first = max(low, 2)
        wanted = round(size * (share - 0.435)) if low == 1 else round(size * share)
        weights = list(accumulate(value**-1.8 for value in range(first, high)))
        counts += seeded.choices(range(first, high), cum_weights=weights, k=wanted)
    counts += [2] * (size - len(counts))
    seeded.shuffle(counts)
    return counts[:size]


class Ranges:
    """Bodies by prefix, from passwords, rows, a folder and filler.

    ``passwords``  their digests are worked out; a mapping gives counts, an iterable counts 1.
    ``rows``       by prefix, (suffix, count) as they are to be served, right or wrong.
    ``directory``  range files named by prefix, served byte for byte in place of all else.
    ``filler``     deterministic rows that each other prefix has besides, so that a body has a
                   real size: 2,000 of them are 78 KB.
    """

    def __init__(
        self,
        passwords: Passwords = (),
        *,
        rows: Mapping[str, Iterable[Row]] | None = None,
        directory: str | Path | None = None,
        filler: int = 0,
    ) -> None:
        self._rows: dict[str, dict[str, int]] = {
            prefix.upper(): dict(entries) for prefix, entries in (rows or {}).items()
        }
        self._directory = None if directory is None else Path(directory)
        self._filler = filler
        self._counts = draw_counts() if filler else []
        self.add(passwords)

    def add(self, passwords: Passwords) -> None:
        """Add ``passwords``. Raises TypeError or ValueError as ``counts_of`` does."""
        for password, count in counts_of(passwords).items():
            digest = Digest.of(password)
            self._rows.setdefault(digest.prefix, {})[digest.suffix] = count

    def body(self, prefix: str, *, padded: bool = False) -> bytes:
        """Return the range of ``prefix``: CRLF, sorted, no final newline, padding rows last."""
        prefix = prefix.upper()
        stored = self._file(prefix)
        if stored is None:
            lines = [f"{suffix}:{count}" for suffix, count in self._rows.get(prefix, {}).items()]
            stored = "\r\n".join(sorted(lines + self._fill(prefix))).encode()
        if not padded:
            return stored
        real = stored.count(b"\r\n") + bool(stored)
        return b"\r\n".join(filter(None, [stored, self._padding(prefix, real)]))

    def _file(self, prefix: str) -> bytes | None:
        if self._directory is None:
            return None
        path = self._directory / prefix
        return path.read_bytes() if path.is_file() else None

    def _fill(self, prefix: str) -> list[str]:
        width = SUFFIX_LENGTH + _DRAW
        digits = _digits(f"filler {prefix}", self._filler * width)
        counts, mask = self._counts, len(self._counts) - 1
        return [
            f"{digits[at : at + SUFFIX_LENGTH]}:"
            f"{counts[int(digits[at + SUFFIX_LENGTH : at + width], 16) & mask]}"
            for at in range(0, self._filler * width, width)
        ]

    def _padding(self, prefix: str, real: int) -> bytes:
        low, high = PADDED_TO
        draw = int(_digits(f"size {prefix}", 8), 16)
        # Beyond the span HIBP still adds some, so that the size never tells the number of rows.
        missing = low - real + draw % (high - low + 1) if real < low else 1 + draw % 100
        digits = _digits(f"padding {prefix}", missing * SUFFIX_LENGTH)
        starts = range(0, missing * SUFFIX_LENGTH, SUFFIX_LENGTH)
        return "\r\n".join(sorted(f"{digits[at : at + SUFFIX_LENGTH]}:0" for at in starts)).encode()


def is_prefix(text: str) -> bool:
    """Whether ``text`` is a prefix of the range API: five hexadecimal digits of any case."""
    return _PREFIX.fullmatch(text.upper()) is not None


def _digits(seed: str, length: int) -> str:
    return hashlib.shake_128(seed.encode()).hexdigest((length + 1) // 2).upper()
