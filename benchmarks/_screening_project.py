"""A Django project for the screening benchmark: default settings, several caches, one database."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from redis.backoff import NoBackoff
from redis.retry import Retry

MEMORY = "local memory"
VALKEY = "Valkey"
CACHES = (MEMORY, VALKEY)
ALIKE = ("hibp",)
"""The one source that the peer has as well."""
ALL = ("blocklist", "bundled", "hibp")


def warm(cache: str) -> str:
    """Return the alias of a cache whose entries stay."""
    return f"{cache}, warm"


def emptied(cache: str) -> str:
    """Return the alias of a cache of the same kind that is emptied before each sample."""
    return f"{cache}, emptied"


def configure(directory: Path, valkey: str) -> None:
    """Set Django up, with its files in ``directory`` and its caches in the Valkey at ``valkey``."""
    # As without the extra `metrics`, of which the peer has no like: counting takes 3 us a check.
    sys.modules["prometheus_client"] = None  # type: ignore[assignment]  # how to say "not installed"
    aliases = [alias(cache) for cache in CACHES for alias in (warm, emptied)]
    server = valkey.rpartition("/")[0]
    settings.configure(
        SECRET_KEY="for a benchmark, which guards nothing: 3f0d6a52c4",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "credfirewall"],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": directory / "db.sqlite3"}
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        CACHES={alias: _cache(alias, f"{server}/{at}") for at, alias in enumerate(aliases)},
        CREDFIREWALL={},
    )
    django.setup()
    call_command("migrate", verbosity=0)


def use(alias: str, url: str, sources: Sequence[str] = ALIKE) -> None:
    """Screen with this cache, range service and sources, and defaults for all but the budget.

    A benchmark asks more often than the default budget, 6,000 requests a minute, would let it.
    """
    settings.CREDFIREWALL = {
        "CACHE": alias,
        "HIBP_URL": url,
        "SOURCES": sources,
        "RATES": {"hibp": "100000000/m"},
    }


def drain() -> None:
    """Wait for the writes that nobody waited for."""
    from credfirewall.screening.cache import _pool

    while _pool._open:
        time.sleep(0.0005)


def _cache(alias: str, location: str) -> Mapping[str, Any]:
    kind = alias.rpartition(", ")[0]
    if kind == MEMORY:
        backend = "django.core.cache.backends.locmem.LocMemCache"
        return {"BACKEND": backend, "LOCATION": alias}
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": location,
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.3,
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
        },
    }
