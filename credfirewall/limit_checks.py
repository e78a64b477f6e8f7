"""Checks of what django-ratelimit is told, which counts for the limits of the API."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import Error, Warning  # noqa: A004 - Django's names

from credfirewall.checking import Messages, load_class, mapping, shown
from credfirewall.conf import conf


def _alias() -> object:
    return getattr(settings, "RATELIMIT_USE_CACHE", "default")


def _entry(alias: object) -> Mapping[str, Any] | None:
    entry = mapping(settings.CACHES).get(alias) if isinstance(alias, str) else None
    return entry if isinstance(entry, Mapping) else None


def check_cache_of_limits(**_: Any) -> Messages:
    """There is a cache to count in."""
    if _entry(_alias()) is None and _entry(conf.CACHE):  # else E013 is to be heeded first
        yield Error(
            f"Limits are counted in the cache {shown(_alias())}, which is not in CACHES.",
            hint="Add it, or name another alias in RATELIMIT_USE_CACHE.",
            id="credfirewall.E024",
        )


def check_counting(**_: Any) -> Messages:
    """That cache counts, exactly, and for all processes."""
    backend = load_class(mapping(_entry(_alias())).get("BACKEND"))
    if backend is None or settings.DEBUG:
        return
    if issubclass(backend, DummyCache):
        problem = "keeps nothing, so that there are no limits"
    elif issubclass(backend, BaseDatabaseCache | FileBasedCache):
        problem = "cannot count what comes at the same time, so that more than the limit may pass"
    elif issubclass(backend, LocMemCache) and _is_one_of_many():
        problem = "is not shared, so that each process has limits of its own"
    else:
        return
    yield Warning(
        f"The cache {shown(_alias())}, in which limits are counted, {problem}.",
        hint="Name an alias with django_redis.cache.RedisCache in RATELIMIT_USE_CACHE.",
        id="credfirewall.W022",
    )


def _is_one_of_many() -> bool:
    return conf.SINGLE_PROCESS is not True and _alias() != conf.CACHE  # of that W008 speaks


def check_enabled(**_: Any) -> Messages:
    """Nobody has switched limits off where others are served."""
    if not (settings.DEBUG or getattr(settings, "RATELIMIT_ENABLE", True)):
        yield Warning(
            "RATELIMIT_ENABLE is off, so that the API has no limits.",
            hint="Remove it outside of tests. For more room, raise the rates in "
            'CREDFIREWALL["RATES"].',
            id="credfirewall.W023",
        )
