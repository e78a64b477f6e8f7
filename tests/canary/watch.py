"""Looks over the shoulder of everything that writes something down."""

import gc
import logging
import pickle
import sys
import threading
import traceback
import warnings
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Self

import pytest
from django.core import mail
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection
from django.utils.log import AdminEmailHandler
from django.views.debug import ExceptionReporter

import credfirewall
from credfirewall.audit import export
from credfirewall.audit.handlers import JSONLinesFormatter
from tests.canary.detector import Canary, leaks

APP = str(credfirewall.__path__[0])
STANDARD = frozenset(vars(logging.makeLogRecord({})))
REPORTED = frozenset({"django.request", "django.template"})
"""Loggers whose tracebacks hold what was posted, because the view does, or what is in a report.
Their variables count in Django's report of them, which hides what it is told to hide."""
WIRE = ("asyncio/selector_events.py", "data")
"""What was written to the socket, in a traceback that asyncio logs in its debug mode: the request
itself, as it was sent."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """``error``, what caused it and what it came in the middle of."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions


def frames(error: BaseException) -> Iterator[tuple[str, str, object]]:
    """File, name and value of every variable in the tracebacks behind ``error``."""
    for each in chain(error):
        for frame, _line in traceback.walk_tb(each.__traceback__):
            for name, value in list(frame.f_locals.items()):
                yield frame.f_code.co_filename, name, value


def shown(value: object) -> str:
    if isinstance(value, array):  # the bundled list: a quarter of a million hashes
        return "array(...)"
    try:
        return f"{value!r} {value}"
    except Exception as error:  # noqa: BLE001 - what is half made may not be able to
        return f"<{type(error).__name__}>"


def messages(error: BaseException) -> str:
    """What is seen of an exception without the variables of its frames."""
    parts = [shown(each) + shown(each.args) + shown(vars(each)) for each in chain(error)]
    return "\n".join([*parts, "".join(traceback.format_exception(error))])


def variables(error: BaseException) -> str:
    return "\n".join(
        f"{name} = {shown(value)}"
        for file, name, value in frames(error)
        if not (file.endswith(WIRE[0]) and name == WIRE[1])
    )


def report(error: BaseException) -> str:
    """Django's error report, as text and as a page, of what happened from our first frame on."""
    trace = error.__traceback__
    while trace is not None and not trace.tb_frame.f_code.co_filename.startswith(APP):
        trace = trace.tb_next
    reporter = ExceptionReporter(None, type(error), error.with_traceback(trace), trace)
    logging.disable()  # at DEBUG, the templates of reports have much to say
    try:
        return f"{reporter.get_traceback_text()}\n{reporter.get_traceback_html()}"
    finally:
        logging.disable(logging.NOTSET)


class Everything(logging.Handler):
    """Keeps each record as text, with its arguments, what was added to it, and its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []
        self._for_siem = JSONLinesFormatter(names=True)
        self.setFormatter(logging.Formatter("%(name)s %(threadName)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        added = {name: value for name, value in vars(record).items() if name not in STANDARD}
        text = f"{self.format(record)} {shown(record.args)} {shown(added)}"
        if hasattr(record, "audit") or hasattr(record, "audit_seal"):
            text += self._for_siem.format(record)
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text += messages(error)
            if record.name not in REPORTED:
                text += variables(error)
        self.texts.append(text)


class Watch:
    """Within it: all loggers at DEBUG, error mails from all of them, warnings, stray errors."""

    def __init__(self, capture: pytest.CaptureFixture[str], *, mails: bool = True) -> None:
        self._capture, self._mails = capture, mails
        self._stack = ExitStack()
        self._log = Everything()
        self._strays: list[str] = []
        self._warnings: list[warnings.WarningMessage] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            for logger in (logging.root, *logging.Logger.manager.loggerDict.values()):
                if isinstance(logger, logging.Logger):
                    stack.callback(logger.setLevel, logger.level)
                    logger.setLevel(logging.DEBUG)
                    patch.setattr(logger, "propagate", True)
                    patch.setattr(logger, "disabled", False)
            by_mail = AdminEmailHandler(include_html=True)
            by_mail.setLevel(logging.ERROR)
            # In place of pytest's: it keeps tracebacks, and what those hold stays open.
            handlers = [self._log, by_mail] if self._mails else [self._log]
            patch.setattr(logging.root, "handlers", handlers)
            patch.setattr(sys, "unraisablehook", self._note)
            patch.setattr(threading, "excepthook", self._note)
            self._warnings = stack.enter_context(warnings.catch_warnings(record=True))
            warnings.simplefilter("always")
            gc.freeze()  # collections within look at what is new only
            stack.callback(gc.unfreeze)
            self._stack = stack.pop_all()
        self._capture.readouterr()
        mail.outbox.clear()
        return self

    def __exit__(self, *error: object) -> None:
        self._collect()
        self._stack.close()

    def _note(self, happened: Any) -> None:
        self._strays.append(shown(tuple(happened)))
        if happened.exc_value is not None:
            self._strays += [messages(happened.exc_value), variables(happened.exc_value)]

    @property
    def logged(self) -> list[str]:
        return self._log.texts

    @property
    def mailed(self) -> list[str]:
        texts = [f"{message.subject}\n{message.body}" for message in mail.outbox]
        pages = [str(page) for m in mail.outbox for page, _ in getattr(m, "alternatives", [])]
        return texts + pages

    def leaks(self, *canaries: Canary) -> list[str]:
        """What was written down of the canaries so far, prefixes included."""
        self._collect()
        printed = self._capture.readouterr()
        places = [*self.logged, *self.mailed, *self._strays, printed.out, printed.err]
        return leaks(canaries, places, prefix=True)

    def _collect(self) -> None:
        """Let what complains as it is collected do so now, and what that held in turn."""
        gc.collect()
        while self._warnings:
            texts = [f"{shown(each.message)} {shown(each.source)}" for each in self._warnings]
            self._strays += texts
            self._warnings.clear()
            gc.collect()


def in_database() -> Iterator[str]:
    """Every row of every table as text."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                yield f"{table}: {row!r} {[str(value) for value in row]}"


def in_exports() -> Iterator[bytes]:
    """The audit log, in each form in which it leaves."""
    for form in ("csv", "jsonl"):
        yield from export(form, names=True)


def in_cache(cache: BaseCache) -> Iterator[str | bytes]:
    """Every key and value, as the cache keeps them."""
    if isinstance(cache, LocMemCache):
        for key, value in cache._cache.items():  # type: ignore[attr-defined]  # not in the stubs
            yield key
            yield value
    else:
        client = cache.client.get_client()  # type: ignore[attr-defined]  # django-redis's
        for key in client.scan_iter():
            yield key
            yield from filter(None, (client.dump(key), client.get(key)))  # it may have expired


def pickled(value: object) -> bytes:
    """What pickling gives away; the error where it is refused."""
    try:
        return pickle.dumps(value)
    except TypeError as error:
        return messages(error).encode()
