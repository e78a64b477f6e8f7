"""Values that can be read aloud: a consonant, a vowel, and so on. Pure."""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import ClassVar

from credfirewall.exceptions import NothingToDrawFrom
from credfirewall.passwords import options
from credfirewall.passwords.password import LONGEST, SHORTEST
from credfirewall.passwords.specs import Spec
from credfirewall.passwords.uniform import Symbols, Urandom

CONSONANTS, VOWELS = "bdfghjklmnprstvwz", "aeiou"
"""Each with one sound in most languages: no c, q, x or y."""

_symbols = lru_cache(maxsize=64)(Symbols)


@dataclass(frozen=True)
class PronounceableSpec(Spec):
    """Consonants and vowels in turn: 40 letters (128.2 bits) unless asked otherwise."""

    kind: ClassVar[str] = "pronounceable"
    length: int = 40
    exclude: str = ""

    def __post_init__(self) -> None:
        options.number("length", self.length, SHORTEST, LONGEST)
        options.exclusion("exclude", self.exclude)
        for pool, name in zip(self.pools, ("consonants", "vowels"), strict=True):
            if not pool:
                raise NothingToDrawFrom("exclude", f"no {name} are left to draw from")

    @cached_property
    def pools(self) -> tuple[str, str]:
        """The consonants and the vowels."""
        return options.left(CONSONANTS, self.exclude), options.left(VOWELS, self.exclude)

    def draw(self, urandom: Urandom) -> str:
        letters = bytearray(self.length)
        for start, pool in enumerate(self.pools):
            symbols, size = _symbols(pool), self._size(start)
            letters[start::2] = symbols.draw(size, symbols.sized(size), urandom)
        return letters.decode("ascii")

    def count(self) -> int:
        return math.prod(len(pool) ** self._size(start) for start, pool in enumerate(self.pools))

    def allows(self, value: str) -> bool:
        consonants, vowels = self.pools
        fit = set(value[0::2]) <= set(consonants) and set(value[1::2]) <= set(vowels)
        return fit and len(value) == self.length

    def _size(self, start: int) -> int:
        """How many letters there are at every second place from ``start``."""
        return len(range(start, self.length, 2))
