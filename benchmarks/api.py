"""Generating a password over HTTP: our endpoint, FastAPI, Express and plain Django REST framework.

One worker process each, load by wrk over connections that stay, in turns of a few seconds. What a
request gets:

    credfirewall      an API key, limits on Valkey, a password that passes the validators of the
                      project, an audit event on PostgreSQL
    plain DRF         the same, as one writes it first: a token, django-ratelimit, serializers,
                      Django's own validators, Model.objects.create
    FastAPI, Express  a limit in their own memory and a password, and nothing of the rest

Both Django ones are served by granian, which costs less than gunicorn or uvicorn do, and keep
things in the same PostgreSQL, one that survives a power cut, and in the same Valkey.

"CPU" is that of the worker, user and system; "behind" that of PostgreSQL and Valkey. On a machine
with other things to do requests a second and latency say little, and CPU nearly the same. The
worker has a core of its own where there are two; all else, wrk too, shares the others.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks import _api_contenders as contenders
from benchmarks import _api_load as load
from benchmarks import _api_peers as peers
from benchmarks import _api_profiling as profiling
from benchmarks._api_contenders import FASTAPI, GENERATE, NAIVE, OURS, Contender, ContenderError
from benchmarks._api_load import LoadError, Sample
from benchmarks._audit_project import start_durable_postgres
from benchmarks._harness import Progress, Ratio, Report, common_options, finish
from dev import DevError
from tests.servers import Server, Unavailable, start_valkey

LEAST_OF_FASTAPI, GOAL_OF_FASTAPI, LEAST_OF_NAIVE = 0.5, 0.8, 3.0
PACKAGES = ("Django", "djangorestframework", "django-ratelimit", "django-redis", "psycopg")


@dataclass(frozen=True)
class Sizes:
    """How much is measured: turns of ``seconds`` each, over ``connections`` at once."""

    rounds: int
    seconds: int
    profiled_seconds: int
    connections: int = 16


SIZES = {
    "full": Sizes(rounds=12, seconds=3, profiled_seconds=15),
    "quick": Sizes(rounds=4, seconds=2, profiled_seconds=5),
    "smoke": Sizes(rounds=1, seconds=1, profiled_seconds=1),
}


class Bench:
    """The contenders, and what is behind them."""

    def __init__(self, sizes: Sizes, report: Report, stack: ExitStack) -> None:
        self.sizes, self.report, self.stack = sizes, report, stack
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.worker, self.others = load.split()
        with load.on(self.others):
            postgres, valkey = start_durable_postgres(), start_valkey()
        self.behind = [self._kept(each).process.pid for each in (postgres, valkey)]
        self.stores = contenders.Stores(postgres.url, valkey.url)

    def _kept(self, server: Server) -> Server:
        self.stack.callback(server.stop)
        return server

    # Side by side

    def compare(self) -> None:
        """Let all of them take turns."""
        measured = self._interleave(self._started())
        self._tabulate(measured)
        for name, least, goal in (
            (FASTAPI, LEAST_OF_FASTAPI, f" (goal {GOAL_OF_FASTAPI})"),
            (NAIVE, LEAST_OF_NAIVE, ""),
        ):
            ratio = efficiency(measured, name)
            self.report.target(
                f"requests for a second of CPU, of {name}'s",
                f"at least {least} times{goal}",
                f"{ratio.median:.2f} times ({ratio.low:.2f}-{ratio.high:.2f})",
                met=ratio.median >= least,
            )

    def _started(self) -> list[Contender]:
        makers: list[Callable[[], Contender]] = [
            lambda: contenders.ours(self.stores, self.directory, GENERATE),
            contenders.fastapi,
            lambda: contenders.naive(self.stores),
        ]
        if peers.has_node():
            makers.append(contenders.express)
        else:
            print("Express is left out: node and npm are not installed.", file=sys.stderr)
        started = []
        with load.on(self.worker):
            for make in makers:
                contender = make()
                self._kept(contender.server)
                contender.check()
                started.append(contender)
        return started

    def _interleave(self, started: Sequence[Contender]) -> dict[str, list[Sample]]:
        samples: dict[str, list[Sample]] = {contender.name: [] for contender in started}
        rounds = self.sizes.rounds
        with Progress("generate", (rounds + 1) * len(started)) as progress:
            for number in range(rounds + 1):
                first = number % len(started)
                for contender in (*started[first:], *started[:first]):
                    sample = self._measure(contender, self.sizes.seconds)
                    if number:  # the first is for warming up
                        samples[contender.name].append(sample)
                    progress.step()
        return samples

    def _measure(self, contender: Contender, seconds: int) -> Sample:
        before = contender.rows() if contender.rows else 0

        def handled(found: load.Load) -> int:
            if contender.rows is None:
                return found.requests + self.sizes.connections
            recorded = contender.rows() - before
            if recorded < found.requests:
                answers = f"{found.requests:,} answers, {recorded:,} recorded"
                raise LoadError(f"{contender.name}: {answers}")
            return recorded

        again = partial(self._apply, contender, seconds)
        return load.measure(again, handled, contender.workers, self.behind)

    def _apply(self, contender: Contender, seconds: int) -> load.Load:
        with load.on(self.others):
            url, authorization = contender.url, contender.authorization
            return load.apply(url, authorization, self.sizes.connections, seconds)

    def _tabulate(self, measured: dict[str, list[Sample]]) -> None:
        rows, figures = [], {}
        for name, samples in measured.items():
            middle, ratio = load.median(samples), efficiency(measured, name)
            rows.append(
                (
                    name,
                    f"{middle.rate:,.0f}",
                    f"{middle.cpu * 1e6:,.0f}",
                    f"{middle.behind * 1e6:,.0f}",
                    f"{middle.p50 * 1e3:.1f}",
                    f"{middle.p99 * 1e3:.1f}",
                    f"{ratio.median:.2f}",
                    f"{ratio.low:.2f}-{ratio.high:.2f}",
                )
            )
            figures[name] = {**asdict(middle), "our_efficiency": asdict(ratio)}
        title = f"GET a password of {contenders.LENGTH}, {self.sizes.connections} connections"
        head = (
            *("", "requests/s", "CPU us", "behind us", "p50 ms", "p99 ms"),
            *("ours of its efficiency", "middle half"),
        )
        self.report.table(title, head, rows)
        self.report.figures["generate"] = figures

    # Where our time goes

    def profile(self, path: str, profile: Path) -> None:
        """Measure ``path`` of ours, then look where its time goes under the same load."""
        profile.parent.mkdir(parents=True, exist_ok=True)
        with load.on(self.worker):
            contender = contenders.ours(self.stores, self.directory, path, profile)
            self._kept(contender.server)
            contender.ask()
        seconds = self.sizes.profiled_seconds
        plain = [self._measure(contender, seconds) for _ in range(2)][1]  # the first warms up
        self.report.tables.append(
            f"{path}, one thread: {plain.cpu * 1e6:,.0f} us of CPU a request, "
            f"{plain.behind * 1e6:,.0f} behind"
        )
        again = partial(self._apply, contender, seconds)
        profiling.sampled(self.report, contender, again)
        profiling.counted(self.report, contender, again, profile)


def efficiency(measured: dict[str, list[Sample]], name: str) -> Ratio:
    """Return our requests for a second of CPU in terms of those of ``name``, round by round."""
    return Ratio.of((each.cpu for each in measured[name]), (each.cpu for each in measured[OURS]))


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = common_options("api", __doc__, SIZES)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--profile", action="store_true", help="show where our time goes instead")
    parser.add_argument("--path", default=GENERATE, help="what to profile (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, show, keep."""
    options = arguments(argv)
    if load.wrk() is None:
        print("wrk is not installed. On Debian: apt-get install wrk", file=sys.stderr)
        return 1
    sizes = SIZES[options.sizes]
    report = Report("api", asdict(sizes), PACKAGES)
    report.figures["peers"] = peers.versions()
    try:
        peers.install()
        with ExitStack() as stack:
            bench = Bench(sizes, report, stack)
            if options.profile:
                bench.profile(options.path, options.json.with_suffix(".prof"))
            else:
                bench.compare()
    except (ContenderError, DevError, LoadError, Unavailable) as error:
        print(f"The benchmark cannot go on: {error}", file=sys.stderr)
        return 1
    if options.profile:
        print("\n\n".join(report.tables))
        return 0
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
