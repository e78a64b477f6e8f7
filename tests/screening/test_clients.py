"""What is read of a Redis client's options, beside what the check of a cache's timeouts says."""

from typing import Any

import pytest
from django_redis.cache import RedisCache
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry

from credfirewall.screening.cache import PATIENCE
from credfirewall.screening.clients import SHORT, loose_options, pool_mates
from tests.naming import same_everywhere

DJANGO_REDIS = "django_redis.cache.RedisCache"
DJANGO = "django.core.cache.backends.redis.RedisCache"
NEVER = Retry(NoBackoff(), 0)
RETRY = 'CONNECTION_POOL_KWARGS["retry"]'


class OwnRedisCache(RedisCache): ...  # type: ignore[misc]  # django-redis has no types


def alias(
    backend: str = DJANGO_REDIS, at: object = "redis://a/0", **options: Any
) -> dict[str, Any]:
    return {"BACKEND": backend, "LOCATION": at, "OPTIONS": options}


def short(at: object = "redis://a/0", backend: str = DJANGO_REDIS, **more: Any) -> dict[str, Any]:
    bounds = {"SOCKET_CONNECT_TIMEOUT": 0.3, "SOCKET_TIMEOUT": 0.3}
    return alias(backend, at, **bounds, CONNECTION_POOL_KWARGS={"retry": NEVER}, **more)


def test_short_is_twice_the_patience_with_an_operation() -> None:
    assert SHORT == 2 * PATIENCE


@pytest.mark.parametrize(
    ("config", "loose"),
    [
        (short(), {}),
        (alias(), {"SOCKET_CONNECT_TIMEOUT": None, "SOCKET_TIMEOUT": None, RETRY: None}),
        (
            # django-redis reads the upper-case names only, and its pool the lower-case ones.
            alias(socket_connect_timeout=0.3, socket_timeout=0.3, retry=NEVER),
            {"SOCKET_CONNECT_TIMEOUT": None, "SOCKET_TIMEOUT": None, RETRY: None},
        ),
        (
            alias(
                SOCKET_TIMEOUT=0.3,
                CONNECTION_POOL_KWARGS={
                    "socket_timeout": 9,
                    "socket_connect_timeout": 0.1,
                    "retry": NEVER,
                },
            ),
            {'CONNECTION_POOL_KWARGS["socket_timeout"]': 9},
        ),
        (
            alias(DJANGO, socket_connect_timeout=0.3, socket_timeout=0, retry=3),
            {"socket_timeout": 0, "retry": 3},
        ),
        (
            {"BACKEND": DJANGO, "OPTIONS": None},
            {"socket_connect_timeout": None, "socket_timeout": None, "retry": None},
        ),
    ],
    ids=same_everywhere,
)
def test_loose_options(config: dict[str, Any], loose: dict[str, object]) -> None:
    assert loose_options(config) == loose


CONNECT, ANSWER = "socket_connect_timeout in LOCATION", "socket_timeout in LOCATION"
BARE: dict[str, Any] = {"CONNECTION_POOL_KWARGS": {"retry": NEVER}}


@pytest.mark.parametrize(
    ("config", "loose"),
    [
        (short("redis://a/0?socket_timeout=10"), {ANSWER: 10.0}),
        (short("unix:///run/a.sock?db=0&socket_timeout=10"), {ANSWER: 10.0}),
        (short("redis://a/0?socket_connect_timeout=0"), {CONNECT: 0.0}),
        (short("redis://a/0?socket_timeout=inf"), {ANSWER: float("inf")}),
        (short("redis://a/0?socket_timeout=0.2&socket_timeout=9"), {}),
        (short("redis://a/0?socket_timeout="), {}),
        (short("redis://a/0?socket_timeout=soon"), {ANSWER: "soon"}),
        (short("redis://a/0?retry=3"), {"retry in LOCATION": 3.0}),
        (short("redis://[::1/0?socket_timeout=10"), {}),
        (short("redis://a/0,redis://b/0?socket_timeout=10"), {ANSWER: 10.0}),
        (short(["redis://a/0?socket_connect_timeout=7", "redis://b/0"]), {CONNECT: 7.0}),
        (alias(at="redis://a/0?socket_timeout=0.2&socket_connect_timeout=0.2", **BARE), {}),
        (
            alias(at="redis://a/0?socket_timeout=0.2,redis://b/0", **BARE),
            {"SOCKET_CONNECT_TIMEOUT": None, "SOCKET_TIMEOUT": None},
        ),
        (
            alias(
                DJANGO,
                "redis://a/0?socket_timeout=10",
                socket_connect_timeout=0.3,
                socket_timeout=0.3,
                retry=NEVER,
            ),
            {ANSWER: 10.0},
        ),
    ],
    ids=same_everywhere,
)
def test_what_the_location_says_comes_first(
    config: dict[str, Any], loose: dict[str, object]
) -> None:
    assert loose_options(config) == loose


@pytest.mark.parametrize("query", ["socket_timeout=10", "socket_connect_timeout=10"])
def test_redis_py_reads_the_location_like_that(query: str) -> None:
    bounds = {"socket_connect_timeout": 0.3, "socket_timeout": 0.3}
    pool = ConnectionPool.from_url(f"redis://a/0?{query}", **bounds)
    name = query.partition("=")[0]
    assert {each: pool.connection_kwargs[each] for each in bounds} == {**bounds, name: 10.0}


def test_retry_on_timeout_is_no_retry() -> None:
    """It names an error that ``retry`` tries again after, and that is none at all."""
    at = "redis://a/0?retry_on_timeout=yes"
    assert loose_options(short(at)) == {}
    made: Any = ConnectionPool.from_url(at, retry=NEVER).make_connection()
    assert (made.retry_on_timeout, made.retry.get_retries()) == (True, 0)
    # Without, there would be one: RETRY is named then anyway.
    made = ConnectionPool.from_url(at).make_connection()
    assert made.retry.get_retries() == 1
    bounds: dict[str, Any] = {"SOCKET_CONNECT_TIMEOUT": 0.3, "SOCKET_TIMEOUT": 0.3}
    assert loose_options(alias(at=at, **bounds)) == {RETRY: None}


@pytest.mark.parametrize("retry", [Retry, 0, None, "0"], ids=repr)
def test_what_is_no_retry_may_try_again(retry: object) -> None:
    """The class in place of an instance, too."""
    config = alias(SOCKET_CONNECT_TIMEOUT=0.3, SOCKET_TIMEOUT=0.3)
    config["OPTIONS"]["CONNECTION_POOL_KWARGS"] = {"retry": retry}
    assert loose_options(config) == {RETRY: retry}


@pytest.mark.parametrize(
    ("other", "mates"),
    [
        (alias(), True),
        (alias(f"{__name__}.OwnRedisCache"), True),
        (alias(at=["redis://b/0", "redis://a/0"]), True),
        (alias(at="redis://b/0,redis://a/0"), True),
        (alias(at="redis://a/1"), False),
        (alias(DJANGO), False),
        (alias("gone.Cache"), False),
        ({"BACKEND": None, "LOCATION": "redis://a/0"}, False),
        ({}, False),
        (None, False),
    ],
    ids=same_everywhere,
)
def test_pool_mates(other: Any, mates: bool) -> None:
    ours = short()
    caches = {"ours": ours, "other": other}
    assert pool_mates(ours, caches) == ({"other": other} if mates else {})
