"""Checks of the cache that a project gives to credfirewall.

What is unwise only where many are served is not said of a development server, where DEBUG is set.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.memcached import (
    BaseMemcachedCache,
    PyLibMCCache,
    PyMemcacheCache,
)
from django.core.cache.backends.redis import RedisCache, RedisSerializer
from django.core.checks import Error, Warning  # noqa: A004 - Django's names
from django_redis.cache import RedisCache as DjangoRedisCache
from django_redis.serializers.pickle import PickleSerializer

from credfirewall.checking import Messages, load, load_class, mapping, shown
from credfirewall.conf import SETTINGS, conf
from credfirewall.screening.clients import (
    SHORT,
    loose_options,
    loose_options_of_pylibmc,
    loose_options_of_pymemcache,
    pool_mates,
    retries,
)

SAFE_SERIALIZER = "django_redis.serializers.json.JSONSerializer"
SHORT_TIMEOUTS = (
    '"OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.3, "SOCKET_TIMEOUT": 0.3, '
    '"CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)}}'
)
SHORT_PYMEMCACHE = '{"connect_timeout": 0.3, "timeout": 0.3}'
SHORT_PYLIBMC = '{"behaviors": {"connect_timeout": 300, "_poll_timeout": 300}}'
OWN_LOCATION = "a LOCATION of its own (another database number)"


@dataclass(frozen=True, slots=True)
class Cache:
    """The entry of CACHES that CREDFIREWALL["CACHE"] names."""

    config: Mapping[str, Any]
    backend: type

    @classmethod
    def configured(cls) -> "Cache | None":
        config = _config()
        backend = load_class(config.get("BACKEND")) if config is not None else None
        if config is None or backend is None or not issubclass(backend, BaseCache):
            return None  # check_cache says so
        return cls(config, backend)

    def is_a(self, *classes: type[BaseCache]) -> bool:
        return issubclass(self.backend, classes)

    @property
    def options(self) -> Mapping[str, Any]:
        return mapping(self.config.get("OPTIONS"))

    @property
    def serializer_option(self) -> str:
        return "SERIALIZER" if self.is_a(DjangoRedisCache) else "serializer"

    def pickles(self) -> bool:
        """Whether reading an entry can run what somebody has put there."""
        if self.is_a(DjangoRedisCache):
            return _is_kind_of(self.options.get("SERIALIZER", PickleSerializer), PickleSerializer)
        if self.is_a(RedisCache):
            return _is_kind_of(self.options.get("serializer") or RedisSerializer, RedisSerializer)
        if self.is_a(BaseMemcachedCache):
            return "serde" not in self.options
        return self.is_a(BaseDatabaseCache, FileBasedCache)

    def lacks_serializer(self) -> str:
        """Say why its client cannot have the serialiser that OPTIONS names, if so."""
        given = self.options.get(self.serializer_option)
        named = self.is_a(RedisCache) and isinstance(given, str)
        if self.is_a(DjangoRedisCache):
            named = self.serializer_option in self.options
        try:
            return "" if not named or callable(load(given)) else "it is no class"
        except ImportError as error:
            return str(error)

    def slow_mates(self) -> list[str]:
        """Return the aliases whose long timeouts may come to be those of this one."""
        mates = pool_mates(self.config, mapping(settings.CACHES))
        return [alias for alias, config in mates.items() if loose_options(config)]


def _config() -> Mapping[str, Any] | None:
    alias: object = conf.CACHE
    config = mapping(settings.CACHES).get(alias) if isinstance(alias, str) else None
    return config if isinstance(config, Mapping) else None


def _is_kind_of(serializer: object, cls: type) -> bool:
    """Whether a serializer, given as a path, a class or itself, is a ``cls``."""
    found = load_class(serializer) if isinstance(serializer, str) else serializer
    return issubclass(found, cls) if isinstance(found, type) else isinstance(found, cls)


def check_cache(**_: Any) -> Messages:
    """The cache that CREDFIREWALL["CACHE"] names can be had."""
    if SETTINGS["CACHE"].problem(conf.CACHE) or Cache.configured():
        return
    if _config() is None:
        aliases = ", ".join(map(repr, mapping(settings.CACHES))) or "none"
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


def check_serializer(**_: Any) -> Messages:
    """What the cache is to serialise with is there: its client cannot be made without."""
    cache = Cache.configured()
    if cache and (reason := cache.lacks_serializer()):
        option = cache.serializer_option
        yield Error(
            f"The cache {conf.CACHE!r} cannot be used, and is off: its {option}, "
            f"{shown(cache.options.get(option))}, cannot be loaded ({reason}).",
            hint="Correct the path, or install what it needs (pip install msgpack, for that of "
            f'django-redis). "{SAFE_SERIALIZER}" needs nothing more.',
            id="credfirewall.E016",
        )


def check_shared_cache(**_: Any) -> Messages:
    """Processes share the cache: what one has fetched, and that an upstream is down."""
    cache = Cache.configured()
    if cache is None or not cache.is_a(LocMemCache, DummyCache):
        return
    if conf.SINGLE_PROCESS is not True:
        if not settings.DEBUG:
            yield Warning(
                f"The cache {conf.CACHE!r} is not shared between processes, so each worker asks "
                "for ranges, counts its requests and waits for a dead upstream on its own.",
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
    if cache and cache.pickles() and not settings.DEBUG:
        yield Warning(
            f"The cache {conf.CACHE!r} serialises with pickle, so that who can write to it can run "
            "code in every process that reads it.",
            hint=f'Use django_redis.cache.RedisCache with OPTIONS {{"SERIALIZER": '
            f'"{SAFE_SERIALIZER}"}} (ASVS 1.5.2). If others need pickle there, add an alias '
            f"without it and with {OWN_LOCATION} to CACHES, and name that in "
            'CREDFIREWALL["CACHE"].',
            id="credfirewall.W010",
        )


def check_cache_timeouts(**_: Any) -> Messages:
    """A cache that is down costs a request milliseconds (ASVS 13.1.3)."""
    cache = Cache.configured()
    if cache and (found := _slowness(cache)) and not settings.DEBUG:
        cause, remedy = found
        yield Warning(
            f"The client of the cache {conf.CACHE!r} may wait for longer than {SHORT:g} s for a "
            "connection or an answer, or try again, so that each look-up needs a thread of its "
            f"own, and a cache that is down holds it for seconds: {cause}.",
            hint=remedy,
            id="credfirewall.W011",
        )


def _slowness(cache: Cache) -> tuple[str, str] | None:
    """Return what lets its client keep a caller waiting, and what to do about it."""
    remedy = (
        f"Use django_redis.cache.RedisCache with {SHORT_TIMEOUTS}, from redis.retry import Retry "
        "and from redis.backoff import NoBackoff. If others need it as it is, add an alias with "
        f'{OWN_LOCATION} to CACHES, and name that in CREDFIREWALL["CACHE"].'
    )
    if cache.is_a(PyMemcacheCache):
        loose = loose_options_of_pymemcache(cache.config)
        remedy = _first(SHORT_PYMEMCACHE, remedy)
    elif cache.is_a(PyLibMCCache):
        loose = loose_options_of_pylibmc(cache.config)
        remedy = _first(SHORT_PYLIBMC, remedy)
    elif cache.is_a(BaseMemcachedCache):
        return "this client of Memcached is not known to give up sooner", remedy
    elif cache.is_a(DjangoRedisCache, RedisCache):
        loose = loose_options(cache.config)
    else:
        return None
    if loose:
        return ", ".join(_told(*each) for each in loose.items()), remedy
    if mates := cache.slow_mates():
        cause = (
            f"its LOCATION is also that of {', '.join(map(repr, mates))}, with longer timeouts or "
            "retries, and in django-redis they share one pool of connections, made by whoever "
            "connects first"
        )
        return cause, f"Give {conf.CACHE!r} {OWN_LOCATION}, or the other the same short timeouts."
    return None


def _first(options: str, remedy: str) -> str:
    return f'Add to its "OPTIONS": {options}. Or use {remedy.removeprefix("Use ")}'


def _told(option: str, value: object) -> str:
    if value is None:
        return f"{option} is not set"
    if (again := retries(value)) is not None:
        return f"{option} tries {again} times more"
    return f"{option} is {shown(value)}"
