"""What an option of a spec may be; anything else is an error that names it. Pure."""

import unicodedata

from credfirewall.exceptions import (
    CharacterRepeated,
    CharacterUnusable,
    NothingToDrawFrom,
    OptionOutOfRange,
    OptionWrongType,
)

MOST_CHARACTERS = 256
"""Of an alphabet: one random byte draws one character."""
MOST_EXCLUDED = 1024
BLANK = frozenset(
    "\u115f\u1160\u3164\uffa0"  # letters that are ignorable by default: Hangul fillers
    "\u2800\U0001d159\U00013441\U00013442"  # drawn as nothing: Braille, a note, hieroglyphs
    "\ufffc"  # stands for an object that plain text does not have
)
"""What Unicode counts among letters and symbols although nobody sees it."""


def number(field: str, value: object, least: int, most: int) -> None:
    """Check a whole number. Raises OptionWrongType, OptionOutOfRange."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise OptionWrongType(field, "must be a whole number", expected="integer")
    if not least <= value <= most:
        problem = f"must be from {least} to {most}"
        raise OptionOutOfRange(field, problem, least=least, most=most)


def truth(field: str, value: object) -> None:
    """Check a truth value. Raises OptionWrongType."""
    if not isinstance(value, bool):
        raise OptionWrongType(field, "must be true or false", expected="boolean")


def exclusion(field: str, value: object) -> None:
    """Check characters to leave out: any, in any order and number up to MOST_EXCLUDED, since what
    is not there cannot do harm. Raises OptionWrongType, OptionOutOfRange."""
    _text(field, value, MOST_EXCLUDED)


def alphabet(field: str, value: object) -> None:
    """Check characters to draw from.

    Each must be visible and stay what it is wherever it lands: a value is normalised (NFC) before
    it is hashed, and two values that become one there would be fewer than ``entropy_bits`` says.
    Raises OptionWrongType, OptionOutOfRange, NothingToDrawFrom, CharacterRepeated,
    CharacterUnusable.
    """
    text = _text(field, value, MOST_CHARACTERS)
    if not text:
        raise NothingToDrawFrom(field, "no characters are left to draw from")
    for position, each in enumerate(text, 1):
        if not _is_visible(each):
            raise _unusable(field, position)
    if len(set(text)) < len(text):
        position = next(at for at, each in enumerate(text) if each in text[:at]) + 1
        problem = f"character {position} is there already"
        raise CharacterRepeated(field, problem, position=position)
    if not text.isascii():
        _check_pairs(field, text)


def _check_pairs(field: str, text: str) -> None:
    for position, each in enumerate(text, 1):
        # Between all the others in one string: some scripts compose what are letters themselves.
        if not unicodedata.is_normalized("NFC", each + each.join(text) + each):
            raise _unusable(field, position)


def separator(field: str, value: object, most: int) -> None:
    """Check what stands between words: visible characters and spaces, or nothing. Raises
    OptionWrongType, OptionOutOfRange, CharacterUnusable."""
    text = _text(field, value, most)
    for position, each in enumerate(text, 1):
        if each != " " and not _is_visible(each):
            raise _unusable(field, position)
    if unicodedata.normalize("NFC", text) != text:
        raise _unusable(field, 1)


def _text(field: str, value: object, most: int) -> str:
    if not isinstance(value, str):
        raise OptionWrongType(field, "must be text", expected="string")
    if len(value) > most:
        problem = f"must have at most {most:,} characters"
        raise OptionOutOfRange(field, problem, least=0, most=most)
    return value


def _is_visible(character: str) -> bool:
    """Whether it shows, by itself: no space, control, surrogate, combining or unassigned one, and
    none of BLANK."""
    return unicodedata.category(character)[0] in "LNPS" and character not in BLANK


def _unusable(field: str, position: int) -> CharacterUnusable:
    problem = (
        f"character {position} cannot be used: each must be visible, and not combine with others"
    )
    return CharacterUnusable(field, problem, position=position)


def left(characters: str, excluded: str) -> str:
    """Return ``characters`` without those of ``excluded``."""
    return "".join(each for each in characters if each not in excluded)
