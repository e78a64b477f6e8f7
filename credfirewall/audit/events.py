"""What is recorded: one closed list of events, each with the details that it may have. Pure.

A detail is a number, a truth value or a ``Code``, which is a name out of somebody's source code:
there is no place for text that a person typed, so no place where a secret could land. Who acted
and whom it concerns is said by ``Party``, whose text is kept apart and can be erased.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType, NoneType
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

from credfirewall.audit.text import bounded

_events: dict[str, type["Event"]] = {}
EVENTS: Mapping[str, type["Event"]] = MappingProxyType(_events)
"""The closed list (ASVS 16.1.1), by name."""

MOST = 2**63 - 1
"""The largest number that a detail may be: more digits would have room for text."""
_KIND = re.compile(r"[a-z][a-z_]{0,15}", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", re.ASCII)
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


class Outcome(StrEnum):
    SUCCESS = "success"
    REFUSED = "refused"
    FAILED = "failed"
    NOTICE = "notice"


class Code(str):
    """A name from source code: of a source, a reason, a command. At most 64 characters of ASCII."""

    __slots__ = ()

    def __new__(cls, value: str) -> "Code":
        if not _CODE.fullmatch(value):
            raise ValueError("not a code: letters, digits and _ . : - are, at most 64")
        return super().__new__(cls, value)

    @classmethod
    def of(cls, value: object) -> "Code":
        """Return the code of a name that a host chose; what is none becomes "other"."""
        text = str(value)
        return cls(text) if _CODE.fullmatch(text) else cls("other")


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who acts, or whom an act concerns. The text survives the account.

    ``type`` is a word of at most 16 lower-case letters; ``id`` and ``text`` are made to fit. Raises
    ValueError.
    """

    type: str
    id: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        if self.type and not _KIND.fullmatch(self.type):
            raise ValueError("not a kind of party: lower-case letters are, and _, at most 16")
        object.__setattr__(self, "id", bounded(self.id, 64))
        object.__setattr__(self, "text", bounded(self.text, 254))

    @classmethod
    def of(cls, who: Any) -> "Party":
        """Return the party of a user, AnonymousUser, None, or of a Party itself."""
        if isinstance(who, Party):
            return who
        if who is None or not getattr(who, "is_authenticated", True):
            return ANONYMOUS
        key = getattr(who, "pk", None)
        if key is None:  # somebody who is just signing up
            return cls("user")
        name = getattr(who, "get_username", str)()
        return cls("user", str(key), str(name))

    @classmethod
    def command(cls, name: str) -> "Party":
        """Return the party of a management command."""
        return cls("command", Code(name))


ANONYMOUS = Party("anonymous")
NOBODY = Party("")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One kind of act or finding. The fields of a subclass are its details.

    ``vital``: must not happen unrecorded; a failing log raises, whatever AUDIT_ON_FAILURE says.
    Raises TypeError or ValueError for a detail that is not what its field says.
    """

    name: ClassVar[str]
    outcome: ClassVar[Outcome] = Outcome.SUCCESS
    vital: ClassVar[bool] = False
    _types: ClassVar[dict[str, Any]]

    def __init_subclass__(cls) -> None:
        if cls.__module__ != __name__:
            raise TypeError("the list of events is closed")
        cls.name = _WORD.sub("_", cls.__name__).lower()
        _events[cls.name] = cls

    def __post_init__(self) -> None:
        if type(self) is Event:
            raise TypeError("record one of EVENTS")
        types = type(self).__dict__.get("_types")
        if types is None:
            types = type(self)._types = get_type_hints(type(self))
        for field in fields(self):
            _check(field.name, getattr(self, field.name), types[field.name])

    def details(self) -> dict[str, Any]:
        """Return the fields, as what JSON can hold."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def canonical_details(self) -> str:
        """Return the details as JSON in one form only: sorted, ASCII, no spaces."""
        return json.dumps(self.details(), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _check(name: str, value: object, wanted: Any) -> None:
    """Raise TypeError unless ``value`` is exactly of a type that ``wanted`` allows, and ValueError
    for a number that is out of bounds."""
    if get_origin(wanted) is tuple:
        if type(value) is not tuple or len(value) > 32 or any(type(v) is not Code for v in value):
            raise TypeError(f"{name} must be a tuple of at most 32 codes")
        return
    allowed = get_args(wanted) or (wanted,)
    if type(value) not in allowed:
        raise TypeError(f"{name} must be {' or '.join(each.__name__ for each in allowed)}")
    if not set(allowed) <= {Code, int, float, bool, NoneType}:
        raise TypeError(f"{name} has a type that no detail may have")
    if isinstance(value, int | float) and not (math.isfinite(value) and abs(value) <= MOST):
        raise ValueError(f"{name} is out of bounds")


# The four doors


@dataclass(frozen=True, kw_only=True)
class ScreeningRefused(Event):
    """A password was refused because a source knows it."""

    outcome = Outcome.REFUSED
    source: Code
    count: int | None


@dataclass(frozen=True, kw_only=True)
class ScreeningUnknown(Event):
    """No source could answer; ``accepted`` says what ON_UNKNOWN made of that."""

    outcome = Outcome.NOTICE
    reason: Code
    accepted: bool


@dataclass(frozen=True, kw_only=True)
class ScreeningDegraded(Event):
    """A source stopped answering ("degraded") or is not asked for a while ("open")."""

    outcome = Outcome.FAILED
    source: Code
    state: Code
    reason: Code


@dataclass(frozen=True, kw_only=True)
class ScreeningRecovered(Event):
    """A source answers again."""

    source: Code


@dataclass(frozen=True, kw_only=True)
class PasswordGenerated(Event):
    """Values were generated. The specification and the entropy are kept, never a value.

    ``length`` is that of the longest. ``spec`` names the options that were given; of numbers and
    truth values also which, of texts never.
    """

    kind: Code
    count: int
    length: int
    entropy_bits: float
    spec: tuple[Code, ...] = ()
    policy_checked: bool = False


@dataclass(frozen=True, kw_only=True)
class PolicyChecked(Event):
    """A password was held against the policy on request."""

    acceptable: bool
    violations: tuple[Code, ...]
    breach: Code


@dataclass(frozen=True, kw_only=True)
class DeliveryCreated(Event):
    """A one-time delivery was made."""

    vital = True
    delivery: Code
    mode: Code
    channel: Code
    ttl: int


@dataclass(frozen=True, kw_only=True)
class DeliveryRedeemed(Event):
    """A delivery was redeemed: its secret shown, or a password set with it."""

    vital = True
    delivery: Code
    mode: Code


@dataclass(frozen=True, kw_only=True)
class DeliveryRefused(Event):
    """Somebody with the token was not let through."""

    outcome = Outcome.REFUSED
    vital = True
    delivery: Code
    reason: Code


@dataclass(frozen=True, kw_only=True)
class DeliveryReused(Event):
    """A token was presented again after its use."""

    outcome = Outcome.REFUSED
    vital = True
    delivery: Code


@dataclass(frozen=True, kw_only=True)
class DeliveryExpired(Event):
    """A delivery ended unused."""

    outcome = Outcome.NOTICE
    vital = True
    delivery: Code


@dataclass(frozen=True, kw_only=True)
class DeliveryRevoked(Event):
    """A delivery was taken back."""

    vital = True
    delivery: Code


@dataclass(frozen=True, kw_only=True)
class DeliveryReissued(Event):
    """A delivery was made again, under a new token."""

    vital = True
    delivery: Code
    replaced: Code


@dataclass(frozen=True, kw_only=True)
class DeliveryReported(Event):
    """The holder of a link said: it was not me."""

    outcome = Outcome.NOTICE
    vital = True
    delivery: Code


@dataclass(frozen=True, kw_only=True)
class ExposureFound(Event):
    """An account was seen to use a breached password."""

    outcome = Outcome.NOTICE
    source: Code
    count: int | None


@dataclass(frozen=True, kw_only=True)
class ExposureResolved(Event):
    """An exposed account changed its password."""


@dataclass(frozen=True, kw_only=True)
class LoginRefused(Event):
    """A sign-in was refused."""

    outcome = Outcome.REFUSED
    reason: Code


# The house itself


@dataclass(frozen=True, kw_only=True)
class LimitHit(Event):
    """A rate was used up."""

    outcome = Outcome.REFUSED
    rate: Code


@dataclass(frozen=True, kw_only=True)
class ApiKeyCreated(Event):
    """An API key was made for an account; ``seconds`` is how long it is valid, None for ever."""

    vital = True
    owner: Code
    scopes: tuple[Code, ...]
    seconds: int | None


@dataclass(frozen=True, kw_only=True)
class ApiKeyRotated(Event):
    """An API key got a new secret; the former one is valid for ``overlap`` seconds more."""

    vital = True
    overlap: int


@dataclass(frozen=True, kw_only=True)
class ApiKeyRevoked(Event):
    """An API key was taken back, or deleted."""

    vital = True


@dataclass(frozen=True, kw_only=True)
class AccessDenied(Event):
    """Somebody who is known lacks the permission for ``endpoint``; told once a minute."""

    outcome = Outcome.REFUSED
    endpoint: Code
    method: Code


@dataclass(frozen=True, kw_only=True)
class KeyRotated(Event):
    """A new key came first in a ring."""

    vital = True
    ring: Code
    key: Code


@dataclass(frozen=True, kw_only=True)
class ConfigurationChanged(Event):
    """Somebody changed what credfirewall goes by, such as the blocklist."""

    object: Code
    action: Code


@dataclass(frozen=True, kw_only=True)
class AuditRead(Event):
    """Somebody read the log; which filters were set, not to what."""

    view: Code
    filters: tuple[Code, ...]


@dataclass(frozen=True, kw_only=True)
class AuditExported(Event):
    """Rows leave the log: "begun" ahead of the first, then "complete" or "broken_off" with how many
    they were. ``export`` is the same in both; ``names`` says whether people's names were among it.
    """

    vital = True
    export: Code
    format: Code
    state: Code
    rows: int | None
    names: bool
    filters: tuple[Code, ...]


@dataclass(frozen=True, kw_only=True)
class AuditPurged(Event):
    """Sealed batches past their retention were removed; their seals and stubs stay."""

    vital = True
    seals: int
    rows: int
    findings: int
    """Of the verification before it, despite which somebody wanted it."""


@dataclass(frozen=True, kw_only=True)
class AuditErased(Event):
    """The personal text about somebody was erased from the log; the rows stay."""

    vital = True
    texts: int


@dataclass(frozen=True, kw_only=True)
class AuditVerified(Event):
    """The log was verified."""

    outcome = Outcome.NOTICE
    seals: int
    rows: int
    findings: int
