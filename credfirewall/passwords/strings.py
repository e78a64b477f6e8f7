"""Strings over a pool, with one character of each class where that is asked for. Pure."""

from bisect import bisect_right
from functools import cache, lru_cache
from itertools import accumulate

from credfirewall.passwords.entropy import covering
from credfirewall.passwords.uniform import Symbols, Urandom, below

TRIES = 64
"""Whole strings that are drawn in the hope that one has a character of each class, before it is
worth the time to count."""


class Strings:
    """Draws strings of ``length`` over ``pool``, all that have one of each ``required`` equally
    likely. Whatever is required at all has to make up the pool."""

    __slots__ = ("_asked", "_length", "_marks", "_required", "_symbols", "_table")

    def __init__(self, length: int, pool: str, required: tuple[str, ...]) -> None:
        self._symbols = Symbols(pool)
        self._length = length
        self._asked = self._symbols.sized(length)
        self._required = required
        self._marks = range(1, 1 + len(required))
        table = bytearray(256)
        for mark, part in zip(self._marks, required, strict=True):
            for each in part:
                table[self._symbols.coded[pool.index(each)]] = mark
        self._table = bytes(table)

    def draw(self, urandom: Urandom) -> str:
        """Return a string. Raises RandomnessFailed.

        One that lacks a class is thrown away whole: to place one of each class and shuffle would
        prefer strings in which the classes are evenly spread. Where that takes too long, the
        string is counted out instead, which is as uniform.
        """
        symbols, length, asked = self._symbols, self._length, self._asked
        if not self._marks:
            return symbols.text(symbols.draw(length, asked, urandom))
        for _ in range(TRIES):
            codes = symbols.draw(length, asked, urandom)
            marks = codes.translate(self._table)
            for mark in self._marks:
                if mark not in marks:
                    break
            else:
                return symbols.text(codes)
        return self.counted(urandom)

    def counted(self, urandom: Urandom) -> str:
        """Return a string, one character after another: each class as likely as there are strings
        that go on with it. Raises RandomnessFailed."""
        size = len(self._symbols.pool)

        @cache
        def completions(left: int, missing: frozenset[int]) -> int:
            return covering(left, size, [len(self._required[number]) for number in missing])

        missing = frozenset(range(len(self._required)))
        drawn = []
        for left in reversed(range(self._length)):
            ways = [
                len(part) * completions(left, missing - {number})
                for number, part in enumerate(self._required)
            ]
            chosen = bisect_right([*accumulate(ways)], below(sum(ways), urandom))
            part = self._required[chosen]
            drawn.append(part[below(len(part), urandom)])
            missing -= {chosen}
        return "".join(drawn)


strings = lru_cache(maxsize=256)(Strings)
"""What was prepared for a pool: that takes longer than to draw a string."""
