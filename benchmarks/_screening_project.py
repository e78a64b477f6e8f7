"""A Django project for the screening benchmark: default settings, several caches, one database."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from redis.backoff import NoBackoff
from redis.retry import Retry

MEMORY = "local memory"
AS_BYTES = "Valkey, bytes"
AS_JSON = "Valkey, JSON"
CACHES = (MEMORY, AS_BYTES, AS_JSON)

_SERIALIZERS = {
    AS_BYTES: "benchmarks._screening_project.BytesSerializer",
    AS_JSON: "django_redis.serializers.json.JSONSerializer",
}


class BytesSerializer:
    """For django-redis: bytes as they are behind a zero byte, everything else as JSON."""

    def __init__(self, options: Mapping[str, Any]) -> None: ...

    def dumps(self, value: Any) -> bytes:
        return b"\0" + value if isinstance(value, bytes) else json.dumps(value).encode()

    def loads(self, value: bytes) -> Any:
        return value[1:] if value.startswith(b"\0") else json.loads(value)


def warm(cache: str) -> str:
    """Return the alias of a cache whose entries stay."""
    return f"{cache}, warm"


def emptied(cache: str) -> str:
    """Return the alias of a cache of the same kind that is emptied before each sample."""
    return f"{cache}, emptied"


def configure(directory: Path, valkey: str) -> None:
    """Set Django up, with its files in ``directory`` and its caches in the Valkey at ``valkey``."""
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


def use(alias: str, url: str) -> None:
    """Screen with this cache and this range service, and defaults for all else but the budget.

    A benchmark asks more often than the default budget, 6,000 requests a minute, would let it.
    """
    settings.CREDFIREWALL = {
        "CACHE": alias,
        "HIBP_URL": url,
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
            "SERIALIZER": _SERIALIZERS[kind],
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.3,
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
        },
    }
