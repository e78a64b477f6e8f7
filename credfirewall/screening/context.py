"""Words that belong to the context, a site's or a user's, and what is made of them. Pure.

ASVS 6.1.2 and 6.2.11. The whole value is judged: it is derived when nothing but context words and
a little decoration are in it. A phrase that has other words besides passes.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from credfirewall.screening.digest import fold

SHORTEST_WORD = 3
"""Characters of a word that counts; shorter ones are in too many other words."""
SHORTEST_PIECE = 4
"""Characters of a piece of a name or an address that counts by itself."""
MOST_DECORATION = 8
"""What may surround context words, as ``_weights`` counts it, before the rest is a password."""

_ALIKE = str.maketrans("@4013$57!lı", "aaoiesstiii")  # noqa: RUF001 - as people write them
_NOT_LETTERS = re.compile(r"[\W\d_]+")

Tiles = Mapping[str, Sequence[str]]
"""What a value may be made of, by first character."""


def is_derived(folded: str, words: Iterable[str]) -> bool:
    """Whether ``folded`` (see ``digest.fold``) consists of ``words`` and decoration alone.

    The words may be repeated, joined, reversed, accented or not, broken up by separators, and
    written with the usual signs for letters (@ 4 0 1 ! 3 $ 5 7). The time is at most the product
    of the length and the number of words: at worst some 20 ms for 4096 code points and 50 words.
    """
    tiles = _tiles(tuple(words))
    return any(_is_tiled(text, spent, tiles) for text, spent in _readings(_plain(folded), tiles))


def user_words(user: object) -> list[str]:
    """Return the names and addresses of ``user``, whole and in pieces.

    Any object will do, None and AnonymousUser too: what it lacks is left out. Custom user models
    are asked for their ``get_username`` and ``get_email_field_name``.
    """
    first, last = _text(user, "first_name"), _text(user, "last_name")
    full = _text(user, "get_full_name")
    email = _text(user, _text(user, "get_email_field_name") or "email")
    names = [_text(user, "get_username") or _text(user, "username"), email, full, first, last]
    words = [*names, f"{first} {last}", f"{last} {first}", first[:1] + last]
    for name in names:
        local, _at, domain = name.partition("@")
        labels = domain.split(".")[:-1]
        words += [local, *labels]
        for part in (local, *labels):
            words += [piece for piece in _pieces(part) if len(piece) >= SHORTEST_PIECE]
    return list(dict.fromkeys(word for word in words if len(word.strip()) >= SHORTEST_WORD))


def _text(user: object, name: str) -> str:
    try:
        value = getattr(user, name, None)
        if callable(value):
            value = value()
        return "" if value is None else str(value)
    except Exception:  # noqa: BLE001 - a method of the host's, of a user who is not saved yet
        return ""


def _pieces(text: str) -> list[str]:
    return _NOT_LETTERS.split(text)


def _plain(folded: str) -> str:
    """Return the text without accents."""
    if folded.isascii():
        return folded
    apart = unicodedata.normalize("NFD", folded)
    return "".join(character for character in apart if unicodedata.category(character) != "Mn")


@lru_cache(maxsize=256)
def _tiles(words: tuple[str, ...]) -> Tiles:
    """Return all forms of ``words``. Remembered, since most values are judged by the same ones."""
    tiles: dict[str, list[str]] = {}
    for word in dict.fromkeys(words):
        plain = _plain(fold(str(word)).strip())
        joined = "".join(filter(str.isalnum, plain))
        if len(joined) < SHORTEST_WORD:
            continue
        for form in {plain.translate(_ALIKE), joined.translate(_ALIKE)}:
            for tile in {form, form[::-1]}:
                tiles.setdefault(tile[0], []).append(tile)
    return tiles


def _readings(text: str, tiles: Tiles) -> Iterator[tuple[str, int]]:
    """Yield ``text`` as it is and without separators, each with the decoration that this took.

    Those in which none of ``tiles`` occurs are left out: decoration alone is no derived value, and
    nearly all values are no more than that.
    """
    if _has_any(text, tiles):
        yield text, 0
    for signs in ("@$!", ""):
        letters = "".join([each for each in text if each.isalnum() or each in signs])
        if len(letters) < len(text) and _has_any(letters, tiles):
            weights = zip(text, _weights(text), strict=True)
            spent = sum(w or 0 for each, w in weights if not (each.isalnum() or each in signs))
            yield letters, spent


def _has_any(text: str, tiles: Tiles) -> bool:
    shape = text.translate(_ALIKE)
    return any(tile in shape for same in tiles.values() for tile in same)


def _weights(text: str) -> list[int | None]:
    """Return what each character adds as decoration; None for a letter, which is none.

    A character adds 1. One that continues a run (12345, !!!!) adds nothing, and neither does a
    sign from its third time on: the tenth hyphen of ten is no surprise.
    """
    signs: Counter[str] = Counter()
    weights: list[int | None] = []
    for at, character in enumerate(text):
        if character.isalpha():
            weights.append(None)
        elif _continues_run(text, at):
            weights.append(0)
        else:
            signs[character] += not character.isalnum()
            weights.append(int(signs[character] <= 2))
    return weights


def _continues_run(text: str, at: int) -> bool:
    if at < 2:
        return False
    one, two, three = text[at - 2], text[at - 1], text[at]
    if one == two == three:
        return True
    if not (one.isdecimal() and two.isdecimal() and three.isdecimal()):
        return False
    step = (int(two) - int(one)) % 10
    return step in (1, 9) and step == (int(three) - int(two)) % 10


def _is_tiled(text: str, spent: int, tiles: Tiles) -> bool:
    """Whether tiles and at most the decoration that is left over from ``spent`` make up ``text``.

    Left to right, keeping the least decoration with which each position can be reached.
    """
    shape, weights, size = text.translate(_ALIKE), _weights(text), len(text)
    beyond = MOST_DECORATION + 1
    before = spent  # decoration alone, without any word so far
    least = [beyond] * (size + 1)
    for at in range(size):
        start = min(before, least[at])
        if start < beyond:
            for tile in tiles.get(shape[at], ()):
                end = at + len(tile)
                if end <= size and least[end] > start and shape.startswith(tile, at):
                    least[end] = start
        weight = weights[at]
        if weight is None:
            before = beyond
        else:
            before += weight
            least[at + 1] = min(least[at + 1], least[at] + weight)
    return least[size] < beyond
