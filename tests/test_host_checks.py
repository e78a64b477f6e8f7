"""The checks of a project's validators, and of what makes its passwords expire."""

from typing import Any

import pytest
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.core.checks import WARNING

from credfirewall.validators import (
    BreachedPasswordValidator,
    LengthValidator,
    LetterAndDigitValidator,
)
from tests.checked import VALIDATORS, beside, entry, ids, instead, only

DJANGO = "django.contrib.auth.password_validation"
PCI = {"PROFILE": "pci"}


class Plain:
    """A validator that accepts everything."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def validate(self, password: str, user: object = None) -> None: ...

    def get_help_text(self) -> str:
        return ""


class OwnBreachedPasswordValidator(BreachedPasswordValidator): ...


class UppercaseValidator(Plain): ...


class Policy(UppercaseValidator): ...


class Everyday(Plain): ...


class MaximumLengthValidator(Plain):
    def __init__(self, max_length: Any) -> None:
        self.max_length = max_length


class SecretiveLengthValidator(Plain): ...


class FailingLengthValidator(Plain):
    def __init__(self) -> None:
        raise RuntimeError


class OwnMinimum(MinimumLengthValidator): ...


class OwnLength(LengthValidator): ...


# W003


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([], id="none"),
        pytest.param(["credfirewall.validators.BlocklistValidator"], id="one that asks no corpus"),
        pytest.param([1, None, {}, {"NAME": 1}], id="no names"),
    ],
)
def test_nothing_screens(others: list[Any]) -> None:
    listed = [{"NAME": each} if isinstance(each, str) else each for each in others]
    message = only(AUTH_PASSWORD_VALIDATORS=[VALIDATORS[0], *listed])
    assert (message.id, message.level) == ("credfirewall.W003", WARNING)
    assert "credfirewall.validators.BreachedPasswordValidator" in str(message.hint)


def test_a_subclass_screens() -> None:
    listed = [VALIDATORS[0], entry(OwnBreachedPasswordValidator)]
    assert ids(AUTH_PASSWORD_VALIDATORS=listed) == []


# W004

COMPOSITION = [
    # What cannot be imported is judged by its name.
    *(
        entry(f"accounts.validators.{name}")
        for name in (
            "UppercaseValidator",
            "HasUpper_case",
            "LowerCaseValidator",
            "NumeralValidator",
            "NumberValidator",
            "HasNumbers",
            "NumberCountValidator",
            "LettersValidator",
            "SymbolValidator",
            "SpecialCharacterValidator",
            "PunctuationValidator",
            "AlphanumericValidator",
            "PasswordComplexityValidator",
            "CompositionValidator",
            "CharacterClassesValidator",
            "CharacterTypeValidator",
            "CharacterCategoriesValidator",
            "CharacterRequirements",
            "CharacterSetValidator",
            "HasLetterAndDigit",
            "ASCIILetters",
            "MinimumSpecialCharsValidator",
            "SpecialValidator",
            "special_char_validator",
            "UPPERCASE_LETTERS",
            # Of packages that are used.
            "ContainsDigitsValidator",
            "ContainsUppercaseValidator",
            "ContainsLowercaseValidator",
            "ContainsSpecialCharactersValidator",
            "ContainsNumeralsValidator",
            "ComplexityValidator",
            "DigitValidator",
            "LowercaseValidator",
        )
    ),
    entry(UppercaseValidator),
    entry(Policy),
    *(
        entry(Everyday, **{option: 1})
        for option in (
            "min_uppercase",
            "min_length_lower",
            "max_digits",
            "require_numeric",
            "need_number",
            "num_letters",
            "min_symbols",
            "require_special",
            "min_punctuation",
        )
    ),
    entry(
        "django_password_validators.password_character_requirements.password_validation."
        "PasswordCharacterValidator"
    ),
    entry("django_advanced_password_validation.advanced_password_validation.Any"),
    entry("django_better_passwords.validators.custom_password_validator.CustomPasswordValidator"),
    entry("password_policies.forms.validators.Whatever"),
    entry(LetterAndDigitValidator),
]


@pytest.mark.parametrize("listed", COMPOSITION, ids=lambda each: each["NAME"].rpartition(".")[2])
@pytest.mark.parametrize("profile", ["nist", "asvs"])
def test_composition_rule(listed: dict[str, Any], profile: str) -> None:
    message = only({"PROFILE": profile}, **beside(listed))
    assert (message.id, message.level) == ("credfirewall.W004", WARNING)
    assert listed["NAME"] in message.msg
    assert ids(PCI, **beside(listed)) == []


@pytest.mark.parametrize(
    "listed",
    [
        *(
            entry(f"{DJANGO}.{name}")
            for name in (
                "UserAttributeSimilarityValidator",
                "CommonPasswordValidator",
                "NumericPasswordValidator",
            )
        ),
        entry("accounts.validators.OwnNumericPasswordValidator"),
        entry("accounts.validators.PhoneNumberValidator"),
        entry("accounts.validators.AccountNumberValidator"),
        entry("accounts.validators.NumberedListValidator"),
        entry("accounts.validators.NewsletterNameValidator"),
        entry("accounts.validators.DigitalIdentityValidator"),
        entry("accounts.validators.SpecialNamesValidator"),
        entry("accounts.validators.SpecialistValidator"),
        entry("accounts.validators.SymbolicLinkValidator"),
        entry("accounts.validators.LetterheadValidator"),
        entry("accounts.validators.StrengthValidator"),
        entry("django_password_validators.password_history.password_validation.Unique"),
        entry(Everyday, min_uppercase=0, min_score=3, words=["x"]),
        entry("credfirewall.validators.ContextWordsValidator", words=["acme"]),
    ],
    ids=lambda each: each["NAME"].rpartition(".")[2],
)
def test_rule_that_is_none_of_composition_or_expiry(listed: dict[str, Any]) -> None:
    assert ids(**beside(listed)) == []


# W005


@pytest.mark.parametrize("profile", ["nist", "asvs"])
@pytest.mark.parametrize(
    "middleware",
    [
        "password_rotate.middleware.PasswordRotateMiddleware",
        "password_expire.middleware.PasswordExpireMiddleware",
        "password_policies.middleware.PasswordChangeMiddleware",
        "django_better_passwords.middleware.PasswordExpirationMiddleware",
        "account.middleware.ExpiredPasswordMiddleware",
        "security.middleware.MandatoryPasswordChangeMiddleware",
        "accounts.middleware.PasswordMaxAgeMiddleware",
        "accounts.middleware.RotatePasswordMiddleware",
    ],
)
def test_middleware_that_ends_passwords_by_the_calendar(profile: str, middleware: str) -> None:
    message = only({"PROFILE": profile}, MIDDLEWARE=[middleware])
    assert (message.id, message.level) == ("credfirewall.W005", WARNING)
    assert middleware in message.msg
    assert ids(PCI, MIDDLEWARE=[middleware]) == []


@pytest.mark.parametrize(
    "middleware",
    [
        "accounts.middleware.SessionExpiryMiddleware",
        "accounts.middleware.KeyRotationMiddleware",
        "credfirewall.login.middleware.PasswordChangeRequiredMiddleware",
    ],
)
def test_middleware_that_is_fine(middleware: str) -> None:
    assert ids(MIDDLEWARE=[middleware]) == []


@pytest.mark.parametrize("name", ["PasswordExpiryValidator", "Rotation", "MaxAge", "MaximumAge"])
def test_validator_that_ends_passwords_by_the_calendar(name: str) -> None:
    message = only(**beside(entry(f"accounts.validators.{name}")))
    assert (message.id, message.level) == ("credfirewall.W005", WARNING)
    assert name in message.msg


@pytest.mark.parametrize(
    "app",
    [
        "django_better_passwords.apps.BetterPasswordsConfig",
        "password_expiration",
        "password_expire",
        "password_policies",
        "password_rotate",
    ],
)
def test_app_that_ends_passwords_by_the_calendar(app: str) -> None:
    middleware = "password_rotate.middleware.PasswordRotateMiddleware"
    message = only(INSTALLED_APPS=["credfirewall", app], MIDDLEWARE=[middleware])
    assert message.id == "credfirewall.W005"
    assert repr(app) in message.msg and repr(middleware) in message.msg


# W006 and W007


@pytest.mark.parametrize(
    ("credfirewall", "listed", "shortest", "needed"),
    [
        ({}, [], 0, 15),
        ({}, [entry(f"{DJANGO}.MinimumLengthValidator")], 8, 15),
        ({}, [entry(f"{DJANGO}.MinimumLengthValidator", min_length=14)], 14, 15),
        ({}, [entry(OwnMinimum, min_length=10), entry(OwnLength, min_length=12)], 12, 15),
        ({}, [entry(LengthValidator, min_length=8)], 8, 15),
        ({}, [entry(MaximumLengthValidator, max_length=99)], 0, 15),
        ({"MFA_ASSERTED": True}, [entry(LengthValidator, min_length=7)], 7, 8),
        ({}, [entry(LengthValidator, min_length=7, mfa=True)], 7, 8),
        (PCI, [entry(f"{DJANGO}.MinimumLengthValidator", min_length=11)], 11, 12),
        ({**PCI, "MFA_ASSERTED": True}, [entry(LengthValidator, min_length=8)], 8, 12),
    ],
)
def test_short_passwords(
    credfirewall: dict[str, Any], listed: list[dict[str, Any]], shortest: int, needed: int
) -> None:
    message = only(credfirewall, **instead(*listed))
    assert (message.id, message.level) == ("credfirewall.W006", WARNING)
    assert f"of {shortest} characters" in message.msg
    assert f"at least {needed} are" in message.msg


@pytest.mark.parametrize(
    ("credfirewall", "listed"),
    [
        ({}, [entry(LengthValidator), entry(f"{DJANGO}.MinimumLengthValidator")]),
        ({}, [entry(f"{DJANGO}.MinimumLengthValidator", min_length=15)]),
        ({"MFA_ASSERTED": True}, [entry(f"{DJANGO}.MinimumLengthValidator")]),
        ({"MFA_ASSERTED": True}, [entry(LengthValidator)]),
        ({}, [entry(LengthValidator, mfa=True)]),
        (PCI, [entry(LengthValidator, min_length=12)]),
        # What they ask for cannot be known.
        ({}, [entry(SecretiveLengthValidator)]),
        ({}, [entry(FailingLengthValidator)]),
        ({}, [entry("gone.MinimumLengthValidator")]),
    ],
)
def test_long_passwords(credfirewall: dict[str, Any], listed: list[dict[str, Any]]) -> None:
    assert ids(credfirewall, **instead(*listed)) == []


def test_upper_limit() -> None:
    message = only(**beside(entry(MaximumLengthValidator, max_length=63)))
    assert (message.id, message.level) == ("credfirewall.W007", WARNING)
    assert "63" in message.msg and "64" in str(message.hint)
    assert ids(**beside(entry(MaximumLengthValidator, max_length=64))) == []
    assert ids(**beside(entry(MaximumLengthValidator, max_length="63"))) == []
