"""The checks of the cache that a project gives to credfirewall."""

import re
from typing import Any

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisSerializer
from django.core.checks import ERROR, WARNING
from django.core.signing import JSONSerializer
from django_redis.serializers.pickle import PickleSerializer
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.checked import CACHE, ids, only

BACKENDS = "django.core.cache.backends"
REDIS = f"{BACKENDS}.redis.RedisCache"


class OwnMemory(LocMemCache): ...


class OwnPickle(PickleSerializer): ...  # type: ignore[misc]  # django-redis has no types


def cache(backend: str, **options: Any) -> dict[str, Any]:
    return {"CACHES": {"default": {"BACKEND": backend, "LOCATION": "x", "OPTIONS": options}}}


FAST_CLIENT: dict[str, Any] = {
    "SOCKET_CONNECT_TIMEOUT": 0.3,
    "SOCKET_TIMEOUT": 0.3,
    "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
}
JSON = "django_redis.serializers.json.JSONSerializer"
DJANGO_REDIS = "django_redis.cache.RedisCache"


@pytest.mark.parametrize("caches", [{}, {"default": CACHE}, {"shared": None}, None, "x"])
def test_cache_that_is_not_there(caches: Any) -> None:
    message = only({"CACHE": "shared"}, CACHES=caches)
    assert (message.id, message.level) == ("credfirewall.E013", ERROR)
    assert "'shared'" in message.msg
    assert ("'default'" in str(message.hint)) == (caches == {"default": CACHE})


@pytest.mark.parametrize("backend", ["gone.Cache", "builtins.dict", "os.getcwd", "", None, 1])
def test_cache_that_cannot_be_imported(backend: Any) -> None:
    message = only(CACHES={"default": {"BACKEND": backend}})
    assert (message.id, message.level) == ("credfirewall.E014", ERROR)
    assert "'default'" in message.msg


PER_PROCESS = [
    cache(f"{BACKENDS}.locmem.LocMemCache"),
    cache(f"{BACKENDS}.dummy.DummyCache"),
    cache(f"{__name__}.OwnMemory"),
]


@pytest.mark.parametrize("changes", PER_PROCESS)
def test_cache_of_each_process(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    message = only(**changes)
    assert (message.id, message.level) == ("credfirewall.W008", WARNING)
    assert ids({"SINGLE_PROCESS": True}, **changes) == []
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert ids(**changes) == ["W008"]


@pytest.mark.parametrize("value", ["2", " 16 "])
def test_one_process_that_is_several(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", value)
    message = only({"SINGLE_PROCESS": True}, **PER_PROCESS[0])
    assert (message.id, message.level) == ("credfirewall.W009", WARNING)
    assert f"{value.strip()} processes" in message.msg
    assert ids({"SINGLE_PROCESS": True}) == []


@pytest.mark.parametrize("value", ["", "1", "0", "-2", "many", "2.5", "²", "9" * 5000])
def test_one_process_that_is_one(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", value)
    assert ids({"SINGLE_PROCESS": True}, **PER_PROCESS[0]) == []


@pytest.mark.parametrize(
    "changes",
    [
        cache(DJANGO_REDIS, **FAST_CLIENT),
        cache(
            DJANGO_REDIS,
            **FAST_CLIENT,
            SERIALIZER="django_redis.serializers.pickle.PickleSerializer",
        ),
        cache(DJANGO_REDIS, **FAST_CLIENT, SERIALIZER=f"{__name__}.OwnPickle"),
        cache(f"{BACKENDS}.db.DatabaseCache"),
        cache(f"{BACKENDS}.filebased.FileBasedCache"),
    ],
)
def test_cache_that_pickles(changes: dict[str, Any]) -> None:
    message = only(**changes)
    assert (message.id, message.level) == ("credfirewall.W010", WARNING)
    assert JSON in str(message.hint)


@pytest.mark.parametrize(
    ("changes", "pickles"),
    [
        (cache(REDIS), True),
        (cache(REDIS, serializer=f"{BACKENDS}.redis.RedisSerializer"), True),
        (cache(REDIS, serializer=RedisSerializer), True),
        (cache(REDIS, serializer=RedisSerializer()), True),
        (cache(REDIS, serializer="django.core.signing.JSONSerializer"), False),
        (cache(REDIS, serializer=JSONSerializer), False),
        (cache(REDIS, serializer=JSONSerializer()), False),
        (cache(f"{BACKENDS}.memcached.PyMemcacheCache"), True),
        (cache(f"{BACKENDS}.memcached.PyLibMCCache"), True),
        (cache(f"{BACKENDS}.memcached.PyMemcacheCache", serde=object()), False),
    ],
)
def test_other_network_caches(changes: dict[str, Any], pickles: bool) -> None:
    """Without timeouts they may hang too."""
    assert ids(**changes) == (["W010", "W011"] if pickles else ["W011"])


@pytest.mark.parametrize(
    "slow",
    [
        {},
        {"SOCKET_TIMEOUT": 0.3, "SOCKET_CONNECT_TIMEOUT": 0.3},
        {**FAST_CLIENT, "SOCKET_TIMEOUT": 5},
        {**FAST_CLIENT, "SOCKET_CONNECT_TIMEOUT": None},
        {**FAST_CLIENT, "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 3)}},
        {**FAST_CLIENT, "CONNECTION_POOL_KWARGS": None},
    ],
    ids=repr,
)
def test_cache_that_may_hang(slow: dict[str, Any]) -> None:
    message = only(**cache(DJANGO_REDIS, SERIALIZER=JSON, **slow))
    assert (message.id, message.level) == ("credfirewall.W011", WARNING)


def test_django_own_client_with_the_same_options() -> None:
    options = {"socket_connect_timeout": 0.3, "socket_timeout": 0.3, "retry": Retry(NoBackoff(), 0)}
    assert ids(**cache(REDIS, serializer=JSONSerializer, **options)) == []


def test_the_options_of_the_hint_end_the_warning() -> None:
    hint = str(only(**cache(DJANGO_REDIS, SERIALIZER=JSON)).hint)
    (options,) = re.findall(r'"OPTIONS": (\{.*\}), from', hint)
    names = {"Retry": Retry, "NoBackoff": NoBackoff}
    assert ids(**cache(DJANGO_REDIS, SERIALIZER=JSON, **eval(options, names))) == []


def test_only_the_cache_that_is_used_counts() -> None:
    assert ids({"CACHE": "own"}, CACHES={"own": CACHE, **PER_PROCESS[0]["CACHES"]}) == []
