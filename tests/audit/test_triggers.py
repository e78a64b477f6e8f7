"""A trigger counts by what it does: one of the right name may do nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from credfirewall.audit import triggers
from credfirewall.audit.verifying import verify
from dev import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

NAME, TABLE = "credfirewall_audit_event_update", "credfirewall_auditevent"
OTHER = "credfirewall_auditidentity"
ABORT = f"BEGIN SELECT RAISE(ABORT, '{triggers.MESSAGE}'); END"
SIGNAL = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{triggers.MESSAGE}'"
RUN = f"EXECUTE FUNCTION {NAME}()"
FUNCTION = f"CREATE OR REPLACE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql"

REPLACED = {
    "sqlite": [
        [f"DROP TRIGGER {NAME}"],
        [
            f"DROP TRIGGER {NAME}",
            f"CREATE TRIGGER {NAME} BEFORE UPDATE ON {TABLE} FOR EACH ROW BEGIN SELECT 1; END",
        ],
        [
            f"DROP TRIGGER {NAME}",
            f"CREATE TRIGGER {NAME} BEFORE UPDATE ON {OTHER} FOR EACH ROW WHEN 1 = 1 {ABORT}",
        ],
    ],
    "mysql": [
        [f"DROP TRIGGER {NAME}"],
        *(
            [f"DROP TRIGGER {NAME}", f"CREATE TRIGGER {NAME} {event} FOR EACH ROW {body}"]
            for event, body in (
                (f"BEFORE UPDATE ON {TABLE}", "SET @nothing = 1"),
                (f"AFTER UPDATE ON {TABLE}", f"IF 1 = 1 THEN {SIGNAL}; END IF"),
                (f"BEFORE INSERT ON {TABLE}", f"IF 1 = 1 THEN {SIGNAL}; END IF"),
                (f"BEFORE UPDATE ON {OTHER}", f"IF 1 = 1 THEN {SIGNAL}; END IF"),
            )
        ),
    ],
    "postgresql": [
        [f"DROP TRIGGER {NAME} ON {TABLE}"],
        [f"ALTER TABLE {TABLE} DISABLE TRIGGER {NAME}"],
        [f"ALTER TABLE {TABLE} ENABLE REPLICA TRIGGER {NAME}"],
        [f"{FUNCTION} AS $$ BEGIN RETURN NEW; END $$"],
        [f"ALTER FUNCTION {NAME}() SET search_path = elsewhere"],
        *(
            [f"DROP TRIGGER {NAME} ON {TABLE}", f"CREATE TRIGGER {NAME} {event}"]
            for event in (
                f"BEFORE UPDATE ON {TABLE} FOR EACH ROW WHEN (OLD.id IS NULL) {RUN}",
                f"BEFORE UPDATE OF source ON {TABLE} FOR EACH ROW {RUN}",
                f"AFTER UPDATE ON {TABLE} FOR EACH ROW {RUN}",
                f"BEFORE UPDATE ON {TABLE} FOR EACH STATEMENT {RUN}",
                f"BEFORE INSERT ON {TABLE} FOR EACH ROW {RUN}",
                f"BEFORE UPDATE ON {OTHER} FOR EACH ROW {RUN}",
                f"BEFORE UPDATE ON {TABLE} FOR EACH ROW {RUN.replace('update', 'delete')}",
            )
        ),
        [
            f"DROP TRIGGER {NAME} ON {TABLE}",
            "CREATE SCHEMA elsewhere",
            f"CREATE TABLE elsewhere.{TABLE} (LIKE {TABLE})",
            f"CREATE TRIGGER {NAME} BEFORE UPDATE ON elsewhere.{TABLE} FOR EACH ROW {RUN}",
        ],
    ],
}
"""What makes it another one."""


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def clear() -> None:
    if connection.vendor == "postgresql":
        run(
            "DROP SCHEMA IF EXISTS elsewhere CASCADE",
            f"DROP TRIGGER IF EXISTS {NAME} ON {OTHER}",
            f"DROP FUNCTION IF EXISTS {NAME}() CASCADE",
        )
    triggers.remove(connection)


@pytest.fixture(autouse=True)
def _installed() -> Iterator[None]:
    triggers.install(connection)
    yield
    clear()


def test_one_of_the_right_name_that_is_another() -> None:
    for statements in REPLACED[connection.vendor]:
        clear()
        triggers.install(connection)
        assert triggers.missing(connection) == []
        run(*statements)
        assert triggers.missing(connection) == [NAME], statements
        triggers.install(connection)
        assert triggers.missing(connection) == [], statements


def test_one_that_fires_on_a_replica_too() -> None:
    if connection.vendor == "postgresql":
        run(f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {NAME}")
    assert triggers.missing(connection) == []


SWALLOWING = {
    "sqlite": (
        f"CREATE TRIGGER innocent BEFORE INSERT ON {TABLE} BEGIN SELECT RAISE(IGNORE); END",
        "DROP TRIGGER innocent",
    ),
    "mysql": (
        f"CREATE TRIGGER innocent BEFORE INSERT ON {TABLE} FOR EACH ROW SET NEW.source = 'x'",
        "DROP TRIGGER innocent",
    ),
    "postgresql": (
        f"CREATE RULE innocent AS ON INSERT TO {TABLE} DO INSTEAD NOTHING",
        f"DROP RULE innocent ON {TABLE}",
    ),
}


def test_what_swallows_rows_is_named() -> None:
    """No row says that there was one which a trigger has left out."""
    make, drop = SWALLOWING[connection.vendor]
    assert triggers.foreign(connection) == []
    run(make)
    try:
        assert triggers.foreign(connection) == ["innocent"]
        assert [each.where for each in verify().findings] == ["innocent"]
    finally:
        run(drop)


def test_one_that_comes_after_is_the_host_s() -> None:
    """As triggers do that replicate."""
    if connection.vendor != "postgresql":
        pytest.skip("elsewhere nobody replicates by triggers")
    run(
        "CREATE FUNCTION copied() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        f"CREATE TRIGGER copied AFTER INSERT ON {TABLE} FOR EACH ROW EXECUTE FUNCTION copied()",
    )
    try:
        assert triggers.foreign(connection) == []
    finally:
        run("DROP FUNCTION copied() CASCADE")


def test_a_log_with_triggers_can_be_migrated(tmp_path: Path) -> None:
    """SQLite rebuilds tables under their names, which triggers on others refer to."""
    given = {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'log.sqlite3'}",
        "SECRET_KEY": "for the tests, which guard nothing: 7c0a1f5be2d9",
        "AUDIT_KEY": "for the tests, which guard nothing: 7c0a1f5be2d8",
        "AUDIT_ANCHOR": str(tmp_path / "heads.jsonl"),
    }
    for arguments in (["credfirewall", "0004"], []):
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate", *arguments],
            cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [sys.executable, "manage.py", "verify_audit", "--json"],
        cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)["findings"] == []
