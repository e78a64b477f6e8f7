"""Settings of the demo. ``production.py`` hardens them.

From the environment: DATABASE_URL, REDIS_URL, CREDFIREWALL_HIBP_URL, BROWSER_RANGE_URL, SECRET_KEY,
ALLOWED_HOSTS, DJANGO_DEBUG. None is needed: the demo starts with SQLite and a cache in its own
memory.
"""

import os
from pathlib import Path
from typing import Any

import django

from project import environment

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = BASE_DIR / "var"
"""What a running demo writes."""

DEMO = True
"""Makes accounts with printed passwords and shows mail in the terminal. Off in production."""

DEBUG = environment.flag("DJANGO_DEBUG", default=True)
SECRET_KEY = os.environ.get("SECRET_KEY") or environment.kept_secret(
    environment.own_folder(VAR) / "secret_key"
)
ALLOWED_HOSTS = environment.words(
    os.environ.get("ALLOWED_HOSTS", "localhost,.localhost,127.0.0.1,[::1]")
)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "credfirewall",
    "project.demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware"
    if django.VERSION >= (6, 0)
    else "project.demo.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "credfirewall.audit.middleware.AuditMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "project.demo.screening.context",
            ],
        },
    },
]

DATABASES = {
    "default": environment.database(
        os.environ.get("DATABASE_URL")
        or f"sqlite:///{environment.own_folder(VAR) / 'demo.sqlite3'}"
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = os.environ.get("REDIS_URL", "")
CACHES: dict[str, dict[str, Any]] = {
    "default": environment.redis_cache(REDIS_URL)
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# The three validators are all that a project adds to have breached passwords refused.
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "credfirewall.validators.LengthValidator"},
    {"NAME": "credfirewall.validators.ContextWordsValidator"},
    {"NAME": "credfirewall.validators.BreachedPasswordValidator"},
]
CREDFIREWALL: dict[str, Any] = {
    "CONTEXT_WORDS": ["credfirewall", "demo"],
    # The development server is one process, so a cache in its memory is shared by all that it does.
    "SINGLE_PROCESS": not REDIS_URL,
    "AUDIT_KEY": os.environ.get("AUDIT_KEY")
    or environment.kept_secret(environment.own_folder(VAR) / "audit_key"),
    "AUDIT_ANCHOR": os.environ.get("AUDIT_ANCHOR")
    or environment.own_folder(VAR) / "audit_heads.jsonl",
}
if HIBP_URL := os.environ.get("CREDFIREWALL_HIBP_URL"):
    CREDFIREWALL["HIBP_URL"] = HIBP_URL

BROWSER_RANGE_URL = environment.web_address("BROWSER_RANGE_URL")
"""A range server that browsers ask by themselves when somebody submits a new password, such as
https://api.pwnedpasswords.com/range/. Empty: they ask nobody, and the server decides alone."""

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

if django.VERSION >= (6, 1):  # where the older names are deprecated
    MAILERS: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "project.demo.mail.EmailBackend",
            "OPTIONS": {"file_path": VAR / "mail"},
        }
    }
else:
    EMAIL_BACKEND = "project.demo.mail.EmailBackend"
    EMAIL_FILE_PATH = VAR / "mail"
DEFAULT_FROM_EMAIL = "demo@localhost"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"

X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_NAME = "credfirewall_demo_session"
CSRF_COOKIE_NAME = "credfirewall_demo_csrf"
"""Names of their own: another demo on another port of this host shares the cookie jar."""
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "font-src": ["'self'"],
    "connect-src": ["'self'", *environment.origins(BROWSER_RANGE_URL)],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
