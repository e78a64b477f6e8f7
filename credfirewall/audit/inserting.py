"""Inserting rows of the log: the same statements each time, in as few trips as the database allows.

What ``Model.save`` does for one row, its signals apart, at a third of the cost. On PostgreSQL
several statements, savepoint included, are one message; elsewhere each is one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, Error, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql import InsertQuery

SAVEPOINT = "credfirewall_audit"
IN_TRANSACTION = 2
"""What PostgreSQL's drivers call a transaction in which nothing has failed."""

_statements: dict[tuple[type[models.Model], str], str] = {}


def insert(
    rows: Sequence[models.Model], using: str = DEFAULT_DB_ALIAS, *, guarded: bool = False
) -> None:
    """Insert ``rows``, all or none. Raises django.db.Error.

    A failure breaks the caller's transaction, if there is one, unless this is ``guarded``.
    """
    connection = connections[using]
    in_one = _takes_scripts(connection)
    tables: dict[type[models.Model], list[models.Model]] = {}
    for row in rows:
        tables.setdefault(type(row), []).append(row)
    statements = [
        (
            _statement(same, connection),
            [value for row in same for value in _values(row, connection, as_text=in_one)],
        )
        for same in tables.values()
    ]
    within = connection.in_atomic_block or not connection.get_autocommit()
    if in_one:
        _run_script(connection, statements, guarded=guarded and within)
    else:
        alone = not guarded if within else len(statements) == 1
        bracket: Any = transaction.mark_for_rollback_on_error if alone else transaction.atomic
        with bracket(using=using), connection.cursor() as cursor:
            for sql, values in statements:
                cursor.execute(sql, values)
    for row in rows:
        row._state.adding, row._state.db = False, using


def _statement(rows: Sequence[models.Model], connection: BaseDatabaseWrapper) -> str:
    """Return the INSERT for rows of the same table, as Django's own compiler writes it."""
    row = rows[0]
    place = type(row), connection.vendor
    known = _statements.get(place)
    if known is None:
        query = InsertQuery(type(row))
        query.insert_values(row._meta.concrete_fields, [row])
        [(known, _)] = query.get_compiler(connection=connection).as_sql()
        _statements[place] = known
    of_one = known[known.rindex("(") :]
    return known + f", {of_one}" * (len(rows) - 1)


def _values(row: models.Model, connection: BaseDatabaseWrapper, *, as_text: bool) -> list[Any]:
    """Return the columns as the database takes them. Text is as it is.

    ``as_text``: the client writes them into the statement. What takes its driver longest is then
    written here, in a form that PostgreSQL reads the same, whatever its settings.
    """
    values = []
    for field in row._meta.concrete_fields:
        value = row.__dict__[field.attname]
        if type(value) is str:
            values.append(value)
        elif as_text and type(value) is UUID:
            values.append(value.hex)
        elif as_text and type(value) is datetime and value.tzinfo is UTC:
            values.append(value.isoformat())
        else:
            values.append(field.get_db_prep_save(value, connection))
    return values


def _takes_scripts(connection: BaseDatabaseWrapper) -> bool:
    """Whether one message may hold several statements: where the client fills in the values."""
    options = connection.settings_dict.get("OPTIONS") or {}
    return connection.vendor == "postgresql" and not options.get("server_side_binding")


def _run_script(
    connection: BaseDatabaseWrapper, statements: list[tuple[str, list[Any]]], *, guarded: bool
) -> None:
    """Send all statements at once: without a transaction of the caller's, they are one."""
    parts = [sql for sql, _ in statements]
    if guarded:
        parts = [f"SAVEPOINT {SAVEPOINT}", *parts, f"RELEASE SAVEPOINT {SAVEPOINT}"]
    values = [value for _, row in statements for value in row]
    with connection.cursor() as cursor:
        try:
            cursor.execute("; ".join(parts), values)
        except BaseException:
            if guarded:
                _roll_back(connection)
            elif connection.in_atomic_block:
                connection.needs_rollback = True
            raise


def _roll_back(connection: BaseDatabaseWrapper) -> None:
    """Return to the savepoint; where that cannot be done, the transaction is lost."""
    status = connection.connection.info.transaction_status
    if status == IN_TRANSACTION:  # nothing was sent: it failed ahead of that
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
            cursor.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
    except Error:
        connection.needs_rollback = True
