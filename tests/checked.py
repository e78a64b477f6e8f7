"""What the system checks say of a project that is right but for what a test changes in it."""

from typing import Any

import pytest
from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from redis.backoff import NoBackoff
from redis.retry import Retry

from credfirewall.checks import TAG

CACHE: dict[str, Any] = {
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": "redis://127.0.0.1:1/0",
    "OPTIONS": {
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        "SOCKET_CONNECT_TIMEOUT": 0.3,
        "SOCKET_TIMEOUT": 0.3,
        "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
    },
}
VALIDATORS = [
    {"NAME": "credfirewall.validators.LengthValidator"},
    {"NAME": "credfirewall.validators.BreachedPasswordValidator"},
]
AUDIT_KEY = "Kq3vX9wLr7TzB2nYd5HfJ8sMc4PgUa6E"
RIGHT = {
    "CREDFIREWALL": {},
    "DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql"}},
    "MIDDLEWARE": [
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "credfirewall.audit.middleware.AuditMiddleware",
    ],
    "CACHES": {"default": CACHE},
    "AUTH_PASSWORD_VALIDATORS": VALIDATORS,
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.PBKDF2PasswordHasher"],
}


def said(credfirewall: object = None, **changes: Any) -> list[CheckMessage]:
    """Every message of our checks, deployment's too, in a project that differs by ``changes``."""
    ours = {"CREDFIREWALL": {} if credfirewall is None else credfirewall}
    if isinstance(ours["CREDFIREWALL"], dict):
        ours["CREDFIREWALL"] = {"AUDIT_KEY": AUDIT_KEY, **ours["CREDFIREWALL"]}
    with pytest.MonkeyPatch.context() as patch:
        # Not override_settings: Django's own receivers fail on what a check has to bear.
        for name, value in {**RIGHT, **ours, **changes}.items():
            patch.setattr(settings, name, value, raising=False)
        found = run_checks(tags=[TAG], include_deployment_checks=True)
    return sorted(found, key=lambda message: str(message.id))


def ids(credfirewall: object = None, **changes: Any) -> list[str]:
    """The ids of those messages, without their common prefix."""
    return [str(each.id).removeprefix("credfirewall.") for each in said(credfirewall, **changes)]


def only(credfirewall: object = None, **changes: Any) -> CheckMessage:
    """The one message that there is."""
    (message,) = said(credfirewall, **changes)
    return message


def entry(cls: type | str, **options: Any) -> dict[str, Any]:
    path = cls if isinstance(cls, str) else f"{cls.__module__}.{cls.__qualname__}"
    return {"NAME": path, "OPTIONS": options}


def beside(*entries: dict[str, Any]) -> dict[str, Any]:
    """The settings with ``entries`` beside our validators."""
    return {"AUTH_PASSWORD_VALIDATORS": [*VALIDATORS, *entries]}


def instead(*entries: dict[str, Any]) -> dict[str, Any]:
    """The settings with ``entries`` in place of our length validator."""
    return {"AUTH_PASSWORD_VALIDATORS": [VALIDATORS[1], *entries]}
