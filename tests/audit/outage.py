"""A database that takes no more rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection

from credfirewall.audit.models import AuditEvent


@contextmanager
def taking_no_rows(message: str = "no space left") -> Iterator[None]:
    """The log's table cannot be written, by whatever means."""

    def refuse(execute: Callable[..., Any], sql: str, *how: Any) -> Any:
        if "INSERT" in sql and AuditEvent._meta.db_table in sql:
            raise OperationalError(message)
        return execute(sql, *how)

    with connection.execute_wrapper(refuse):
        yield
