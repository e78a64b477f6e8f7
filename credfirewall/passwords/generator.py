"""Draw values of any kind: all that a spec allows are equally likely. Pure."""

import os
from dataclasses import dataclass, field
from typing import NoReturn

from credfirewall.passwords import options
from credfirewall.passwords.passphrase import PassphraseSpec
from credfirewall.passwords.password import PasswordSpec, PinSpec
from credfirewall.passwords.pronounceable import PronounceableSpec
from credfirewall.passwords.specs import Spec
from credfirewall.passwords.uniform import Urandom

KINDS: tuple[type[Spec], ...] = (PasswordSpec, PassphraseSpec, PinSpec, PronounceableSpec)
MOST = 100
"""Values that are drawn at a time."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated value, which ``repr`` does not show.

    ``length`` is in code points; ``entropy_bits`` is that of the spec, which all values share.
    """

    value: str = field(repr=False)
    kind: str
    length: int
    entropy_bits: float

    def __reduce__(self) -> NoReturn:
        raise TypeError("a generated value stays in this process and cannot be pickled")


def draw(spec: Spec, urandom: Urandom = os.urandom) -> str:
    """Return a value that ``spec`` allows. Raises RandomnessFailed."""
    return spec.draw(urandom)


def generated(spec: Spec, value: str) -> Generated:
    """Return ``value``, drawn from ``spec``, with what may be said about it."""
    return Generated(value, spec.kind, len(value), spec.entropy_bits)


def generate(**spec: object) -> Generated:
    """Generate one value: ``kind`` and the options of that kind, see ``KINDS``.

    Raises SpecInvalid, which names the field.
    """
    made = Spec.of(**spec)
    return generated(made, draw(made))


def generate_many(count: int, **spec: object) -> list[Generated]:
    """Generate 1 to 100 values of one spec, each drawn anew. Raises SpecInvalid."""
    options.number("count", count, 1, MOST)
    made = Spec.of(**spec)
    return [generated(made, draw(made)) for _ in range(count)]
