"""A project that meets every clause, for tests that change one thing in it."""

import logging
from collections.abc import Mapping
from logging.handlers import SocketHandler
from typing import Any

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from credfirewall import conformance
from credfirewall.conformance import Finding
from tests.checked import CACHE

OURS = "credfirewall.validators"
OWN: dict[str, Any] = {
    "AUDIT_KEY": "Kq3vX9wLr7TzB2nYd5HfJ8sMc4PgUa6E",
    "AUDIT_ANCHOR": "/somewhere/else/heads.jsonl",
    "CONTEXT_WORDS": ["Excelsior"],
}
APPS = [*django_settings.INSTALLED_APPS, "axes"]
RIGHT: dict[str, Any] = {
    "DEBUG": False,
    "AUTH_PASSWORD_VALIDATORS": [
        {"NAME": f"{OURS}.LengthValidator"},
        {"NAME": f"{OURS}.ContextWordsValidator"},
        {"NAME": f"{OURS}.BreachedPasswordValidator"},
    ],
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.PBKDF2PasswordHasher"],
    "CACHES": {"default": CACHE},
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 31_536_000,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "CSRF_COOKIE_SECURE": True,
    "CSRF_COOKIE_NAME": "__Secure-csrftoken",
    "AUTHENTICATION_BACKENDS": [
        "axes.backends.AxesStandaloneBackend",
        "django.contrib.auth.backends.ModelBackend",
    ],
    "AXES_FAILURE_LIMIT": 10,
    "AXES_COOLOFF_TIME": 1,
    "AXES_LOCKOUT_PARAMETERS": ["username"],
}
PCI: dict[str, Any] = {
    "AUTH_PASSWORD_VALIDATORS": [
        *RIGHT["AUTH_PASSWORD_VALIDATORS"],
        {"NAME": f"{OURS}.LetterAndDigitValidator"},
        {"NAME": "tests.conforming.HistoryValidator"},
    ],
    "MIDDLEWARE": [*django_settings.MIDDLEWARE, "example.PasswordExpiryMiddleware"],
    "SESSION_COOKIE_AGE": 900,
    "SESSION_SAVE_EVERY_REQUEST": True,
}
"""What differs where PCI DSS binds."""


class Collector(SocketHandler):
    """Would send events to another machine."""

    def emit(self, record: logging.LogRecord) -> None: ...


class HistoryValidator:
    """A host's."""

    def validate(self, password: str, user: Any = None) -> None: ...

    def get_help_text(self) -> str:
        return ""


class Project:
    """The project of a test; ``set`` changes it."""

    def __init__(self, settings: Settings, patch: pytest.MonkeyPatch, profile: str) -> None:
        self._settings, self._patch, self.profile = settings, patch, profile
        self.own = dict(OWN)
        self.set(INSTALLED_APPS=APPS, **RIGHT)
        if profile == "pci":
            self.set(**PCI)
        patch.setattr("credfirewall.audit.triggers.missing", lambda _connection: [])
        self.log_to(Collector("logs.example", 6514))

    def set(self, credfirewall: Mapping[str, Any] | None = None, **changes: Any) -> None:
        self.own.update(credfirewall or {})
        self._settings.CREDFIREWALL = {"PROFILE": self.profile, **self.own}
        if "INSTALLED_APPS" in changes:  # nobody imports what is named here
            self._patch.setattr(django_settings, "INSTALLED_APPS", changes.pop("INSTALLED_APPS"))
        for name, value in changes.items():
            setattr(self._settings, name, value)

    def log_to(self, *handlers: logging.Handler) -> None:
        """Send the audit log's logger there and nowhere else."""
        logger = logging.getLogger("credfirewall.audit")
        self._patch.setattr(logger, "handlers", [*handlers])
        self._patch.setattr(logger, "propagate", False)
        self._patch.setattr(logger, "level", logging.INFO)
        self._patch.setattr(logger, "_cache", {})  # of what is enabled, as setLevel() does

    def finding(self, key: str) -> Finding:
        (found,) = [
            each.finding for each in conformance.results(self.profile) if each.row.key == key
        ]
        return found
