"""Triggers that refuse what nobody does on purpose. The MACs are the proof, these the fence.

They refuse every UPDATE, every DELETE of a row that no purge covers, an INSERT over an existing
row (SQLite's INSERT OR REPLACE deletes without a DELETE trigger) and, on PostgreSQL, TRUNCATE.
They are installed after each ``migrate``, because SQLite drops them whenever it rebuilds a table.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger in a database's own words."""

    name: str
    table: str
    statements: tuple[str, ...]
    """What installs it."""
    stored: tuple[object, ...]
    """What the database then says of it, see ``_INSTALLED``."""


def _conditions() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, table, operation and the condition under which it is refused."""
    for model, (key, purged) in TABLES.items():
        table = model._meta.db_table
        name = PREFIX + table.removeprefix("credfirewall_audit")
        yield f"{name}_update", table, "UPDATE", "1 = 1"
        allowed = purged.format(**_names())
        yield f"{name}_delete", table, "DELETE", f"NOT {allowed}" if allowed else "1 = 1"
        same = f"t.{key} = NEW.{key}"
        if model is AuditMember:
            same += " OR (t.seal = NEW.seal AND t.leaf = NEW.leaf)"
        there = f"EXISTS (SELECT 1 FROM {table} t WHERE {same})"  # noqa: S608 - ours
        yield f"{name}_insert", table, "INSERT", there


def _sqlite(name: str, table: str, operation: str, condition: str) -> Trigger:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    event = f"BEFORE {operation} ON {table} FOR EACH ROW"
    create = f"CREATE TRIGGER {name} {event} WHEN {condition} {refuse}"
    return Trigger(name, table, (f"DROP TRIGGER IF EXISTS {name}", create), (create,))


def _mysql(name: str, table: str, operation: str, condition: str) -> Trigger | None:
    # A row that is there already is refused by its primary key, unless it is REPLACEd, and that
    # fires the DELETE trigger.
    if operation == "INSERT":
        return None
    refuse = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{MESSAGE}'"
    body = f"IF {condition} THEN {refuse}; END IF"
    create = f"CREATE TRIGGER {name} BEFORE {operation} ON {table} FOR EACH ROW {body}"
    return Trigger(
        name, table, (f"DROP TRIGGER IF EXISTS {name}", create), ("BEFORE", operation, body)
    )


_TYPES = {"UPDATE": 16 | 2 | 1, "DELETE": 8 | 2 | 1, "TRUNCATE": 32 | 2}
"""``pg_trigger.tgtype`` of ours: the operation, BEFORE, and for each row."""


def _postgresql(name: str, table: str, operation: str, condition: str) -> Trigger:
    refuse = f"RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation'"
    if operation == "INSERT":  # over a row it is an UPDATE (ON CONFLICT), or fails
        name, operation, each = name.replace("_insert", "_truncate"), "TRUNCATE", "STATEMENT"
        body = f" BEGIN {refuse}; RETURN NULL; END "
    else:
        each = "ROW"
        body = f" BEGIN IF {condition} THEN {refuse}; END IF; RETURN COALESCE(NEW, OLD); END "
    event = f"BEFORE {operation} ON {table} FOR EACH {each}"
    create = (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
        f"DROP TRIGGER IF EXISTS {name} ON {table}",
        f"CREATE TRIGGER {name} {event} EXECUTE FUNCTION {name}()",
    )
    return Trigger(name, table, create, (_TYPES[operation], "plpgsql", body))


_DIALECTS: dict[str, Callable[[str, str, str, str], Trigger | None]] = {
    "sqlite": _sqlite,
    "mysql": _mysql,
    "postgresql": _postgresql,
}
_INSTALLED = {
    "sqlite": "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'",
    "mysql": "SELECT trigger_name, event_object_table, action_timing, event_manipulation,"
    " action_statement FROM information_schema.triggers"
    " WHERE trigger_schema = DATABASE() AND event_object_schema = DATABASE()",
    # A condition, a list of columns, or settings of the function would make it another one, and
    # a table of that name in another schema is not the one that is written to.
    "postgresql": "SELECT t.tgname, c.relname, t.tgtype, l.lanname, p.prosrc FROM pg_trigger t"
    " JOIN pg_class c ON c.oid = t.tgrelid AND pg_table_is_visible(c.oid)"
    " JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang"
    " WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgqual IS NULL"
    " AND t.tgattr = '' AND t.tgnargs = 0 AND p.proconfig IS NULL",
}
"""Name, table and what else has to be as it was installed."""


def _wanted(vendor: str) -> list[Trigger]:
    """Return the triggers that a database has to have; none in one that we do not know."""
    dialect = _DIALECTS.get(vendor)
    if dialect is None:
        return []
    return [made for each in _conditions() if (made := dialect(*each)) is not None]


def statements(vendor: str) -> list[str]:
    """Return the SQL that installs the triggers; none for a database that we do not know."""
    return [text for trigger in _wanted(vendor) for text in trigger.statements]


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of triggers that are not there, switched off, or not those of ``install``:
    one of the same name may do nothing, or stand on another table."""
    wanted = _wanted(connection.vendor)
    if not wanted:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_INSTALLED[connection.vendor])
        installed = {tuple(row) for row in cursor.fetchall()}
    return sorted(
        trigger.name
        for trigger in wanted
        if (trigger.name, trigger.table, *trigger.stored) not in installed
    )


_FOREIGN = {
    "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
    "mysql": "SELECT trigger_name, event_object_table FROM information_schema.triggers"
    " WHERE event_object_schema = DATABASE() AND action_timing = 'BEFORE'",
    "postgresql": "SELECT t.tgname, c.relname FROM pg_trigger t"
    " JOIN pg_class c ON c.oid = t.tgrelid AND pg_table_is_visible(c.oid)"
    " WHERE NOT t.tgisinternal AND t.tgtype & 2 = 2 UNION ALL SELECT r.rulename, c.relname"
    " FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class AND pg_table_is_visible(c.oid)",
}
"""Name and table of all that can keep a row from being stored. What comes after it, as triggers do
that replicate, cannot."""


def foreign(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of triggers and rules on the log's tables that may swallow its rows, and
    are none of ours."""
    wanted = {trigger.name for trigger in _wanted(connection.vendor)}
    if not wanted:
        return []
    tables = {model._meta.db_table for model in TABLES}
    with connection.cursor() as cursor:
        cursor.execute(_FOREIGN[connection.vendor])
        found = cursor.fetchall()
    return sorted(str(name) for name, table in found if table in tables and name not in wanted)


def install(connection: BaseDatabaseWrapper) -> None:
    """Install what is missing, and renew the rest."""
    with connection.cursor() as cursor:
        for statement in statements(connection.vendor):
            cursor.execute(statement)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take the triggers away."""
    with connection.cursor() as cursor:
        for statement in statements(connection.vendor):
            if statement.startswith("DROP TRIGGER"):
                cursor.execute(statement)


def before_migrate(using: str) -> None:
    """Make way where a table that a trigger names may be rebuilt: SQLite would refuse that."""
    if connections[using].vendor == "sqlite":
        remove(connections[using])


def after_migrate(using: str, **_signal: object) -> None:
    """Install the triggers where the tables are, but not where tests empty them."""
    if not router.allow_migrate_model(using, AuditEvent) or hasattr(mail, "outbox"):
        return
    try:
        install(connections[using])
    except DatabaseError as error:  # an account that may not: the check W021 goes on saying so
        logger.error("The triggers of the audit log could not be installed: %s", error)  # noqa: TRY400 - the reason is the database's sentence
