"""What the owner of the tables does to them, and what a verification found of it."""

from typing import Any

from django.db import connection, models

from credfirewall.audit.verifying import Fault, Report


def sql(statement: str, *values: Any) -> None:
    """What the owner of the tables does. Test databases have no triggers."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def set_column(model: type[models.Model], key: Any, column: str, value: Any) -> None:
    quote = connection.ops.quote_name
    field: Any = model._meta.get_field(column)
    pk: Any = model._meta.pk
    prepared = [
        each.get_db_prep_save(given, connection) for each, given in ((field, value), (pk, key))
    ]
    table = quote(model._meta.db_table)
    sql(f"UPDATE {table} SET {quote(field.column)} = %s WHERE {quote(pk.column)} = %s", *prepared)


def delete(model: type[models.Model], **which: Any) -> None:
    models.QuerySet(model).filter(**which)._raw_delete("default")


def found(report: Report) -> list[tuple[Fault, str]]:
    return [
        (finding.fault, finding.where)
        for finding in report.findings
        if finding.fault != Fault.TRIGGER_MISSING
    ]
