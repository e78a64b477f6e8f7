"""A process that writes to the log, or seals it, until it is done, told to end, or killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ACTS = "tests_audit_act"
"""The table of a host: what was done, each with an event that has its id as the subject."""


class Process:
    """The test's end. ``role`` is one of ROLES."""

    def __init__(self, role: str, anchor: Path, *arguments: object) -> None:
        self.role, self._anchor, self._arguments = role, anchor, arguments
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, role, *map(str, (anchor, *arguments))],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def status(self) -> int | None:
        return self._process.poll()

    def again(self) -> "Process":
        return Process(self.role, self._anchor, *self._arguments)

    def tell(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def end(self) -> int:
        """Let it end, and return its status."""
        self._process.communicate()
        return self._process.returncode


class Undone(Exception):
    """The act is taken back, and its event with it."""


def write(number: str, total: str) -> None:
    """Go on with the acts of this writer until there are enough of them."""
    from django.db import OperationalError, connection, transaction

    from credfirewall.audit.events import Code, ConfigurationChanged, KeyRotated, Party
    from credfirewall.audit.services import record
    from credfirewall.exceptions import AuditUnavailable

    def done() -> int:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {ACTS} WHERE writer = %s", [int(number)])
            return int(cursor.fetchone()[0])

    vital = KeyRotated(ring=Code("a"), key=Code("b"))
    other = ConfigurationChanged(object=Code("a"), action=Code("b"))  # within a savepoint
    insert = f"INSERT INTO {ACTS} (id, writer) VALUES (%s, %s)"
    chance, at = random.Random(), done()
    _say("ready")
    while at < int(total):
        act = f"{number}-{at}"
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(insert, [act, int(number)])
                record(chance.choice((vital, other)), subject=Party("act", act))
                if chance.random() < 0.02:
                    raise Undone
        except Undone:
            continue
        except (OperationalError, AuditUnavailable):  # a deadlock, or a lock that took too long
            at = done()
        else:
            at += 1


def seal() -> None:
    """Seal what waits, again and again, until told to end."""
    from credfirewall.audit import sealing

    _say("ready")
    os.set_blocking(0, False)
    while sys.stdin.buffer.read(1) != b"":  # None as long as there is nothing to read
        list(sealing.seal())
        time.sleep(0.1)


def seal_at_once(batch: str) -> None:
    """Seal in small batches, as soon as told to, until nothing is left that nobody else seals."""
    from credfirewall.audit import sealing

    sealing.BATCH = int(batch)
    _say("ready")
    sys.stdin.readline()
    for _ in range(50):
        _say(str(sum(made.count for made in sealing.seal())))
    _say("")


def seal_half() -> None:
    """Stop in the middle of sealing, and wait there to be killed."""
    from credfirewall.audit import sealing

    add: Callable[..., None] = sealing._add_members

    def half(made: Any, batch: list[Any], using: str) -> None:
        add(made, batch[: len(batch) // 2], using)
        _say("half")
        sys.stdin.readline()

    sealing._add_members = half
    list(sealing.seal())


ROLES: dict[str, Callable[..., None]] = {
    each.__name__: each for each in (write, seal, seal_at_once, seal_half)
}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(role: str, anchor: str, *arguments: str) -> None:
    import django
    from django.conf import settings

    django.setup()
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "AUDIT_ANCHOR": anchor}
    ROLES[role](*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
