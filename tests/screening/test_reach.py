"""How a Redis cache may be called, with regard to who else has its pool of connections."""

import pytest
from redis.backoff import NoBackoff
from redis.retry import Retry

from credfirewall.screening.cache import Reach
from tests.naming import same_everywhere

SHORT = {
    "SOCKET_CONNECT_TIMEOUT": 0.3,
    "SOCKET_TIMEOUT": 0.3,
    "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
}
DJANGO_SHORT = {
    "socket_connect_timeout": 0.3,
    "socket_timeout": 0.3,
    "retry": Retry(NoBackoff(), 0),
}


def alias(backend: str, at: str, options: dict[str, object]) -> dict[str, object]:
    return {"BACKEND": f"{backend}.RedisCache", "LOCATION": at, "OPTIONS": options}


@pytest.mark.parametrize(
    ("at", "options", "reach"),
    [
        ("redis://10.0.0.1/0", {}, Reach.UNBOUNDED),
        ("redis://10.0.0.1/0", {**SHORT, "SOCKET_TIMEOUT": 5}, Reach.UNBOUNDED),
        ("redis://10.0.0.1/0", {**SHORT, "SERIALIZER": "x"}, Reach.BOUNDED),
        ("redis://10.0.0.1/1", {}, Reach.BOUNDED),
    ],
    ids=same_everywhere,
)
def test_another_alias(at: str, options: dict[str, object], reach: Reach) -> None:
    ours = alias("django_redis.cache", "redis://10.0.0.1/0", SHORT)
    other = alias("django_redis.cache", at, options)
    assert Reach.of(ours, {"ours": ours, "other": other}) is reach


def test_django_s_own_backend_has_a_pool_for_each_alias() -> None:
    django = "django.core.cache.backends.redis"
    ours = alias(django, "redis://10.0.0.1/0", DJANGO_SHORT)
    assert Reach.of(ours, {"ours": ours, "other": alias(django, "redis://10.0.0.1/0", {})}) is (
        Reach.BOUNDED
    )


@pytest.mark.parametrize(
    ("at", "reach"),
    [
        ("redis://127.0.0.1:6379/0", Reach.BOUNDED),
        ("rediss://:secret@[::1]:6379/0", Reach.BOUNDED),
        ("redis://localhost", Reach.BOUNDED),
        ("unix:///run/valkey.sock?db=0", Reach.BOUNDED),
        ("redis://valkey.internal:6379/0", Reach.UNBOUNDED),
        ("redis://10.0.0.1,redis://replica.internal", Reach.UNBOUNDED),
        ("redis://[::1", Reach.UNBOUNDED),
        ("redis://10.0.0.1/0?socket_timeout=10", Reach.UNBOUNDED),
        ("redis://10.0.0.1/0?socket_timeout=0.2", Reach.BOUNDED),
    ],
)
def test_a_name_that_has_to_be_looked_up_may_take_any_time(at: str, reach: Reach) -> None:
    ours = alias("django_redis.cache", at, SHORT)
    assert Reach.of(ours, {"ours": ours}) is reach
