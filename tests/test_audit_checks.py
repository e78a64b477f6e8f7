"""Checks of the audit log: E018 to E021, W018 to W021."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.checks import run_checks
from django.db import connection
from pytest_django import Settings

from credfirewall.audit import triggers
from tests.checked import AUDIT_KEY, ids, only

AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
AUDIT = "credfirewall.audit.middleware.AuditMiddleware"
SQLITE = "django.db.backends.sqlite3"
GOOD = {
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
}


def pem(key: Any) -> str:
    public = key.public_key()
    return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (AUDIT_KEY[:31], "Key 1 of"),
        ("ab" * 32, "too simple"),
        (f"change-me-{AUDIT_KEY}", "placeholder"),
        (f"django-insecure-{AUDIT_KEY}", "placeholder"),
        ([AUDIT_KEY, "short"], "Key 2 of"),
        ([AUDIT_KEY, AUDIT_KEY], "twice"),
    ],
)
def test_a_key_that_can_be_guessed(key: Any, problem: str) -> None:
    message = only({"AUDIT_KEY": key})
    assert message.id == "credfirewall.E018"
    assert problem in message.msg
    assert AUDIT_KEY not in f"{message.msg}{message.hint}"


@pytest.mark.parametrize(
    "changes",
    [
        {"SECRET_KEY": AUDIT_KEY},
        {"SECRET_KEY_FALLBACKS": [AUDIT_KEY]},
        {"credfirewall": {"DELIVERY_KEYS": [{"id": "a", "key": AUDIT_KEY}]}},
    ],
    ids=str,
)
def test_a_key_that_is_used_for_something_else(changes: dict[str, Any]) -> None:
    assert "E018" in ids(**changes)


def test_without_a_key() -> None:
    assert ids({"AUDIT_KEY": None}) == ["E019", "W018"]
    assert ids({"AUDIT_KEY": None}, DEBUG=True) == ["E019"]


@pytest.mark.parametrize(
    ("profile", "days", "found"), [("pci", 364, ["E020"]), ("pci", 365, []), ("nist", 30, [])]
)
def test_retention(profile: str, days: int, found: list[str]) -> None:
    assert ids({"PROFILE": profile, "AUDIT_RETENTION_DAYS": days}) == found


@pytest.mark.parametrize(
    "key", ["x", "-----BEGIN PUBLIC KEY-----", pem(generate_private_key(SECP256R1()))]
)
def test_a_public_key_that_is_none(key: str) -> None:
    assert ids({"AUDIT_PUBLIC_KEY": key}) == ["E021"]


def test_a_public_key() -> None:
    assert ids({"AUDIT_PUBLIC_KEY": pem(Ed25519PrivateKey.generate())}) == []


def test_several_public_keys() -> None:
    keys = [{"from": each, "key": pem(Ed25519PrivateKey.generate())} for each in (1, 7)]
    assert ids({"AUDIT_PUBLIC_KEY": keys}) == []
    assert ids({"AUDIT_PUBLIC_KEY": keys[::-1]}) == ["E021"]


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ([AUTHENTICATION], ["W019"]),
        ([AUDIT, AUTHENTICATION], ["W019"]),
        ([AUTHENTICATION, AUDIT], []),
        ([], []),
    ],
)
def test_the_middleware(listed: list[str], found: list[str]) -> None:
    assert ids(MIDDLEWARE=listed) == found
    assert ids(MIDDLEWARE=listed, DEBUG=True) == []


@pytest.mark.parametrize("lacking", GOOD)
def test_sqlite_for_one_writer_only(lacking: str) -> None:
    options = {name: value for name, value in GOOD.items() if name != lacking}
    message = only(DATABASES={"default": {"ENGINE": SQLITE, "OPTIONS": options}})
    assert message.id == "credfirewall.W020"
    assert {"init_command": "WAL"}.get(lacking, lacking) in message.msg


def test_sqlite_for_several_writers() -> None:
    assert ids(DATABASES={"default": {"ENGINE": SQLITE, "OPTIONS": GOOD}}) == []
    assert ids(DATABASES={"default": {"ENGINE": SQLITE}}, DEBUG=True) == []


@pytest.mark.django_db(transaction=True)
def test_triggers_that_are_missing(settings: Settings) -> None:
    def found(*databases: str) -> list[str]:
        messages = run_checks(tags=["database"], databases=list(databases))
        return [str(each.msg) for each in messages if each.id == "credfirewall.W021"]

    assert len(found("default")) == 1
    assert found() == []
    triggers.install(connection)
    try:
        assert found("default") == []
        with connection.cursor() as cursor:
            on = "" if connection.vendor != "postgresql" else " ON credfirewall_auditseal"
            cursor.execute(f"DROP TRIGGER credfirewall_audit_seal_update{on}")
        (message,) = found("default")
        assert message.endswith("append-only: credfirewall_audit_seal_update.")
    finally:
        triggers.remove(connection)
