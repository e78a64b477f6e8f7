"""The check that each validator of ours can be made as a project lists it."""

from typing import Any

import pytest
from django.core.checks import ERROR

from credfirewall import validators
from credfirewall.validators import LengthValidator
from tests.checked import VALIDATORS, beside, entry, ids, instead, only, said

OURS = "credfirewall.validators"


@pytest.mark.parametrize(
    ("listed", "problem", "hint"),
    [
        (
            f"{OURS}.BreachedPaswordValidator",
            "does not define",
            f"{OURS}.BreachedPasswordValidator",
        ),
        (f"{OURS}.BreachedValidator", "does not define", f"{OURS}.BreachedPasswordValidator"),
        (f"{OURS}.breachedpasswordvalidator", "does not", f"{OURS}.BreachedPasswordValidator"),
        (f"{OURS}.LenghtValidator", "does not define", f"{OURS}.LengthValidator"),
        ("credfirewall.validator.LengthValidator", "No module named", f"{OURS}.LengthValidator"),
        ("credfirewal.validators.LengthValidator", "No module named", f"{OURS}.LengthValidator"),
        ("credfirewall.BlocklistValidator", "does not define", f"{OURS}.BlocklistValidator"),
        (f"{OURS}.Quite", "does not define", f"{OURS}.ContextWordsValidator"),
        (f"{OURS}.screen", "is not a class", f"{OURS}.ContextWordsValidator"),
        (f"{OURS}.Any", "cannot be made", "Correct its OPTIONS"),
        ("credfirewall.conf.SETTINGS", "is not a class", f"{OURS}.ContextWordsValidator"),
    ],
)
def test_misspelt_validator(listed: str, problem: str, hint: str) -> None:
    """In place of the one that is meant, too: what follows from the mistake is not said."""
    for others in (VALIDATORS, VALIDATORS[:1], VALIDATORS[1:], []):
        found = said(AUTH_PASSWORD_VALIDATORS=[*others, {"NAME": listed}])
        errors = [each for each in found if each.level == ERROR]
        assert [each.id for each in errors] == ["credfirewall.E017"]
        assert repr(listed) in errors[0].msg and problem in errors[0].msg
        assert hint in str(errors[0].hint)
    message = only(**beside({"NAME": listed}))
    assert message.id == "credfirewall.E017"


@pytest.mark.parametrize(
    ("name", "options", "problem", "hint"),
    [
        ("LengthValidator", {"min_lenght": 12}, "has no option 'min_lenght'", 'mean "min_length"?'),
        ("LengthValidator", {"q": 12}, "has no option 'q'", "It has min_length, mfa."),
        ("LengthValidator", {1: 12}, "has no option 1", "It has min_length, mfa."),
        ("LengthValidator", {"min_length": "12"}, "'min_length' must be a whole number", "15"),
        ("LengthValidator", {"min_length": 12.0}, "'min_length' must be a whole number", "15"),
        ("LengthValidator", {"min_length": True}, "'min_length' must be a whole number", "15"),
        ("LengthValidator", {"min_length": 0}, "'min_length' must be a whole number", "15"),
        ("LengthValidator", {"mfa": "no"}, "'mfa' must be True or False", "True"),
        ("LengthValidator", None, "OPTIONS must be a dict", "{}"),
        ("LengthValidator", [12], "OPTIONS must be a dict", "{}"),
        (
            "BreachedPasswordValidator",
            {"min_count": 3},
            "has no option 'min_count'",
            "takes no options.",
        ),
        ("BlocklistValidator", {"words": ["acme"]}, "has no option 'words'", "takes no options."),
        ("ContextWordsValidator", {"words": "acme"}, "'words' must be a list", '["acme"]'),
        ("ContextWordsValidator", {"words": ["a", 1]}, "'words' must be a list", '["acme"]'),
        ("ContextWordsValidator", {"word": []}, "has no option 'word'", 'mean "words"?'),
    ],
)
def test_validator_with_wrong_options(name: str, options: Any, problem: str, hint: str) -> None:
    others = [each for each in VALIDATORS if not each["NAME"].endswith(name)]
    listed = {"NAME": f"{OURS}.{name}", "OPTIONS": options}
    message = only(AUTH_PASSWORD_VALIDATORS=[*others, listed])
    assert (message.id, message.level) == ("credfirewall.E017", ERROR)
    assert name in message.msg and problem in message.msg
    assert hint in str(message.hint)


class Fails(LengthValidator):
    def __init__(self) -> None:
        raise RuntimeError("no reason")


def test_validator_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validators, "LengthValidator", Fails)
    message = only(**beside())
    assert message.id == "credfirewall.E017"
    assert "no reason" in message.msg


@pytest.mark.parametrize(
    "options",
    [
        {"min_length": None},
        {"min_length": 15, "mfa": False},
        {},
    ],
    ids=repr,
)
def test_options_that_are_fine(options: dict[str, Any]) -> None:
    words = entry(f"{OURS}.ContextWordsValidator", words=("acme",))
    assert ids(**instead(entry(LengthValidator, **options), words)) == []


def test_another_mistake_does_not_hide_what_is_missing() -> None:
    wrong = [entry(f"{OURS}.ContextWordsValidator", words="acme")]
    assert ids(AUTH_PASSWORD_VALIDATORS=wrong) == ["E017", "W003", "W006"]
    misspelt = [{"NAME": f"{OURS}.LenghtValidator"}]
    assert ids(AUTH_PASSWORD_VALIDATORS=misspelt) == ["E017", "W003"]
    misspelt = [{"NAME": f"{OURS}.BreachedPaswordValidator"}]
    assert ids(AUTH_PASSWORD_VALIDATORS=misspelt) == ["E017", "W006"]


def test_what_has_no_signature_is_let_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validators, "LengthValidator", dict)
    assert "E017" not in ids(**beside())
