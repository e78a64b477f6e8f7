"""A host project as small as they come, on the database that the test session has chosen."""

import os
from typing import Any

from project import environment

SECRET_KEY = "for the tests, which guard nothing: 7c0a1f5be2d94c4b8c9e"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
ROOT_URLCONF = "tests.urls"
USE_TZ = True
STATIC_URL = "/static/"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "credfirewall",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "credfirewall.audit.middleware.AuditMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# A tool that loads these settings without a session makes no file.
database = environment.database(os.environ.get("DATABASE_URL", "sqlite:///:memory:"))
# The same name for the processes that a test starts: what they are told is DATABASE_URL.
database["TEST"] = {"NAME": database["NAME"]}
DATABASES = {"default": database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "credfirewall.validators.LengthValidator"},
    {"NAME": "credfirewall.validators.ContextWordsValidator"},
    {"NAME": "credfirewall.validators.BreachedPasswordValidator"},
]

# Nobody listens there: a test that asks HIBP without a stand-in for it gets "unknown", at once.
CREDFIREWALL: dict[str, Any] = {
    "HIBP_URL": "http://127.0.0.1:9/range/",
    "AUDIT_KEY": "w4Zc7Nq1Rt8Yv2Kd5Hb9Xf3Ls6Pm0Gj",
}
