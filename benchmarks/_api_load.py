"""Load on one server at a time, by wrk, and what it costs the processes on the other side."""

import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

SCRIPT = Path(__file__).with_name("_api_report.lua")
PATIENCE = 30
"""Seconds that an answer may take, and wrk longer than it was told to."""
TICK = 0.01
"""Seconds: how exactly a process's CPU is known."""
QUIET = 0.3
"""Seconds in which a worker with anything to do gets a tick even of a busy machine."""


class LoadError(Exception):
    """What was measured is not what was meant."""


@dataclass(frozen=True)
class Load:
    """What wrk saw: ``seconds`` of load, and of waiting for half and for 99 in 100 answers."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float


@dataclass(frozen=True)
class Sample:
    """``rate`` is requests a second, ``handled`` all of them; the others are seconds.

    ``cpu``       of the worker, user and system, for a request.
    ``behind``    of PostgreSQL and Valkey, for a request.
    ``p50``       that half of the requests did not exceed, and ``p99`` 99 in 100.
    """

    handled: int
    rate: float
    cpu: float
    behind: float
    p50: float
    p99: float


def wrk() -> str | None:
    """Return where the load generator is."""
    return shutil.which("wrk")


def apply(url: str, authorization: str, connections: int, seconds: int) -> Load:
    """Ask for ``url`` for ``seconds``, over ``connections`` that stay. Raises LoadError."""
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        f"--timeout={PATIENCE}s",
        "-s",
        str(SCRIPT),
        url,
    ]
    # In the environment: everybody sees the arguments of a process.
    environment = {"PATH": os.environ["PATH"], "BENCHMARK_AUTHORIZATION": authorization}
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds + PATIENCE,
        check=False,
    )
    if done.returncode:
        raise LoadError(f"wrk ended with status {done.returncode}: {done.stderr.strip()}")
    load = Load(**json.loads(done.stdout.splitlines()[-1]))
    if load.failed or not load.requests:
        raise LoadError(f"of {load.requests:,} requests for {url} {load.failed:,} failed")
    return load


def measure(
    load: Callable[[], Load],
    handled: Callable[[Load], int],
    workers: Sequence[int],
    behind: Sequence[int],
) -> Sample:
    """Return what ``load`` costs the processes ``workers``, and those ``behind`` them.

    ``handled`` tells how many requests that was for: when wrk ends, each connection has asked once
    more, which costs as much and is not in its figures.
    """
    before = spent(workers), spent(behind)
    found = load()
    settle(workers)
    number = handled(found)
    cpu, more = (
        now - then for now, then in zip((spent(workers), spent(behind)), before, strict=True)
    )
    return Sample(
        handled=number,
        rate=found.requests / found.seconds,
        cpu=cpu / number,
        behind=more / number,
        p50=found.p50,
        p99=found.p99,
    )


def settle(workers: Sequence[int]) -> None:
    """Wait until ``workers`` do no more. Raises LoadError."""
    deadline = time.monotonic() + PATIENCE
    before, now = -1.0, spent(workers)
    while now - before > 1.5 * TICK:
        if time.monotonic() > deadline:
            raise LoadError("a worker goes on though nobody asks it")
        time.sleep(QUIET)
        before, now = now, spent(workers)


def spent(servers: Sequence[int]) -> float:
    """Return the seconds of CPU that ``servers`` and what they started have had."""
    total = 0.0
    for number in servers:
        server = psutil.Process(number)
        for process in (server, *server.children(recursive=True)):
            times = process.cpu_times()
            # Those of children that have ended since belong to it as well.
            total += times.user + times.system + times.children_user + times.children_system
    return total


def median(samples: Sequence[Sample]) -> Sample:
    """Return the median of each figure."""
    names = Sample.__dataclass_fields__
    return Sample(
        **{name: statistics.median(getattr(each, name) for each in samples) for name in names}
    )


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Have what is started meanwhile run on ``cores`` only; none are all."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def split() -> tuple[set[int], set[int]]:
    """Return a core for a worker, and those for all else; none where there is but one."""
    if not hasattr(os, "sched_getaffinity"):
        return set(), set()
    cores = sorted(os.sched_getaffinity(0))
    return (set(cores[-1:]), set(cores[:-1])) if cores[1:] else (set(), set())
