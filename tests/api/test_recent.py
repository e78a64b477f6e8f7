"""Keys are read once a second at most, and no longer believed than that."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries

from credfirewall.api import keys
from credfirewall.api.keys import Issued, find
from credfirewall.api.models import ApiKey
from credfirewall.api.recent import MOST, SECONDS, Recent, recent
from tests.api.conftest import new_user

pytestmark = pytest.mark.django_db


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _recent(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(recent, "_clock", clock)
    recent.forget()
    yield
    recent.forget()


@pytest.fixture
def ada() -> User:
    return new_user("ada", "credfirewall.view_auditevent")


@pytest.fixture
def issued(ada: User) -> Issued:
    issued = keys.create(ada, "x", ["audit:read"])
    find(issued.text)  # and its use is written down
    return issued


def test_a_key_is_read_once_a_second(
    issued: Issued, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert find(issued.text) == issued.key
        clock.now += SECONDS / 2
        assert find(issued.text) == issued.key
    clock.now += SECONDS / 2
    with django_assert_num_queries(1):
        assert find(issued.text) == issued.key


def test_what_another_process_does_is_in_force_within_a_second(
    issued: Issued, ada: User, clock: Clock
) -> None:
    assert find(issued.text) is not None
    User.objects.filter(pk=ada.pk).update(is_active=False)
    clock.now += SECONDS
    assert find(issued.text) is None
    User.objects.filter(pk=ada.pk).update(is_active=True)
    clock.now += SECONDS
    assert find(issued.text) is not None
    ApiKey.objects.update(digest="", revoked_at=issued.key.created_at)
    clock.now += SECONDS
    assert find(issued.text) is None


def test_what_this_process_does_is_in_force_at_once(issued: Issued, ada: User) -> None:
    assert find(issued.text) is not None
    ada.is_active = False
    ada.save()
    assert find(issued.text) is None
    ada.is_active = True
    ada.save()
    again = keys.rotate(issued.key)
    assert find(again.text) == find(issued.text) == issued.key
    keys.revoke(issued.key)
    assert find(again.text) is None


def test_the_secret_is_compared_each_time(issued: Issued) -> None:
    assert find(issued.text) is not None
    assert find(issued.text[:-1] + ("0" if issued.text[-1] != "0" else "1")) is None


def test_nobody_gets_what_somebody_else_has_changed(issued: Issued, ada: User) -> None:
    for _ in range(3):
        found = find(issued.text)
        assert found is not None
        assert (found.name, found.owner.username) == ("x", "ada")
        assert found.owner.has_perm("credfirewall.view_auditevent")
        found.name = found.owner.username = "changed"
    ada.user_permissions.clear()
    found = find(issued.text)
    assert found is not None
    assert not found.owner.has_perm("credfirewall.view_auditevent")


def test_ids_that_nobody_has_are_not_remembered(
    issued: Issued, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    find(issued.text)
    with django_assert_num_queries(2):
        for _ in range(2):
            assert find(f"cfw_{'0' * 16}_{'1' * 64}") is None
    with django_assert_num_queries(0):
        assert find(issued.text) is not None


def test_no_more_are_remembered_than_there_is_room_for(ada: User, clock: Clock) -> None:
    known = Recent(clock)
    key = ApiKey(owner=ada)
    asked = []

    def read(public_id: str) -> ApiKey:
        asked.append(public_id)
        return key

    for number in (*range(MOST), MOST - 1, 0):
        known.read(str(number), read)
    assert len(asked) == MOST
    known.read("one more", read)
    known.read("0", read)
    assert asked[MOST:] == ["one more", "0"]
