"""Issuing passwords that the project takes, and evaluating them: what views and commands call."""

from dataclasses import dataclass, fields
from typing import Any

from django.views.decorators.debug import sensitive_variables

from credfirewall.audit.events import Code, PasswordGenerated
from credfirewall.audit.services import record
from credfirewall.conf import conf
from credfirewall.exceptions import PolicyUnsatisfiable
from credfirewall.passwords import options
from credfirewall.passwords.evaluating import aevaluate, check, evaluate, judged
from credfirewall.passwords.generator import MOST, Generated, draw, generated
from credfirewall.passwords.specs import Spec
from credfirewall.screening.services import screen_locally

__all__ = ["Issued", "aevaluate", "check", "evaluate", "generate", "generate_many", "issue"]

TRIES = 100
"""Values that are drawn for one that passes. A rule that one value in three breaks is met surely
enough: it is missed once in 10^47 times."""
EXEMPT = ("pin",)
"""Kinds that no policy of passwords is about: a PIN is for a lock that stops guessing."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What was generated, and whether it was held against the project's validators."""

    values: tuple[Generated, ...]
    policy_checked: bool


def generate(*, user: Any = None, **spec: object) -> Generated:
    """Generate one value that may be set, as a password of ``user``, and record that.

    ``spec`` is ``kind`` and the options of that kind, see ``generator.KINDS``. Raises SpecInvalid,
    which names the field, and what ``issue`` raises.
    """
    return issue(Spec.of(**spec), user=user).values[0]


def generate_many(count: int, *, user: Any = None, **spec: object) -> list[Generated]:
    """Generate 1 to 100 values as ``generate`` does, recorded once."""
    return list(issue(Spec.of(**spec), count=count, user=user).values)


@sensitive_variables()
def issue(
    spec: Spec,
    *,
    count: int = 1,
    user: Any = None,
    actor: Any = None,
    request: Any = None,
    enforce_policy: bool = True,
) -> Issued:
    """Generate 1 to 100 values of ``spec`` that may be set, and record that once.

    Each is held against its own spec and, unless it is a PIN, or GENERATE_ENFORCE_POLICY or
    ``enforce_policy`` is off, against AUTH_PASSWORD_VALIDATORS as a password of ``user``; it is
    screened by lists on this machine alone. What fails is drawn again. Raises PolicyUnsatisfiable
    when nothing passes, SpecInvalid for a wrong ``count``, RandomnessFailed and
    ImproperlyConfigured.
    """
    options.number("count", count, 1, MOST)
    enforced = enforce_policy and conf.GENERATE_ENFORCE_POLICY is not False
    checked = enforced and spec.kind not in EXEMPT
    values = tuple(_issue(spec, user, checked=checked) for _ in range(count))
    event = PasswordGenerated(
        kind=Code(spec.kind),
        count=count,
        length=max(each.length for each in values),
        entropy_bits=values[0].entropy_bits,
        spec=_given(spec),
        policy_checked=checked,
    )
    record(event, actor=actor, subject=user, request=request)
    return Issued(values, checked)


@sensitive_variables()
def _issue(spec: Spec, user: Any, *, checked: bool) -> Generated:
    """Return a value that passes. Raises PolicyUnsatisfiable."""
    codes: dict[str, None] = {}
    for _ in range(TRIES):
        value = draw(spec)
        if not spec.allows(value):
            continue
        broken = _broken(value, user) if checked else ()
        if not broken:
            return generated(spec, value)
        codes.update(dict.fromkeys(broken))
    raise PolicyUnsatisfiable(tuple(codes))


@sensitive_variables()
def _broken(value: str, user: Any) -> tuple[str, ...]:
    # On this machine alone: to ask elsewhere about a value that nobody has would tell of it.
    return judged(value, screen_locally(value, announce=False), user).codes


def _given(spec: Spec) -> tuple[Code, ...]:
    """Return the options that differ from the default, for the audit log."""
    named = []
    for field in fields(spec):
        value = getattr(spec, field.name)
        if value != field.default:
            is_text = not isinstance(value, int)
            named.append(Code(field.name if is_text else f"{field.name}:{value}".lower()))
    return tuple(named)
