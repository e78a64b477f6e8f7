"""Validators for AUTH_PASSWORD_VALIDATORS. Each one refuses for one reason, and says what to do."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables

from credfirewall.audit.events import Code, ScreeningRefused, ScreeningUnknown
from credfirewall.audit.services import record
from credfirewall.conf import conf
from credfirewall.exceptions import PasswordNotText, PasswordTooLong
from credfirewall.passwords import profiles
from credfirewall.passwords.rehearsal import rehearsed
from credfirewall.passwords.violations import unusable
from credfirewall.screening import context
from credfirewall.screening.digest import MAX_CODE_POINTS, fold, is_text, normalize
from credfirewall.screening.services import is_refused, screen, screen_locally
from credfirewall.screening.verdict import Status, Verdict


def _check_usable(password: str) -> None:
    """Raise ValidationError for what no validator can look at."""
    if len(password) > MAX_CODE_POINTS:
        raise unusable(PasswordTooLong.code)
    if not is_text(password):
        raise unusable(PasswordNotText.code)


@sensitive_variables()
def _verdict(password: str, user: Any) -> Verdict:
    known = rehearsed()
    return screen(password, user=user) if known is None else known


def _record(verdict: Verdict, user: Any, *, refused: bool) -> None:
    """Put what is not clean into the audit log; clean is a mere number in the metrics."""
    if verdict.status is Status.BREACHED:
        source = Code.of(verdict.source)
        record(ScreeningRefused(source=source, count=verdict.count), subject=user)
    elif verdict.status is Status.UNKNOWN:
        reason = Code.of(verdict.reason)
        record(ScreeningUnknown(reason=reason, accepted=not refused), subject=user)


class LengthValidator:
    """Refuses short passwords: under 15 characters, or 8 with multi-factor authentication.

    NIST SP 800-63B-4 3.1.1.2; 12 with the profile "pci" (PCI DSS 8.3.6). Length counts code points
    of the NFC form; nothing is truncated, and only more than 4096 are refused.
    """

    code: ClassVar[str] = "password_too_short"

    def __init__(self, min_length: int | None = None, mfa: bool = False) -> None:
        self._min_length, self._mfa = min_length, mfa

    @property
    def min_length(self) -> int:
        if self._min_length is not None:
            return self._min_length
        profile = profiles.active()
        return profile.minimum_with_mfa if self._mfa else profile.length

    @property
    def browser_check(self) -> Mapping[str, Any]:
        """What a page can check itself: see docs/passwords.md."""
        return {"kind": "length", "minimum": self.min_length, "normalization": "NFC"}

    @sensitive_variables()
    def validate(self, password: str, user: Any = None) -> None:
        _check_usable(password)
        if len(normalize(password)) < self.min_length:
            message = ngettext(
                "This password is too short. Use at least %(min_length)d character.",
                "This password is too short. Use at least %(min_length)d characters: several "
                "unrelated words are easy to remember.",
                self.min_length,
            )
            params = {"min_length": self.min_length}
            raise ValidationError(message, code=self.code, params=params)

    def get_help_text(self) -> str:
        return ngettext(
            "Use at least %(min_length)d character.",
            "Use at least %(min_length)d characters. Any character counts, spaces and emoji too, "
            "and no mix of kinds is required.",
            self.min_length,
        ) % {"min_length": self.min_length}


class ContextWordsValidator:
    """Refuses a password that is nothing but this site's, company's or user's own words.

    ASVS 6.1.2 and 6.2.11. The whole value is compared: a phrase may contain such a word. ``words``
    adds to CREDFIREWALL["CONTEXT_WORDS"].
    """

    code: ClassVar[str] = "password_context_word"

    def __init__(self, words: list[str] | tuple[str, ...] = ()) -> None:
        self._words = tuple(words)

    @sensitive_variables()
    def validate(self, password: str, user: Any = None) -> None:
        _check_usable(password)
        words = (*self._words, *conf.CONTEXT_WORDS, *context.user_words(user))
        if context.is_derived(fold(password), words):
            raise ValidationError(
                _(
                    "This password is made from your own name or address, or from the name of "
                    "this site. Choose something that nobody would connect with you."
                ),
                code=self.code,
            )

    def get_help_text(self) -> str:
        return _("Do not use your name, your address or the name of this site as your password.")


class LetterAndDigitValidator:
    """Refuses a password without a letter or without a digit, as PCI DSS 8.3.6 has it.

    For projects with the profile "pci" alone: NIST SP 800-63B-4 3.1.1.2 and ASVS 6.2.5 forbid rules
    of composition, and the checks say so.
    """

    code: ClassVar[str] = "password_composition"
    browser_check: ClassVar[Mapping[str, Any]] = {
        "kind": "contains",
        "classes": ["letter", "digit"],
    }
    """What a page can check itself: see docs/passwords.md."""

    @sensitive_variables()
    def validate(self, password: str, user: Any = None) -> None:
        _check_usable(password)
        if not (any(map(str.isalpha, password)) and any(map(str.isdecimal, password))):
            message = _("This password needs at least one letter and one digit.")
            raise ValidationError(message, code=self.code)

    def get_help_text(self) -> str:
        return _("Use at least one letter and one digit.")


class BreachedPasswordValidator:
    """Refuses a password that is known from a breach, by the sources in CREDFIREWALL["SOURCES"].

    When no source can answer, ON_UNKNOWN decides.
    """

    code: ClassVar[str] = "password_breached"
    screens_breaches: ClassVar[bool] = True

    @sensitive_variables()
    def validate(self, password: str, user: Any = None) -> None:
        _check_usable(password)
        self._judge(_verdict(password, user), user)

    def _judge(self, verdict: Verdict, user: Any) -> None:
        refused = is_refused(verdict)
        if rehearsed() is None:
            _record(verdict, user, refused=refused)
        if not refused:
            return
        if verdict.status is Status.UNKNOWN:
            raise ValidationError(
                _(
                    "This password could not be checked against known data breaches just now. "
                    "Please try again in a minute."
                ),
                code="password_breach_unknown",
            )
        if verdict.count is None:
            raise ValidationError(
                _(
                    "This password is on a list of common or forbidden passwords, which "
                    "attackers try first. Choose another one: several unrelated words are strong "
                    "and easy to remember."
                ),
                code=self.code,
            )
        raise ValidationError(
            ngettext(
                "This password has appeared %(times)s time in known data breaches, so attackers "
                "will try it. Choose another one, and change it wherever else you use it.",
                "This password has appeared %(times)s times in known data breaches, so attackers "
                "will try it. Choose another one, and change it wherever else you use it.",
                verdict.count,
            ),
            code=self.code,
            params={
                "count": verdict.count,
                "times": number_format(verdict.count, force_grouping=True),
            },
        )

    def get_help_text(self) -> str:
        return _(
            "Your password is compared with passwords known from data breaches. Neither it nor a "
            "complete fingerprint of it leaves this server."
        )


class BlocklistValidator(BreachedPasswordValidator):
    """Refuses what the project's own blocklist or the bundled list holds, and asks nobody.

    For projects that have no "blocklist" or "bundled" in SOURCES, or do not screen at all.
    """

    screens_breaches: ClassVar[bool] = False

    @sensitive_variables()
    def validate(self, password: str, user: Any = None) -> None:
        _check_usable(password)
        # Whoever rehearses has said it already, or discards the password.
        verdict = screen_locally(password, user=user, announce=rehearsed() is None)
        self._judge(verdict, user)

    def get_help_text(self) -> str:
        return _("Your password can't be on the list of common or forbidden passwords.")
