"""Passwords and PINs: strings over a pool of characters. Pure."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

from credfirewall.exceptions import ClassExcluded, NothingToDrawFrom
from credfirewall.passwords import options
from credfirewall.passwords.entropy import covering
from credfirewall.passwords.specs import Spec
from credfirewall.passwords.strings import Strings, strings
from credfirewall.passwords.uniform import Urandom

SHORTEST, LONGEST = 4, 128
CLASSES: Mapping[str, str] = {
    "lowercase": string.ascii_lowercase,
    "uppercase": string.ascii_uppercase,
    "digits": string.digits,
    "special": string.punctuation,
}
AMBIGUOUS = "0Oo1Il|"
"""What is taken for one another where it is read off a screen or paper."""


@dataclass(frozen=True)
class CharacterSpec(Spec):
    """Characters, all of them drawn from the same pool."""

    length: int

    @cached_property
    def classes(self) -> Mapping[str, str]:
        """What is left of each class after the exclusions, without those of which nothing is."""
        raise NotImplementedError

    @property
    def pool(self) -> str:
        """All characters that the value may hold, each once."""
        return "".join(self.classes.values())

    @property
    def required(self) -> tuple[str, ...]:
        """The classes that the value has to have a character of."""
        return ()

    def draw(self, urandom: Urandom) -> str:
        return self._strings.draw(urandom)

    # The fast part of drawing is short of what looking it up anywhere else would take.
    @cached_property
    def _strings(self) -> Strings:
        return strings(self.length, self.pool, self.required)

    def count(self) -> int:
        return covering(self.length, len(self.pool), [len(part) for part in self.required])

    def allows(self, value: str) -> bool:
        found = set(value)
        return (
            len(value) == self.length
            and found <= set(self.pool)
            and not any(found.isdisjoint(part) for part in self.required)
        )


@dataclass(frozen=True)
class PasswordSpec(CharacterSpec):
    """A password: 20 of all 94 visible ASCII characters (131.1 bits) unless asked otherwise.

    An ``alphabet`` of one's own takes the place of the classes; its characters are lower case,
    upper case, digits or, all others, special. ``require_each`` demands one of each class.
    """

    kind: ClassVar[str] = "password"
    replaces: ClassVar[Mapping[str, tuple[str, ...]]] = {"alphabet": tuple(CLASSES)}
    length: int = 20
    lowercase: bool = True
    uppercase: bool = True
    digits: bool = True
    special: bool = True
    exclude: str = ""
    exclude_ambiguous: bool = False
    require_each: bool = False
    alphabet: str | None = None

    def __post_init__(self) -> None:
        options.number("length", self.length, SHORTEST, LONGEST)
        for name in (*CLASSES, "exclude_ambiguous", "require_each"):
            options.truth(name, getattr(self, name))
        options.exclusion("exclude", self.exclude)
        if self.alphabet is not None:
            options.alphabet("alphabet", self.alphabet)
        self._check_what_is_left()

    def _check_what_is_left(self) -> None:
        wanted = self._wanted()
        excludes = "exclude" if self.exclude else "exclude_ambiguous"
        if not self.classes:
            field = excludes if wanted else next(iter(CLASSES))
            raise NothingToDrawFrom(field, "no characters are left to draw from")
        gone = [name for name in wanted if name not in self.classes]
        if self.require_each and gone:
            problem = f"nothing is left of {gone[0]}, and require_each asks for one of each class"
            raise ClassExcluded(excludes, problem, name=gone[0])

    def _wanted(self) -> dict[str, str]:
        """The classes as asked for, before the exclusions."""
        if self.alphabet is not None:
            return _classified(self.alphabet)
        return {name: part for name, part in CLASSES.items() if getattr(self, name)}

    @cached_property
    def classes(self) -> Mapping[str, str]:
        return _without(self._wanted(), self.exclude + AMBIGUOUS * self.exclude_ambiguous)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self.classes.values()) if self.require_each else ()


@dataclass(frozen=True)
class PinSpec(CharacterSpec):
    """Digits for a lock that stops guessing: 6 of them (19.9 bits) unless asked otherwise."""

    kind: ClassVar[str] = "pin"
    length: int = 6
    exclude: str = ""

    def __post_init__(self) -> None:
        options.number("length", self.length, SHORTEST, LONGEST)
        options.exclusion("exclude", self.exclude)
        if not self.classes:
            raise NothingToDrawFrom("exclude", "no digits are left to draw from")

    @cached_property
    def classes(self) -> Mapping[str, str]:
        return _without({"digits": CLASSES["digits"]}, self.exclude)


def _without(classes: Mapping[str, str], excluded: str) -> Mapping[str, str]:
    left = {name: options.left(part, excluded) for name, part in classes.items()}
    # Specs are shared.
    return MappingProxyType({name: part for name, part in left.items() if part})


def _classified(alphabet: str) -> dict[str, str]:
    """Return the classes of an alphabet, those that it has, in the order of CLASSES."""
    found = dict.fromkeys(CLASSES, "")
    lowercase, uppercase, digits, special = CLASSES
    for each in alphabet:
        if each.islower():
            found[lowercase] += each
        elif each.isupper():
            found[uppercase] += each
        else:
            found[digits if each.isdecimal() else special] += each
    return {name: part for name, part in found.items() if part}
