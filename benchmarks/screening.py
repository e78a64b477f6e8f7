"""Screening against pwned-passwords-django, in one run on one range server.

Both sides run in this process with their default settings, but that we ask Have I Been Pwned
alone, as the peer does, where the title does not say "with the lists". They run against the same
service, in a process of its own on loopback: bodies of 2,000 real rows, padded as Have I Been Pwned
pads them, and sent as they are; then once more from a service that compresses for who asks. The
peer asks for gzip and has no cache: each of its checks is a request. We ask for plain bodies.

"wall" is time on the clock, and what targets are held against. "CPU" is that of this process, all
threads and background work included. "work" is the CPU of the checking thread and of the servers
that it asks: the time that a machine with nothing else to do would take, more or less.
"""

import hashlib
import itertools
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import _dead
from benchmarks import _screening_project as project
from benchmarks._harness import (
    Candidate,
    Cores,
    Ratio,
    Report,
    Sample,
    Samples,
    arguments,
    finish,
    interleave,
    median,
)
from benchmarks._range_server import breached, passwords, started
from benchmarks._screening_project import ALIKE, ALL, CACHES, MEMORY, VALKEY
from tests.servers import free_port, start_valkey

PEER = "pwned-passwords-django"
MOST_BYTES = 13_000
PACKAGES = ("Django", "pwned-passwords-django", "httpx", "requests", "urllib3", "aiohttp")


@dataclass(frozen=True)
class Sizes:
    """How much is measured. Checks are those of one sample, which should last some 30 ms."""

    rounds: int
    gzip_rounds: int
    bursts: int
    rows: int = 2000
    passwords: int = 200
    peer_checks: int = 16
    miss_checks: int = 32
    valkey_checks: int = 250
    memory_checks: int = 1500
    concurrent: int = 200
    upstream_seconds: float = 0.3
    dead_checks: int = 1000


SIZES = {
    "full": Sizes(rounds=60, gzip_rounds=30, bursts=6),
    "quick": Sizes(rounds=10, gzip_rounds=5, bursts=1),
    "smoke": Sizes(
        rounds=2,
        gzip_rounds=2,
        bursts=2,
        rows=50,
        passwords=20,
        peer_checks=2,
        miss_checks=2,
        valkey_checks=5,
        memory_checks=5,
        concurrent=10,
        upstream_seconds=0.02,
        dead_checks=20,
    ),
}


def warm_name(cache: str) -> str:
    return f"ours, warm, {cache}"


def miss_name(cache: str) -> str:
    return f"ours, miss, {cache}"


class Bench:
    """The parts of the benchmark; each adds to the report."""

    def __init__(
        self, sizes: Sizes, urls: Mapping[str, str], report: Report, servers: Sequence[int]
    ) -> None:
        from pwned_passwords_django import api  # type: ignore[import-untyped]

        self.sizes, self.urls, self.report = sizes, urls, report
        self.passwords = passwords(sizes.passwords)
        self.known = breached(sizes.passwords)
        self.api = api
        self.peer = api.PwnedPasswords()
        self.cores = Cores(servers)

    # Each check, one after the other

    def plain(self) -> None:
        """Warm checks and misses; the service sends bodies as they are."""
        url = self.urls["identity"]
        for cache in CACHES:
            project.use(project.warm(cache), url)
            self.verify(self.screen(self.passwords))
            project.drain()
        kinds = [(cache, checks) for cache, checks in self._checks().items()]
        candidates = [self._peer(url)]
        candidates += [self._ours(cache, url, checks) for cache, checks in kinds]
        candidates += [self._ours(cache, url, checks, ALL) for cache, checks in kinds]
        candidates += [self._ours(cache, url, None) for cache in CACHES]
        samples = interleave(
            candidates, self.sizes.rounds, "checks, bodies as they are", self.cores
        )
        self._tabulate("Each check; the service sends bodies as they are", "plain", samples)
        for number, cache, most in (("2", MEMORY, 60), ("1", VALKEY, 10)):
            ratio = ratio_of(samples, warm_name(cache), "wall")
            work = ratio_of(samples, warm_name(cache), "work").median
            self.report.target(
                f"{number} warm, {cache}: time",
                f"at most 1/{most} of the peer's",
                f"1/{1 / ratio.median:.1f} (work 1/{1 / work:.1f})",
                met=ratio.median <= 1 / most,
            )
        for what, most_share in (("wall", 0.7), ("cpu", 1.0)):
            for cache in CACHES:
                ratio = ratio_of(samples, miss_name(cache), what)
                work = ratio_of(samples, miss_name(cache), "work").median
                self.report.target(
                    f"3 miss, {cache}: {'time' if what == 'wall' else 'CPU'}",
                    f"at most {most_share} of the peer's",
                    f"{ratio.median:.2f}" + (f" (work {work:.2f})" if what == "wall" else ""),
                    met=ratio.median <= most_share,
                )

    def compressed(self) -> None:
        """Misses from a service that compresses for who asks: the peer does, we do not."""
        url = self.urls["gzip"]
        self.verify(self._peer(url).run(self.passwords))  # now all bodies are made
        candidates = [self._peer(url), *(self._ours(cache, url, None) for cache in CACHES)]
        rounds, doing = self.sizes.gzip_rounds, "checks, gzip for who asks"
        samples = interleave(candidates, rounds, doing, self.cores)
        self._tabulate("Each check; the service compresses for who asks", "compressed", samples)

    def _checks(self) -> dict[str, int]:
        few = self.sizes.valkey_checks
        return {MEMORY: self.sizes.memory_checks, VALKEY: few}

    def screen(self, batch: Sequence[str]) -> list[tuple[str, int | None]]:
        from credfirewall.screening import screen

        return [(password, screen(password).count) for password in batch]

    def verify(self, found: Sequence[tuple[str, int | None]]) -> None:
        """Raise RuntimeError unless each password has the count that the service gives it."""
        wrong = [(one, count) for one, count in found if count != self.known.get(one, 0)]
        if wrong:
            raise RuntimeError(f"{len(wrong)} of {len(found)} checks went wrong: {wrong[0]}")

    def _peer(self, url: str) -> Candidate:
        batches = self._batches(self.sizes.peer_checks)

        self.api.PwnedPasswords.api_endpoint = url

        def run(batch: Sequence[str]) -> list[tuple[str, int]]:
            check = self.peer.check_password
            return [(password, check(password)) for password in batch]

        return Candidate(PEER, self.sizes.peer_checks, lambda: next(batches), run, self.verify)

    def _ours(
        self, cache: str, url: str, checks: int | None, sources: Sequence[str] = ALIKE
    ) -> Candidate:
        """Return warm checks, or misses when their number is left open."""
        from django.core.cache import caches

        number = checks or self.sizes.miss_checks
        alias = project.warm(cache) if checks else project.emptied(cache)
        batches = self._batches(number)

        def prepare() -> list[str]:
            project.use(alias, url, sources)
            if not checks:
                caches[alias].clear()
            return next(batches)

        name = warm_name(cache) if checks else miss_name(cache)
        if sources is ALL:
            name += ", with the lists"
        return Candidate(name, number, prepare, self.screen, self.verify, project.drain)

    def _batches(self, size: int) -> Iterator[list[str]]:
        endless = itertools.cycle(self.passwords)
        while True:
            yield list(itertools.islice(endless, size))

    def _tabulate(self, title: str, key: str, samples: Samples) -> None:
        rows, figures = [], {}
        for name, measured in samples.items():
            middle = median(measured)
            wall, cpu, work = (ratio_of(samples, name, what) for what in ("wall", "cpu", "work"))
            rows.append(
                (
                    name,
                    f"{middle.wall * 1e6:,.0f}",
                    f"{middle.cpu * 1e6:,.0f}",
                    f"{middle.work * 1e6:,.0f}",
                    f"{wall.median:.3f}",
                    f"{wall.low:.3f}-{wall.high:.3f}",
                    f"{1 / wall.median:.1f}",
                    f"{cpu.median:.3f}",
                    f"{work.median:.3f}",
                )
            )
            figures[name] = {
                "wall_us": middle.wall * 1e6,
                "cpu_us": middle.cpu * 1e6,
                "work_us": middle.work * 1e6,
                "wall_ratio": asdict(wall),
                "cpu_ratio": asdict(cpu),
                "work_ratio": asdict(work),
            }
        head = (
            *("", "wall us", "CPU us", "work us"),
            *("of peer's wall", "middle half", "1/", "of its CPU", "of its work"),
        )
        self.report.table(title, head, rows)
        self.report.figures[key] = figures

    # What an entry takes

    def entry(self) -> None:
        """The bytes of a cached prefix."""
        from django.core.cache import caches

        from credfirewall.screening.cache import key_for
        from credfirewall.testing.ranges import Ranges

        url = self.urls["identity"]
        prefix = hashlib.sha1(self.passwords[1].encode()).hexdigest()[:5].upper()
        ranges = Ranges(self.known, filler=self.sizes.rows)
        raw, padded = (len(ranges.body(prefix, padded=each)) for each in (False, True))
        key = key_for("range", url, prefix)
        taken = {"raw body": raw, "raw body, padded": padded}
        for cache in CACHES:
            backend: Any = caches[project.warm(cache)]
            if cache == MEMORY:
                taken[cache] = len(backend.get(key))
            else:
                client = backend.client
                taken[cache] = client.get_client().strlen(client.make_key(key))
        for cache in CACHES:
            self.report.target(
                f"4 a cached prefix, {cache}",
                f"at most {MOST_BYTES:,} bytes",
                f"{taken[cache]:,} (raw body {raw:,})",
                met=taken[cache] <= MOST_BYTES,
            )
        title = f"One prefix of {self.sizes.rows:,} rows, sealed as stored"
        self.report.table(title, ("", "bytes"), [(name, f"{n:,}") for name, n in taken.items()])
        self.report.figures["entry_bytes"] = taken

    # Many at once

    def together(self) -> None:
        """Many asynchronous checks at once, all of them misses, against a slow service."""
        from benchmarks._bursts import IDLE, bursts

        found = bursts(self)
        rows = [
            (
                name,
                f"{each.seconds:.3f}",
                f"{each.cpu * 1e6:,.0f}",
                f"{each.lag_p99 * 1e3:.1f}",
                f"{each.own_p99 * 1e3:.1f}",
                f"{each.best_p99 * 1e3:.1f}-{each.worst_p99 * 1e3:.1f}",
                f"{each.lag_max * 1e3:.1f}",
                str(each.failures),
            )
            for name, each in found.items()
        ]
        delay = self.sizes.upstream_seconds * 1e3
        title = f"{self.sizes.concurrent} at once, each a miss; the service takes {delay:.0f} ms"
        head = ("", "seconds", "CPU us a check", "lag p99 ms", "own", "of rounds", "max", "failed")
        self.report.table(title, head, rows)
        self.report.figures["together"] = {name: asdict(each) for name, each in found.items()}
        idle = found[IDLE].lag_p99 * 1e3
        for name, each in found.items():
            if not name.startswith("ours"):
                continue
            self.report.target(
                f"5 {self.sizes.concurrent} at once, {name.removeprefix('ours, ')}: time",
                "under 1 s",
                f"{each.seconds:.2f} s, {each.failures} failed",
                met=each.seconds < 1 and not each.failures,
            )
            self.report.target(
                f"5 {self.sizes.concurrent} at once, {name.removeprefix('ours, ')}: lag p99",
                "under 20 ms",
                f"{each.lag_p99 * 1e3:.1f} ms (own {each.own_p99 * 1e3:.1f}, idle {idle:.1f})",
                met=each.lag_p99 < 0.020,
            )

    # Nobody there

    def dead(self) -> None:
        """A service that refuses connections, and one that never answers."""
        refused = f"http://127.0.0.1:{free_port()}/range/"
        rows: list[tuple[str, str, str]] = []
        figures = {}
        for way, url in (("refuses", refused), ("hangs", self.urls["hanging"])):
            for cache in CACHES:
                name = f"ours, {cache}, HIBP {way}"
                # A path of its own gives each a breaker of its own.
                average, worst = _dead.ours(self, project.emptied(cache), f"{url}{len(rows)}/")
                figures[name] = {"wall_us": average * 1e6, "worst_us": worst * 1e6}
                rows.append((name, f"{average * 1e6:,.0f}", f"{worst * 1e6:,.0f}"))
                self.report.target(
                    f"6 breaker open, {cache}, HIBP {way}",
                    f"{self.sizes.dead_checks:,} checks average under 1,000 us",
                    f"{average * 1e6:,.0f} us",
                    met=average < 1e-3,
                )
            average, worst = _dead.peer(self, url, 16 if way == "refuses" else 1)
            figures[f"{PEER}, HIBP {way}"] = {"wall_us": average * 1e6, "worst_us": worst * 1e6}
            rows.append(
                (f"{PEER}, HIBP {way}", f"{average * 1e6:,.0f}", f"{worst * 1e6:,.0f}"),
            )
        head = ("", "wall us a check", "slowest")
        self.report.table("HIBP dead: each check once the breaker is open", head, rows)
        self.report.figures["dead"] = figures


def ratio_of(samples: Samples, name: str, what: str) -> Ratio:
    """Return our share of the peer's figure ("wall" or "cpu"), round by round."""
    figure: Callable[[Sample], float] = lambda each: float(getattr(each, what))  # noqa: E731
    return Ratio.of(map(figure, samples[name]), map(figure, samples[PEER]))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, show, keep."""
    options = arguments("screening", __doc__, SIZES, argv)
    sizes = SIZES[options.sizes]
    for name in ("pwned_passwords_django", "credfirewall", "httpx"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="credfirewall-")))
        valkey = start_valkey()
        stack.callback(valkey.stop)
        urls, service = stack.enter_context(
            started(rows=sizes.rows, number=sizes.passwords, delay=sizes.upstream_seconds)
        )
        project.configure(directory, valkey.url)
        report = Report("screening", asdict(sizes), [*PACKAGES, "django-redis", "redis"])
        bench = Bench(sizes, urls, report, (service, valkey.process.pid))
        for part in (bench.plain, bench.compressed, bench.entry, bench.together, bench.dead):
            part()
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
