"""What the range server says of each prefix: rows as Have I Been Pwned writes them. Pure."""

import hashlib
import random
import re
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from struct import unpack
from typing import Any

PREFIX_LENGTH, SUFFIX_LENGTH = 5, 35
PADDED_TO = (800, 1000)
"""HIBP pads a short range to a number of rows in this span."""

_PREFIX = re.compile(r"[0-9A-F]{5}", re.ASCII)
_DRAWS = 1 << 12

Passwords = Mapping[str, int] | Iterable[str]
Row = tuple[str, int]


def counts_of(passwords: Passwords, count: int = 1) -> dict[str, int]:
    """Return passwords with their counts; a bare string is one password.

    ``count`` is for those that come without one. Raises TypeError for anything but text, and
    ValueError for a count below 1.
    """
    if isinstance(passwords, str):
        counts: dict[Any, Any] = {passwords: count}
    elif isinstance(passwords, Mapping):
        counts = dict(passwords)
    else:
        counts = dict.fromkeys(passwords, count)
    for password, seen in counts.items():
        if not isinstance(password, str):
            raise TypeError(f"a password must be a string, not {type(password).__name__}")
        if not isinstance(seen, int) or isinstance(seen, bool):
            raise TypeError(f"a count must be a whole number, not {type(seen).__name__}")
        if seen < 1:
            raise ValueError("a breached password has been seen at least once")
    return counts


def draw_counts(size: int) -> list[int]:
    """Return ``size`` counts, spread as in the real corpus: 43.5% are 1, 0.56% are 100 or more."""
    seeded = random.Random("counts")  # noqa: S311 - filler has to repeat itself
    counts = [1] * round(size * 0.435)
    for low, high, share in ((2, 10, 0.476), (10, 100, 0.0834), (100, 5000, 0.0056)):
        weights = list(accumulate(value**-1.8 for value in range(low, high)))
        counts += seeded.choices(range(low, high), cum_weights=weights, k=round(size * share))
    counts += [1] * (size - len(counts))
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
        # Sixteen copies of one draw, so that any two bytes choose a count.
        draws = [f":{count}" for count in draw_counts(_DRAWS)] if filler else []
        self._counts = draws * ((1 << 16) // _DRAWS)
        self.add(passwords)

    def add(self, passwords: Passwords, count: int = 1) -> None:
        """Add ``passwords``. Raises TypeError or ValueError as ``counts_of`` does."""
        for password, seen in counts_of(passwords, count).items():
            # Worked out here rather than by screening.digest, which this is to test.
            digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
            self._rows.setdefault(digest[:PREFIX_LENGTH], {})[digest[PREFIX_LENGTH:]] = seen

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
        rows = self._filler
        draws = hashlib.shake_128(f"counts {prefix}".encode()).digest(rows * 2)
        counts, suffixes = self._counts, _suffixes(f"filler {prefix}", rows)
        drawn = zip(suffixes, unpack(f"<{rows}H", draws), strict=True)
        return [suffix + counts[draw] for suffix, draw in drawn]

    def _padding(self, prefix: str, real: int) -> bytes:
        low, high = PADDED_TO
        draw = int(_digits(f"size {prefix}", 8), 16)
        # Beyond the span HIBP still adds some, so that the size never tells the number of rows.
        missing = low - real + draw % (high - low + 1) if real < low else 1 + draw % 100
        rows = sorted(_suffixes(f"padding {prefix}", missing))
        return "\r\n".join([f"{suffix}:0" for suffix in rows]).encode()


def is_prefix(text: str) -> bool:
    """Whether ``text`` is a prefix of the range API: five hexadecimal digits of any case."""
    return _PREFIX.fullmatch(text.upper()) is not None


def _digits(seed: str, length: int) -> str:
    return hashlib.shake_128(seed.encode()).hexdigest((length + 1) // 2).upper()


def _suffixes(seed: str, rows: int) -> list[str]:
    length = rows * SUFFIX_LENGTH
    digits = _digits(seed, length)
    return [digits[at : at + SUFFIX_LENGTH] for at in range(0, length, SUFFIX_LENGTH)]
