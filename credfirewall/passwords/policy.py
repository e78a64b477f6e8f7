"""The policy: AUTH_PASSWORD_VALIDATORS as data that a page can show, and check by while one types.

A validator that is not ours takes part by its help text alone. If it has a ``code`` (text) and a
``browser_check`` (plain data of a kind that the page knows), they are passed on.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib.auth import password_validation as django_validators
from django.contrib.auth.password_validation import get_default_password_validators

from credfirewall.passwords import profiles
from credfirewall.passwords.rehearsal import screens
from credfirewall.screening.digest import MAX_CODE_POINTS

Json = dict[str, Any]

DJANGOS: Mapping[str, str] = {
    "MinimumLengthValidator": "password_too_short",
    "UserAttributeSimilarityValidator": "password_too_similar",
    "CommonPasswordValidator": "password_too_common",
    "NumericPasswordValidator": "password_entirely_numeric",
}
"""Codes of the validators that come with Django, which do not name them themselves."""


def policy() -> Json:
    """Return the active policy as plain data, its texts in the active language.

    Raises ImproperlyConfigured where AUTH_PASSWORD_VALIDATORS cannot be made.
    """
    validators = get_default_password_validators()
    shortest, longest = lengths(validators)
    return {
        "profile": profiles.active().name,
        "length": {"minimum": shortest, "maximum": longest, "unit": "code_points"},
        "breach_screening": any(map(screens, validators)),
        "rules": [_rule(each) for each in validators],
    }


def lengths(validators: Sequence[object]) -> tuple[int, int]:
    """Return the least and the greatest length that all of ``validators`` accept.

    In code points, as far as they tell; what tells nothing is not known to limit it.
    """
    shortest = max(filter(None, (_number(each, "min_length") for each in validators)), default=1)
    longest = min(filter(None, (_number(each, "max_length") for each in validators)), default=None)
    return shortest, min(longest or MAX_CODE_POINTS, MAX_CODE_POINTS)


def _rule(validator: Any) -> Json:
    checks = list(_browser_checks(validator))
    return {
        "code": _code(validator),
        "text": str(validator.get_help_text()),
        "browser_check": checks[0] if checks else None,
    }


def _code(validator: object) -> str | None:
    code = getattr(validator, "code", None)
    if isinstance(code, str) and code:
        return code
    return next((DJANGOS[name] for name in _djangos(validator)), None)


def _browser_checks(validator: object) -> Iterator[Mapping[str, Any]]:
    check = getattr(validator, "browser_check", None)
    if isinstance(check, Mapping):
        yield dict(check)
    for name in _djangos(validator):
        if name == "MinimumLengthValidator":
            minimum = _number(validator, "min_length")
            yield {"kind": "length", "minimum": minimum, "normalization": None}
        elif name == "NumericPasswordValidator":
            yield {"kind": "not_only_digits"}


def _djangos(validator: object) -> Iterator[str]:
    """Yield the names of Django's own classes that ``validator`` is one of."""
    for name in DJANGOS:
        if isinstance(validator, getattr(django_validators, name)):
            yield name


def _number(validator: object, name: str) -> int | None:
    found: object = getattr(validator, name, None)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
