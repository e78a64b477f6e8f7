"""Triggers that refuse what nobody does on purpose. The MACs are the proof, these the fence.

They refuse every UPDATE, every DELETE of a row that no purge covers, an INSERT over an existing
row (SQLite's INSERT OR REPLACE deletes without a DELETE trigger) and, on PostgreSQL, TRUNCATE.
They are installed after each ``migrate``, because SQLite drops them whenever it rebuilds a table.
"""

import logging
from collections.abc import Iterator

from django.core import mail
from django.db import DatabaseError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper

from credfirewall.audit.models import AuditEvent, AuditMember, AuditSeal, AuditStub

logger = logging.getLogger("credfirewall.audit")
MESSAGE = "credfirewall: the audit log is append-only"
PREFIX = "credfirewall_audit_"

_PURGED_EVENT = (
    "EXISTS (SELECT 1 FROM {member} m JOIN {stub} s ON s.seal = m.seal WHERE m.event_id = OLD.id)"
)
_PURGED_MEMBER = "EXISTS (SELECT 1 FROM {stub} s WHERE s.seal = OLD.seal)"

TABLES = {
    AuditEvent: ("id", _PURGED_EVENT),
    AuditMember: ("event_id", _PURGED_MEMBER),
    AuditSeal: ("position", ""),
    AuditStub: ("seal", ""),
}
"""The primary key of each, and when a row of it may go."""


def _names() -> dict[str, str]:
    return {"member": AuditMember._meta.db_table, "stub": AuditStub._meta.db_table}


def _triggers() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, table, operation and the condition under which it is refused."""
    for model, (key, purged) in TABLES.items():
        table = model._meta.db_table
        name = PREFIX + table.removeprefix("credfirewall_audit")
        yield f"{name}_update", table, "UPDATE", "1 = 1"
        allowed = purged.format(**_names())
        yield f"{name}_delete", table, "DELETE", f"NOT {allowed}" if allowed else "1 = 1"
        there = f"EXISTS (SELECT 1 FROM {table} t WHERE t.{key} = NEW.{key})"  # noqa: S608 - ours
        yield f"{name}_insert", table, "INSERT", there


def _sqlite(name: str, table: str, operation: str, condition: str) -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    event = f"BEFORE {operation} ON {table} FOR EACH ROW"
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} {event} WHEN {condition} {refuse}",
    ]


def _mysql(name: str, table: str, operation: str, condition: str) -> list[str]:
    # A row that is there already is refused by its primary key, unless it is REPLACEd, and that
    # fires the DELETE trigger.
    if operation == "INSERT":
        return []
    refuse = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{MESSAGE}'"
    body = f"IF {condition} THEN {refuse}; END IF"
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} BEFORE {operation} ON {table} FOR EACH ROW {body}",
    ]


def _postgresql(name: str, table: str, operation: str, condition: str) -> list[str]:
    refuse = f"RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation'"
    if operation == "INSERT":  # over a row it is an UPDATE (ON CONFLICT), or fails
        name, operation, each = name.replace("_insert", "_truncate"), "TRUNCATE", "STATEMENT"
        body = f"{refuse}; RETURN NULL"
    else:
        each = "ROW"
        body = f"IF {condition} THEN {refuse}; END IF; RETURN COALESCE(NEW, OLD)"
    function = f"{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$"
    event = f"BEFORE {operation} ON {table} FOR EACH {each}"
    return [
        f"CREATE OR REPLACE FUNCTION {function}",
        f"DROP TRIGGER IF EXISTS {name} ON {table}",
        f"CREATE TRIGGER {name} {event} EXECUTE FUNCTION {name}()",
    ]


_DIALECTS = {"sqlite": _sqlite, "mysql": _mysql, "postgresql": _postgresql}
_INSTALLED = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "mysql": "SELECT trigger_name FROM information_schema.triggers"
    " WHERE trigger_schema = DATABASE()",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'",
}


def statements(vendor: str) -> list[str]:
    """Return the SQL that installs the triggers; none for a database that we do not know."""
    dialect = _DIALECTS.get(vendor)
    if dialect is None:
        return []
    return [text for trigger in _triggers() for text in dialect(*trigger)]


def expected(vendor: str) -> set[str]:
    """Return the names of the triggers that a database has to have."""
    return {text.split()[2] for text in statements(vendor) if text.startswith("CREATE TRIGGER")}


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of triggers that are not there, or switched off."""
    wanted = expected(connection.vendor)
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_INSTALLED[connection.vendor])
        return sorted(wanted - {name for (name,) in cursor.fetchall()})


def install(connection: BaseDatabaseWrapper) -> None:
    """Install what is missing, and renew the rest."""
    with connection.cursor() as cursor:
        for statement in statements(connection.vendor):
            cursor.execute(statement)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away, as tests do that empty their tables."""
    with connection.cursor() as cursor:
        for statement in statements(connection.vendor):
            if statement.startswith("DROP TRIGGER"):
                cursor.execute(statement)


def after_migrate(using: str, **_signal: object) -> None:
    """Install the triggers where the tables are, but not where tests empty them."""
    if not router.allow_migrate_model(using, AuditEvent) or hasattr(mail, "outbox"):
        return
    try:
        install(connections[using])
    except DatabaseError as error:  # an account that may not: the check W021 goes on saying so
        logger.error("The triggers of the audit log could not be installed: %s", error)  # noqa: TRY400 - the reason is the database's sentence
