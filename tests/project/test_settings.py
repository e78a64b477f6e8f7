"""The demo's settings, as started from a fresh checkout and as hardened for production."""

import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django
import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings
from redis.exceptions import RedisError

from project import environment
from tests.servers import Server

ROOT = Path(__file__).resolve().parents[2]
Done = subprocess.CompletedProcess[str]
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "project.production",
    "AUDIT_KEY": "Vt6Pq1Xc8Rz3Wm5Lb9Kd2Hf7Js4Gn0Ya",
    "SECRET_KEY": "S3Jw0v9hPq7uXz2LmN5bTcR8yKdFgA1eWiQoVxZtUjBsHnMpLkYr4",
    "ALLOWED_HOSTS": "passwords.example.com, www.example.com",
    "DATABASE_URL": "postgresql://127.0.0.1/credfirewall",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
}


def python(variables: dict[str, str], *arguments: str, cwd: Path = ROOT) -> Done:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        env={"PATH": os.defpath, "PYTHONPATH": f"{cwd}{os.pathsep}{ROOT}", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def show(*names: str) -> str:
    lines = "; ".join(f"print(settings.{name})" for name in names)
    return f"from django.conf import settings; {lines}"


# Production


def test_production_passes_the_deployment_checks() -> None:
    done = python(PRODUCTION, "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "AUDIT_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"]
)
@pytest.mark.parametrize("value", [None, ""])
def test_production_names_what_is_missing(name: str, value: str | None, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "project", tmp_path / "project")
    variables = {key: text for key, text in PRODUCTION.items() if key != name}
    if value is not None:
        variables[name] = value
    done = python(variables, "-c", show("DEBUG"), cwd=tmp_path)
    assert done.returncode != 0
    assert f"ImproperlyConfigured: Set {name} in the environment, for example" in done.stderr


def test_production_is_hardened() -> None:
    names = ("DEBUG", "DEMO", "ALLOWED_HOSTS", "SECURE_PROXY_SSL_HEADER", "CACHES", "SECURE_CSP")
    done = python(PRODUCTION, "-c", show(*names))
    debug, demo, hosts, proxy, cache, policy = done.stdout.splitlines()
    assert (debug, demo) == ("False", "False")
    assert hosts == "['passwords.example.com', 'www.example.com']"
    assert proxy == "None"
    assert "RedisCache" in cache
    assert "unsafe" not in policy
    behind = python({**PRODUCTION, "BEHIND_PROXY": "1"}, "-c", show("SECURE_PROXY_SSL_HEADER"))
    assert behind.stdout.strip() == "('HTTP_X_FORWARDED_PROTO', 'https')"


@pytest.mark.parametrize("module", ["project.wsgi", "project.asgi"])
def test_a_server_that_names_no_settings_gets_those_of_production(module: str) -> None:
    variables = {k: v for k, v in PRODUCTION.items() if k != "DJANGO_SETTINGS_MODULE"}
    done = python(variables, "-c", f"import {module}; {show('DEBUG', 'SECURE_SSL_REDIRECT')}")
    assert done.stdout.split() == ["False", "True"], done.stderr
    done = python({}, "-c", f"import {module}")
    assert "ImproperlyConfigured: Set SECRET_KEY" in done.stderr


@pytest.mark.parametrize(
    ("variables", "encrypted"),
    [
        ({}, False),
        ({"EMAIL_HOST": "127.0.0.1"}, False),
        ({"EMAIL_HOST": "smtp.example.com"}, True),
        ({"EMAIL_HOST": "10.0.0.7", "EMAIL_HOST_PASSWORD": "x"}, True),
        ({"EMAIL_HOST": "smtp.example.com", "EMAIL_USE_TLS": "0"}, False),
        ({"EMAIL_USE_TLS": "1"}, True),
    ],
)
def test_mail_to_another_host_is_encrypted(variables: dict[str, str], encrypted: bool) -> None:
    newer = django.VERSION >= (6, 1)
    name = "MAILERS['default']['OPTIONS']['use_tls']" if newer else "EMAIL_USE_TLS"
    done = python({**PRODUCTION, **variables}, "-c", show(name))
    assert done.stdout.strip() == str(encrypted), done.stderr


# A fresh checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "project", tmp_path / "project")
    return tmp_path


def demo(checkout: Path, *names: str, **variables: str) -> list[str]:
    variables = {"DJANGO_SETTINGS_MODULE": "project.settings", **variables}
    done = python(variables, "-c", show(*names), cwd=checkout)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_checkout_keeps_a_key_of_its_own(checkout: Path) -> None:
    (key,) = demo(checkout, "SECRET_KEY")
    assert len(key) >= 64
    assert demo(checkout, "SECRET_KEY") == [key]
    kept = checkout / "var" / "secret_key"
    assert kept.read_text() == key
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert (kept.parent / ".gitignore").read_text() == "*\n"
    assert not [path for path in kept.parent.iterdir() if path.name.startswith("tmp")]


def test_the_demo_stays_on_this_machine(checkout: Path) -> None:
    debug, hosts, cache, database, single = demo(
        checkout,
        *("DEBUG", "ALLOWED_HOSTS", "CACHES['default']['BACKEND']"),
        *("DATABASES['default']", "CREDFIREWALL['SINGLE_PROCESS']"),
    )
    assert debug == "True"
    assert hosts == "['localhost', '.localhost', '127.0.0.1', '[::1]']"
    assert cache.endswith("LocMemCache")
    assert str(checkout / "var" / "demo.sqlite3") in database
    assert "journal_mode=WAL" in database
    assert single == "True"


def test_the_environment_decides(checkout: Path) -> None:
    given = {
        "SECRET_KEY": "given",
        "AUDIT_KEY": "given too",
        "AUDIT_ANCHOR": "/elsewhere/heads.jsonl",
        "DATABASE_URL": "postgresql://dana@db.example.com:5433/firewall",
        "REDIS_URL": "redis://cache.example.com:6380/1",
        "CREDFIREWALL_HIBP_URL": "http://127.0.0.1:8999/range/",
        "DJANGO_DEBUG": "0",
    }
    key, database, cache, firewall, debug = demo(
        checkout, "SECRET_KEY", "DATABASES", "CACHES", "CREDFIREWALL", "DEBUG", **given
    )
    assert key == "given"
    assert "'AUDIT_KEY': 'given too'" in firewall
    assert "db.example.com" in database
    assert "redis://cache.example.com:6380/1" in cache
    assert "JSONSerializer" in cache
    assert "http://127.0.0.1:8999/range/" in firewall
    assert "'SINGLE_PROCESS': False" in firewall
    assert debug == "False"
    assert not (checkout / "var").exists()


# The parts


def test_kept_secret_is_one_for_all_who_start_together(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(lambda _: environment.kept_secret(path), range(64)))
    assert len(set(keys)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        environment.own_folder(tmp_path / "file" / "var")
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        environment.kept_secret(tmp_path / "file" / "secret")


def test_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.flag("SWITCH", default=True)
    for text, value in {"1": True, "True": True, "0": False, "off": False, "": False}.items():
        monkeypatch.setenv("SWITCH", text)
        assert environment.flag("SWITCH", default=False) is value
    monkeypatch.setenv("SWITCH", "maybe")
    with pytest.raises(ImproperlyConfigured, match="SWITCH must be 1 or 0"):
        environment.flag("SWITCH", default=False)


def test_is_this_machine() -> None:
    for host in ("localhost", "Mail.Localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"):
        assert environment.is_this_machine(host), host
    for host in ("", "mail", "10.0.0.1", "0.0.0.0", "::", "localhost.example.com", "127.0.0.1.nip"):
        assert not environment.is_this_machine(host), host


def test_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.number("PORT", default=25) == 25
    monkeypatch.setenv("PORT", "587")
    assert environment.number("PORT", default=25) == 587
    monkeypatch.setenv("PORT", "smtp")
    with pytest.raises(ImproperlyConfigured, match="PORT must be a whole number"):
        environment.number("PORT", default=25)


def test_database() -> None:
    sqlite = environment.database("sqlite:////tmp/demo.sqlite3")
    assert sqlite["NAME"] == "/tmp/demo.sqlite3"
    assert sqlite["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    # The development server has a thread, and so a connection, for each request.
    assert environment.database("postgresql://127.0.0.1/firewall")["CONN_MAX_AGE"] == 0
    postgres = environment.database("postgresql://127.0.0.1/firewall", keep=60)
    assert postgres["CONN_HEALTH_CHECKS"]
    assert postgres["CONN_MAX_AGE"] == 60


def test_mariadb() -> None:
    url = "mysql://dana:p%40ss@db.example.com:3307/firewall?ssl-ca=ca.pem&isolation_level=serializable"
    entry = environment.database(url, keep=60)
    assert entry["ENGINE"] == "django.db.backends.mysql"
    assert (entry["USER"], entry["PASSWORD"], entry["NAME"]) == ("dana", "p@ss", "firewall")
    assert (entry["HOST"], entry["PORT"]) == ("db.example.com", 3307)
    assert entry["CONN_MAX_AGE"] == 60
    assert entry["OPTIONS"] == {
        "charset": "utf8mb4",
        "init_command": "SET sql_mode = 'STRICT_TRANS_TABLES'",
        "isolation_level": "serializable",
        "ssl": {"ca": "ca.pem"},
    }
    entry = environment.database("mysql://127.0.0.1/firewall")
    assert entry["OPTIONS"]["isolation_level"] == "read committed"
    # Django takes whichever client is there.
    done = python(
        {**PRODUCTION, "DATABASE_URL": "mysql://127.0.0.1/firewall"},
        "-c",
        "import django; django.setup(); from django.db import connection as c; print(c.vendor)",
    )
    assert (done.stdout, done.stderr) == ("mysql\n", "")


def test_redis_cache(settings: Settings, own_valkey: Server) -> None:
    settings.CACHES = {"default": environment.redis_cache(own_valkey.url)}
    cache = caches["default"]
    cache.set("words", ["a", "b"])
    cache.set("count", 1)
    assert cache.get("words") == ["a", "b"]
    assert cache.incr("count") == 2
    own_valkey.stop()
    with pytest.raises((RedisError, OSError)):
        cache.get("words")
    cache.client.get_client().connection_pool.disconnect()  # type: ignore[attr-defined]


# What browsers may ask


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://api.pwnedpasswords.com/range/", ["https://api.pwnedpasswords.com"]),
        ("http://127.0.0.1:8999/range/", ["http://127.0.0.1:8999"]),
        ("https://ranges.example", ["https://ranges.example"]),
        ("", []),
        ("ranges.example", []),
        ("ftp://ranges.example/", []),
        ("https://ranges.example; script-src *", []),
        ("https://name@ranges.example/", []),
    ],
)
def test_origins(address: str, found: list[str]) -> None:
    assert environment.origins(address) == found


def test_browsers_may_ask_a_range_server_that_is_named() -> None:
    given = {**PRODUCTION, "BROWSER_RANGE_URL": "https://ranges.example/range/"}
    done = python(given, "-c", show("SECURE_CSP['connect-src']"))
    assert done.stdout.strip() == "[\"'self'\", 'https://ranges.example']"
    done = python({**PRODUCTION, "BROWSER_RANGE_URL": "ranges.example"}, "-c", show("DEBUG"))
    assert "BROWSER_RANGE_URL must be an http or https address" in done.stderr
