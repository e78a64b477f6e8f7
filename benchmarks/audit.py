"""The audit log: what a record costs, how many come in, how fast they verify, how fast they show.

A record is compared with ``Model.save`` of the same row into a twin of the table, with the same
columns and indexes and nothing else: no authentication code, no names, no hooks. Both run in turns
on a PostgreSQL that survives a power cut (fsync and synchronous_commit on, as it comes), and on the
tests' own, which does not wait for its disk, so that what is ours shows undiluted.

"wall" is time on the clock. "work" is the CPU of this thread and of the server's process behind its
connection: the time that a machine with nothing else to do would take, more or less.
"""

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import _audit_project as project
from benchmarks import _audit_writers as writers
from benchmarks import _audit_writing as writing
from benchmarks._audit_writing import BARE, RECORD, REFUSED, STRANGERS, TYPICAL, VITAL
from benchmarks._harness import (
    Candidate,
    Cores,
    Progress,
    Ratio,
    Report,
    Sample,
    Samples,
    arguments,
    finish,
    interleave,
    median,
    nothing,
    percentile,
)
from tests.servers import start_postgres

POSTGRESQL, DURABLE, SQLITE = "postgresql", "durable", "sqlite"
TITLES = {
    POSTGRESQL: "PostgreSQL, fsync off",
    DURABLE: "PostgreSQL, durable",
    SQLITE: "SQLite, WAL",
}
MOST_COST, LEAST_SHARE, LEAST_VERIFIED = 1.4, 0.7, 50_000
OVERVIEW_MS, LIST_MS = 300, 200
ADMIN = "/admin/credfirewall/auditevent/"
OVERVIEWS = {
    "overview, 24 h": f"{ADMIN}overview/",
    "overview, 7 d": f"{ADMIN}overview/?span=7d",
    "overview, 30 d": f"{ADMIN}overview/?span=30d",
}
LISTS = {
    "list, newest": ADMIN,
    "list, by event": f"{ADMIN}?event=screening_refused",
    "list, by outcome": f"{ADMIN}?outcome=notice",
    "list, by source": f"{ADMIN}?source=bundled",
    "list, by actor's name": f"{ADMIN}?actor=user3@example.com",
    "list, by subject": f"{ADMIN}?subject=user:4711",
    "list, by address": f"{ADMIN}?address=10.0.1.7",
    "list, by request": f"{ADMIN}?q=req-{4711:032x}",
    "list, 7 days, event, outcome": f"{ADMIN}?time=7d&event=login_refused&outcome=refused",
    "list, event that never was": f"{ADMIN}?event=key_rotated",
    "list, event and rare address": f"{ADMIN}?event=limit_hit&address=10.70.7.7",
    "timeline, busy": f"{ADMIN}timeline/?type=user&id=0",
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured. ``writes`` are those of one sample."""

    rounds: int
    writes: int
    writers: int
    write_rounds: int
    write_seconds: float
    verified: int
    verify_rounds: int
    shown: int
    views: int


SIZES = {
    "full": Sizes(
        rounds=60,
        writes=40,
        writers=8,
        write_rounds=8,
        write_seconds=2.0,
        verified=100_000,
        verify_rounds=5,
        shown=1_000_000,
        views=15,
    ),
    "quick": Sizes(
        rounds=15,
        writes=40,
        writers=8,
        write_rounds=3,
        write_seconds=1.0,
        verified=20_000,
        verify_rounds=3,
        shown=50_000,
        views=5,
    ),
    "smoke": Sizes(
        rounds=2,
        writes=2,
        writers=2,
        write_rounds=1,
        write_seconds=0.1,
        verified=300,
        verify_rounds=1,
        shown=300,
        views=1,
    ),
}


class Bench:
    """The parts of the benchmark; each adds to the report."""

    def __init__(self, sizes: Sizes, urls: dict[str, str], report: Report, directory: Path) -> None:
        self.sizes, self.urls, self.report, self.directory = sizes, urls, report, directory

    # One record

    def record(self) -> None:
        """Each record against a bare insert, in autocommit and within a transaction."""
        for alias in (DURABLE, POSTGRESQL):
            with project.use(alias), writing.request():
                self._record(alias)

    def _record(self, alias: str) -> None:
        cores = Cores(project.backend(alias))
        cases = [
            ("autocommit", TYPICAL, False),
            ("in a transaction, savepoint", TYPICAL, True),
            ("in a transaction, vital", VITAL, True),
            ("in a transaction, a refusal", REFUSED, True),
            ("autocommit, two new names", STRANGERS, False),
        ]
        rows, figures = [], {}
        ways = writing.ways(alias)
        for name, kind, together in cases:
            candidates = [
                Candidate(
                    way,
                    self.sizes.writes,
                    nothing,
                    self._run(ways[way], kind, alias, together=together),
                    lambda _: None,
                )
                for way in (BARE, RECORD)
            ]
            title = f"{TITLES[alias]}: {name}"
            samples = interleave(candidates, self.sizes.rounds, title, cores)
            bare, ours = median(samples[BARE]), median(samples[RECORD])
            wall, work, cpu = (against(samples, what) for what in ("wall", "work", "cpu"))
            rows.append(
                (
                    name,
                    *(f"{each * 1e6:,.0f}" for each in (bare.wall, bare.work)),
                    *(f"{each * 1e6:,.0f}" for each in (ours.wall, ours.work)),
                    *(f"{each.median:.2f}" for each in (wall, work, cpu)),
                    f"{wall.low:.2f}-{wall.high:.2f}",
                )
            )
            figures[name] = {
                "bare": asdict(bare),
                "record": asdict(ours),
                "wall_ratio": asdict(wall),
                "work_ratio": asdict(work),
                "cpu_ratio": asdict(cpu),
            }
            if kind == STRANGERS:  # three rows, and not the same one
                continue
            for what, ratio in (("time", wall), ("CPU", cpu)):
                self.report.target(
                    f"1 a record, {TITLES[alias]}, {name}: {what}",
                    f"at most {MOST_COST} of a bare insert",
                    f"{ratio.median:.2f}"
                    + (f" (work {work.median:.2f})" if what == "time" else ""),
                    met=ratio.median <= MOST_COST,
                )
        head = (
            "",
            "bare us",
            "work",
            "ours us",
            "work",
            "wall x",
            "work x",
            "CPU x",
            "middle half",
        )
        self.report.table(f"One record. {TITLES[alias]}", head, rows)
        self.report.figures[f"record, {alias}"] = figures

    def _run(
        self, way: writing.Way, kind: str, alias: str, *, together: bool
    ) -> Callable[[Any], None]:
        from django.db import transaction

        def apart(_: Any) -> None:
            way(kind, self.sizes.writes)

        def within(_: Any) -> None:
            with transaction.atomic(using=alias):
                way(kind, self.sizes.writes)

        return within if together else apart

    # Many writers

    def throughput(self) -> None:
        """What comes in from many processes, sealing included."""
        rows, figures = [], {}
        for alias in (DURABLE, POSTGRESQL):
            shares, rates = [], {BARE: list[float](), RECORD: list[float]()}
            with (
                writers.crew(self.sizes.writers, self.urls[alias], self.directory) as crew,
                Progress(f"{TITLES[alias]}: many writers", self.sizes.write_rounds) as progress,
            ):
                for number in range(self.sizes.write_rounds):
                    turns = (BARE, RECORD) if number % 2 else (RECORD, BARE)
                    for how in turns:
                        rates[how].append(crew.write(how, self.sizes.write_seconds))
                    shares.append(rates[RECORD][-1] / rates[BARE][-1])
                    progress.step()
            bare, ours = (statistics.median(rates[how]) for how in (BARE, RECORD))
            share = Ratio.of(rates[RECORD], rates[BARE])
            rows.append(
                (
                    TITLES[alias],
                    f"{bare:,.0f}",
                    f"{ours:,.0f}",
                    f"{share.median:.2f}",
                    f"{share.low:.2f}-{share.high:.2f}",
                )
            )
            figures[alias] = {"bare": bare, "record": ours, "share": asdict(share)}
            self.report.target(
                f"2 {self.sizes.writers} writers, {TITLES[alias]}",
                f"at least {LEAST_SHARE:.0%} of the bare inserts'",
                f"{share.median:.0%}",
                met=share.median >= LEAST_SHARE,
            )
        title = f"{self.sizes.writers} writers in autocommit, sealing included"
        head = ("", "bare rows/s", "ours rows/s", "share", "middle half")
        self.report.table(title, head, rows)
        self.report.figures["throughput"] = figures

    # Verification

    def verify(self) -> None:
        """Verify all of a sealed log, against its anchor."""
        self._fill(self.sizes.verified)
        rows, figures = [], {}
        for alias in (POSTGRESQL, SQLITE):
            with project.use(alias):
                samples = self._verify(alias)
            wall = statistics.median(self.sizes.verified / each.wall for each in samples)
            work = statistics.median(self.sizes.verified / each.work for each in samples)
            own = statistics.median(self.sizes.verified / each.cpu for each in samples)
            rows.append((TITLES[alias], f"{wall:,.0f}", f"{work:,.0f}", f"{own:,.0f}"))
            figures[alias] = {"wall": wall, "work": work, "cpu": own}
            self.report.target(
                f"3 verify, {TITLES[alias]}",
                f"at least {LEAST_VERIFIED:,} rows/s on one core",
                f"{work:,.0f} of a core's time, {wall:,.0f} on the clock",
                met=work >= LEAST_VERIFIED,
            )
        title = f"Verifying {self.sizes.verified:,} sealed rows, in rows/s"
        head = ("", "on the clock", "of work", "of our CPU alone")
        self.report.table(title, head, rows)
        self.report.figures["verify"] = figures

    def _verify(self, alias: str) -> list[Sample]:
        from django.conf import settings

        from credfirewall.audit import anchor
        from credfirewall.audit.verifying import verify

        heads = anchor.read(settings.CREDFIREWALL["AUDIT_ANCHOR"])
        log = self._log(alias)
        ours = [each for each in heads if each.log == log]

        def check(found: Any) -> None:
            if not found.is_sound or found.rows != self.sizes.verified or not found.anchored:
                raise RuntimeError(f"the log does not verify: {found.findings[:3]}")

        candidate = Candidate("verify", 1, nothing, lambda _: verify(alias, anchor=ours), check)
        cores = Cores(project.backend(alias))
        title = f"{TITLES[alias]}: verifying"
        return list(interleave([candidate], self.sizes.verify_rounds, title, cores)["verify"])

    def _log(self, alias: str) -> str:
        from credfirewall.audit import chain

        return chain.log_id(alias).hex

    def _fill(self, number: int) -> None:
        """Start the logs anew, with rows."""
        for alias in (POSTGRESQL, SQLITE):
            with project.use(alias):
                project.renew(alias)
                title = f"{TITLES[alias]}: {number:,} rows"
                with Progress(title, -(-number // project.AT_ONCE)) as progress:
                    project.seed(alias, number, progress.step)
            project.analyze(alias)

    # Pages

    def pages(self) -> None:
        """The admin's pages, for a superuser, at many rows."""
        self._fill(self.sizes.shown)
        for alias in (POSTGRESQL, SQLITE):
            with project.use(alias):
                self._pages(alias)

    def _pages(self, alias: str) -> None:
        from django.contrib.auth import get_user_model
        from django.core.signals import request_finished, request_started
        from django.db import close_old_connections
        from django.test import Client

        # A server keeps its connections.
        request_started.disconnect(close_old_connections)
        request_finished.disconnect(close_old_connections)
        client = Client()
        user = get_user_model()
        client.force_login(user.objects.create_superuser("auditor", "auditor@example.com"))
        pages = OVERVIEWS | LISTS
        cores = Cores(project.backend(alias))
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in pages}
        with Progress(f"{TITLES[alias]}: pages", self.sizes.views + 1) as progress:
            for number in range(self.sizes.views + 1):
                for name, url in pages.items():
                    had, began = cores.work(), time.perf_counter()
                    response = client.get(url)
                    spent = time.perf_counter() - began, cores.work() - had
                    if response.status_code != 200:
                        raise RuntimeError(f"{url}: {response.status_code}")
                    if number:  # the first loads templates
                        taken[name].append(spent)
                progress.step()
        rows, figures = [], {}
        for name, times in taken.items():
            wall = [1e3 * each for each, _ in times]
            work = statistics.median(1e3 * each for _, each in times)
            middle = statistics.median(wall)
            slow = percentile(wall, 0.95)
            rows.append((name, f"{middle:,.0f}", f"{slow:,.0f}", f"{work:,.0f}"))
            figures[name] = {"wall_ms": middle, "p95_ms": slow, "work_ms": work}
            most = OVERVIEW_MS if name in OVERVIEWS else LIST_MS
            self.report.target(
                f"4 {name}, {TITLES[alias]}",
                f"under {most} ms",
                f"{middle:,.0f} ms (work {work:,.0f})",
                met=middle < most,
            )
        title = f"Pages at {self.sizes.shown:,} rows. {TITLES[alias]}"
        self.report.table(title, ("", "ms", "p95", "work ms"), rows)
        self.report.figures[f"pages, {alias}"] = figures
        self._waiting(alias)

    def _waiting(self, alias: str) -> None:
        """Seal a few rows in a log that has many, as seal_audit does each minute."""
        from credfirewall.audit import sealing

        began = time.perf_counter()
        sealed = sum(each.count for each in sealing.seal(alias))
        spent = time.perf_counter() - began
        self.report.figures[f"seal_audit, {alias}"] = {"rows": sealed, "seconds": spent}


def against(samples: Samples, what: str) -> Ratio:
    """Return our share of a bare insert's figure, round by round."""
    figure: Callable[[Sample], float] = lambda each: float(getattr(each, what))  # noqa: E731
    return Ratio.of(map(figure, samples[RECORD]), map(figure, samples[BARE]))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, show, keep."""
    options = arguments("audit", __doc__, SIZES, argv)
    sizes = SIZES[options.sizes]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="credfirewall-")))
        durable, fast = project.start_durable_postgres(), start_postgres()
        stack.callback(durable.stop)
        stack.callback(fast.stop)
        urls = {
            POSTGRESQL: fast.url,
            DURABLE: durable.url,
            SQLITE: f"sqlite:///{directory}/audit.sqlite3",
        }
        project.configure(urls, directory)
        for alias in urls:
            project.migrate(alias)
        logging.getLogger("django.request").setLevel(logging.ERROR)
        report = Report("audit", asdict(sizes), ["Django", "psycopg"])
        bench = Bench(sizes, urls, report, directory)
        for part in (bench.record, bench.throughput, bench.verify, bench.pages):
            part()
        from django.db import connections

        connections.close_all()
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
