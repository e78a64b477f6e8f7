"""Callers of each kind."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import Settings

HERE = {"Host": "localhost"}
"""Headers of who asks this machine by name, and so may do without HTTPS."""


@pytest.fixture
def _endpoints(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.api.urls"


@pytest.fixture
def client() -> Client:
    return Client(headers=HERE)


@pytest.fixture
def admin_client(client: Client, admin_user: User) -> Client:
    client.force_login(admin_user)
    return client


def permission(name: str) -> Permission:
    app, _, codename = name.partition(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


def new_user(name: str, *permissions: str, staff: bool = False) -> User:
    user = User.objects.create(username=name, is_staff=staff)
    user.user_permissions.set(map(permission, permissions))
    return user


CALLERS: dict[str, Callable[[str], User | None]] = {
    "anonymous": lambda _: None,
    "user": lambda _: new_user("user"),
    "user with permission": lambda name: new_user("user", *filter(None, [name])),
    "staff": lambda _: new_user("staff", staff=True),
    "staff with permission": lambda name: new_user("staff", *filter(None, [name]), staff=True),
    "superuser": lambda _: User.objects.create(username="root", is_staff=True, is_superuser=True),
    "inactive": lambda _: User.objects.create(username="gone", is_superuser=True, is_active=False),
}


def sign_in(client: Client, caller: str, needed: str) -> User | None:
    """Sign ``client`` in as a kind of caller; ``needed`` is the permission of the endpoint."""
    user = CALLERS[caller](needed)
    if user is not None:
        client.force_login(user)
    return user
