"""One row, written in two ways: recorded, and as a bare insert of the same row."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from benchmarks import _audit_project as project

RECORD, BARE = "record()", "bare Model.save"
TYPICAL, VITAL, REFUSED, STRANGERS = "typical", "vital", "refused", "strangers"
"""An act, an act that must not happen unrecorded, a refusal, and an act of and about people whose
names this process has not stored before."""

Way = Callable[[str, int], None]


@contextmanager
def request(number: int = 7) -> Iterator[None]:
    """Do as if in a request, with the middleware of the log."""
    from credfirewall.audit import origin

    with origin.acting(project.origin(number)):
        yield


def ways(alias: str) -> dict[str, Way]:
    """Return both. Each writes a number of rows of a kind."""
    from credfirewall.audit.events import Code, DeliveryCreated, PasswordGenerated, ScreeningRefused
    from credfirewall.audit.models import AuditEvent
    from credfirewall.audit.services import record

    actor, subject = project.Someone(17), project.Someone(4711)
    events: dict[str, Callable[[], Any]] = {
        TYPICAL: lambda: PasswordGenerated(
            kind=Code("random"), count=1, length=20, entropy_bits=129.1
        ),
        VITAL: lambda: DeliveryCreated(
            delivery=Code("0194c7a1b2c3d4e5"), mode=Code("reveal"), channel=Code("email"), ttl=600
        ),
        REFUSED: lambda: ScreeningRefused(source=Code("hibp"), count=4711),
    }

    strangers = itertools.count(100_000)

    def recorded(kind: str, number: int) -> None:
        if kind == STRANGERS:
            for _ in range(number):
                who, whom = project.Someone(next(strangers)), project.Someone(next(strangers))
                record(events[TYPICAL](), actor=who, subject=whom, using=alias)
            return
        event = events[kind]
        for _ in range(number):
            record(event(), actor=actor, subject=subject, using=alias)

    with request():
        samples = {
            kind: record(make(), actor=actor, subject=subject, using=alias)
            for kind, make in events.items()
        }
    own = ("id", "at")
    names = [field.attname for field in AuditEvent._meta.fields if field.name not in own]
    columns = {kind: {name: getattr(row, name) for name in names} for kind, row in samples.items()}
    twin = project.twin()

    def bare(kind: str, number: int) -> None:
        row = columns.get(kind, columns[TYPICAL])
        for _ in range(number):
            twin(at=datetime.now(UTC), **row).save(force_insert=True, using=alias)

    return {RECORD: recorded, BARE: bare}
