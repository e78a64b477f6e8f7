from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLES = ("auditevent", "auditidentity", "auditseal", "auditmember", "audittally")


def compare_exactly(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """On MariaDB and MySQL the usual collations take "cron" for "Cron", and "a" for "\u00e4"."""
    connection: Any = schema_editor.connection
    if connection.vendor != "mysql":
        return
    collation = "utf8mb4_nopad_bin" if connection.mysql_is_mariadb else "utf8mb4_0900_bin"
    for table in TABLES:
        schema_editor.execute(
            f"ALTER TABLE credfirewall_{table} CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation}"
        )
    schema_editor.execute(
        "ALTER TABLE credfirewall_blockedword "
        f"MODIFY folded varchar(255) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL"
    )


class Migration(migrations.Migration):
    dependencies = [("credfirewall", "0002_audit")]

    operations = [
        # MySQL commits at each change of a table, so there is no transaction to be had.
        migrations.RunPython(compare_exactly, migrations.RunPython.noop, atomic=False)
    ]
