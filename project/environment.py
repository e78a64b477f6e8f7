"""What the settings read from outside: environment variables and the checkout's own secret."""

import contextlib
import importlib.util
import ipaddress
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


def required(name: str, example: str) -> str:
    """Return the variable ``name``. Raises ImproperlyConfigured when it is missing or empty."""
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"Set {name} in the environment, for example {example}.")
    return value


def flag(name: str, *, default: bool) -> bool:
    """Return the variable ``name`` as a truth value. Raises ImproperlyConfigured."""
    value = os.environ.get(name, "").lower()
    if value in TRUE or value in FALSE:
        return value in TRUE
    if value:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")
    return default


def number(name: str, *, default: int) -> int:
    """Return the variable ``name`` as a whole number. Raises ImproperlyConfigured."""
    value = os.environ.get(name, "")
    if value and not (value.isascii() and value.isdigit()):
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.")
    return int(value or default)


def is_this_machine(host: str) -> bool:
    """Whether what is sent to ``host`` stays on this machine."""
    host = host.lower().strip("[]")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def words(value: str) -> list[str]:
    """Split a comma-separated list."""
    return [word for part in value.split(",") if (word := part.strip())]


def web_address(name: str) -> str:
    """Return the variable ``name``, an address or empty. Raises ImproperlyConfigured."""
    value = os.environ.get(name, "")
    if value and not origins(value):
        raise ImproperlyConfigured(f"{name} must be an http or https address, or empty.")
    return value


def origins(url: str) -> list[str]:
    """Return the origin of ``url`` as a Content-Security-Policy has it; of anything else, none."""
    found = re.match(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(?=/|$)", url, re.ASCII)
    return [found[0]] if found else []


def own_folder(path: Path) -> Path:
    """Return the folder ``path``, made on first use so that git ignores what is in it."""
    if not path.exists():
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (path / ".gitignore").write_text("*\n", encoding="ascii")
        except OSError as error:
            raise ImproperlyConfigured(
                f"{path} cannot be made ({error.strerror}): set SECRET_KEY and DATABASE_URL in the "
                "environment."
            ) from error
    return path


def kept_secret(path: Path) -> str:
    """Return the secret that this checkout keeps in ``path``, made at random on first use."""
    try:
        if not path.exists():
            write_once(path, secrets.token_urlsafe(64))
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"SECRET_KEY is not set, and none can be kept in {path}: {error.strerror}."
        ) from error


def write_once(path: Path, text: str) -> None:
    """Put ``text`` in ``path`` unless another process came first. Readers never see half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def database(url: str, *, keep: int = 0) -> dict[str, Any]:
    """Return the entry of DATABASES for ``url``; connections are kept for ``keep`` seconds."""
    entry: dict[str, Any] = {**dj_database_url.parse(url)}
    if entry["ENGINE"] == "django.db.backends.sqlite3":
        # Readers do not wait for the writer, and a writer waits for another one instead of
        # failing when it upgrades its lock.
        entry["OPTIONS"] = {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        }
        return entry
    if entry["ENGINE"] == "django.db.backends.mysql":
        provide_mysqldb()
        entry["OPTIONS"] = {
            "charset": "utf8mb4",
            # What does not fit is refused, and never cut.
            "init_command": "SET sql_mode = 'STRICT_TRANS_TABLES'",
            "isolation_level": "read committed",
            **entry.get("OPTIONS", {}),
        }
    entry["CONN_MAX_AGE"] = keep
    entry["CONN_HEALTH_CHECKS"] = bool(keep)
    return entry


def provide_mysqldb() -> None:
    """Have Django use PyMySQL where mysqlclient, which has no wheels for Linux, is not there."""
    if importlib.util.find_spec("MySQLdb") is None and importlib.util.find_spec("pymysql"):
        import pymysql

        pymysql.install_as_MySQLdb()


def redis_cache(url: str) -> dict[str, Any]:
    """Return the entry of CACHES for the Redis or Valkey at ``url``."""
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "OPTIONS": {
            # Not pickle, the default: reading an entry must never run code.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            # A cache that is down must cost a request milliseconds: redis-py would try for seconds.
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.3,
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
        },
    }
