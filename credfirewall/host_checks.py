"""Checks of what the project around credfirewall owns: its validators and its cache.

What stops credfirewall from working is an error. What standards ask of the project is a warning.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.memcached import BaseMemcachedCache
from django.core.cache.backends.redis import RedisCache, RedisSerializer
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's names
from django.utils.module_loading import import_string
from django_redis.cache import RedisCache as DjangoRedisCache
from django_redis.serializers.pickle import PickleSerializer

from credfirewall import validators
from credfirewall.conf import SETTINGS, conf
from credfirewall.screening.cache import Reach

Messages = Iterator[CheckMessage]

COMPOSITION = re.compile(
    r"upper_?case|lower_?case|digit|numeral|letter|symbol|special|punctuation|alpha_?num|complexity"
    r"|composition|character_?(class|type|categor|requirement|set)"
    r"|(?<!phone)(?<!account)numbers?(count)?(validator|$)",
    re.IGNORECASE,
)
"""Names of validators that ask for, or forbid, kinds of characters."""
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
OURS = ("credfirewall.", "django.contrib.auth.")
PCI_MINIMUM = 12
LEAST_MAXIMUM = 64

SAFE_SERIALIZER = "django_redis.serializers.json.JSONSerializer"
SHORT_TIMEOUTS = (
    '"OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.3, "SOCKET_TIMEOUT": 0.3, '
    '"CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)}}'
)


def load(path: object) -> object:
    """Import what a dotted path names. Raises ImportError whatever goes wrong."""
    if not (isinstance(path, str) and all(part.isidentifier() for part in path.split("."))):
        raise ImportError("not a dotted path")
    try:
        return import_string(path)
    except ImportError:
        raise
    except (Exception, SystemExit) as error:
        raise ImportError(f"importing it raises {type(error).__name__}") from error


def _load_class(path: object) -> type | None:
    try:
        found = load(path)
    except ImportError:
        return None
    return found if isinstance(found, type) else None


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of AUTH_PASSWORD_VALIDATORS. ``cls`` is None when it cannot be imported."""

    path: str
    options: Mapping[str, Any]
    cls: type | None

    @classmethod
    def all(cls) -> "Iterator[Listed]":
        entries: object = settings.AUTH_PASSWORD_VALIDATORS
        for entry in entries if isinstance(entries, Sequence) else ():
            path = entry.get("NAME") if isinstance(entry, Mapping) else None
            if isinstance(path, str):
                yield cls(path, _mapping(entry.get("OPTIONS")), _load_class(path))

    @property
    def names(self) -> str:
        """Its class name and those of the classes that it is made from, but for Django's."""
        bases = self.cls.__mro__[1:-1] if self.cls else ()
        foreign = [base.__name__ for base in bases if not base.__module__.startswith(OURS)]
        return " ".join([self.path.rpartition(".")[2], *foreign])

    def is_a(self, *classes: type) -> bool:
        return self.cls is not None and issubclass(self.cls, classes)

    def is_about_length(self) -> bool:
        return self.is_a(MinimumLengthValidator, validators.LengthValidator) or bool(
            re.search("length", self.names, re.IGNORECASE)
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


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def check_validator(**_: Any) -> Messages:
    """Passwords are screened where Django validates them (NIST SP 800-63B-4 3.1.1.2)."""
    if not any(
        listed.is_a(validators.BreachedPasswordValidator)
        and not listed.is_a(validators.BlocklistValidator)  # it asks no breach corpus
        for listed in Listed.all()
    ):
        yield Warning(
            "AUTH_PASSWORD_VALIDATORS does not screen passwords for breaches.",
            hint='Add {"NAME": "credfirewall.validators.BreachedPasswordValidator"} to it '
            "(ASVS 6.2.12).",
            id="credfirewall.W003",
        )


def check_composition(**_: Any) -> Messages:
    """No validator asks for kinds of characters, unless PCI DSS does (8.3.6)."""
    if conf.PROFILE == "pci":
        return
    for listed in Listed.all():
        if not listed.path.startswith(OURS) and (
            COMPOSITION.search(listed.names)
            or listed.path.startswith(COMPOSITION_MODULES)
            or any(COMPOSITION_OPTION.search(str(key)) and on for key, on in listed.options.items())
        ):
            yield Warning(
                f"AUTH_PASSWORD_VALIDATORS has a composition rule, {listed.path!r}, which NIST and "
                "ASVS forbid.",
                hint="Remove it: length and screening do more (NIST SP 800-63B-4 3.1.1.2, ASVS "
                '6.2.5). If PCI DSS 8.3.6 binds you, set CREDFIREWALL["PROFILE"] to "pci".',
                id="credfirewall.W004",
            )


def check_expiry(**_: Any) -> Messages:
    """No password expires by the calendar, unless PCI DSS asks for it (8.3.9)."""
    if conf.PROFILE == "pci":
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
    if (None, None) in limits:
        return  # It keeps its limit to itself, and may ask for enough.
    mfa = bool(conf.MFA_ASSERTED) or any(
        each.is_a(validators.LengthValidator) and each.options.get("mfa") is True
        for each in about_length
    )
    needed = validators.MULTI_FACTOR_MINIMUM if mfa else validators.SINGLE_FACTOR_MINIMUM
    if conf.PROFILE == "pci":
        needed = PCI_MINIMUM
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
    for listed in Listed.all():
        longest = listed.limits()[1] if listed.is_about_length() else None
        if longest is not None and longest < LEAST_MAXIMUM:
            yield Warning(
                f"AUTH_PASSWORD_VALIDATORS has {listed.path!r}, which refuses passwords of more "
                f"than {longest} characters.",
                hint=f"Accept at least {LEAST_MAXIMUM} (NIST SP 800-63B-4 3.1.1.2, ASVS 6.2.9), or "
                "remove it: credfirewall.validators.LengthValidator refuses only over 4096.",
                id="credfirewall.W007",
            )


@dataclass(frozen=True, slots=True)
class Cache:
    """The entry of CACHES that CREDFIREWALL["CACHE"] names."""

    config: Mapping[str, Any]
    backend: type

    @classmethod
    def configured(cls) -> "Cache | None":
        config = _cache_config()
        backend = _load_class(config.get("BACKEND")) if config is not None else None
        if config is None or backend is None or not issubclass(backend, BaseCache):
            return None  # check_cache says so
        return cls(config, backend)

    def is_a(self, *classes: type[BaseCache]) -> bool:
        return issubclass(self.backend, classes)

    @property
    def options(self) -> Mapping[str, Any]:
        return _mapping(self.config.get("OPTIONS"))

    def pickles(self) -> bool:
        """Whether reading an entry can run what somebody has put there."""
        if self.is_a(DjangoRedisCache):
            return _is_kind_of(self.options.get("SERIALIZER", PickleSerializer), PickleSerializer)
        if self.is_a(RedisCache):
            return _is_kind_of(self.options.get("serializer") or RedisSerializer, RedisSerializer)
        if self.is_a(BaseMemcachedCache):
            return "serde" not in self.options
        return self.is_a(BaseDatabaseCache, FileBasedCache)

    def may_hang(self) -> bool:
        """Whether an operation on it may take longer than a request can wait."""
        if not self.is_a(DjangoRedisCache, RedisCache, BaseMemcachedCache):
            return False
        try:
            return Reach.of(self.config) is Reach.UNBOUNDED
        except Exception:  # noqa: BLE001 - OPTIONS may hold anything
            return True


def _cache_config() -> Mapping[str, Any] | None:
    alias: object = conf.CACHE
    config = _mapping(settings.CACHES).get(alias) if isinstance(alias, str) else None
    return config if isinstance(config, Mapping) else None


def _is_kind_of(serializer: object, cls: type) -> bool:
    """Whether a serializer, given as a path, a class or itself, is a ``cls``."""
    found = _load_class(serializer) if isinstance(serializer, str) else serializer
    return issubclass(found, cls) if isinstance(found, type) else isinstance(found, cls)


def check_cache(**_: Any) -> Messages:
    """The cache that CREDFIREWALL["CACHE"] names can be had."""
    if SETTINGS["CACHE"].problem(conf.CACHE) or Cache.configured():
        return
    if _cache_config() is None:
        aliases = ", ".join(map(repr, _mapping(settings.CACHES))) or "none"
        yield Error(
            f'CREDFIREWALL["CACHE"] names {conf.CACHE!r}, which is not in CACHES.',
            hint=f"Name an alias of CACHES (there are: {aliases}), or add this one.",
            id="credfirewall.E013",
        )
    else:
        yield Error(
            f"The BACKEND of the cache {conf.CACHE!r} is not a cache that can be imported.",
            hint="Correct the path in CACHES, and install what it needs.",
            id="credfirewall.E014",
        )


def check_shared_cache(**_: Any) -> Messages:
    """Processes share the cache: what one has fetched, and that an upstream is down."""
    cache = Cache.configured()
    if cache is None or not cache.is_a(LocMemCache, DummyCache):
        return
    if conf.SINGLE_PROCESS is not True:
        yield Warning(
            f"The cache {conf.CACHE!r} is not shared between processes, so each worker asks for "
            "ranges, counts its requests and waits for a dead upstream on its own.",
            hint="Use django_redis.cache.RedisCache, or set "
            'CREDFIREWALL["SINGLE_PROCESS"] if one process serves the whole site.',
            id="credfirewall.W008",
        )
    elif _workers() > 1:
        yield Warning(
            f'CREDFIREWALL["SINGLE_PROCESS"] is set, and WEB_CONCURRENCY asks for {_workers()} '
            f"processes, which do not share the cache {conf.CACHE!r}.",
            hint="Use django_redis.cache.RedisCache and remove SINGLE_PROCESS, or run one worker.",
            id="credfirewall.W009",
        )


def _workers() -> int:
    """Return how many processes gunicorn or uvicorn is told to start, as far as that is known."""
    value = os.environ.get("WEB_CONCURRENCY", "").strip()
    return int(value) if re.fullmatch("[0-9]{1,9}", value) else 1


def check_pickle(**_: Any) -> Messages:
    """Who can write to the cache cannot run code in the process that reads it."""
    cache = Cache.configured()
    if cache and cache.pickles():
        yield Warning(
            f"The cache {conf.CACHE!r} serialises with pickle, so that who can write to it can run "
            "code in every process that reads it.",
            hint=f'Use django_redis.cache.RedisCache with OPTIONS {{"SERIALIZER": '
            f'"{SAFE_SERIALIZER}"}} (ASVS 1.5.2). If others need pickle there, add an alias '
            'without it to CACHES and name that in CREDFIREWALL["CACHE"].',
            id="credfirewall.W010",
        )


def check_cache_timeouts(**_: Any) -> Messages:
    """A cache that is down costs a request milliseconds (ASVS 13.1.3)."""
    cache = Cache.configured()
    if cache and cache.may_hang():
        yield Warning(
            f"The client of the cache {conf.CACHE!r} has long timeouts or retries, so that each "
            "look-up needs a thread of its own, and a cache that is down holds it for seconds.",
            hint=f"Use django_redis.cache.RedisCache with {SHORT_TIMEOUTS}, from redis.retry "
            "import Retry and from redis.backoff import NoBackoff.",
            id="credfirewall.W011",
        )
