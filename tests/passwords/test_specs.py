"""What may be asked for: all else is an error that names the field, and nothing is made to fit."""

import inspect
import re
import string
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credfirewall import exceptions
from credfirewall.exceptions import (
    CharacterRepeated,
    CharacterUnusable,
    ClassExcluded,
    NothingToDrawFrom,
    OptionConflict,
    OptionNotAChoice,
    OptionNotForKind,
    OptionOutOfRange,
    OptionUnknown,
    OptionWrongType,
    SpecInvalid,
)
from credfirewall.passwords import Spec
from credfirewall.passwords.generator import draw
from credfirewall.passwords.options import BLANK
from credfirewall.passwords.password import AMBIGUOUS
from dev import ROOT

LOWERCASE, UPPERCASE = string.ascii_lowercase, string.ascii_uppercase
DIGITS, SPECIAL = string.digits, string.punctuation
NO_CLASS = dict.fromkeys(("lowercase", "uppercase", "digits", "special"), False)
MANY = "".join(map(chr, range(0x4E00, 0x4E00 + 257)))

# Each with its options, the field that is named, and the outcome.
WRONG: list[tuple[dict[str, Any], str, type[SpecInvalid]]] = [
    # Lengths
    *(({"length": n}, "length", OptionOutOfRange) for n in (3, 0, -1, 129, 10**30)),
    *(
        ({"length": value}, "length", OptionWrongType)
        for value in (True, 16.0, "16", "12abc", None, [16], float("nan"))
    ),
    ({"kind": "pin", "length": 3}, "length", OptionOutOfRange),
    ({"kind": "pin", "length": 6.0}, "length", OptionWrongType),
    ({"kind": "pronounceable", "length": 129}, "length", OptionOutOfRange),
    ({"kind": "pronounceable", "length": False}, "length", OptionWrongType),
    *(({"kind": "passphrase", "words": n}, "words", OptionOutOfRange) for n in (2, 0, -3, 33)),
    ({"kind": "passphrase", "words": "6"}, "words", OptionWrongType),
    # Truth values
    *(({name: 1}, name, OptionWrongType) for name in NO_CLASS),
    ({"require_each": "true"}, "require_each", OptionWrongType),
    ({"exclude_ambiguous": None}, "exclude_ambiguous", OptionWrongType),
    ({"kind": "passphrase", "capitals": 0}, "capitals", OptionWrongType),
    ({"kind": "passphrase", "digit": "yes"}, "digit", OptionWrongType),
    # Nothing left
    (NO_CLASS, "lowercase", NothingToDrawFrom),
    ({"alphabet": ""}, "alphabet", NothingToDrawFrom),
    ({"alphabet": "abc", "exclude": "cba"}, "exclude", NothingToDrawFrom),
    ({"alphabet": "lI1", "exclude_ambiguous": True}, "exclude_ambiguous", NothingToDrawFrom),
    ({**NO_CLASS, "digits": True, "exclude": DIGITS}, "exclude", NothingToDrawFrom),
    ({"kind": "pin", "exclude": DIGITS}, "exclude", NothingToDrawFrom),
    ({"kind": "pronounceable", "exclude": "aeiou"}, "exclude", NothingToDrawFrom),
    ({"kind": "pronounceable", "exclude": LOWERCASE[1:4] + LOWERCASE[5:]}, "exclude",
     NothingToDrawFrom),
    ({"exclude": DIGITS, "require_each": True}, "exclude", ClassExcluded),
    ({"alphabet": "ab01", "exclude_ambiguous": True, "require_each": True}, "exclude_ambiguous",
     ClassExcluded),
    # Alphabets
    *(({"alphabet": "ab" + each}, "alphabet", CharacterUnusable) for each in (
        " ", "\t", "\n", "\0", "\x7f", "\x85", "\xa0", "\u2028", "\u3000",  # spaces, controls
        "\ud83d", "\udc80",  # halves of a surrogate pair
        "\u0301", "\u20dd", "\u0903", "\ufe0f",  # marks
        "\u200d", "\u202e", "\u00ad", "\ufeff", "\U000e0041",  # formats
        *sorted(BLANK),
        "\ue000", "\u0378",  # private, unassigned
        "\u212b", "\uf900", "\u2126",  # another character in NFC
    )),
    ({"alphabet": "\u1100\u1161"}, "alphabet", CharacterUnusable),  # jamo that make a syllable
    ({"alphabet": "\uac00\u11a8"}, "alphabet", CharacterUnusable),
    ({"alphabet": "aba"}, "alphabet", CharacterRepeated),
    ({"alphabet": "öä→ö"}, "alphabet", CharacterRepeated),
    ({"alphabet": MANY}, "alphabet", OptionOutOfRange),
    ({"alphabet": ["a", "b"]}, "alphabet", OptionWrongType),
    *(({"alphabet": "abc", name: True}, name, OptionConflict) for name in NO_CLASS),
    # Exclusions
    ({"exclude": None}, "exclude", OptionWrongType),
    ({"exclude": b"abc"}, "exclude", OptionWrongType),
    ({"exclude": "a" * 1025}, "exclude", OptionOutOfRange),
    # Separators
    *(({"kind": "passphrase", "separator": each}, "separator", CharacterUnusable)
      for each in ("\n", "\0", "\ud800", "\u0301", "e\u0301", "\u202e", "\xa0", "\u1100\u1161",
                   *sorted(BLANK))),
    ({"kind": "passphrase", "separator": "-" * 9}, "separator", OptionOutOfRange),
    ({"kind": "passphrase", "separator": None}, "separator", OptionWrongType),
    # Kinds and names
    *(({"kind": kind}, "kind", OptionNotAChoice) for kind in ("", "PIN", "word", None, 3, ["pin"])),
    ({"words": 6}, "words", OptionNotForKind),
    ({"kind": "pin", "special": True}, "special", OptionNotForKind),
    ({"kind": "passphrase", "length": 20}, "length", OptionNotForKind),
    ({"kind": "pronounceable", "digit": True}, "digit", OptionNotForKind),
    ({"lenght": 20}, "lenght", OptionUnknown),
    ({"count": 2}, "count", OptionUnknown),
    ({"replaces": {}}, "replaces", OptionUnknown),
    ({"<script>": 1}, "options", OptionUnknown),
    ({"a" * 33: 1}, "options", OptionUnknown),
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "field", "outcome"), WRONG, ids=lambda value: ascii(value)[:40]
)
def test_what_is_wrong_is_named(
    options: dict[str, Any], field: str, outcome: type[SpecInvalid]
) -> None:
    with pytest.raises(SpecInvalid) as raised:
        Spec.of(**options)
    assert type(raised.value) is outcome
    assert raised.value.field == field
    assert str(raised.value).startswith(f"{field}: ")
    assert isinstance(raised.value, ValueError)
    assert str(raised.value).isprintable()
    assert "script" not in str(raised.value)


def outcomes() -> list[type[SpecInvalid]]:
    found = [each for _, each in inspect.getmembers(exceptions, inspect.isclass)]
    return [each for each in found if issubclass(each, SpecInvalid) and each is not SpecInvalid]


def test_every_outcome_has_a_code_of_its_own_and_is_tried_and_documented() -> None:
    codes = [each.code for each in outcomes()]
    assert len(set(codes)) == len(codes) >= 10
    assert {outcome for _, _, outcome in WRONG} == set(outcomes())
    page = (ROOT / "docs/passwords.md").read_text(encoding="utf-8")
    assert set(codes) <= set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


class TestParams:
    """What somebody needs who says it in another language."""

    def test_bounds(self) -> None:
        with pytest.raises(OptionOutOfRange) as raised:
            Spec.of(length=3)
        assert raised.value.params == {"least": 4, "most": 128}

    def test_suggestion(self) -> None:
        with pytest.raises(OptionUnknown, match="did you mean length") as raised:
            Spec.of(lenght=20)
        assert raised.value.params == {"suggestion": "length"}

    def test_place(self) -> None:
        with pytest.raises(CharacterRepeated) as raised:
            Spec.of(alphabet="abcb")
        assert raised.value.params == {"position": 4}
        with pytest.raises(CharacterUnusable) as unusable:
            Spec.of(alphabet="ab\ncd")
        assert unusable.value.params == {"position": 3}

    def test_kinds(self) -> None:
        with pytest.raises(OptionNotForKind) as raised:
            Spec.of(kind="pin", words=3)
        assert raised.value.params == {"kind": "pin", "kinds": ("passphrase",)}


class TestPools:
    def test_all_visible_characters(self) -> None:
        spec: Any = Spec.of()
        assert set(spec.pool) == set(map(chr, range(33, 127)))
        assert len(spec.pool) == 94

    @pytest.mark.parametrize(
        ("name", "part"),
        [
            ("lowercase", LOWERCASE),
            ("uppercase", UPPERCASE),
            ("digits", DIGITS),
            ("special", SPECIAL),
        ],
    )
    def test_one_class(self, name: str, part: str) -> None:
        spec: Any = Spec.of(**{**NO_CLASS, name: True})
        assert spec.pool == part

    @pytest.mark.parametrize("each", SPECIAL)
    def test_any_character_is_excluded_as_it_is(self, each: str) -> None:
        spec: Any = Spec.of(exclude=each)
        assert set(map(chr, range(33, 127))) - set(spec.pool) == {each}

    @pytest.mark.parametrize("exclude", ["]", "\\", "^a-z", "[a]", ".*", "a\\b", "\ud800\0 \u0301"])
    def test_an_exclusion_is_no_pattern(self, exclude: str) -> None:
        spec: Any = Spec.of(exclude=exclude)
        assert set(spec.pool) == set(map(chr, range(33, 127))) - set(exclude)

    def test_what_looks_alike(self) -> None:
        spec: Any = Spec.of(exclude_ambiguous=True)
        assert set(map(chr, range(33, 127))) - set(spec.pool) == set(AMBIGUOUS)
        assert {"0", "O", "1", "l", "I"} <= set(AMBIGUOUS)

    def test_classes_of_an_alphabet(self) -> None:
        spec: Any = Spec.of(alphabet="a1Bß٣#Ä→ª字²", require_each=True)
        assert spec.classes == {
            "lowercase": "aßª", "uppercase": "BÄ", "digits": "1٣", "special": "#→字²",
        }  # fmt: skip
        assert len(spec.required) == 4

    def test_the_longest_alphabet(self) -> None:
        spec: Any = Spec.of(alphabet=MANY[:256], exclude=MANY[:3])
        assert set(spec.pool) == set(MANY[3:256])

    def test_a_class_that_is_gone_matters_only_where_each_is_required(self) -> None:
        assert not set(DIGITS) & set(draw(Spec.of(exclude=DIGITS, length=128)))


class TestShared:
    """Specs are kept for those who ask for the same again."""

    def test_the_same_options_are_the_same_spec(self) -> None:
        assert Spec.of(length=20, exclude="ab") is Spec.of(length=20, exclude="ab")
        assert Spec.of(length=20) == Spec.of() != Spec.of(length=21)

    @pytest.mark.parametrize(
        ("right", "wrong"),
        [({"special": True}, {"special": 1}), ({"length": 20}, {"length": 20.0})],
    )
    def test_what_is_equal_is_not_the_same(
        self, right: dict[str, Any], wrong: dict[str, Any]
    ) -> None:
        Spec.of(**right)
        with pytest.raises(OptionWrongType):
            Spec.of(**wrong)

    def test_no_alphabet_is_in_nobodys_way(self) -> None:
        assert Spec.of(alphabet=None, digits=False) == Spec.of(digits=False)

    def test_nobody_changes_them(self) -> None:
        spec: Any = Spec.of()
        with pytest.raises(TypeError):
            spec.classes["digits"] = "1"
        with pytest.raises(AttributeError):
            spec.length = 4


class TestParse:
    @pytest.mark.parametrize(
        ("texts", "options"),
        [
            ({}, {}),
            ({"length": "16"}, {"length": 16}),
            ({"length": "016"}, {"length": 16}),
            ({"special": "false", "digits": "TRUE"}, {"special": False, "digits": True}),
            ({"special": "0", "require_each": "1"}, {"special": False, "require_each": True}),
            ({"exclude": "]\\^"}, {"exclude": "]\\^"}),
            ({"alphabet": "01"}, {"alphabet": "01"}),
            ({"kind": "passphrase", "words": "6", "separator": " "},
             {"kind": "passphrase", "words": 6, "separator": " "}),
        ],
    )  # fmt: skip
    def test_text(self, texts: dict[str, str], options: dict[str, Any]) -> None:
        assert Spec.parse(texts) == Spec.of(**options)

    @pytest.mark.parametrize(
        "text",
        [
            "12abc",
            "",
            " 16",
            "16 ",
            "+16",
            "-16",
            "1_6",
            "16.0",
            "1e1",
            "0x10",
            "١٦",
            "16\n",
            "9" * 10,
        ],
    )
    def test_no_number(self, text: str) -> None:
        with pytest.raises(OptionWrongType) as raised:
            Spec.parse({"length": text})
        assert raised.value.field == "length"

    @pytest.mark.parametrize("text", ["", "yes", "on", " true", "2", "None"])
    def test_no_truth(self, text: str) -> None:
        with pytest.raises(OptionWrongType) as raised:
            Spec.parse({"special": text})
        assert raised.value.field == "special"

    def test_nothing_is_made_to_fit(self) -> None:
        with pytest.raises(OptionOutOfRange):
            Spec.parse({"length": "129"})

    def test_other_errors_come_through(self) -> None:
        with pytest.raises(OptionUnknown):
            Spec.parse({"lenght": "12abc"})
        with pytest.raises(OptionNotAChoice):
            Spec.parse({"kind": "pins"})


# Whatever is asked for: an error that names a field, or values that are what was asked for

free = st.text(
    st.one_of(st.characters(), st.sampled_from(string.printable + "]\\^-[\u0301\u1161")),
    max_size=12,
)
passwords = st.fixed_dictionaries(
    {},
    optional={
        "length": st.one_of(st.integers(4, 128), st.integers(-5, 200), st.none()),
        "lowercase": st.booleans(),
        "uppercase": st.booleans(),
        "digits": st.booleans(),
        "special": st.booleans(),
        "exclude": st.one_of(free, st.text(string.printable, max_size=90)),
        "exclude_ambiguous": st.booleans(),
        "require_each": st.booleans(),
    },
)
alphabets = st.fixed_dictionaries(
    {"alphabet": free},
    optional={
        "length": st.integers(4, 40),
        "exclude": free,
        "exclude_ambiguous": st.booleans(),
        "require_each": st.booleans(),
        "digits": st.booleans(),
    },
)


def pool_of(options: dict[str, Any]) -> set[str]:
    """The characters that were asked for, worked out once more."""
    if "alphabet" in options:
        pool = set(options["alphabet"])
    else:
        parts = {
            "lowercase": LOWERCASE,
            "uppercase": UPPERCASE,
            "digits": DIGITS,
            "special": SPECIAL,
        }
        pool = set().union(*(part for name, part in parts.items() if options.get(name, True)))
    pool -= set(options.get("exclude", ""))
    return pool - set("0Oo1Il|") if options.get("exclude_ambiguous") else pool


def class_of(character: str) -> str:
    if character.islower() or character.isupper():
        return "lower" if character.islower() else "upper"
    return "digit" if character.isdecimal() else "special"


def attempt(options: dict[str, Any]) -> tuple[Spec | None, str]:
    try:
        return Spec.of(**options), ""
    except SpecInvalid as error:
        return None, error.field


def check(options: dict[str, Any]) -> None:
    spec, wrong = attempt(options)
    if spec is None:
        assert wrong in options, options
        return
    value = draw(spec)
    pool = pool_of(options)
    assert len(value) == options.get("length", 20)
    assert set(value) <= pool
    assert spec.allows(value)
    assert unicodedata.is_normalized("NFC", value)
    assert value.isprintable() and " " not in value
    if options.get("require_each"):
        assert set(map(class_of, value)) == set(map(class_of, pool))


class TestAnySpec:
    @settings(max_examples=300, deadline=None)
    @given(options=st.one_of(passwords, alphabets))
    def test_some(self, options: dict[str, Any]) -> None:
        check(options)

    @pytest.mark.slow
    @settings(max_examples=10_000, deadline=None)
    @given(options=st.one_of(passwords, alphabets))
    def test_ten_thousand(self, options: dict[str, Any]) -> None:
        check(options)
