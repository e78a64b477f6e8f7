"""Checks of what the project around credfirewall asks of passwords: its validators, and expiry.

What stops credfirewall from working is an error. What standards ask of the project is a warning.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.core.checks import Error, Warning  # noqa: A004 - Django's names

from credfirewall import validators
from credfirewall.checking import Messages, did_you_mean, load, load_class, mapping, nearest, shown
from credfirewall.conf import boolean, conf, integer, optional, texts
from credfirewall.passwords import profiles
from credfirewall.screening.digest import MAX_CODE_POINTS

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
COMPOSITION = re.compile(
    r"(?<![a-z])((upper|lower)_?case|(digit|numeral|letter|symbol|punctuation)s?|complexity"
    r"|alpha_?num(eric(al)?)?|composition|special_?char(acter|set)?s?"
    r"|character_?(class(es)?|types?|category|categories|requirements?|sets?))"
    r"(?=validator|[^a-z]|$)"
    r"|(?<![a-z])(special|(?<!phone_)(?<!account_)numbers?)(_?count)?(?=_?validator|[^a-z_]|$)",
)
"""Words of the names of validators that ask for, or forbid, kinds of characters."""
COMPOSITION_OPTION = re.compile(
    r"^(min|max|require|need|num)\w*(upper|lower|digit|numer|number|letter|symbol|special|punct)",
    re.IGNORECASE,
)
COMPOSITION_MODULES = (
    "django_advanced_password_validation.",
    "django_better_passwords.",
    "django_password_validators.password_character_requirements.",
    "password_policies.",
)
EXPIRY = re.compile(r"expir|rotat|max(imum)?_?age", re.IGNORECASE)
"""Names of validators that end a password's life by the calendar."""
EXPIRY_MIDDLEWARE = re.compile(
    r"password\w*(expir|rotat|max(imum)?_?age)|(expir|rotat)\w*password"
    r"|^password_policies\.|MandatoryPasswordChange",
    re.IGNORECASE,
)
EXPIRY_APPS = {
    "django_better_passwords",
    "password_expiration",
    "password_expire",
    "password_policies",
    "password_rotate",
}
OURS_AND_DJANGOS = ("credfirewall.", "django.contrib.auth.")
OURS = (
    "BreachedPasswordValidator",
    "LengthValidator",
    "ContextWordsValidator",
    "LetterAndDigitValidator",
    "BlocklistValidator",
)
OPTIONS = {
    "min_length": (optional(integer(1, MAX_CODE_POINTS)), '{"min_length": 15}'),
    "mfa": (boolean, '{"mfa": True}'),
    "words": (texts, '{"words": ["acme"]}'),
}
"""Of our validators: what makes a value wrong, and one that is right."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of AUTH_PASSWORD_VALIDATORS. ``cls`` is None when it cannot be imported."""

    path: str
    given: object
    cls: type | None

    @classmethod
    def all(cls) -> "Iterator[Listed]":
        entries: object = settings.AUTH_PASSWORD_VALIDATORS
        for entry in entries if isinstance(entries, Sequence) else ():
            path = entry.get("NAME") if isinstance(entry, Mapping) else None
            if isinstance(path, str):
                yield cls(path, entry.get("OPTIONS", {}), load_class(path))

    @property
    def options(self) -> Mapping[str, Any]:
        return mapping(self.given)

    @property
    def names(self) -> str:
        """Its class name and those of the classes that it is made from, but for Django's."""
        bases = self.cls.__mro__[1:-1] if self.cls else ()
        foreign = [
            base.__name__ for base in bases if not base.__module__.startswith(OURS_AND_DJANGOS)
        ]
        return " ".join([self.path.rpartition(".")[2], *foreign])

    @property
    def words(self) -> str:
        """The same names with their words apart: a newsletter is no letter."""
        return " ".join("_".join(WORD.findall(name)).lower() for name in self.names.split())

    def is_a(self, *classes: type) -> bool:
        return self.cls is not None and issubclass(self.cls, classes)

    @property
    def meant(self) -> str | None:
        """The name of the validator of ours that it is, or is likely to stand for."""
        return nearest(self.path.rpartition(".")[2], OURS)

    def mistake(self) -> tuple[str, str] | None:
        """Return what keeps one of ours from being made, and what to do about it."""
        if nearest(self.path.partition(".")[0], ["credfirewall"], cutoff=0.8) is None:
            return None
        listed = [f"{validators.__name__}.{name}" for name in OURS]
        instead = f"Name one of {', '.join(listed)}."
        if self.meant:
            instead = f'Did you mean "{validators.__name__}.{self.meant}"?'
        try:
            found = load(self.path)
        except ImportError as error:
            return f"which cannot be imported ({error})", instead
        if not isinstance(found, type):
            return "which is not a class", instead
        if not isinstance(self.given, Mapping):
            return "whose OPTIONS must be a dict", 'Write "OPTIONS": {}, or remove it.'
        return self._mistaken_option(found) or self._failure(found)

    def _mistaken_option(self, found: type) -> tuple[str, str] | None:
        try:
            accepted = [*signature(found).parameters]
        except (TypeError, ValueError):  # it is made of C, and so none of ours
            accepted = [*self.options]
        for name, value in self.options.items():
            if name not in accepted:
                rest = f"It has {', '.join(accepted)}." if accepted else "It takes no options."
                remedy = did_you_mean(name, accepted) or f"Remove it. {rest}"
                return f"which has no option {shown(name)}", remedy
            right, example = OPTIONS.get(name, (lambda _: None, ""))
            if problem := right(value):
                remedy = f'Write "OPTIONS": {example}, or remove it to have the default.'
                return f"whose option {name!r} {problem}", remedy
        return None

    def _failure(self, found: type) -> tuple[str, str] | None:
        try:
            found(**self.options)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being made
            reason = f"{type(error).__name__}: {error}"
            return f"which cannot be made ({reason})", "Correct its OPTIONS."
        return None

    def is_about_length(self) -> bool:
        return self.is_a(MinimumLengthValidator, validators.LengthValidator) or bool(
            re.search("length", self.names, re.IGNORECASE)
        )

    def demands_composition(self) -> bool:
        """Whether it asks for kinds of characters, by all that its name and options tell."""
        if self.is_a(validators.LetterAndDigitValidator):
            return True
        return not self.path.startswith(OURS_AND_DJANGOS) and bool(
            COMPOSITION.search(self.words)
            or self.path.startswith(COMPOSITION_MODULES)
            or any(COMPOSITION_OPTION.search(str(key)) and on for key, on in self.options.items())
        )

    def limits(self) -> tuple[int | None, int | None]:
        """Return the shortest and the longest length that it accepts, as far as it tells."""
        try:
            made = self.cls(**self.options) if self.cls else None
            return _whole(made, "min_length", "minimum_length"), _whole(
                made, "max_length", "maximum_length"
            )
        except Exception:  # noqa: BLE001 - anything may come out of a host's code
            return None, None


def _whole(made: object, *names: str) -> int | None:
    found = (getattr(made, name, None) for name in names)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool)), None)


def check_listed(**_: Any) -> Messages:
    """Each of our validators can be made as it is listed: Django tries at the first sign-up."""
    for listed in Listed.all():
        if mistake := listed.mistake():
            problem, remedy = mistake
            yield Error(
                f"AUTH_PASSWORD_VALIDATORS has {shown(listed.path)}, {problem}.",
                hint=remedy,
                id="credfirewall.E017",
            )


def _mistaken(name: str) -> bool:
    """Whether a wrong entry, which check_listed speaks of, may be meant to be that of ours."""
    return any(each.mistake() and each.meant in {name, None} for each in Listed.all())


def check_validator(**_: Any) -> Messages:
    """Passwords are screened where Django validates them (NIST SP 800-63B-4 3.1.1.2)."""
    if not any(
        listed.is_a(validators.BreachedPasswordValidator)
        and not listed.is_a(validators.BlocklistValidator)  # it asks no breach corpus
        for listed in Listed.all()
    ) and not _mistaken("BreachedPasswordValidator"):
        yield Warning(
            "AUTH_PASSWORD_VALIDATORS does not screen passwords for breaches.",
            hint='Add {"NAME": "credfirewall.validators.BreachedPasswordValidator"} to it '
            "(ASVS 6.2.12).",
            id="credfirewall.W003",
        )


def check_composition(**_: Any) -> Messages:
    """No validator asks for kinds of characters, unless PCI DSS does (8.3.6)."""
    if profiles.active().composition:
        return
    for listed in Listed.all():
        if listed.demands_composition():
            yield Warning(
                f"AUTH_PASSWORD_VALIDATORS has a composition rule, {listed.path!r}, which NIST and "
                "ASVS forbid.",
                hint="Remove it: length and screening do more (NIST SP 800-63B-4 3.1.1.2, ASVS "
                '6.2.5). If PCI DSS 8.3.6 binds you, set CREDFIREWALL["PROFILE"] to "pci".',
                id="credfirewall.W004",
            )


def check_expiry(**_: Any) -> Messages:
    """No password expires by the calendar, unless PCI DSS asks for it (8.3.9)."""
    if profiles.active().rotation_days:
        return
    apps = [app for app in settings.INSTALLED_APPS if app.partition(".")[0] in EXPIRY_APPS]
    layers = [path for path in settings.MIDDLEWARE if EXPIRY_MIDDLEWARE.search(str(path))]
    rules = [each.path for each in Listed.all() if EXPIRY.search(each.names)]
    if found := [*apps, *layers, *rules]:
        yield Warning(
            f"Passwords are made to expire by {', '.join(map(repr, found))}, which NIST and ASVS "
            "forbid.",
            hint="Ask for a new password when one is known to be breached, and not by the "
            "calendar (NIST SP 800-63B-4 3.1.1.2, ASVS 6.2.10). If PCI DSS 8.3.9 binds you, set "
            'CREDFIREWALL["PROFILE"] to "pci".',
            id="credfirewall.W005",
        )


def check_minimum_length(**_: Any) -> Messages:
    """Passwords have 15 characters; 8 beside a second factor; 12 by PCI DSS 8.3.6."""
    about_length = [each for each in Listed.all() if each.is_about_length()]
    limits = [each.limits() for each in about_length]
    if (None, None) in limits or _mistaken("LengthValidator"):
        return  # It keeps its limit to itself, and may ask for enough.
    mfa = bool(conf.MFA_ASSERTED) or any(
        each.is_a(validators.LengthValidator) and each.options.get("mfa") is True
        for each in about_length
    )
    profile = profiles.active()
    needed = profile.minimum_with_mfa if mfa else profile.minimum
    shortest = max((least for least, _most in limits if least is not None), default=0)
    if shortest < needed:
        yield Warning(
            f"AUTH_PASSWORD_VALIDATORS accepts passwords of {shortest} characters; at least "
            f"{needed} are needed.",
            hint='Add {"NAME": "credfirewall.validators.LengthValidator"} (NIST SP 800-63B-4 '
            "3.1.1.2, ASVS 6.2.1). Where everybody signs in with a second factor as well, say so "
            'with CREDFIREWALL["MFA_ASSERTED"].',
            id="credfirewall.W006",
        )


def check_maximum_length(**_: Any) -> Messages:
    """Passwords of 64 characters are accepted."""
    least = profiles.active().accepted
    for listed in Listed.all():
        longest = listed.limits()[1] if listed.is_about_length() else None
        if longest is not None and longest < least:
            yield Warning(
                f"AUTH_PASSWORD_VALIDATORS has {listed.path!r}, which refuses passwords of more "
                f"than {longest} characters.",
                hint=f"Accept at least {least} (NIST SP 800-63B-4 3.1.1.2, ASVS 6.2.9), or "
                "remove it: credfirewall.validators.LengthValidator refuses only over 4096.",
                id="credfirewall.W007",
            )
