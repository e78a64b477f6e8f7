"""What to generate: one frozen class for each kind of value, checked when it is made. Pure."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property, lru_cache
from typing import Any, ClassVar

from credfirewall.exceptions import (
    OptionConflict,
    OptionNotAChoice,
    OptionNotForKind,
    OptionUnknown,
    OptionWrongType,
    SpecInvalid,
)
from credfirewall.passwords.uniform import Urandom

DEFAULT_KIND = "password"

_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_MOST_OF_A_NAME = 32
_kinds: dict[str, type["Spec"]] = {}


@dataclass(frozen=True)
class Spec:
    """What to generate. ``Spec.of`` makes one of its subclasses, whose fields are the options.

    Every way to make one checks it whole and raises a ``SpecInvalid``, which names the field.
    """

    kind: ClassVar[str]
    replaces: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """The options whose place another one takes, by that one's name."""

    def __init_subclass__(cls) -> None:
        if "kind" in cls.__dict__:
            _kinds[cls.kind] = cls

    @staticmethod
    def of(**given: Any) -> "Spec":
        """Return the spec of ``kind`` (default "password") and its options. Raises SpecInvalid."""
        try:
            return _known(**given)
        except TypeError:  # something that has no hash, and so is not what it should be either
            return _made(given)

    @staticmethod
    def parse(texts: Mapping[str, str]) -> "Spec":
        """Return the spec of options that are all text, as in a query string.

        Numbers have 1 to 9 ASCII digits, truth values are "true", "false", "1" or "0" in any case.
        Raises SpecInvalid.
        """
        types = _options(_kind(texts).kind)
        return Spec.of(**{name: read(name, text, types.get(name)) for name, text in texts.items()})

    @cached_property
    def entropy_bits(self) -> float:
        """The logarithm of ``count``, since all values are equally likely."""
        return math.log2(self.count())

    def draw(self, urandom: Urandom) -> str:
        """Return one of the values, all of them equally likely. Raises RandomnessFailed."""
        raise NotImplementedError

    def count(self) -> int:
        """Return how many different values there are, exactly."""
        raise NotImplementedError

    def allows(self, value: str) -> bool:
        """Whether ``value`` is one of them."""
        raise NotImplementedError


def _made(given: Mapping[str, Any]) -> Spec:
    return _kind(given)(**{name: value for name, value in given.items() if name != "kind"})


@lru_cache(maxsize=256, typed=True)
def _known(**given: Any) -> Spec:
    """Return the spec that was made of these options before: most callers want the same again, and
    to check them takes longer than to draw. Typed, because 1 is not True."""
    return _made(given)


def _kind(given: Mapping[str, object]) -> type[Spec]:
    """Return the class that has all of the options of ``given``. Raises SpecInvalid."""
    kind = given.get("kind", DEFAULT_KIND)
    found = _kinds.get(kind) if isinstance(kind, str) else None
    if found is None:
        problem = f"must be one of {', '.join(_kinds)}"
        raise OptionNotAChoice("kind", problem, choices=tuple(_kinds))
    for name in given:
        if name != "kind" and name not in _options(found.kind):
            raise _not_an_option(name, found)
    for name, others in found.replaces.items():
        for other in others:
            if given.get(name) is not None and other in given:
                problem = f"{name} takes its place: leave one of them out"
                raise OptionConflict(other, problem, other=name)
    return found


def _not_an_option(name: str, kind: type[Spec]) -> SpecInvalid:
    others = tuple(each for each in _kinds if name in _options(each))
    if others:
        problem = f"is not an option of {kind.kind}, but of {', '.join(others)}"
        return OptionNotForKind(name, problem, kind=kind.kind, kinds=others)
    # A name may be anything, and would otherwise be repeated whatever it is.
    shown = name if len(name) <= _MOST_OF_A_NAME and name.isidentifier() else "options"
    close = "".join(difflib.get_close_matches(shown, [*_options(kind.kind), "kind"], n=1))
    problem = (
        f"there is no such option; did you mean {close}?" if close else "there is no such option"
    )
    return OptionUnknown(shown, problem, suggestion=close)


@cache
def _options(kind: str) -> dict[str, object]:
    """Return the types of a kind's options, by their names."""
    return {field.name: field.type for field in fields(_kinds[kind])}


def read(name: str, text: str, wanted: object) -> object:
    """Return what ``text`` says, where that should be of type ``wanted``. Raises
    OptionWrongType."""
    if wanted is int:
        if not _NUMBER.fullmatch(text):
            raise OptionWrongType(name, "must be a whole number", expected="integer")
        return int(text)
    if wanted is bool:
        if text.lower() not in _TRUTH:
            raise OptionWrongType(name, "must be true or false", expected="boolean")
        return _TRUTH[text.lower()]
    return text
