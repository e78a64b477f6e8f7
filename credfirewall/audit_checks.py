"""System checks of the audit log: its key, its retention, who tells it of requests, its fence."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import Error, Warning  # noqa: A004 - Django's names
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.db.utils import Error as DatabaseError

from credfirewall.audit.signing import Signers
from credfirewall.checking import Messages, mapping
from credfirewall.conf import SETTINGS, conf

PCI_DAYS = 365
"""PCI DSS 10.5.1: twelve months; ``audit.purging`` goes by the same."""
SHORTEST_KEY = 32
"""Characters: what `openssl rand -base64 32` gives has 44."""
PLACEHOLDERS = ("change", "insecure", "secret", "example", "placeholder", "your-", "todo", "xxx")
MIDDLEWARE = "credfirewall.audit.middleware.AuditMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
LEAST_TIMEOUT = 20
NO_KEY = (
    'CREDFIREWALL["AUDIT_KEY"] is not set: the audit log is authenticated by a key derived from '
    "SECRET_KEY, so who has that can forge it, and changing that makes it unverifiable."
)
MAKE_ONE = (
    "Make one with `openssl rand -base64 32`, and keep it where only the web processes read it."
)


def _key_ring() -> Sequence[str]:
    configured = conf.AUDIT_KEY
    if SETTINGS["AUDIT_KEY"].problem(configured) or configured is None:
        return ()
    return (configured,) if isinstance(configured, str) else configured


def check_key(**_: Any) -> Messages:
    """Nobody can guess the key, and it is used for nothing else."""
    keys = _key_ring()
    delivery = conf.DELIVERY_KEYS if isinstance(conf.DELIVERY_KEYS, list | tuple) else ()
    others = {settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS}
    others |= {str(mapping(each).get("key")) for each in delivery}
    for number, key in enumerate(keys, start=1):
        if len(key) < SHORTEST_KEY or len(set(key)) < 8:
            problem = f"is too short or too simple: it needs {SHORTEST_KEY} characters at least"
        elif any(word in key.lower() for word in PLACEHOLDERS):
            problem = "looks like a placeholder"
        elif key in others:
            problem = "is used for something else as well"
        elif keys.index(key) < number - 1:
            problem = "is there twice"
        else:
            continue
        yield Error(
            f'Key {number} of CREDFIREWALL["AUDIT_KEY"] {problem}.',
            hint="Make one with `openssl rand -base64 32`, and keep it out of the repository.",
            id="credfirewall.E018",
        )


def check_key_is_there(**_: Any) -> Messages:
    """The log has a key of its own. A development server may do without."""
    if _lacks_key() and not settings.DEBUG:
        yield Warning(NO_KEY, hint=MAKE_ONE, id="credfirewall.W018")


def check_key_is_there_in_production(**_: Any) -> Messages:
    """The log has a key of its own (deploy)."""
    if _lacks_key():
        yield Error(NO_KEY, hint=MAKE_ONE, id="credfirewall.E019")


def _lacks_key() -> bool:
    is_dict = isinstance(getattr(settings, "CREDFIREWALL", {}), Mapping)
    return is_dict and conf.AUDIT_KEY is None  # what is no dict has a message already


def check_retention(**_: Any) -> Messages:
    """The profile's retention is met (PCI DSS 10.5.1)."""
    if SETTINGS["AUDIT_RETENTION_DAYS"].problem(conf.AUDIT_RETENTION_DAYS):
        return
    if conf.PROFILE == "pci" and conf.AUDIT_RETENTION_DAYS < PCI_DAYS:
        yield Error(
            f'CREDFIREWALL["AUDIT_RETENTION_DAYS"] is {conf.AUDIT_RETENTION_DAYS}, and the profile '
            f'"pci" asks for {PCI_DAYS} (PCI DSS 10.5.1).',
            hint="Raise it: purge_audit refuses to work otherwise.",
            id="credfirewall.E020",
        )


def check_public_key(**_: Any) -> Messages:
    """The sealer's public key can be read."""
    value = conf.AUDIT_PUBLIC_KEY
    if SETTINGS["AUDIT_PUBLIC_KEY"].problem(value):
        return
    try:
        Signers.of(value)
    except ValueError as error:
        yield Error(
            f"{error}.",
            hint="`openssl pkey -in sealer.pem -pubout` prints a key.",
            id="credfirewall.E021",
        )


def check_middleware(**_: Any) -> Messages:
    """The log learns who acts in a request."""
    listed = [each for each in settings.MIDDLEWARE if each in (MIDDLEWARE, AUTHENTICATION)]
    if settings.DEBUG or AUTHENTICATION not in listed or listed[-1] == MIDDLEWARE:
        return
    where = "comes before" if MIDDLEWARE in listed else "is not in MIDDLEWARE, after"
    yield Warning(
        f"AuditMiddleware {where} AuthenticationMiddleware: the audit log does not know who acts, "
        "nor from where.",
        hint=f'Add "{MIDDLEWARE}" to MIDDLEWARE, after AuthenticationMiddleware.',
        id="credfirewall.W019",
    )


def check_sqlite(**_: Any) -> Messages:
    """SQLite is set up for several writers."""
    config = mapping(settings.DATABASES.get("default"))
    if settings.DEBUG or config.get("ENGINE") != "django.db.backends.sqlite3":
        return
    options = mapping(config.get("OPTIONS"))
    timeout = options.get("timeout", 5)
    lacks = [
        said
        for said, met in (
            ("journal_mode=WAL in init_command", "wal" in str(options.get("init_command")).lower()),
            ('"transaction_mode": "IMMEDIATE"', options.get("transaction_mode") == "IMMEDIATE"),
            ('"timeout": 20', isinstance(timeout, int | float) and timeout >= LEAST_TIMEOUT),
        )
        if not met
    ]
    if lacks:
        yield Warning(
            f"The SQLite database is not set up for several writers: {', '.join(lacks)}.",
            hint="Two requests that write at once would meet `database is locked`. Set these in "
            'DATABASES["default"]["OPTIONS"].',
            id="credfirewall.W020",
        )


def check_triggers(databases: Sequence[str] | None = None, **_: Any) -> Messages:
    """The triggers are there that keep the log append-only. Asks the databases that are named."""
    from credfirewall.audit import triggers
    from credfirewall.audit.models import AuditEvent

    for alias in databases or ():
        if not router.allow_migrate_model(alias, AuditEvent):
            continue
        try:
            connection = connections[alias]
            if AuditEvent._meta.db_table not in connection.introspection.table_names():
                continue  # about to be migrated
            missing = triggers.missing(connection)
        except (DatabaseError, ImproperlyConfigured, RuntimeError):
            continue  # which Django's own checks tell; the last is how tests keep one from it
        if missing:
            yield Warning(
                f"The database {alias!r} lacks triggers that keep the audit log append-only: "
                f"{', '.join(missing)}.",
                hint="`manage.py migrate` installs them, as an account that may create triggers.",
                id="credfirewall.W021",
            )
