"""The one settings dict, ``CREDFIREWALL``: every key typed, defaulted and read lazily.

``conf.HIBP_DEADLINE`` reads the live value each time, so ``override_settings`` just works. The
checks in ``checks.py`` walk ``SETTINGS`` to find unknown keys and wrong values; reading never
validates, so that a broken project can still run ``check``.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, Self, TypeVar, overload

from django.conf import settings

logger = logging.getLogger("credfirewall")
T = TypeVar("T")
Problem = str | None
"""What is wrong with a value, as the end of a sentence ("must be ..."), or None."""

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RATE = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,4})?([smhd])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """``limit`` events in each window of ``seconds``."""

    limit: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Read "60/m" or "5/10m" (units s, m, h, d).

        The grammar is stricter than django-ratelimit's, which reads "5/x" as five a second.
        Raises ValueError.
        """
        match = _RATE.fullmatch(text)
        if match is None:
            raise ValueError(f"not a rate: {text!r}")
        limit, count, unit = match.groups()
        return cls(int(limit), int(count or 1) * UNIT_SECONDS[unit])


_parsed = lru_cache(maxsize=64)(Rate.parse)
"""A request reads several, and always the same."""


def boolean(value: object) -> Problem:
    return None if isinstance(value, bool) else "must be True or False"


def text(value: object) -> Problem:
    return None if isinstance(value, str) and value else "must be a non-empty string"


def path(value: object) -> Problem:
    return None if value and isinstance(value, str | os.PathLike) else "must be the path of a file"


def number(low: float, high: float) -> Callable[[object], Problem]:
    def check(value: object) -> Problem:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and low <= value <= high:  # type: ignore[operator]  # narrowed by is_number
            return None
        return f"must be a number from {low:g} to {high:g}"

    return check


def integer(low: int, high: int) -> Callable[[object], Problem]:
    def check(value: object) -> Problem:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"must be a whole number from {low} to {high}"

    return check


def choice(*allowed: str) -> Callable[[object], Problem]:
    def check(value: object) -> Problem:
        if isinstance(value, str) and value in allowed:
            return None
        return "must be one of " + ", ".join(f'"{name}"' for name in allowed)

    return check


def texts(value: object) -> Problem:
    if isinstance(value, list | tuple) and all(isinstance(item, str) and item for item in value):
        return None
    return "must be a list of non-empty strings"


def signers(value: object) -> Problem:
    is_list = isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value)
    if is_list or (isinstance(value, str) and value):
        return None
    return 'must be a key in PEM, or a list of {"from": position, "key": PEM}'


def optional(check: Callable[[object], Problem]) -> Callable[[object], Problem]:
    def check_unless_none(value: object) -> Problem:
        problem = None if value is None else check(value)
        return problem and f"{problem}, or None"

    return check_unless_none


def rates(value: object) -> Problem:
    if not isinstance(value, Mapping):
        return 'must be a dict such as {"check": "60/m"}'
    for name, rate in value.items():
        if name not in DEFAULT_RATES:
            return f"has an unknown rate {name!r}; known are {', '.join(DEFAULT_RATES)}"
        try:
            Rate.parse(rate)
        except (TypeError, ValueError):
            return f'has {name!r} = {rate!r}, which is not a rate such as "60/m" (units s, m, h, d)'
    return None


def on_failure(value: object) -> Problem:
    if not isinstance(value, Mapping):
        return 'must be a dict such as {"generate": "closed"}'
    known = [name for name in DEFAULT_RATES if name != "hibp"]
    for name, how in value.items():
        if name not in known:
            return f"has an unknown rate {name!r}; known are {', '.join(known)}"
        if how not in ("open", "closed"):
            return f'has {name!r} = {how!r}, which is neither "open" nor "closed"'
    return None


def keys(value: object) -> Problem:
    problem = 'must be a list of {"id": ..., "key": ...}'
    if not isinstance(value, list | tuple):
        return problem
    well_formed = all(
        isinstance(item, Mapping)
        and set(item) == {"id", "key"}
        and all(isinstance(part, str | bytes) and part for part in item.values())
        for item in value
    )
    return None if well_formed else problem


def key_ring(value: object) -> Problem:
    return text(value) and texts(value) and "must be a key or a list of keys, newest first"


def dotted_paths(value: object) -> Problem:
    """Accept one list for every endpoint, or a dict of lists by endpoint."""
    by_endpoint = value.values() if isinstance(value, Mapping) else [value]
    problems = [texts(paths) for paths in by_endpoint]
    return next((f"{problem} (dotted paths)" for problem in problems if problem), None)


class Setting(Generic[T]):
    """A key of ``CREDFIREWALL``: its default, and what makes a value wrong."""

    def __init__(self, default: T, problem: Callable[[object], Problem]) -> None:
        self.default = default
        self.problem = problem

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        SETTINGS[name] = self

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value: T = configured().get(self.name, self.default)
        return value


_assumed: ContextVar[str | None] = ContextVar("credfirewall_assumed_profile", default=None)


class ProfileSetting(Setting[str]):
    """PROFILE: what a project sets, or what ``assuming`` says for a while."""

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is not None and (assumed := _assumed.get()):
            return assumed
        return super().__get__(instance, owner)


@contextmanager
def assuming(profile: str) -> Iterator[None]:
    """Read PROFILE as ``profile`` in this context, to say how a project would fare with it."""
    token = _assumed.set(profile)
    try:
        yield
    finally:
        _assumed.reset(token)


SETTINGS: dict[str, Setting[Any]] = {}

DEFAULT_RATES = {
    "generate": "60/m",
    "check": "60/m",
    "policy": "300/m",
    "redeem": "10/m",
    "range": "600/m",
    "audit": "120/m",
    "docs": "60/m",
    "metrics": "60/m",
    "health": "600/m",
    "auth_failure": "20/m",
    "hibp": "6000/m",
}
CLOSED_WITHOUT_CACHE = ("check", "redeem")
"""Rates without which there is no answer, unless RATES_ON_FAILURE says otherwise: somebody could
guess as often as they like, and see whether they are right."""


def configured() -> Mapping[str, Any]:
    """Return the host's dict, or an empty one when there is none or it is not a dict."""
    try:
        # What lazy settings have looked up is an attribute of theirs, until it changes. To ask for
        # it past their hook, which concerns methods only, halves the cost of every reading.
        value = object.__getattribute__(settings, "CREDFIREWALL")
    except AttributeError:
        value = getattr(settings, "CREDFIREWALL", None)
    # The exact type first: an abstract isinstance is slow, and this runs at every reading.
    return value if type(value) is dict or isinstance(value, Mapping) else {}


_said: set[tuple[str, str]] = set()


def _say_once(name: str, wrong: object) -> None:
    """Log that the rate ``name`` is not in ``wrong``, at the first request that meets it."""
    said = name, repr(wrong)
    if said not in _said:
        _said.add(said)
        logger.error("RATES has no usable %r, so its default counts: run manage.py check.", name)


class Conf:
    """Typed access to each key. docs/settings.md says what each one does."""

    SOURCES = Setting[Sequence[str]](("blocklist", "bundled", "hibp"), texts)
    HIBP_URL = Setting("https://api.pwnedpasswords.com/range/", text)
    HIBP_DEADLINE = Setting(2.0, number(0.05, 30))
    HIBP_PADDING = Setting(True, boolean)
    CACHE = Setting("default", text)
    CACHE_TTL = Setting(86_400, integer(0, 31_536_000))
    CACHE_STALE = Setting(604_800, integer(0, 31_536_000))
    MIN_COUNT = Setting(1, integer(1, 1_000_000_000))
    ON_UNKNOWN = Setting("allow", choice("allow", "reject"))
    PROFILE = ProfileSetting("nist", choice("nist", "pci", "asvs"))
    MFA_ASSERTED = Setting(False, boolean)
    SINGLE_PROCESS = Setting(False, boolean)
    CORPUS_PATH = Setting[str | os.PathLike[str] | None](None, optional(path))
    CONTEXT_WORDS = Setting[Sequence[str]]((), texts)
    GENERATE_ENFORCE_POLICY = Setting(True, boolean)
    LOGIN_MODE = Setting("off", choice("off", "observe", "warn", "require_change", "block"))
    DELIVERY_KEYS = Setting[Sequence[Mapping[str, str]] | None](None, optional(keys))
    DELIVERY_KEY_PROVIDER = Setting[str | None](None, optional(text))
    DELIVERY_TTL = Setting(600, integer(60, 31_536_000))
    DELIVERY_MAX_TTL = Setting(3600, integer(60, 31_536_000))
    DELIVERY_BASE_URL = Setting[str | None](None, optional(text))
    DELIVERY_MAX_ATTEMPTS = Setting(5, integer(1, 100))
    RATES = Setting[Mapping[str, str]]({}, rates)
    RATES_ON_FAILURE = Setting[Mapping[str, str]]({}, on_failure)
    TRUSTED_PROXIES = Setting(0, integer(0, 16))
    REQUIRE_HTTPS = Setting[bool | None](None, optional(boolean))
    AUDIT_KEY = Setting[str | Sequence[str] | None](None, optional(key_ring))
    AUDIT_IP = Setting("truncated", choice("truncated", "full", "hashed", "none"))
    AUDIT_RETENTION_DAYS = Setting(365, integer(1, 36_500))
    AUDIT_ON_FAILURE = Setting("log", choice("log", "raise"))
    AUDIT_ANCHOR = Setting[str | os.PathLike[str] | None](None, optional(path))
    AUDIT_PUBLIC_KEY = Setting[str | Sequence[Mapping[str, Any]] | None](None, optional(signers))
    API_AUTHENTICATION = Setting[Sequence[str] | None](None, optional(dotted_paths))
    API_PERMISSIONS = Setting[Sequence[str] | Mapping[str, Sequence[str]] | None](
        None, optional(dotted_paths)
    )
    METRICS_TOKEN = Setting[str | None](None, optional(text))

    def rate(self, name: str) -> Rate:
        """Return the rate of ``name``; keys that RATES leaves out keep their default."""
        return _parsed(self.RATES.get(name, DEFAULT_RATES[name]))

    def usable_rate(self, name: str) -> Rate:
        """Return the rate of ``name``, or its default where RATES says something else than a rate.

        A misspelt limit must neither take the site down nor be none.
        """
        try:
            return self.rate(name)
        except (AttributeError, TypeError, ValueError):
            _say_once(name, self.RATES)
            return Rate.parse(DEFAULT_RATES[name])

    def closed_without_cache(self, name: str) -> bool:
        """Whether what counts for the rate ``name`` is refused while nothing can be counted."""
        usual = "closed" if name in CLOSED_WITHOUT_CACHE else "open"
        told: object = self.RATES_ON_FAILURE
        how = told.get(name) if isinstance(told, Mapping) else None
        return (how if how in ("open", "closed") else usual) == "closed"


conf = Conf()
