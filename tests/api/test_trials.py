"""Credentials count as wrong until they are right, and those that just were are not counted."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client
from pytest_django import Settings
from rest_framework.exceptions import AuthenticationFailed

from credfirewall.api import keys, limits
from credfirewall.api.limits import Limits, RateLimited
from credfirewall.api.log import connect, log
from credfirewall.api.trials import MOST, SECONDS, Trials, trials
from credfirewall.audit.models import AuditEvent
from credfirewall.conf import Rate
from tests.api.conftest import new_user
from tests.api.test_limits import SCHEMA, WRONG, asked, field, rates
from tests.screening.forking import holds_in_child

pytestmark = pytest.mark.usefixtures("_endpoints")
RATE = Rate(20, 60)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def process(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Trials:
    """This process, at its start."""
    made = Trials(clock)
    monkeypatch.setattr(limits, "trials", made)
    return made


@pytest.fixture
def ada(db: None) -> User:
    return new_user("ada")


@pytest.fixture
def right(ada: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.create(ada, 'x', ['schema:read']).text}"}


@contextmanager
def silent_log() -> Iterator[None]:
    """No log, where there is no database."""
    before = log()
    connect(Mock())
    try:
        yield
    finally:
        connect(before)


def test_what_was_right_is_known_for_a_second(clock: Clock) -> None:
    known = Trials(clock)
    one, two = known.place("192.0.2.1", "one"), known.place("192.0.2.1", "two")
    assert known.known(one, RATE) is None
    known.right(one, RATE, 3, 30)
    clock.now += SECONDS * 0.9
    assert known.known(one, RATE) == (3, 30)
    assert known.known(two, RATE) is None
    assert known.known(known.place("192.0.2.2", "one"), RATE) is None
    assert known.known(one, Rate(21, 60)) is None
    clock.now += SECONDS * 0.1
    assert known.known(one, RATE) is None


def test_no_more_is_known_than_there_is_room_for(clock: Clock) -> None:
    known = Trials(clock)
    places = [known.place(f"192.0.2.{number % 7}", str(number)) for number in range(MOST + 1)]
    for place in places[:-1]:
        known.right(place, RATE, 0, 30)
    assert known.known(places[0], RATE) == (0, 30)
    known.right(places[-1], RATE, 0, 30)
    assert known.known(places[0], RATE) is None
    assert known.known(places[-1], RATE) == (0, 30)


def test_credentials_are_kept_as_digests_of_this_process() -> None:
    one, other = Trials(), Trials()
    assert one.place("192.0.2.1", "Bearer x") != other.place("192.0.2.1", "Bearer x")
    assert b"Bearer" not in one.place("192.0.2.1", "Bearer x")[1]
    assert one.place("192.0.2.1", "Bearer \udcff")[1]


# Counting


@pytest.fixture(params=["memory", "valkey"])
def limits_of(
    rf: Any, settings: Settings, process: Trials, request: pytest.FixtureRequest
) -> Callable[[], Limits]:
    """The limits of a request, three failures being allowed."""
    if request.param == "valkey":
        request.getfixturevalue("valkey_cache")
    caches["default"].clear()  # threads have caches of their own, which no test empties
    rates(settings, auth_failure="3/d")
    return lambda: Limits("docs", rf.get("/"))


def left(made: Limits) -> str:
    return made.headers()["RateLimit"].split(";")[1]


@pytest.mark.django_db
def test_what_is_being_looked_at_counts_as_wrong(limits_of: Callable[[], Limits]) -> None:
    with ExitStack() as looking:
        for number in range(3):
            looking.enter_context(limits_of().trying(str(number)))
        for _ in range(5):
            with pytest.raises(RateLimited), limits_of().trying("one too many"):
                pass
    hits = AuditEvent.objects.filter(event="limit_hit")
    assert hits.count() == 1
    for number in range(10):  # for all were right
        with (made := limits_of()).trying(f"another {number}"):
            assert left(made) == "r=2"
        assert left(made) == "r=3"


def test_as_many_fail_as_the_limit_says_however_many_come_at_once(
    limits_of: Callable[[], Limits],
) -> None:
    barrier = threading.Barrier(40)

    def guess(number: int) -> str:
        barrier.wait()
        try:
            with limits_of().trying("the same" if number % 2 else str(number)):
                raise AuthenticationFailed
        except (AuthenticationFailed, RateLimited) as error:
            return type(error).__name__

    with silent_log(), ThreadPoolExecutor(40) as pool:
        outcomes = Counter(pool.map(guess, range(40)))
    assert outcomes == {"AuthenticationFailed": 3, "RateLimited": 37}


def test_one_that_sends_much_at_once_is_not_taken_for_many(
    limits_of: Callable[[], Limits],
) -> None:
    barrier = threading.Barrier(40)

    def ask(_: int) -> str:
        barrier.wait()
        with (made := limits_of()).trying("right"):
            pass
        return left(made)

    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(ask, range(40))) == {"r=3"}


def test_what_says_nothing_of_credentials_is_given_back(limits_of: Callable[[], Limits]) -> None:
    for _ in range(5):
        with pytest.raises(OSError, match="database"), limits_of().trying("any"):
            raise OSError("database")


def test_what_was_right_and_is_not_any_more_counts(limits_of: Callable[[], Limits]) -> None:
    with limits_of().trying("revoked"):
        pass
    for _ in range(3):
        with pytest.raises(AuthenticationFailed), limits_of().trying("revoked"):
            raise AuthenticationFailed
    with silent_log(), pytest.raises(RateLimited), limits_of().trying("any"):
        pass


def test_a_window_ends(limits_of: Callable[[], Limits], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr("credfirewall.api.failures.time.time", lambda: now)
    for _ in range(3):
        with pytest.raises(AuthenticationFailed), limits_of().trying("wrong"):
            raise AuthenticationFailed
    with silent_log(), pytest.raises(RateLimited) as refused, limits_of().trying("any"):
        pass
    now += refused.value.wait - 1
    with pytest.raises(RateLimited), limits_of().trying("any"):
        pass
    now += 1
    with limits_of().trying("any"):
        pass


def test_a_child_waits_for_nobody() -> None:
    def is_free() -> bool:
        return not trials._tried and not trials._right

    place = trials.place("192.0.2.1", "any")
    with trials.in_turn(place):
        trials.right(place, RATE, 0, 30)
        assert holds_in_child(is_free)
    trials.forget("192.0.2.1")


# Endpoints


@pytest.mark.usefixtures("process")
def test_who_does_nothing_wrong_is_looked_up_once(
    client: Client, right: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    count = limits.Outage.count

    def counted(self: limits.Outage, bucket: limits.Bucket, *how: object) -> limits.Usage | None:
        looked.append(bucket.rate)
        return count(self, bucket, *how)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(limits.Outage, "count", counted)
    responses = [client.get(SCHEMA, headers=right, secure=True) for _ in range(3)]
    assert [each.status_code for each in responses] == [200] * 3
    assert looked.count("auth_failure") == 1
    said = [field(each, "RateLimit")["auth_failure-address"] for each in responses]
    assert [each["r"] for each in said] == [20] * 3
    assert said[0]["t"] >= said[2]["t"] >= 1


@pytest.mark.usefixtures("process")
def test_what_fails_here_is_known_at_once(
    client: Client, right: dict[str, str], settings: Settings
) -> None:
    rates(settings, auth_failure="1/d")
    assert asked(client, 1, headers=right) == [200]
    assert asked(client, 1, headers=WRONG) == [401]
    assert asked(client, 1, headers=right) == [429]


def test_what_fails_elsewhere_is_noticed_within_a_second(
    client: Client,
    process: Trials,
    right: dict[str, str],
    clock: Clock,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates(settings, auth_failure="2/d")
    assert asked(client, 1, headers=right) == [200]
    monkeypatch.setattr(limits, "trials", Trials(clock))
    assert asked(client, 2, headers=WRONG) == [401, 401]
    monkeypatch.setattr(limits, "trials", process)
    clock.now += SECONDS
    assert asked(client, 1, headers=right) == [429]


def test_the_first_that_is_wrong_ends_what_was_known(
    client: Client,
    process: Trials,
    right: dict[str, str],
    clock: Clock,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates(settings, auth_failure="2/d")
    assert asked(client, 1, headers=right) == [200]
    monkeypatch.setattr(limits, "trials", Trials(clock))
    assert asked(client, 2, headers=WRONG) == [401, 401]
    monkeypatch.setattr(limits, "trials", process)
    assert asked(client, 2, headers=WRONG) == [429, 429]
    assert asked(client, 1, headers=right) == [429]


def test_some_failures_are_not_forgotten(
    client: Client, process: Trials, right: dict[str, str]
) -> None:
    assert asked(client, 1, headers=WRONG) == [401]
    assert asked(client, 1, headers=right) == [200]
    response = client.get(SCHEMA, headers=right, secure=True)
    assert field(response, "RateLimit")["auth_failure-address"]["r"] == 19
