"""All values that a spec allows come out, and equally often. What is biased does not pass here."""

import copy
import inspect
import math
import os
import pickle
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, product
from typing import Any

import pytest

import credfirewall.passwords
from credfirewall.exceptions import OptionOutOfRange, OptionWrongType
from credfirewall.passwords import Generated, Spec
from credfirewall.passwords.generator import KINDS, draw, generate, generate_many
from credfirewall.passwords.passphrase import DIGITS, words
from credfirewall.passwords.pronounceable import CONSONANTS, VOWELS
from credfirewall.passwords.strings import Strings
from credfirewall.passwords.uniform import Urandom

VISIBLE = "".join(map(chr, range(33, 127)))
FEW = "abA1"
"""Four characters of three classes, one of which has two."""
LIMIT = 5.5
"""Standard deviations. A sound generator is beyond them once in 50 million times."""


def strangeness(found: Iterable[object], possible: Iterable[object]) -> float:
    """By how many standard deviations it is unlikely that all possible cells are equally likely:
    Pearson's chi-square, brought to a normal distribution by Wilson's and Hilferty's cube root."""
    counted = Counter(found)
    cells = list(possible)
    assert counted.keys() <= set(cells), "something came that cannot come"
    expected = counted.total() / len(cells)
    assert expected > 5, "too few were drawn to say anything"
    freedom = len(cells) - 1
    chi = sum((counted[cell] - expected) ** 2 for cell in cells) / expected
    spread = 2 / (9 * freedom)
    return float(((chi / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def many(count: int, **options: Any) -> Iterator[str]:
    spec, urandom = Spec.of(**options), random.Random(2026).randbytes
    return (draw(spec, urandom) for _ in range(count))


def characters(values: Iterable[str]) -> Iterable[str]:
    return chain.from_iterable(values)


def all_of(alphabet: str, length: int, *required: str) -> list[str]:
    """Every string there is, by trying all."""
    strings = map("".join, product(alphabet, repeat=length))
    return [each for each in strings if all(set(part) & set(each) for part in required)]


ALL_WITH_EACH = all_of(FEW, 5, "ab", "A", "1")


# What others do, and how this test finds them out


def modulo(pool: str, length: int, urandom: Urandom) -> str:
    return "".join(pool[byte % len(pool)] for byte in urandom(length))


def modulo_words(count: int, urandom: Urandom) -> list[str]:
    listed = words()
    return [listed[int.from_bytes(urandom(2)) % len(listed)] for _ in range(count)]


def place_and_shuffle(seeded: random.Random) -> str:
    placed = [seeded.choice(part) for part in ("ab", "A", "1", FEW, FEW)]
    seeded.shuffle(placed)
    return "".join(placed)


class TestUniform:
    def test_password(self) -> None:
        assert abs(strangeness(characters(many(20_000)), VISIBLE)) < LIMIT

    def test_each_place_of_a_password(self) -> None:
        cells = product(range(4), VISIBLE)
        values = many(40_000, length=4)
        found = ((place, each) for value in values for place, each in enumerate(value))
        assert abs(strangeness(found, cells)) < LIMIT

    def test_password_with_one_of_each(self) -> None:
        values = many(20_000, length=5, alphabet=FEW, require_each=True)
        assert abs(strangeness(values, ALL_WITH_EACH)) < LIMIT

    def test_password_with_one_of_each_counted_out(self) -> None:
        strings = Strings(5, FEW, ("ab", "A", "1"))
        urandom = random.Random(2026).randbytes
        values = (strings.counted(urandom) for _ in range(8000))
        assert abs(strangeness(values, ALL_WITH_EACH)) < LIMIT

    def test_alphabet_beyond_latin(self) -> None:
        alphabet = "aä→字\U0001f511"
        values = many(20_000, length=4, alphabet=alphabet)
        assert abs(strangeness(values, all_of(alphabet, 4))) < LIMIT

    def test_pin(self) -> None:
        assert abs(strangeness(characters(many(40_000, kind="pin")), DIGITS)) < LIMIT
        values = many(20_000, kind="pin", length=4, exclude="0123456")
        assert abs(strangeness(values, all_of("789", 4))) < LIMIT

    def test_passphrase(self) -> None:
        values = many(40_000, kind="passphrase", separator=" ")
        assert (
            abs(strangeness(chain.from_iterable(value.split() for value in values), words()))
            < LIMIT
        )

    def test_digit_of_a_passphrase(self) -> None:
        found = []
        for value in many(20_000, kind="passphrase", words=4, separator=" ", digit=True):
            ((place, word),) = ((p, w) for p, w in enumerate(value.split()) if w[-1] in DIGITS)
            found.append((place, word[-1]))
        assert abs(strangeness(found, product(range(4), DIGITS))) < LIMIT

    def test_pronounceable(self) -> None:
        values = list(many(40_000, kind="pronounceable"))
        assert abs(strangeness(characters(each[0::2] for each in values), CONSONANTS)) < LIMIT
        assert abs(strangeness(characters(each[1::2] for each in values), VOWELS)) < LIMIT
        short = list(many(20_000, kind="pronounceable", length=5, exclude=CONSONANTS[3:] + "iou"))
        cells = map("".join, product("bdf", "ae", "bdf", "ae", "bdf"))
        assert abs(strangeness(short, cells)) < LIMIT


class TestBiasedOnesFail:
    """The same test, with no more draws than the sound ones have to pass."""

    @pytest.mark.parametrize(
        ("pool", "length", "count"), [(VISIBLE, 20, 20_000), (DIGITS, 6, 40_000)]
    )
    def test_modulo(self, pool: str, length: int, count: int) -> None:
        urandom = random.Random(2026).randbytes
        values = (modulo(pool, length, urandom) for _ in range(count))
        assert strangeness(characters(values), pool) > LIMIT

    def test_modulo_of_words(self) -> None:
        urandom = random.Random(2026).randbytes
        values = (modulo_words(10, urandom) for _ in range(40_000))
        assert strangeness(chain.from_iterable(values), words()) > LIMIT

    def test_modulo_of_letters(self) -> None:
        urandom = random.Random(2026).randbytes
        values = (modulo(CONSONANTS, 20, urandom) for _ in range(40_000))
        assert strangeness(characters(values), CONSONANTS) > LIMIT

    def test_place_and_shuffle(self) -> None:
        seeded = random.Random(2026)
        values = (place_and_shuffle(seeded) for _ in range(20_000))
        assert strangeness(values, ALL_WITH_EACH) > LIMIT


class TestExtremes:
    def test_one_of_each_where_hardly_any_string_has_it(self) -> None:
        """One string of a million has all four: it is counted out rather than waited for."""
        many_special = "".join(map(chr, range(0x2200, 0x2200 + 253)))
        spec = Spec.of(alphabet="aA1" + many_special, length=4, require_each=True)
        asked = 0

        def urandom(size: int) -> bytes:
            nonlocal asked
            asked += size
            return os.urandom(size)

        for _ in range(20):
            value = draw(spec, urandom)
            assert set("aA1") < set(value)
            assert spec.allows(value)
        assert asked < 20 * 1024

    def test_four_places_for_four_classes(self) -> None:
        spec = Spec.of(length=4, require_each=True)
        assert all(spec.allows(draw(spec)) for _ in range(200))

    @pytest.mark.parametrize("length", [4, 128])
    def test_nothing_to_choose_is_no_entropy(self, length: int) -> None:
        found = generate(alphabet="x", length=length, require_each=True)
        assert found.value == "x" * length
        assert found.entropy_bits == 0


class TestGenerate:
    @pytest.mark.parametrize("kind", [each.kind for each in KINDS])
    def test_it_says_what_it_is_and_not_its_value(self, kind: str) -> None:
        found = generate(kind=kind)
        assert (found.kind, found.length) == (kind, len(found.value))
        for shown in (repr(found), str(found), f"{found}", f"{found!r}"):
            assert found.value not in shown
            assert kind in shown

    @pytest.mark.parametrize("keep", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_it_is_not_kept(self, keep: Callable[[Generated], object]) -> None:
        with pytest.raises(TypeError) as raised:
            keep(found := generate())
        assert found.value not in str(raised.value)

    def test_kinds_are_those_that_are_documented(self) -> None:
        assert [each.kind for each in KINDS] == ["password", "passphrase", "pin", "pronounceable"]

    @pytest.mark.parametrize("kind", ["password", "passphrase", "pronounceable"])
    def test_defaults_have_128_bits(self, kind: str) -> None:
        assert generate(kind=kind).entropy_bits >= 128

    def test_default_entropies(self) -> None:
        bits = {each.kind: round(generate(kind=each.kind).entropy_bits, 1) for each in KINDS}
        assert bits == {"password": 131.1, "passphrase": 129.2, "pin": 19.9, "pronounceable": 128.2}

    def test_no_two_are_alike(self) -> None:
        assert len({each.value for each in generate_many(100)}) == 100
        assert generate().value != generate().value

    @pytest.mark.parametrize("count", [0, 101, -1])
    def test_not_too_many(self, count: int) -> None:
        with pytest.raises(OptionOutOfRange) as raised:
            generate_many(count)
        assert raised.value.field == "count"

    @pytest.mark.parametrize("count", [True, 1.0, "2", None])
    def test_a_count_is_a_number(self, count: Any) -> None:
        with pytest.raises(OptionWrongType) as raised:
            generate_many(count)
        assert raised.value.field == "count"

    def test_randomness_is_that_of_the_system(self) -> None:
        assert inspect.signature(draw).parameters["urandom"].default is os.urandom

    def test_what_is_public(self) -> None:
        assert {"Generated", "Spec", "generate"} <= set(credfirewall.passwords.__all__)
