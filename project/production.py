"""The demo's settings, hardened: ``manage.py check --deploy`` has nothing to say about them.

Needed in the environment: SECRET_KEY, ALLOWED_HOSTS, DATABASE_URL, REDIS_URL, AUDIT_KEY. Optional:
EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS (STARTTLS: 1 unless
EMAIL_HOST is this machine), DEFAULT_FROM_EMAIL, STATIC_ROOT, BEHIND_PROXY (1 where a proxy ends TLS
and always sets X-Forwarded-Proto itself), TRUSTED_PROXIES (how many add to X-Forwarded-For),
AUDIT_ANCHOR (a file where seal heads are kept, outside of the database's reach), METRICS_TOKEN
(with which Prometheus may scrape).
"""

import os
from pathlib import Path
from typing import Any

import django

from project import environment
from project.settings import *  # noqa: F403
from project.settings import CREDFIREWALL, VAR

DEMO = False
DEBUG = False
SECRET_KEY = environment.required("SECRET_KEY", "the output of `openssl rand -base64 64`")
ALLOWED_HOSTS = environment.words(environment.required("ALLOWED_HOSTS", "passwords.example.com"))

DATABASES = {
    "default": environment.database(
        environment.required("DATABASE_URL", "postgresql://name:password@host:5432/credfirewall"),
        keep=60,
    )
}
# Worker processes share what they know about a prefix, and about an upstream that is down.
CACHES = {
    "default": environment.redis_cache(environment.required("REDIS_URL", "redis://host:6379/0"))
}
CREDFIREWALL = {
    **CREDFIREWALL,
    "SINGLE_PROCESS": False,
    "AUDIT_KEY": environment.required("AUDIT_KEY", "the output of `openssl rand -base64 32`"),
    "AUDIT_ANCHOR": os.environ.get("AUDIT_ANCHOR"),
    "METRICS_TOKEN": os.environ.get("METRICS_TOKEN") or None,
    "TRUSTED_PROXIES": environment.number("TRUSTED_PROXIES", default=0),
}

SECURE_SSL_REDIRECT = True
# The API refuses plain HTTP by itself: a redirect would hide that a client has sent its credentials
# in the clear. A load balancer asks for the others on the inside.
SECURE_REDIRECT_EXEMPT = [r"^api/", r"^healthz$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if environment.flag("BEHIND_PROXY", default=False) else None
)
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
# A browser takes these names only from this very host over HTTPS.
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_NAME = "__Host-csrf"

mail_host = os.environ.get("EMAIL_HOST") or "localhost"
mail: dict[str, Any] = {
    "host": mail_host,
    "port": environment.number("EMAIL_PORT", default=25),
    "username": os.environ.get("EMAIL_HOST_USER", ""),
    "password": os.environ.get("EMAIL_HOST_PASSWORD", ""),
    "use_tls": environment.flag(
        "EMAIL_USE_TLS", default=not environment.is_this_machine(mail_host)
    ),
    "timeout": 10,
}
if django.VERSION >= (6, 1):  # where the older names are deprecated
    MAILERS = {
        "default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": mail}
    }
else:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = mail["host"], mail["port"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = mail["username"], mail["password"]
    EMAIL_USE_TLS, EMAIL_TIMEOUT = mail["use_tls"], mail["timeout"]
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL") or f"noreply@{ALLOWED_HOSTS[0]}"

STATIC_ROOT = Path(os.environ.get("STATIC_ROOT") or VAR / "static")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"},
        "json": {"()": "credfirewall.audit.handlers.JSONLinesFormatter"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "audit": {"class": "logging.StreamHandler", "formatter": "json"},
    },
    "loggers": {
        # Whole, so that an event which the database refuses is not lost.
        "credfirewall.audit": {"handlers": ["audit"], "propagate": False},
    },
    "root": {"handlers": ["console"], "level": "INFO"},
}
