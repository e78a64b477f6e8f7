"""Failures of an address are looked up once a second where there are none, and always after one."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from credfirewall.api import keys, limits
from credfirewall.api.unfailing import MOST, SECONDS, Unfailing
from credfirewall.conf import Rate, conf
from tests.api.conftest import new_user
from tests.api.test_limits import SCHEMA, WRONG, asked, field, rates

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
def process(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Unfailing:
    """This process, at its start."""
    made = Unfailing(clock)
    monkeypatch.setattr(limits, "unfailing", made)
    return made


@pytest.fixture
def ada(db: None) -> User:
    return new_user("ada")


@pytest.fixture
def right(ada: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.create(ada, 'x', ['schema:read']).text}"}


def test_what_is_known_is_known_for_a_second(clock: Clock) -> None:
    known = Unfailing(clock)
    assert known.wait("192.0.2.1", RATE) is None
    known.note("192.0.2.1", RATE, 30)
    clock.now += SECONDS * 0.9
    assert known.wait("192.0.2.1", RATE) == 30
    assert known.wait("192.0.2.2", RATE) is None
    assert known.wait("192.0.2.1", Rate(21, 60)) is None
    clock.now += SECONDS * 0.1
    assert known.wait("192.0.2.1", RATE) is None


def test_no_more_is_known_than_there_is_room_for(clock: Clock) -> None:
    known = Unfailing(clock)
    for number in range(MOST):
        known.note(str(number), RATE, 30)
    assert known.wait("0", RATE) == 30
    known.note("one more", RATE, 30)
    assert known.wait("0", RATE) is None
    assert known.wait("one more", RATE) == 30


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
    process: Unfailing,
    right: dict[str, str],
    clock: Clock,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates(settings, auth_failure="2/d")
    assert asked(client, 1, headers=right) == [200]
    monkeypatch.setattr(limits, "unfailing", Unfailing(clock))
    assert asked(client, 2, headers=WRONG) == [401, 401]
    monkeypatch.setattr(limits, "unfailing", process)
    clock.now += SECONDS
    assert asked(client, 1, headers=right) == [429]


def test_the_first_that_is_wrong_ends_what_was_known(
    client: Client,
    process: Unfailing,
    right: dict[str, str],
    clock: Clock,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates(settings, auth_failure="2/d")
    assert asked(client, 1, headers=right) == [200]
    monkeypatch.setattr(limits, "unfailing", Unfailing(clock))
    assert asked(client, 2, headers=WRONG) == [401, 401]
    monkeypatch.setattr(limits, "unfailing", process)
    assert asked(client, 2, headers=WRONG) == [429, 429]
    assert asked(client, 1, headers=right) == [429]


def test_some_failures_are_not_forgotten(
    client: Client, process: Unfailing, right: dict[str, str]
) -> None:
    assert asked(client, 1, headers=WRONG) == [401]
    assert asked(client, 1, headers=right) == [200]
    assert process.wait("127.0.0.1", conf.rate("auth_failure")) is None
