"""The policy as data: what a page shows and can check itself."""

import json
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import translation
from pytest_django import Settings

from credfirewall.passwords.policy import policy

OURS = "credfirewall.validators"
DJANGOS = "django.contrib.auth.password_validation"


def use(settings: Settings, *names: str | tuple[str, dict[str, Any]]) -> None:
    entries: list[Any] = [
        {"NAME": each} if isinstance(each, str) else {"NAME": each[0], "OPTIONS": each[1]}
        for each in names
    ]
    settings.AUTH_PASSWORD_VALIDATORS = entries


class Polite:
    """A host's own."""

    max_length = 100

    def validate(self, password: str, user: Any = None) -> None: ...

    def get_help_text(self) -> str:
        return "Be polite."


class Known(Polite):
    code = "rude"
    browser_check = {"kind": "polite"}
    min_length = 20


class Odd(Polite):
    """Nothing of it is what it should be."""

    code = 7
    browser_check = "polite"
    min_length = "20"
    max_length = True


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = policy()["rules"]
    return found


def test_the_usual_policy() -> None:
    found = policy()
    assert found["profile"] == "nist"
    assert found["length"] == {"minimum": 15, "maximum": 4096, "unit": "code_points"}
    assert found["breach_screening"] is True
    assert [each["code"] for each in found["rules"]] == [
        "password_too_short", "password_context_word", "password_breached"
    ]  # fmt: skip
    assert found["rules"][0]["browser_check"] == {
        "kind": "length", "minimum": 15, "normalization": "NFC",
    }  # fmt: skip
    assert [each["browser_check"] for each in found["rules"][1:]] == [None, None]
    assert "15" in found["rules"][0]["text"]


def test_it_is_plain_data() -> None:
    assert json.loads(json.dumps(policy())) == policy()


def test_texts_are_in_the_active_language() -> None:
    english = rules()[0]["text"]
    with translation.override("fr"):
        assert rules()[0]["text"] != english


def test_pci(settings: Settings) -> None:
    settings.CREDFIREWALL = {"PROFILE": "pci"}
    use(settings, f"{OURS}.LengthValidator", f"{OURS}.LetterAndDigitValidator")
    found = policy()
    assert (found["profile"], found["length"]["minimum"]) == ("pci", 12)
    assert found["breach_screening"] is False
    assert found["rules"][1]["code"] == "password_composition"
    assert found["rules"][1]["browser_check"] == {
        "kind": "contains", "classes": ["letter", "digit"],
    }  # fmt: skip


def test_lists_are_no_screening_for_breaches(settings: Settings) -> None:
    use(settings, f"{OURS}.BlocklistValidator")
    assert policy()["breach_screening"] is False
    assert rules()[0]["code"] == "password_breached"


def test_djangos_validators(settings: Settings) -> None:
    names = ("MinimumLength", "UserAttributeSimilarity", "CommonPassword", "NumericPassword")
    use(settings, *(f"{DJANGOS}.{name}Validator" for name in names))
    expected: list[Any] = [
        ("password_too_short", {"kind": "length", "minimum": 8, "normalization": None}),
        ("password_too_similar", None),
        ("password_too_common", None),
        ("password_entirely_numeric", {"kind": "not_only_digits"}),
    ]
    assert [(each["code"], each["browser_check"]) for each in rules()] == expected
    assert policy()["length"]["minimum"] == 8


def test_a_hosts_validators(settings: Settings) -> None:
    use(settings, *(f"{__name__}.{name}" for name in ("Polite", "Known", "Odd")))
    found: list[tuple[Any, Any]] = [(each["code"], each["browser_check"]) for each in rules()]
    assert found == [
        (None, None), ("rude", {"kind": "polite"}), (None, None)
    ]  # fmt: skip
    assert {each["text"] for each in rules()} == {"Be polite."}
    assert policy()["length"] == {"minimum": 20, "maximum": 100, "unit": "code_points"}


def test_the_longest_minimum_and_the_shortest_maximum_count(settings: Settings) -> None:
    use(settings, (f"{OURS}.LengthValidator", {"min_length": 30}), f"{__name__}.Known")
    assert policy()["length"] == {"minimum": 30, "maximum": 100, "unit": "code_points"}


def test_without_validators_anything_goes(settings: Settings) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = []
    assert policy()["length"] == {"minimum": 1, "maximum": 4096, "unit": "code_points"}
    assert policy()["rules"] == [] and policy()["breach_screening"] is False


def test_a_policy_that_cannot_be_made_is_an_error(settings: Settings) -> None:
    use(settings, "nowhere.Validator")
    with pytest.raises(ImproperlyConfigured):
        policy()
