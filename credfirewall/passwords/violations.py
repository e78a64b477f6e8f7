"""What is wrong with a password, in words for whoever typed it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from credfirewall.exceptions import PasswordTooLong
from credfirewall.screening.digest import MAX_CODE_POINTS
from credfirewall.screening.verdict import Verdict

UNNAMED = "password_invalid"
"""The code of a violation whose validator, not one of ours, gives none."""


class Violation(NamedTuple):
    """A rule that a password breaks: a stable code, and a sentence in the active language.

    The sentence may be a host's own, and repeat what was typed: ``Evaluation`` does not show it.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the policy says of a password.

    ``acceptable``  whether Django would take it.
    ``violations``  every rule that it breaks, in the order of AUTH_PASSWORD_VALIDATORS.
    ``verdict``     what screening says of it, whether or not a validator heeds that.
    ``length``      in code points of the NFC form.
    """

    acceptable: bool
    violations: tuple[Violation, ...] = field(repr=False)
    verdict: Verdict
    length: int = field(repr=False)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the violations, each once."""
        return tuple(dict.fromkeys(each.code for each in self.violations))


def of_error(error: ValidationError) -> tuple[Violation, ...]:
    """Return what ``error`` says: a validator may say several things at once."""
    return tuple(
        Violation(str(each.code or UNNAMED), " ".join(map(str, each.messages)))
        for each in error.error_list
    )


def unusable(code: str) -> ValidationError:
    """Return what to say of a value that cannot be a password, by an UnusablePassword's code."""
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
