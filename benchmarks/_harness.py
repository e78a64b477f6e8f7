"""What the benchmarks share: interleaved measuring, event-loop lag, targets, a table and JSON.

A shared machine changes its speed by a factor of two within minutes. So candidates take turns in
short samples, round after round, and are compared within each round: the ratio that is reported
is the median of the rounds' ratios, never a ratio of figures from different times.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
TICK = 0.001
"""Seconds between two looks at how late the event loop is."""
BUSY = 0.1
"""The share of waiting for a core from which a report warns of itself."""


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Candidate:
    """One way to do the work: ``run`` does it ``checks`` times.

    ``prepare`` gives it what to do and ``verify`` gets what came of it, both off the clock.
    ``drain`` waits for background work: its CPU counts, its time does not.
    """

    name: str
    checks: int
    prepare: Callable[[], Any]
    run: Callable[[Any], Any]
    verify: Callable[[Any], None]
    drain: Callable[[], None] = nothing


@dataclass(frozen=True)
class Sample:
    """Seconds per check.

    ``wall``  on the clock.
    ``cpu``   of CPU, in all threads of this process.
    ``work``  of CPU, in the thread that checks and in the servers that it asks: close to ``wall``
              on a machine with nothing else to do, and nearly the same on a busy one.
    """

    wall: float
    cpu: float
    work: float


Samples = Mapping[str, Sequence[Sample]]


class Cores:
    """What the servers, and this thread, get from the scheduler (0 where Linux does not tell)."""

    def __init__(self, servers: Sequence[int] = ()) -> None:
        self._servers = [Path(f"/proc/{pid}/task") for pid in servers]
        self._began = self._schedule(Path("/proc/thread-self"))

    def work(self) -> float:
        """Return the seconds of CPU that this thread and the servers have had."""
        threads = [thread for task in self._servers for thread in task.glob("*")]
        return time.thread_time() + sum(self._schedule(thread)[0] for thread in threads)

    @property
    def waiting(self) -> float:
        """The share of the time it was ready to run that this thread has waited for a core."""
        now = self._schedule(Path("/proc/thread-self"))
        ran, waited = (after - before for after, before in zip(now, self._began, strict=True))
        return waited / max(1e-9, ran + waited)

    @staticmethod
    def _schedule(thread: Path) -> tuple[float, float]:
        try:
            ran, waited, _ = map(int, (thread / "schedstat").read_text().split())
        except OSError:
            return 0.0, 0.0
        return ran / 1e9, waited / 1e9


def sample(candidate: Candidate, cores: Cores) -> Sample:
    """Measure once, starting from a collected heap; the collector stays on, as in production."""
    batch = candidate.prepare()
    gc.collect()
    had, cpu, began = cores.work(), time.process_time(), time.perf_counter()
    done = candidate.run(batch)
    wall, had = time.perf_counter() - began, cores.work() - had
    candidate.drain()
    cpu = time.process_time() - cpu
    candidate.verify(done)
    return Sample(*(seconds / candidate.checks for seconds in (wall, cpu, had)))


def interleave(candidates: Sequence[Candidate], rounds: int, doing: str, cores: Cores) -> Samples:
    """Let candidates take turns, each round starting with another one, after one for warming up."""
    samples: dict[str, list[Sample]] = {candidate.name: [] for candidate in candidates}
    with Progress(doing, rounds + 1) as progress:
        for number in range(rounds + 1):
            first = number % len(candidates)
            for candidate in (*candidates[first:], *candidates[:first]):
                measured = sample(candidate, cores)
                if number:
                    samples[candidate.name].append(measured)
            if not number:
                gc.freeze()  # what is loaded by now is not looked at again
            progress.step()
    return samples


def median(samples: Sequence[Sample]) -> Sample:
    """Return the median of each figure."""
    return Sample(
        statistics.median(each.wall for each in samples),
        statistics.median(each.cpu for each in samples),
        statistics.median(each.work for each in samples),
    )


@dataclass(frozen=True)
class Ratio:
    """The median of the rounds' ratios, and the quarter of them below and above."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: Iterable[float], theirs: Iterable[float]) -> "Ratio":
        ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        low, middle, high = (
            statistics.quantiles(ratios, n=4, method="inclusive") if ratios[1:] else ratios * 3
        )
        return cls(middle, low, high)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@dataclass(frozen=True)
class Late:
    """Seconds by which one tick came late, and what this process computed meanwhile, at most.

    The second figure is what is left of the first on a machine that has nothing else to do.
    """

    lag: float
    own: float


@contextlib.asynccontextmanager
async def lag() -> AsyncIterator[list[Late]]:
    """Fill a list with how late the event loop was, one entry for each TICK.

    Ticks are due on a fixed grid. A loop that stalls for 50 ms misses 50 of them, and each counts
    with its own wait (50 ms, 49 ms, ...): a ticker that noted one long value instead would make
    the stall vanish among the many short ones.
    """
    late: list[Late] = []
    loop = asyncio.get_running_loop()

    async def tick() -> None:
        due, before = loop.time() + TICK, time.process_time()
        while True:
            await asyncio.sleep(due - loop.time())
            now, cpu = loop.time(), time.process_time()
            while due <= now:
                late.append(Late(now - due, min(now - due, cpu - before)))
                due += TICK
            before = cpu

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        yield late
        await asyncio.sleep(2 * TICK)  # a stall at the very end is noted as well
    finally:
        ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticker


class Progress:
    """One line on standard error that says how far it is."""

    def __init__(self, doing: str, total: int) -> None:
        self._doing, self._total, self._done = doing, total, 0
        self._began = self._said = time.monotonic()
        self._live = sys.stderr.isatty()

    def step(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._said < (0.2 if self._live else 10.0):
            return
        self._said = now
        left = (now - self._began) / self._done * (self._total - self._done)
        self._say(f"{self._done}/{self._total}, {left:.0f} s left")

    def __enter__(self) -> "Progress":
        self._say("...")
        return self

    def __exit__(self, *_: object) -> None:
        self._say(f"{time.monotonic() - self._began:.1f} s")
        if self._live:
            print(file=sys.stderr, flush=True)

    def _say(self, what: str) -> None:
        start, end = ("\r\033[K", "") if self._live else ("", "\n")
        print(f"{start}    {self._doing}: {what}", end=end, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Target:
    """What was asked for, and what was measured."""

    name: str
    asked: str
    measured: str
    met: bool


@dataclass
class Report:
    """All that one benchmark found out."""

    benchmark: str
    sizes: Mapping[str, Any]
    packages: Sequence[str]
    figures: dict[str, Any] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    load: tuple[float, float, float] = field(default_factory=os.getloadavg)
    cores: Cores = field(default_factory=Cores)

    def target(self, name: str, asked: str, measured: str, *, met: bool) -> None:
        self.targets.append(Target(name, asked, measured, met))

    def table(self, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Add a table: the first column to the left, the others to the right."""
        lines = [head, *rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = [
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for number, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        rule = "-" * max(map(len, shown))
        self.tables.append("\n".join((title, rule, shown[0], rule, *shown[1:])))

    @property
    def missed(self) -> list[Target]:
        return [target for target in self.targets if not target.met]

    def text(self) -> str:
        names = [f"{name} {number}" for name, number in self._versions().items()]
        head = f"{', '.join(names)}\n{describe(machine())}; load {self.load[0]:.1f} at the start"
        width = max((len(target.name) for target in self.targets), default=0)
        targets = [
            f"{'met   ' if each.met else 'MISSED'}  {each.name.ljust(width)}  "
            f"asked {each.asked}, measured {each.measured}"
            for each in self.targets
        ]
        missed = [f"missed: {each.name}: {each.measured}" for each in self.missed]
        found = missed or [f"All {len(self.targets)} targets met."]
        if (waiting := self.cores.waiting) > BUSY:
            found.append(
                f"The machine was busy: for {waiting:.0%} of the time that this process could have "
                "run it waited for a core. Caches were cold, too: run it again alone."
            )
        return "\n\n".join((head, *self.tables, "\n".join(targets), "\n".join(found)))

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        found = {
            "benchmark": self.benchmark,
            "began": self.began.isoformat(timespec="seconds"),
            "seconds": round((datetime.now(UTC) - self.began).total_seconds(), 1),
            "machine": {**machine(), "load_before": self.load, "load_after": os.getloadavg()},
            "waiting_for_a_core": round(self.cores.waiting, 3),
            "versions": self._versions(),
            "sizes": dict(self.sizes),
            "figures": self.figures,
            "targets": [asdict(target) for target in self.targets],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")

    def _versions(self) -> dict[str, str]:
        python = {"Python": platform.python_version()}
        return python | {package: version(package) for package in self.packages}


def machine() -> dict[str, Any]:
    """Describe the machine."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": model,
        "cores": usable,
        "system": f"{platform.system()} {os.uname().release}",
    }


def describe(found: Mapping[str, Any]) -> str:
    return f"{found['cores']} cores of {found['processor']}, {found['system']}"


def arguments(
    name: str, about: str | None, sizes: Iterable[str], argv: Sequence[str] | None
) -> argparse.Namespace:
    """Read the options that every benchmark has."""
    return common_options(name, about, sizes).parse_args(argv)


def common_options(name: str, about: str | None, sizes: Iterable[str]) -> argparse.ArgumentParser:
    """Return a parser for them, to which a benchmark may add its own."""
    parser = argparse.ArgumentParser(f"python -m benchmarks.{name}", description=about)
    parser.add_argument("--sizes", choices=list(sizes), default="full", help="how much to measure")
    parser.add_argument(
        "--quick",
        action="store_const",
        const="quick",
        dest="sizes",
        help="the same as --sizes=quick",
    )
    parser.add_argument(
        "--json", type=Path, default=RESULTS / f"{name}.json", metavar="FILE", help="the results"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    return parser


def finish(report: Report, options: argparse.Namespace) -> int:
    """Show and keep the results; return the exit status."""
    report.write(options.json)
    print(f"{report.text()}\n\nWritten to {options.json}", flush=True)
    return 1 if options.strict and report.missed else 0
