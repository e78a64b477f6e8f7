"""The entropy is exact: it is held against counting every value there is."""

import math
import sys
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credfirewall.exceptions import ClassExcluded, NothingToDrawFrom
from credfirewall.passwords import Spec, passphrase
from credfirewall.passwords.entropy import covering, entropy_bits

CLASSES = (set("abé"), set("AB"), set("12"), set("#"))
alphabets = st.lists(st.sampled_from("abAB12#é"), min_size=1, max_size=4, unique=True).map("".join)
asked = {
    "alphabet": alphabets,
    "exclude": st.text("aA1#x", max_size=2),
    "length": st.just(4),
    "require_each": st.booleans(),
}


def check(alphabet: str, exclude: str, length: int, require_each: bool, stride: int = 1) -> None:
    """Hold what is said of a spec against trying every string."""

    def spec() -> Spec:
        options = {"length": length, "require_each": require_each}
        return Spec.of(alphabet=alphabet, exclude=exclude, **options)

    left = set(alphabet) - set(exclude)
    asked_for = [part for part in CLASSES if part & set(alphabet)]
    needed = [part & left for part in asked_for] if require_each else []
    if not left:
        with pytest.raises(NothingToDrawFrom):
            spec()
    elif not all(needed):
        with pytest.raises(ClassExcluded):
            spec()
    else:
        strings = list(map("".join, product([*alphabet, "x"], repeat=length)))
        good = {s for s in strings if left.issuperset(s) and all(map(set(s).intersection, needed))}
        made = spec()
        assert made.count() == len(good)
        assert entropy_bits(made) == math.log2(len(good))
        assert all(made.allows(each) is (each in good) for each in strings[::stride])
        assert not made.allows(next(iter(good)) + next(iter(left)))


class TestPasswords:
    @settings(max_examples=60, deadline=None)
    @given(**asked)
    def test_small_alphabets(
        self, alphabet: str, exclude: str, length: int, require_each: bool
    ) -> None:
        check(alphabet, exclude, length, require_each)

    @pytest.mark.slow
    @settings(max_examples=10_000, deadline=None)
    @given(**asked)
    def test_many_small_alphabets(
        self, alphabet: str, exclude: str, length: int, require_each: bool
    ) -> None:
        check(alphabet, exclude, length, require_each, stride=37)

    def test_one_of_each_is_subtracted(self) -> None:
        # 20 of 94: 26, 26, 10 and 32 of the classes.
        sizes = (26, 26, 10, 32)
        rows = product(range(21), repeat=3)
        total = 0
        for a, b, c in rows:
            if (d := 20 - a - b - c) >= 1 and min(a, b, c) >= 1:
                ways = math.factorial(20)
                for size, number in zip(sizes, (a, b, c, d), strict=True):
                    ways = ways // math.factorial(number) * size**number
                total += ways
        assert Spec.of(require_each=True).count() == total < Spec.of().count() == 94**20
        assert entropy_bits(Spec.of(require_each=True)) == pytest.approx(130.926, abs=0.001)

    def test_covering_by_hand(self) -> None:
        assert covering(4, 4, [1, 1, 1, 1]) == 24
        assert covering(3, 4, [1, 1, 1, 1]) == 0
        assert covering(2, 5, [2]) == 25 - 9
        assert covering(7, 3, []) == 3**7

    def test_pins(self) -> None:
        assert Spec.of(kind="pin").count() == 10**6
        assert Spec.of(kind="pin", length=4, exclude="0123").count() == 6**4

    @pytest.mark.parametrize("length", [4, 5])
    def test_pronounceable(self, length: int) -> None:
        spec = Spec.of(kind="pronounceable", length=length, exclude="ghjklmnprstvwziou")
        strings = set(map("".join, product("bdfaex", repeat=length)))
        good = {s for s in strings if set(s[0::2]) <= set("bdf") and set(s[1::2]) <= set("ae")}
        assert spec.count() == len(good)
        assert {each for each in strings if spec.allows(each)} == good
        assert not spec.allows("ba" * 3)


class TestPassphrases:
    @pytest.mark.parametrize("separator", ["", "-", " ", "1", "11", "12", "x", "a", "1a"])
    @pytest.mark.parametrize("digit", [False, True])
    @pytest.mark.parametrize("capitals", [False, True])
    def test_no_two_draws_read_the_same(
        self, separator: str, digit: bool, capitals: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """All that could be drawn of three words, with separators made to confuse."""
        listed = ("a-b", "ba", "c")
        monkeypatch.setattr(passphrase, "words", lambda: listed)
        options = {"separator": separator, "digit": digit, "capitals": capitals}
        spec = Spec.of(kind="passphrase", words=3, **options)
        assert isinstance(spec, passphrase.PassphraseSpec)
        values = set()
        for chosen in product(range(3), repeat=3):
            for tail in range(30) if digit else [0]:
                pairs = b"".join(index.to_bytes(2, sys.byteorder) for index in chosen)
                values.add(spec.draw(Scripted(pairs, bytes([tail << 3]))))
        assert len(values) == spec.count() == 27 * (30 if digit else 1)

    def test_each_word_and_the_digit_count(self) -> None:
        bits = entropy_bits(Spec.of(kind="passphrase", words=6))
        assert bits == pytest.approx(6 * math.log2(7776))
        with_digit = entropy_bits(Spec.of(kind="passphrase", words=6, digit=True))
        assert with_digit - bits == pytest.approx(math.log2(60))
        assert entropy_bits(Spec.of(kind="passphrase", words=6, capitals=True)) == bits


class Scripted:
    """Gives these bytes, each time as many as there are to be."""

    def __init__(self, *given: bytes) -> None:
        self.given = list(given)

    def __call__(self, size: int) -> bytes:
        return self.given.pop(0).ljust(size, b"\0")
