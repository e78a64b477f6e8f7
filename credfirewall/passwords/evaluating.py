"""Evaluating: what a project's own validators and screening say of a password that nobody sets."""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import get_default_password_validators
from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables

from credfirewall.audit.events import Code, PolicyChecked
from credfirewall.audit.services import record
from credfirewall.exceptions import UnusablePassword
from credfirewall.passwords.rehearsal import rehearsing
from credfirewall.passwords.violations import Evaluation, Violation, of_error, unusable
from credfirewall.screening.digest import normalize
from credfirewall.screening.services import ascreen, screen
from credfirewall.screening.verdict import Status, Verdict

MOST_CODES = 32
"""Of the violations that an event names."""


@sensitive_variables()
def evaluate(password: str, *, user: Any = None) -> Evaluation:
    """Say whether ``password`` may be set, by ``user`` if that is given, and all that is wrong.

    It is screened once, in at most HIBP_DEADLINE seconds, and every validator of
    AUTH_PASSWORD_VALIDATORS is asked. Nothing is recorded. Raises ImproperlyConfigured where
    these cannot be made, and what a validator of the host's raises besides ValidationError.
    """
    return _evaluated(password, user, known_as=user)


@sensitive_variables()
async def aevaluate(password: str, *, user: Any = None) -> Evaluation:
    """Say the same as ``evaluate`` without blocking the event loop."""
    try:
        verdict = await ascreen(password, user=user)
    except UnusablePassword as error:
        return _unusable(password, error.code)
    # Validators are the host's, and may ask a database.
    return await sync_to_async(judged)(password, verdict, user)


@sensitive_variables()
def check(
    password: str, *, username: str = "", email: str = "", user: Any = None, request: Any = None
) -> Evaluation:
    """Evaluate ``password`` for somebody else, and record that: by whom, and with which outcome.

    ``username`` and ``email`` are what it must not be made of: literal text, no account is looked
    up. ``user`` is the one who asks.
    """
    # What listens to a breach must not meet somebody who is made up.
    evaluation = _evaluated(password, stranger(username, email), known_as=None)
    event = PolicyChecked(
        acceptable=evaluation.acceptable,
        violations=tuple(map(Code.of, evaluation.codes[:MOST_CODES])),
        breach=Code(evaluation.verdict.status.value),
    )
    record(event, actor=user, request=request)
    return evaluation


def stranger(username: str, email: str) -> Any:
    """Return somebody who has these names and nothing else, in no database; None without any."""
    if not (username or email):
        return None
    model: Any = get_user_model()
    fields = {model.USERNAME_FIELD: username}
    if email:  # where one field is both, this is what it holds
        fields[model.get_email_field_name()] = email
    known = {field.name for field in model._meta.get_fields()}
    return model(**{name: text for name, text in fields.items() if name in known})


@sensitive_variables()
def _evaluated(password: str, user: Any, *, known_as: Any) -> Evaluation:
    try:
        verdict = screen(password, user=known_as)
    except UnusablePassword as error:
        return _unusable(password, error.code)
    return judged(password, verdict, user)


@sensitive_variables()
def judged(password: str, verdict: Verdict, user: Any = None) -> Evaluation:
    """Return what the validators say of a usable ``password`` that has this ``verdict``."""
    found: list[Violation] = []
    with rehearsing(verdict):
        for validator in get_default_password_validators():
            try:
                validator.validate(password, user)
            except ValidationError as error:
                found += of_error(error)
    # Two that screen say the same.
    violations = tuple(dict.fromkeys(found))
    return Evaluation(not violations, violations, verdict, len(normalize(password)))


@sensitive_variables()
def _unusable(password: str, code: str) -> Evaluation:
    verdict = Verdict(Status.UNKNOWN, reason=code)
    return Evaluation(False, of_error(unusable(code)), verdict, len(password))
