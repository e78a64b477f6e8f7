"""The list of words is whole and what it is taken for, and phrases are made as asked."""

import hashlib
import itertools
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from credfirewall.passwords import Spec
from credfirewall.passwords.generator import draw
from credfirewall.passwords.passphrase import LONGEST_WORD, WORD_LIST, words

PUBLISHED = "addd35536511597a02fa0a9ff1e5284677b8883b83e986e43f15a3db996b903e"
"""SHA-256 of the EFF's file, in which the roll of five dice and a tab stand before each word."""
SEPARATORS = ["", "-", " ", "1", "11", "--", "a", "drop", "→"]


def rolls(number: int) -> str:
    """The number as five dice show it."""
    dice = ""
    for _ in range(5):
        number, pips = divmod(number, 6)
        dice = str(pips + 1) + dice
    return dice


class TestTheList:
    def test_it_is_the_effs(self) -> None:
        lines = [f"{rolls(number)}\t{word}\n" for number, word in enumerate(words())]
        assert hashlib.sha256("".join(lines).encode()).hexdigest() == PUBLISHED

    def test_all_words_differ(self) -> None:
        assert len(words()) == len(set(words())) == 7776
        assert max(map(len, words())) == LONGEST_WORD

    def test_no_word_begins_another_one(self) -> None:
        ordered = sorted(words())
        pairs = itertools.pairwise(ordered)
        assert not [one for one, following in pairs if following.startswith(one)]

    def test_it_says_whose_it_is(self) -> None:
        head = WORD_LIST.read_text(encoding="ascii").partition("\nabacus\n")[0]
        assert all(line.startswith("# ") for line in head.splitlines())
        assert "Electronic Frontier Foundation" in head
        assert "Attribution 3.0 United States" in head
        assert "https://creativecommons.org/licenses/by/3.0/us/" in head


class TestPhrases:
    def test_words_and_separator(self) -> None:
        value = draw(Spec.of(kind="passphrase", words=6, separator=" "))
        assert len(value.split(" ")) == 6
        assert set(value.split(" ")) <= set(words())

    def test_capitals(self) -> None:
        value = draw(Spec.of(kind="passphrase", words=6, separator=" ", capitals=True))
        assert all(word[0].isupper() and word[1:].islower() for word in value.split())
        assert set(value.lower().split()) <= set(words())

    def test_one_digit_behind_a_word(self) -> None:
        value = draw(Spec.of(kind="passphrase", words=6, separator=" ", digit=True))
        assert sum(each.isdigit() for each in value) == 1
        assert {word.rstrip("0123456789") for word in value.split()} <= set(words())

    @given(
        seed=st.integers(0, 2**32),
        options=st.fixed_dictionaries(
            {
                "words": st.integers(3, 6),
                "separator": st.sampled_from(SEPARATORS),
                "digit": st.booleans(),
                "capitals": st.booleans(),
            }
        ),
    )
    def test_what_is_drawn_is_allowed_and_what_differs_is_not(
        self, seed: int, options: dict[str, Any]
    ) -> None:
        spec = Spec.of(kind="passphrase", **options)
        value = draw(spec, random.Random(seed).randbytes)
        assert spec.allows(value)
        more = Spec.of(kind="passphrase", **{**options, "words": options["words"] + 1})
        other_case = {**options, "capitals": not options["capitals"]}
        other_digit = {**options, "digit": not options["digit"]}
        assert not more.allows(value)
        assert not Spec.of(kind="passphrase", **other_case).allows(value)
        assert not Spec.of(kind="passphrase", **other_digit).allows(value)
        for changed in (value + "x", value + "7", "7" + value, value[:-1], value.upper(), ""):
            assert not spec.allows(changed)

    def test_a_word_that_is_missing_or_not_listed(self) -> None:
        spec = Spec.of(kind="passphrase", words=3)
        assert spec.allows("abacus-t-shirt-zoom")
        for value in ("-abacus-zoom", "abacus--zoom", "abacus-zoom-", "--", "abacus-zoom-zzz"):
            assert not spec.allows(value)
