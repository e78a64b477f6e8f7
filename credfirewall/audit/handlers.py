"""The log as JSON lines, for whoever collects the logs of many systems (a SIEM).

Named in LOGGING, which Django reads before there are models, so this imports none.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from credfirewall.audit import lines

SEAL = ("log", "position", "previous", "root", "count", "at", "key", "head", "mac", "signature")
STUB = ("count", "at", "retention", "key", "mac", "signature")


class JSONLinesFormatter(logging.Formatter):
    """One event, one line: a JSON object in ASCII, so that no text can forge a second one.

    An event is all columns of its row. Names are not among them: a row has commitments to them,
    so that an erasure in the database is one everywhere. With ``names`` they are added, and copies
    of the log have to be erased as well. A row that could not be stored says so ("stored": false,
    and the class of the error), and is complete, so that nothing is lost. A seal is
    {"seal": {...}}, the purge of a batch {"purge": {...}}; any other record its time, level, logger
    and message. Never raises.
    """

    def __init__(self, *, names: bool = False) -> None:
        super().__init__()
        self._names = names

    def format(self, record: logging.LogRecord) -> str:
        try:
            return lines.dumps(self._object(record))
        except Exception as error:  # noqa: BLE001 - a log that raises loses the event
            return lines.dumps(_stub(record, error))

    def _object(self, record: logging.LogRecord) -> dict[str, Any]:
        if (row := getattr(record, "audit", None)) is not None:
            return self._event(row, record)
        if (seal := getattr(record, "audit_seal", None)) is not None:
            return {"seal": lines.as_object(SEAL, [getattr(seal, name) for name in SEAL])}
        if (purge := getattr(record, "audit_purge", None)) is not None:
            return {"purge": self._purge(*purge)}
        shown = {**_origin(record), "message": record.getMessage()}
        if record.exc_info and record.exc_info[0]:
            # Its text, and what is in the frames, may be anything.
            shown["exception"] = record.exc_info[0].__name__
        return shown

    def _purge(self, seal: Any, stub: Any) -> dict[str, Any]:
        columns = {"log": seal.log, "position": seal.position, "head": seal.head}
        columns |= {name: getattr(stub, name) for name in STUB}
        return lines.as_object(tuple(columns), list(columns.values()))

    def _event(self, row: Any, record: logging.LogRecord) -> dict[str, Any]:
        from credfirewall.audit.rows import COLUMNS

        columns = (*COLUMNS, "mac")
        shown = lines.as_object(columns, [getattr(row, name) for name in columns])
        if self._names:
            names = getattr(row, "names", {})
            shown |= {f"{role}_name": names.get(role, "") for role in ("actor", "subject")}
        if record.levelno >= logging.ERROR:
            failure = record.args[1] if isinstance(record.args, tuple) else None
            shown |= {"stored": False, "failure": failure}
        return shown


def _origin(record: logging.LogRecord) -> dict[str, str]:
    at = lines.timestamp(datetime.fromtimestamp(record.created, UTC))
    return {"at": at, "level": record.levelname, "logger": record.name}


def _stub(record: logging.LogRecord, error: Exception) -> dict[str, str]:
    """Return what can still be said of a record that cannot be shown."""
    return {**_origin(record), "message": "not shown", "exception": type(error).__name__}
