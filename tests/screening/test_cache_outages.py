"""A cache that is gone, slow, broken or lying costs hits: never an answer, never an error."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NoReturn

import pytest
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django_redis.cache import RedisCache
from pytest_django import Settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from credfirewall.screening import cache
from credfirewall.screening.cache import AVOID, FIRST_PATIENCE, PATIENCE, SharedCache
from credfirewall.screening.steps import Steps, arun, run
from credfirewall.screening.verdict import Reason
from credfirewall.testing import faults
from credfirewall.testing.server import RangeServer
from tests.conftest import redis_cache
from tests.screening.asking import BREACHED, DEADLINE, Check, Clock, eventually, in_time, unknown
from tests.screening.conftest import Configure
from tests.servers import Server

Config = dict[str, Any]

ENOUGH = 0.6
"""Seconds for a cache that is waited for in vain, and then for HIBP."""


def fails(*args: Any, **how: Any) -> NoReturn:
    raise RuntimeError("cache broke")


class AllFail(BaseCache):
    """A client that raises at everything; it is waited for in a thread."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    get = set = add = delete = incr = touch = clear = staticmethod(fails)


class MemoryFails(LocMemCache):
    """The same in memory."""

    get = set = add = delete = incr = staticmethod(fails)


class Elsewhere(BaseCache):
    """A cache that is not in this process, as far as anybody can tell; it reads and counts."""

    asked = 0

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, *args: Any, **how: Any) -> Any:
        type(self).asked += 1
        return None

    set = add = delete = incr = staticmethod(fails)


class Unmakable(BaseCache):
    """Cannot even be made."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        raise OSError("no such file")


class ReadsFail(LocMemCache):
    get = staticmethod(fails)


class WritesFail(LocMemCache):
    set = staticmethod(fails)


class LocksFail(LocMemCache):
    add = delete = staticmethod(fails)


class Lies(LocMemCache):
    """Says whatever comes to mind, of types that nobody asked for."""

    def get(self, key: Any, *args: Any, **how: Any) -> Any:
        return {"key": [key]}

    def add(self, *args: Any, **how: Any) -> Any:
        return "yes"

    def incr(self, *args: Any, **how: Any) -> Any:
        return 0


def backend(cls: type[BaseCache], **options: Any) -> Config:
    return {"BACKEND": f"{__name__}.{cls.__name__}", "LOCATION": "x", "OPTIONS": options}


World = Callable[[pytest.FixtureRequest], AbstractContextManager[Config]]
"""Makes a cache, which breaks when the context ends."""


def using(config: Config) -> World:
    return lambda request: contextlib.nullcontext(config)


def on_valkey(strike: Callable[[Server], object], **options: Any) -> World:
    @contextlib.contextmanager
    def broken(request: pytest.FixtureRequest) -> Iterator[Config]:
        server: Server = request.getfixturevalue("own_valkey")
        request.addfinalizer(disconnect)
        config: Config = redis_cache(server)
        config["OPTIONS"] |= options
        yield config
        strike(server)

    return broken


def disconnect() -> None:
    cache = caches["default"]
    assert isinstance(cache, RedisCache)
    cache.client.get_client().connection_pool.disconnect()


def fill(server: Server) -> None:
    with Redis.from_url(server.url) as client:
        client.config_set("maxmemory", "1")


PATIENT = {
    "SOCKET_CONNECT_TIMEOUT": 2,
    "SOCKET_TIMEOUT": 2,
    "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 1)},
}
"""Options of a client that can take longer than a check, as it does when it has none."""

ON_VALKEY: dict[str, World] = {
    "killed": on_valkey(Server.kill),
    "killed, patient client": on_valkey(Server.kill, **PATIENT),
    "killed, errors ignored": on_valkey(Server.kill, IGNORE_EXCEPTIONS=True),
    "paused": on_valkey(Server.pause),
    "paused, patient client": on_valkey(Server.pause, **PATIENT),
    "full": on_valkey(fill),
}
OUTAGES: dict[str, World] = {
    **ON_VALKEY,
    "every call fails": using(backend(AllFail)),
    "every call fails, in memory": using(backend(MemoryFails)),
    "it cannot be made": using(backend(Unmakable)),
    "there is no such class": using({"BACKEND": "no.such.Cache"}),
    "it is no class": using({"BACKEND": "django.core.cache.cache"}),
    "reads fail": using(backend(ReadsFail)),
    "writes fail": using(backend(WritesFail)),
    "it lies": using(backend(Lies)),
    "it keeps nothing": using({"BACKEND": "django.core.cache.backends.dummy.DummyCache"}),
}


@pytest.fixture(params=OUTAGES)
def broken_cache(
    request: pytest.FixtureRequest, settings: Settings, configure: Configure
) -> Iterator[Callable[[], None]]:
    """The default cache; it breaks when this is called, after it may have been used."""
    outage = OUTAGES[request.param](request)
    with contextlib.ExitStack() as stack:
        settings.CACHES = {"default": stack.enter_context(outage)}
        yield stack.close


def test_hibp_is_asked_instead(
    check: Check, hibp: RangeServer, configure: Configure, broken_cache: Callable[[], None]
) -> None:
    check("another one")
    broken_cache()
    hibp.reset()
    configure(HIBP_DEADLINE=ENOUGH)
    for _ in range(2):
        assert in_time(ENOUGH, lambda: check("hunter2"), BREACHED) == BREACHED
    assert hibp.count >= 2
    hibp.fault = faults.Status(503)
    down = unknown(Reason.HTTP_SERVER_ERROR)
    assert in_time(ENOUGH, lambda: check("hunter2"), down) == down


@pytest.mark.parametrize("broken_cache", ON_VALKEY, indirect=True)
def test_both_hang_and_nobody_waits_for_both(
    check: Check, hibp: RangeServer, configure: Configure, broken_cache: Callable[[], None]
) -> None:
    """The first check of a process, without any connection."""
    configure(HIBP_DEADLINE=DEADLINE)
    broken_cache()
    hibp.fault = faults.Hang()
    assert in_time(DEADLINE, lambda: check("hunter2")) == unknown(Reason.TIMEOUT)


def test_what_it_holds_is_good_while_nothing_can_be_locked(
    check: Check, hibp: RangeServer, settings: Settings
) -> None:
    settings.CACHES = {"default": backend(LocksFail)}
    assert check.each("hunter2", "hunter2") == [BREACHED] * 2
    assert hibp.count == 1


def test_a_form_sees_the_policy_and_no_exception(
    hibp: RangeServer, configure: Configure, settings: Settings,
    broken_cache: Callable[[], None],
) -> None:  # fmt: skip
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": "credfirewall.validators.BreachedPasswordValidator"}
    ]
    data = {"new_password1": "hunter2", "new_password2": "hunter2"}
    broken_cache()
    for fault, policy, codes in (
        (None, "allow", ["password_breached"]),
        (faults.Status(503), "allow", []),
        (faults.Status(503), "reject", ["password_breach_unknown"]),
    ):
        hibp.fault = fault
        configure(ON_UNKNOWN=policy, HIBP_DEADLINE=ENOUGH)
        errors = in_time(ENOUGH, lambda: SetPasswordForm(User(), data).errors.as_data())
        assert [error.code for each in errors.values() for error in each] == codes


class TestOneThatFailsNowAndThen:
    """Elsewhere reads and does not write."""

    @pytest.fixture(autouse=True)
    def _elsewhere(self, settings: Settings, configure: Configure) -> Iterator[None]:
        settings.CACHES = {"default": backend(Elsewhere)}
        configure(HIBP_DEADLINE=2)
        Elsewhere.asked = 0
        yield
        # A write that nobody waited for would be logged in the next test.
        assert eventually(lambda: not cache._pool._open)

    def test_that_is_logged_once_and_by_class_alone(
        self, check: Check, hibp: RangeServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        check.each(*["hunter2"] * 6)
        (message,) = caplog.messages
        assert "RuntimeError" in message
        assert "cache broke" not in message

    def test_when_it_is_over_that_is_logged_too(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        clock = Clock()
        shared = SharedCache(clock)
        for _ in range(3):
            shared.failed(RuntimeError())
            clock.forward(AVOID - 1)
            run(look(shared))
        assert len(caplog.messages) == 1
        clock.forward(1)
        run(look(shared))
        run(look(shared))
        shared.failed(RuntimeError())
        assert ["again" in message for message in caplog.messages] == [False, True, False]

    def test_a_slow_one_is_left_alone_for_a_while(self) -> None:
        clock = Clock()
        shared = SharedCache(clock)
        written: list[object] = []

        def use() -> None:
            run(look(shared))
            asyncio.run(arun(look(shared)))
            shared.soon(written.append)

        shared.took(PATIENCE, PATIENCE)
        clock.forward(AVOID - 0.1)
        use()
        assert (Elsewhere.asked, written) == (0, [])
        clock.forward(0.1)
        use()
        assert Elsewhere.asked == 2
        assert eventually(lambda: len(written) == 1)

    def test_the_first_call_may_take_longer(self, configure: Configure) -> None:
        """It imports the client and connects."""
        blocking, native = SharedCache(), SharedCache()
        assert blocking.patience() == native.patience() == FIRST_PATIENCE > PATIENCE
        run(look(blocking))
        asyncio.run(arun(look(native)))
        assert blocking.patience() == native.patience() == PATIENCE
        configure(HIBP_DEADLINE=0.8)
        assert (native.patience(), SharedCache().patience()) == (0.1, 0.4)

    def test_a_quick_one_is_not(self) -> None:
        clock = Clock()
        shared = SharedCache(clock)
        shared.took(PATIENCE - 0.01, PATIENCE)
        assert not shared.avoided


def look(shared: SharedCache) -> Steps[object]:
    return (yield from shared.get("key"))
