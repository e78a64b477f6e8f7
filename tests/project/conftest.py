"""The demo site inside the test session: its pages, with the session's database and cache."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
from django.contrib.staticfiles.finders import get_finder
from pytest_django import Settings

from project.demo import screening

ROOT = Path(__file__).resolve().parents[2]
TAKEN_OVER = (
    "AUTH_PASSWORD_VALIDATORS",
    "BROWSER_RANGE_URL",
    "CREDFIREWALL",
    "CSRF_COOKIE_NAME",
    "DEMO",
    "INSTALLED_APPS",
    "LANGUAGE_CODE",
    "LOGIN_REDIRECT_URL",
    "LOGIN_URL",
    "LOGOUT_REDIRECT_URL",
    "MIDDLEWARE",
    "ROOT_URLCONF",
    "SECURE_CSP",
    "SESSION_COOKIE_NAME",
    "TEMPLATES",
    "X_FRAME_OPTIONS",
)


@pytest.fixture(scope="session")
def demo_settings() -> dict[str, Any]:
    """What project/settings.py says. It writes nothing: key and database are given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_KEY", "not used")
        patch.setenv("AUDIT_KEY", "not used either")
        patch.setenv("AUDIT_ANCHOR", "/not/used")
        return runpy.run_path(str(ROOT / "project" / "settings.py"))


@pytest.fixture
def site(settings: Settings, demo_settings: dict[str, Any], tmp_path: Path) -> Iterator[None]:
    """Serve the demo's pages in this test."""
    get_finder.cache_clear()  # type: ignore[attr-defined]
    for name in TAKEN_OVER:
        setattr(settings, name, demo_settings[name])
    # The checkout's own knows the logs of its demo, and would know another one for ever.
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_ANCHOR": tmp_path / "heads.jsonl"}
    if django.VERSION >= (6, 1):
        backend = "django.core.mail.backends.locmem.EmailBackend"
        settings.MAILERS = {"default": {"BACKEND": backend}}
    screening.forget()
    yield
    screening.forget()
    get_finder.cache_clear()  # type: ignore[attr-defined]
