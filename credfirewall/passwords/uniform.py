"""Uniform choices out of random bytes: what would not be uniform is thrown away. Pure."""

import math
from array import array
from collections.abc import Callable

from credfirewall.exceptions import RandomnessFailed

Urandom = Callable[[int], bytes]
"""Gives as many random bytes as it is asked for: ``os.urandom``, or a test's own."""

ROUNDS = 128
"""How often more is asked for. At least half of what is drawn is kept, so that a source of
randomness which needs more than a few is broken (chance: less than 2**-127)."""
_BYTE, _PAIR = 1 << 8, 1 << 16


def below(bound: int, urandom: Urandom) -> int:
    """Return one of ``range(bound)``. Raises RandomnessFailed."""
    bits = (bound - 1).bit_length()
    size = (bits + 7) // 8
    for _ in range(ROUNDS):
        drawn = int.from_bytes(urandom(size)) >> (8 * size - bits)
        if drawn < bound:
            return drawn
    raise RandomnessFailed("the source of randomness gives nothing that can be used")


def indices(bound: int, count: int, urandom: Urandom) -> list[int]:
    """Return ``count`` of ``range(bound)``, at most 65,536. Raises RandomnessFailed."""
    limit = _PAIR - _PAIR % bound
    asked = 2 * _enough(count, limit / _PAIR)
    kept: list[int] = []
    for _ in range(ROUNDS):
        kept += [pair % bound for pair in array("H", urandom(asked)) if pair < limit]
        if len(kept) >= count:
            return kept[:count]
    raise RandomnessFailed("the source of randomness gives nothing that can be used")


def _enough(count: int, share: float) -> int:
    """Return how many to draw to keep ``count``, where ``share`` is kept: twice in 100,000 times
    it is too few, and then more is drawn."""
    return math.ceil((count + 4 * math.sqrt(count * (1 - share))) / share)


class Symbols:
    """Draws strings over ``pool``, which holds 1 to 256 different characters, at the speed of C.

    A drawn byte stands for a character if it is below the largest multiple of the pool's size, and
    is deleted otherwise; both happen in one ``bytes.translate``.
    """

    __slots__ = ("_is_latin", "_rest", "_share", "_table", "coded", "pool")

    def __init__(self, pool: str) -> None:
        self.pool = pool
        self._is_latin = max(pool) <= "\xff"
        self.coded = pool.encode("latin-1") if self._is_latin else bytes(range(len(pool)))
        """The byte that stands for each character, in the pool's order."""
        times = _BYTE // len(pool)
        limit = times * len(pool)
        self._table = (self.coded * times).ljust(_BYTE, b"\0")
        self._rest = bytes(range(limit, _BYTE))
        self._share = limit / _BYTE

    def sized(self, length: int) -> int:
        """Return how many bytes to ask for."""
        return _enough(length, self._share)

    def draw(self, length: int, asked: int, urandom: Urandom) -> bytes:
        """Return ``length`` codes, asking for ``asked`` bytes at a time. Raises
        RandomnessFailed."""
        kept = urandom(asked).translate(self._table, self._rest)
        if len(kept) < length:
            kept = self._more(kept, length, asked, urandom)
        return kept[:length]

    def _more(self, kept: bytes, length: int, asked: int, urandom: Urandom) -> bytes:
        for _ in range(ROUNDS):
            kept += urandom(asked).translate(self._table, self._rest)
            if len(kept) >= length:
                return kept
        raise RandomnessFailed("the source of randomness gives nothing that can be used")

    def text(self, codes: bytes) -> str:
        """Return the characters that ``codes`` stand for."""
        text = codes.decode("latin-1")
        return text if self._is_latin else text.translate(self.pool)
