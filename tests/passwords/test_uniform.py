"""Random bytes become uniform choices, and bytes that would not are thrown away."""

import random
from collections import Counter

import pytest

from credfirewall.exceptions import RandomnessFailed
from credfirewall.passwords.uniform import ROUNDS, Symbols, Urandom, below, indices


class Scripted:
    """Gives these bytes, one after another, then zeros."""

    def __init__(self, *given: int) -> None:
        self.left = list(given)
        self.asked: list[int] = []

    def __call__(self, size: int) -> bytes:
        self.asked.append(size)
        taken, self.left = self.left[:size], self.left[size:]
        return bytes(taken).ljust(size, b"\0")


def stuck(byte: int) -> Urandom:
    return lambda size: bytes([byte]) * size


class TestBelow:
    @pytest.mark.parametrize("bound", [1, 2, 3, 255, 256, 257, 10**40])
    def test_all_are_below(self, bound: int) -> None:
        urandom = random.Random(bound).randbytes
        drawn = [below(bound, urandom) for _ in range(2000)]
        assert 0 <= min(drawn) <= max(drawn) < bound
        assert bound > 300 or set(drawn) == set(range(bound))

    def test_what_is_too_much_is_drawn_again_and_not_folded(self) -> None:
        # Three bits are looked at: 7, 6 and 5 are none of five numbers.
        urandom = Scripted(0b11100000, 0b11000000, 0b10100000, 0b01111111)
        assert below(5, urandom) == 3
        assert urandom.asked == [1] * 4

    def test_nothing_is_drawn_where_there_is_no_choice(self) -> None:
        urandom = Scripted()
        assert below(1, urandom) == 0
        assert sum(urandom.asked) == 0

    def test_a_source_that_gives_nothing_usable_ends(self) -> None:
        with pytest.raises(RandomnessFailed):
            below(5, stuck(255))


class TestIndices:
    def test_there_are_as_many_as_asked_for(self) -> None:
        urandom = random.Random(1).randbytes
        for count in (1, 2, 10, 500):
            drawn = indices(7776, count, urandom)
            assert len(drawn) == count
            assert max(drawn) < 7776

    def test_pairs_of_bytes_beyond_the_last_multiple_are_thrown_away(self) -> None:
        first = Scripted(*(255,) * 2, *(0, 0))
        assert indices(7776, 1, first) == [0]
        assert len(indices(65_536, 3, Scripted(*(255,) * 6))) == 3

    def test_more_is_drawn_where_it_was_too_few(self) -> None:
        urandom = Scripted(*(255,) * 2 * 9)
        assert indices(7776, 3, urandom) == [0, 0, 0]
        assert len(urandom.asked) > 1

    def test_a_source_that_gives_nothing_usable_ends(self) -> None:
        urandom = stuck(255)
        with pytest.raises(RandomnessFailed):
            indices(7776, 3, urandom)


class TestSymbols:
    @pytest.mark.parametrize(
        "pool", ["a", "ab", "abc", "äöü", "a→\U0001f511", "".join(map(chr, range(256)))]
    )
    def test_every_byte_that_is_kept_stands_for_one_and_for_each_as_many(self, pool: str) -> None:
        symbols = Symbols(pool)
        kept = len(pool) * (256 // len(pool))
        text = symbols.text(symbols.draw(kept, 256, lambda _: bytes(range(256))))
        assert Counter(text) == dict.fromkeys(pool, 256 // len(pool))

    def test_what_lies_beyond_is_deleted(self) -> None:
        symbols = Symbols("0123456789")
        codes = symbols.draw(2, 8, Scripted(250, 255, 249, 251, 10))
        assert symbols.text(codes) == "90"

    def test_more_is_drawn_where_it_was_too_few(self) -> None:
        symbols = Symbols("0123456789")
        urandom = Scripted(255, 255, 1, 255, 255, 255, 2, 3)
        assert symbols.text(symbols.draw(3, 3, urandom)) == "123"
        assert urandom.asked == [3, 3, 3]

    def test_one_request_is_nearly_always_enough(self) -> None:
        symbols = Symbols("".join(map(chr, range(33, 127))))
        for length in (4, 20, 128):
            asked: list[int] = []
            seeded = random.Random(length)

            def urandom(
                size: int, asked: list[int] = asked, seeded: random.Random = seeded
            ) -> bytes:
                asked.append(size)
                return seeded.randbytes(size)

            for _ in range(2000):
                symbols.draw(length, symbols.sized(length), urandom)
            assert len(asked) <= 2004
            assert max(asked) < 3 * length + 10

    def test_a_source_that_gives_nothing_usable_ends(self) -> None:
        asked = []

        def urandom(size: int) -> bytes:
            asked.append(size)
            return b"\xff" * size

        with pytest.raises(RandomnessFailed):
            Symbols("0123456789").draw(4, 8, urandom)
        assert len(asked) == ROUNDS + 1
