"""The checks of the cache that a project gives to credfirewall."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.memcached import BaseMemcachedCache
from django.core.cache.backends.redis import RedisSerializer
from django.core.checks import ERROR, WARNING
from django.core.signing import JSONSerializer
from django_redis.serializers.pickle import PickleSerializer
from redis.backoff import NoBackoff
from redis.retry import Retry

import credfirewall
from tests.checked import CACHE, ids, only, said
from tests.naming import same_everywhere

BACKENDS = "django.core.cache.backends"
REDIS = f"{BACKENDS}.redis.RedisCache"
PYMEMCACHE = f"{BACKENDS}.memcached.PyMemcacheCache"
PYLIBMC = f"{BACKENDS}.memcached.PyLibMCCache"


class OwnMemory(LocMemCache): ...


class OwnPickle(PickleSerializer): ...  # type: ignore[misc]  # django-redis has no types


def cache(backend: str, **options: Any) -> dict[str, Any]:
    return {"CACHES": {"default": {"BACKEND": backend, "LOCATION": "x", "OPTIONS": options}}}


FAST_CLIENT: dict[str, Any] = {
    "SOCKET_CONNECT_TIMEOUT": 0.3,
    "SOCKET_TIMEOUT": 0.3,
    "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
}
DJANGO_CLIENT: dict[str, Any] = {
    "socket_connect_timeout": 0.3,
    "socket_timeout": 0.3,
    "retry": Retry(NoBackoff(), 0),
}
JSON = "django_redis.serializers.json.JSONSerializer"
DJANGO_REDIS = "django_redis.cache.RedisCache"
ROOT = Path(credfirewall.__file__).parents[1]


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
    limits = ["W022"] if "dummy" in str(changes) else []
    message, *_ = said(**changes)
    assert (message.id, message.level) == ("credfirewall.W008", WARNING)
    assert ids({"SINGLE_PROCESS": True}, **changes) == limits
    assert ids(DEBUG=True, **changes) == []
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert ids(**changes) == ["W008", *limits]


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
    message, *_ = said(**changes)
    assert (message.id, message.level) == ("credfirewall.W010", WARNING)
    assert JSON in str(message.hint)
    assert ids(DEBUG=True, **changes) == []


@pytest.mark.parametrize(
    ("changes", "pickles"),
    [
        (cache(REDIS), True),
        (cache(REDIS, serializer=None), True),
        (cache(REDIS, serializer=f"{BACKENDS}.redis.RedisSerializer"), True),
        (cache(REDIS, serializer=RedisSerializer), True),
        (cache(REDIS, serializer=RedisSerializer()), True),
        (cache(REDIS, serializer="django.core.signing.JSONSerializer"), False),
        (cache(REDIS, serializer=JSONSerializer), False),
        (cache(REDIS, serializer=JSONSerializer()), False),
        (cache(PYMEMCACHE), True),
        (cache(PYLIBMC), True),
        (cache(PYMEMCACHE, serde=object()), False),
    ],
)
def test_other_network_caches(changes: dict[str, Any], pickles: bool) -> None:
    """Without timeouts they may hang too."""
    assert ids(**changes) == (["W010", "W011"] if pickles else ["W011"])


MSGPACK = "django_redis.serializers.msgpack.MSGPackSerializer"


@pytest.mark.parametrize(
    ("backend", "option", "serializer", "reason"),
    [
        (DJANGO_REDIS, "SERIALIZER", MSGPACK, "import of msgpack halted"),
        (DJANGO_REDIS, "SERIALIZER", f"{JSON}x", "does not define"),
        (
            DJANGO_REDIS,
            "SERIALIZER",
            "json.JSONDecoder.nowhere",
            "No module named 'json.JSONDecoder'",
        ),
        (DJANGO_REDIS, "SERIALIZER", JSONSerializer, "not a dotted path"),
        (DJANGO_REDIS, "SERIALIZER", None, "not a dotted path"),
        (DJANGO_REDIS, "SERIALIZER", f"{__name__}.MSGPACK", "no class"),
        (REDIS, "serializer", "gone.Serializer", "No module named 'gone'"),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_cache_whose_serializer_cannot_be_had(
    backend: str,
    option: str,
    serializer: object,
    reason: str,
    debug: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "msgpack", None)
    monkeypatch.delitem(sys.modules, "django_redis.serializers.msgpack", raising=False)
    bounds = FAST_CLIENT if backend == DJANGO_REDIS else DJANGO_CLIENT
    message = only(DEBUG=debug, **cache(backend, **bounds, **{option: serializer}))
    assert (message.id, message.level) == ("credfirewall.E016", ERROR)
    assert option in message.msg and reason in message.msg
    assert JSON in str(message.hint)
    assert "pip install msgpack" in str(message.hint)


@pytest.mark.parametrize(
    ("slow", "named"),
    [
        (
            {},
            (
                "SOCKET_CONNECT_TIMEOUT is not set, SOCKET_TIMEOUT is not set, "
                'CONNECTION_POOL_KWARGS["retry"] is not set.'
            ),
        ),
        (
            {"SOCKET_TIMEOUT": 0.3, "SOCKET_CONNECT_TIMEOUT": 0.3},
            'CONNECTION_POOL_KWARGS["retry"] is not set.',
        ),
        ({**FAST_CLIENT, "SOCKET_TIMEOUT": 5}, "SOCKET_TIMEOUT is 5."),
        ({**FAST_CLIENT, "SOCKET_CONNECT_TIMEOUT": None}, "SOCKET_CONNECT_TIMEOUT is not set."),
        (
            {**FAST_CLIENT, "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 3)}},
            'CONNECTION_POOL_KWARGS["retry"] tries 3 times more.',
        ),
        (
            {**FAST_CLIENT, "CONNECTION_POOL_KWARGS": None},
            'CONNECTION_POOL_KWARGS["retry"] is not set.',
        ),
    ],
    ids=same_everywhere,
)
def test_cache_that_may_hang(slow: dict[str, Any], named: str) -> None:
    changes = cache(DJANGO_REDIS, SERIALIZER=JSON, **slow)
    message = only(**changes)
    assert (message.id, message.level) == ("credfirewall.W011", WARNING)
    assert message.msg.endswith(f": {named}")
    assert "0.5 s" in message.msg
    assert ids(DEBUG=True, **changes) == []


class OwnMemcached(BaseMemcachedCache): ...


@pytest.mark.parametrize(
    ("backend", "options", "named"),
    [
        (PYMEMCACHE, {}, "connect_timeout is not set, timeout is not set."),
        (PYMEMCACHE, {"connect_timeout": 0.3, "timeout": 5}, "timeout is 5."),
        (PYMEMCACHE, DJANGO_CLIENT, "connect_timeout is not set, timeout is not set."),
        (
            PYLIBMC,
            {},
            'behaviors["connect_timeout"] is not set, behaviors["_poll_timeout"] is not set.',
        ),
        (
            PYLIBMC,
            {"behaviors": {"connect_timeout": 300, "receive_timeout": 300_000}},
            'behaviors["_poll_timeout"] is not set.',
        ),
        (
            PYLIBMC,
            {"behaviors": {"connect_timeout": 501, "_poll_timeout": 0}},
            'behaviors["connect_timeout"] is 501, behaviors["_poll_timeout"] is 0.',
        ),
        (
            f"{__name__}.OwnMemcached",
            {"connect_timeout": 0.3, "timeout": 0.3},
            "this client of Memcached is not known to give up sooner.",
        ),
    ],
    ids=same_everywhere,
)
def test_memcached_that_may_hang(backend: str, options: dict[str, Any], named: str) -> None:
    """Only what each client reads is asked of it."""
    message = only(**cache(backend, serde=object(), **options))
    assert message.id == "credfirewall.W011"
    assert message.msg.endswith(f": {named}")


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        (PYMEMCACHE, {"connect_timeout": 0.3, "timeout": 0.5}),
        (PYLIBMC, {"behaviors": {"connect_timeout": 300, "_poll_timeout": 500}}),
    ],
)
def test_memcached_that_gives_up_in_time(backend: str, options: dict[str, Any]) -> None:
    assert ids(**cache(backend, serde=object(), **options)) == []


@pytest.mark.parametrize("backend", [PYMEMCACHE, PYLIBMC])
def test_the_options_of_the_hint_end_the_warning_of_memcached(backend: str) -> None:
    hint = str(only(**cache(backend, serde=object())).hint)
    options = eval(hint.removeprefix('Add to its "OPTIONS": ').partition(". Or use ")[0])
    assert ids(**cache(backend, serde=object(), **options)) == []


SLOW_MATE = {**CACHE, "OPTIONS": {"SERIALIZER": JSON}}


def test_a_cache_with_the_pool_of_one_that_may_hang() -> None:
    """django-redis has one pool for each LOCATION: whoever connects first sets its timeouts."""
    caches = {"default": SLOW_MATE, "screening": CACHE, "other": dict(CACHE)}
    message = only({"CACHE": "screening"}, CACHES=caches)
    assert (message.id, message.level) == ("credfirewall.W011", WARNING)
    assert "LOCATION" in message.msg and "'default'" in message.msg
    assert "'other'" not in message.msg
    assert "LOCATION of its own" in str(message.hint) and "database number" in str(message.hint)
    assert ids({"CACHE": "screening"}, CACHES=caches, DEBUG=True) == []


def test_a_cache_with_a_location_of_its_own() -> None:
    own = {**CACHE, "LOCATION": "redis://127.0.0.1:1/1"}
    assert ids({"CACHE": "screening"}, CACHES={"default": SLOW_MATE, "screening": own}) == []


def test_a_location_stays_secret() -> None:
    at = {"LOCATION": "redis://:hush-hush@127.0.0.1:1/0"}
    caches = {"default": {**SLOW_MATE, **at}, "screening": {**CACHE, **at}}
    message = only({"CACHE": "screening"}, CACHES=caches)
    assert "hush-hush" not in f"{message.msg} {message.hint} {message.obj}"


@pytest.mark.parametrize("other", [None, 1, {}, {"BACKEND": 1}, {**CACHE, "OPTIONS": 1}], ids=repr)
def test_broken_neighbours_are_borne(other: Any) -> None:
    assert ids(CACHES={"default": CACHE, "other": other}) in ([], ["W011"])


def test_a_timeout_in_the_location_is_the_one_that_counts() -> None:
    at = "redis://:hush-hush@127.0.0.1:1/0?socket_timeout=10"
    message = only(CACHES={"default": {**CACHE, "LOCATION": at}})
    assert message.id == "credfirewall.W011"
    assert message.msg.endswith(": socket_timeout in LOCATION is 10.0.")
    assert "hush-hush" not in f"{message.msg} {message.hint} {message.obj}"


def test_django_own_client_with_the_same_options() -> None:
    assert ids(**cache(REDIS, serializer=JSONSerializer, **DJANGO_CLIENT)) == []
    message = only(**cache(REDIS, serializer=JSONSerializer, **DJANGO_CLIENT | {"retry": "no"}))
    assert message.msg.endswith(": retry is 'no'.")


def test_the_options_of_the_hint_end_the_warning() -> None:
    hint = str(only(**cache(DJANGO_REDIS, SERIALIZER=JSON)).hint)
    (options,) = re.findall(r'"OPTIONS": (\{.*\}), from', hint)
    names = {"Retry": Retry, "NoBackoff": NoBackoff}
    assert ids(**cache(DJANGO_REDIS, SERIALIZER=JSON, **eval(options, names))) == []


def test_only_the_cache_that_is_used_counts() -> None:
    caches = {"own": CACHE, **PER_PROCESS[0]["CACHES"]}
    assert ids({"CACHE": "own"}, CACHES=caches, RATELIMIT_USE_CACHE="own") == []


def test_the_cache_of_the_documentation_is_right() -> None:
    (block,) = re.findall(
        r"```python\n(from redis.*?)```", (ROOT / "docs/checks.md").read_text(), re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(block, names)
    assert ids(CACHES=names["CACHES"]) == []
