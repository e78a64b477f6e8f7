"""What checks cost while the range service is dead."""

import itertools
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks import _screening_project as project

if TYPE_CHECKING:
    from benchmarks.screening import Bench


def ours(bench: "Bench", alias: str, url: str) -> tuple[float, float]:
    """Open the breaker; return the average and the slowest of the checks after that."""
    from credfirewall.screening import screen
    from credfirewall.screening.breaker import FAILURES
    from credfirewall.screening.verdict import Reason

    project.use(alias, url)
    with ThreadPoolExecutor(FAILURES) as pool:
        list(pool.map(screen, bench.passwords[:FAILURES]))
    project.drain()
    took, refused = [], 0
    began = time.perf_counter()
    for password in itertools.islice(itertools.cycle(bench.passwords), bench.sizes.dead_checks):
        started = time.perf_counter()
        refused += screen(password).reason == Reason.BREAKER_OPEN
        took.append(time.perf_counter() - started)
    average = (time.perf_counter() - began) / len(took)
    # A machine that is slow enough sees a probe or two, which are the breaker's work as well.
    if refused < 0.99 * len(took):
        raise RuntimeError(f"only {refused} of {len(took)} checks met an open breaker")
    return average, max(took)


def peer(bench: "Bench", url: str, checks: int) -> tuple[float, float]:
    """Return the average and the slowest of the peer's checks."""
    bench.api.PwnedPasswords.api_endpoint = url
    took = []
    for password in bench.passwords[:checks]:
        began = time.perf_counter()
        try:
            bench.peer.check_password(password)
        except bench.api.exceptions.PwnedPasswordsError:
            took.append(time.perf_counter() - began)
    return statistics.mean(took), max(took)
