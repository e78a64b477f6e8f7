"""Passphrases out of the EFF's long list. Pure."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from credfirewall.passwords import options
from credfirewall.passwords.specs import Spec
from credfirewall.passwords.uniform import Urandom, below, indices

WORD_LIST = Path(__file__).with_name("words") / "eff_long.txt"
"""Its head says whose it is, and under which licence."""
LONGEST_WORD = 9
FEWEST_WORDS, MOST_WORDS = 3, 32
LONGEST_SEPARATOR = 8
DIGITS = "0123456789"


@functools.cache
def words() -> tuple[str, ...]:
    """Return the 7,776 words. None is the beginning of another one. Raises OSError."""
    lines = WORD_LIST.read_text(encoding="ascii").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


@dataclass(frozen=True)
class PassphraseSpec(Spec):
    """Words: 10 of 7,776 (129.2 bits) unless asked otherwise.

    ``capitals`` begins each word with a capital letter, which adds nothing to guess; ``digit``
    appends a digit to one of the words, each as likely as the others.
    """

    kind: ClassVar[str] = "passphrase"
    words: int = 10
    separator: str = "-"
    capitals: bool = False
    digit: bool = False

    def __post_init__(self) -> None:
        options.number("words", self.words, FEWEST_WORDS, MOST_WORDS)
        options.separator("separator", self.separator, LONGEST_SEPARATOR)
        options.truth("capitals", self.capitals)
        options.truth("digit", self.digit)

    def draw(self, urandom: Urandom) -> str:
        listed = words()
        drawn = [listed[index] for index in indices(len(listed), self.words, urandom)]
        if self.capitals:
            drawn = [word.capitalize() for word in drawn]
        if self.digit:
            place, digit = divmod(below(self.words * len(DIGITS), urandom), len(DIGITS))
            drawn[place] += DIGITS[digit]
        return self.separator.join(drawn)

    def count(self) -> int:
        # No word begins another one, so whatever the separator is, even none, the text tells the
        # words. It tells the place of the digit as well: a separator could hide that only if it
        # were nothing but this digit, and then the word behind it would have to begin with one.
        phrases: int = len(words()) ** self.words
        return phrases * self.words * len(DIGITS) if self.digit else phrases

    def allows(self, value: str) -> bool:
        rest, digits = value, 0
        for left in reversed(range(self.words)):
            word = self._first_word(rest)
            rest = rest[len(word) :]
            if rest[:1] in set(DIGITS) and self._ends_word(rest[1:], left):
                rest, digits = rest[1:], digits + 1
            if not (word and self._ends_word(rest, left)):
                return False
            rest = rest.removeprefix(self.separator)
        return digits == self.digit

    def _ends_word(self, rest: str, left: int) -> bool:
        """Whether ``rest`` can stand behind a word that ``left`` others follow."""
        return rest.startswith(self.separator) if left else not rest

    def _first_word(self, text: str) -> str:
        """Return the word that ``text`` begins with, or nothing."""
        spelt = _spelt(capitals=self.capitals)
        starts = (text[:end] for end in range(1, LONGEST_WORD + 1))
        return next((start for start in starts if start in spelt), "")


@functools.cache
def _spelt(*, capitals: bool) -> frozenset[str]:
    return frozenset(word.capitalize() if capitals else word for word in words())
