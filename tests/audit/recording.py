"""What was recorded, and what keeps it from being recorded."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from django.core import mail
from django.db import Error, connection

from credfirewall.audit import chain
from credfirewall.audit.models import AuditEvent, AuditSeal
from credfirewall.signals import audit_recorded

LOGGER = logging.getLogger("credfirewall.audit")
EVENTS, SEALS = AuditEvent._meta.db_table, AuditSeal._meta.db_table


def events() -> list[str]:
    """The names of all that is stored, in its order."""
    return list(AuditEvent.objects.order_by("at", "id").values_list("event", flat=True))


class Heard(logging.Handler):
    """The lines of the log: one record for each event."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []
        self.signalled: list[AuditEvent] = []

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "audit"):
            self.records.append(record)

    @property
    def lines(self) -> list[str]:
        """The events that were told, those that could not be stored with a "!"."""
        failed = ("", "!")
        return [failed[each.levelno >= logging.ERROR] + each.audit.event for each in self.records]

    @property
    def rows(self) -> list[AuditEvent]:
        return [each.audit for each in self.records]

    @property
    def signals(self) -> list[str]:
        return [event.event for event in self.signalled]

    def _signalled(self, event: AuditEvent, **_: Any) -> None:
        self.signalled.append(event)


@contextlib.contextmanager
def hearing() -> Iterator[Heard]:
    heard, level = Heard(), LOGGER.level
    LOGGER.addHandler(heard)
    LOGGER.setLevel(logging.INFO)
    audit_recorded.connect(heard._signalled)
    try:
        yield heard
    finally:
        audit_recorded.disconnect(heard._signalled)
        LOGGER.setLevel(level)
        LOGGER.removeHandler(heard)


@contextlib.contextmanager
def outside_of_a_test() -> Iterator[None]:
    """As in a process that Django's test runner has not prepared."""
    outbox = mail.__dict__.pop("outbox")
    try:
        yield
    finally:
        mail.__dict__["outbox"] = outbox


# What breaks


@contextlib.contextmanager
def missing(table: str) -> Iterator[None]:
    """No such table, as before it was migrated."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO away")
        try:
            yield
        finally:
            cursor.execute(f"ALTER TABLE away RENAME TO {table}")


@contextlib.contextmanager
def no_table() -> Iterator[None]:
    with missing(EVENTS):
        yield


@contextlib.contextmanager
def no_seals() -> Iterator[None]:
    """The id of the log cannot be looked up."""
    chain.forget()
    with missing(SEALS):
        yield


SIGNAL = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'"
RAISE = "$$ BEGIN RAISE EXCEPTION 'no'; END $$"
REFUSING = {
    "sqlite": [f"CREATE TRIGGER no BEFORE INSERT ON {EVENTS} BEGIN SELECT RAISE(ABORT, 'no'); END"],
    "mysql": [f"CREATE TRIGGER no BEFORE INSERT ON {EVENTS} FOR EACH ROW {SIGNAL}"],
    "postgresql": [
        f"CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS {RAISE}",
        f"CREATE TRIGGER no BEFORE INSERT ON {EVENTS} FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}


@contextlib.contextmanager
def refusing_trigger() -> Iterator[None]:
    on = f" ON {EVENTS}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for statement in REFUSING[connection.vendor]:
            cursor.execute(statement)
        try:
            yield
        finally:
            cursor.execute(f"DROP TRIGGER no{on}")


@contextlib.contextmanager
def cut_off() -> Iterator[None]:
    """The connection is gone, and Django does not know yet."""
    connection.ensure_connection()
    connection.connection.close()
    try:
        yield
    finally:
        with contextlib.suppress(Error):
            connection.close()
        connection.connection = None
