"""Validators for AUTH_PASSWORD_VALIDATORS. Each one refuses for one reason, and says what to do."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables

from credfirewall.audit.events import Code, ScreeningRefused, ScreeningUnknown
from credfirewall.audit.services import record
from credfirewall.conf import conf
from credfirewall.exceptions import PasswordNotText, PasswordTooLong
from credfirewall.screening import context
from credfirewall.screening.digest import MAX_CODE_POINTS, fold, is_text, normalize
from credfirewall.screening.services import is_refused, screen, screen_locally
from credfirewall.screening.verdict import Status, Verdict

SINGLE_FACTOR_MINIMUM = 15
MULTI_FACTOR_MINIMUM = 8


def _unusable(code: str) -> ValidationError:
    if code == PasswordTooLong.code:
        message = _("This password is too long. At most %(max_length)d characters are accepted.")
        return ValidationError(message, code=code, params={"max_length": MAX_CODE_POINTS})
    return ValidationError(
        _(
            "This password contains a character that is not valid text, so it could not be "
            "typed again. Remove unusual symbols and try once more."
        ),
        code=code,
    )


def _check_usable(password: str) -> None:
    """Raise ValidationError for what no validator can look at."""
    if len(password) > MAX_CODE_POINTS:
        raise _unusable(PasswordTooLong.code)
    if not is_text(password):
        raise _unusable(PasswordNotText.code)


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

    NIST SP 800-63B-4 3.1.1.2. Length counts code points of the NFC form; nothing is truncated,
    and only more than 4096 are refused.
    """

    def __init__(self, min_length: int | None = None, mfa: bool = False) -> None:
        self._min_length, self._mfa = min_length, mfa

    @property
    def min_length(self) -> int:
        if self._min_length is not None:
            return self._min_length
        return MULTI_FACTOR_MINIMUM if self._mfa or conf.MFA_ASSERTED else SINGLE_FACTOR_MINIMUM

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
            raise ValidationError(message, code="password_too_short", params=params)

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
                code="password_context_word",
            )

    def get_help_text(self) -> str:
        return _("Do not use your name, your address or the name of this site as your password.")


class BreachedPasswordValidator:
    """Refuses a password that is known from a breach, by the sources in CREDFIREWALL["SOURCES"].

    When no source can answer, ON_UNKNOWN decides.
    """

    @sensitive_variables()
    def validate(self, password: str, user: Any = None) -> None:
        _check_usable(password)
        self._judge(screen(password, user=user), user)

    def _judge(self, verdict: Verdict, user: Any) -> None:
        refused = is_refused(verdict)
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
                code="password_breached",
            )
        raise ValidationError(
            ngettext(
                "This password has appeared %(times)s time in known data breaches, so attackers "
                "will try it. Choose another one, and change it wherever else you use it.",
                "This password has appeared %(times)s times in known data breaches, so attackers "
                "will try it. Choose another one, and change it wherever else you use it.",
                verdict.count,
            ),
            code="password_breached",
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

    @sensitive_variables()
    def validate(self, password: str, user: Any = None) -> None:
        _check_usable(password)
        self._judge(screen_locally(password, user=user), user)

    def get_help_text(self) -> str:
        return _("Your password can't be on the list of common or forbidden passwords.")
