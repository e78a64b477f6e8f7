"""Fixtures that every test may ask for."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django_redis.cache import RedisCache
from pytest_django import Settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev import BROWSERS
from tests.plugin import unavailable
from tests.servers import Server, Unavailable, start_valkey

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """The local-memory cache outlives a test otherwise."""
    yield
    for cache in caches.all(initialized_only=True):
        if isinstance(cache, LocMemCache):
            cache.clear()


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """Nothing: the plugin has named a database for each process, and for those it starts."""


def valkey_or_give_up(config: pytest.Config) -> Server:
    try:
        return start_valkey()
    except Unavailable as error:
        unavailable(config, "Valkey", str(error))


@pytest.fixture(scope="session")
def valkey_server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """The Valkey that the session shares; a test asks for `valkey`."""
    server = valkey_or_give_up(pytestconfig)
    yield server
    server.stop()


@pytest.fixture
def valkey(valkey_server: Server) -> Server:
    """The shared Valkey, empty. A test that pauses or kills one asks for `own_valkey`."""
    with Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server


@pytest.fixture
def own_valkey(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A Valkey for one test."""
    server = valkey_or_give_up(pytestconfig)
    yield server
    server.stop()


def redis_cache(server: Server) -> dict[str, object]:
    """A CACHES entry: fails in milliseconds when the server is gone, and unpickles nothing."""
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": server.url,
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.3,
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
        },
    }


@pytest.fixture
def valkey_cache(valkey: Server, settings: Settings) -> Iterator[RedisCache]:
    """The default cache, on the shared Valkey."""
    settings.CACHES = {"default": redis_cache(valkey)}
    cache = caches["default"]
    assert isinstance(cache, RedisCache)
    yield cache
    cache.client.get_client().connection_pool.disconnect()


@pytest.fixture(scope="module")
def browser(pytestconfig: pytest.Config) -> "Iterator[Browser]":
    """Chromium, through playwright."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        unavailable(pytestconfig, "Chromium", f"none of {', '.join(BROWSERS)} is on PATH")
    with contextlib.ExitStack() as stack:
        # Playwright keeps an event loop running in this thread, and Django takes that for a view
        # that blocks it. For the same reason the browser ends with the module.
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        try:
            playwright = stack.enter_context(sync_playwright())
            chromium = playwright.chromium.launch(executable_path=found)
        except Exception as error:  # noqa: BLE001  what a driver that does not run raises
            unavailable(pytestconfig, "Chromium", str(error).partition("\n")[0])
        stack.callback(chromium.close)
        yield chromium
