"""How many values a spec allows, exactly, and so how hard they are to guess. Pure."""

from collections.abc import Sequence
from itertools import combinations

from credfirewall.passwords.specs import Spec


def entropy_bits(spec: Spec) -> float:
    """Return the entropy of what ``draw(spec)`` returns, in bits.

    All values that a spec allows are equally likely, so this is the logarithm of their number: what
    ``require_each`` rules out is subtracted.
    """
    return spec.entropy_bits


def covering(length: int, size: int, required: Sequence[int]) -> int:
    """Return how many strings of ``length`` over ``size`` characters have one of each class.

    ``required`` holds the sizes of the classes, which share no character. By inclusion and
    exclusion: all strings, less those that lack a class, plus those that lack two, and so on.
    """
    return sum(
        (-1) ** lacking * (size - sum(classes)) ** length
        for lacking in range(len(required) + 1)
        for classes in combinations(required, lacking)
    )
