"""Where a worker's time goes: by samples, which do not slow it, and by counted calls, which do."""

import pstats
import signal
import subprocess
import sysconfig
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from benchmarks import _api_peers as peers
from benchmarks._api_contenders import ROOT, Contender
from benchmarks._api_load import Load
from benchmarks._api_wsgi import SWITCH
from benchmarks._harness import Report

SHOWN = 40
A_SECOND = 500
"""Samples a second."""
LONGEST = 600
"""Seconds after which py-spy ends by itself."""


def sampled(report: Report, contender: Contender, load: Callable[[], Load]) -> None:
    """Add the functions in which py-spy finds the thread that holds the interpreter.

    What only waits does not hold it, and neither do calls of the system.
    """
    raw = contender.server.directory / "samples.raw"
    command: list[str | Path] = [
        peers.SERVER / "bin" / "py-spy",
        "record",
        "--function",
        "--format=raw",
    ]
    command += [f"--rate={A_SECOND}", f"--duration={LONGEST}", f"--output={raw}"]
    command += ["--gil", f"--pid={contender.workers[0]}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as spy:
        time.sleep(1)  # it looks for the interpreter first
        load()
        spy.send_signal(signal.SIGINT)
        said, _ = spy.communicate()
    if not raw.exists():
        report.tables.append(f"No samples: {said.decode(errors='replace').strip()}")
        return
    stacks = raw.read_text()
    own, whole = shares(stacks)
    number = sum(int(line.rpartition(" ")[2]) for line in stacks.splitlines())
    for title, found in (("Own time", own), ("With what it calls", whole)):
        rows = [(f"{share:.1%}", name) for name, share in found.most_common(SHOWN)]
        report.table(f"{title}, the share of {number:,} samples", ("", "in"), rows)


def shares(raw: str) -> tuple[Counter[str], Counter[str]]:
    """Return the share of samples at whose end each function is, and of those in which it is.

    ``raw`` has a line for each stack, outermost first: ``run (a.py);work (b.py) 17``.
    """
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    total = 0
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        total += int(count)
        own[frames[-1]] += int(count)
        whole.update(dict.fromkeys(frames, int(count)))
    first, second = (
        Counter({name: count / total for name, count in each.items()}) for each in (own, whole)
    )
    return first, second


def counted(report: Report, contender: Contender, load: Callable[[], Load], kept: Path) -> None:
    """Add the calls that cProfile counts for a request; it leaves ``kept`` behind."""
    switch = urljoin(contender.url, SWITCH)
    urllib.request.urlopen(switch).close()
    load()
    with urllib.request.urlopen(switch) as response:
        requests = int(response.read())
    loaded: Any = pstats.Stats(str(kept))  # the stubs lack what follows
    # For each function: calls that are not its own, all calls, own time, with what it calls.
    found: dict[tuple[str, int, str], tuple[int, int, float, float, object]] = loaded.stats
    for order, place_of_figure in (("own time", 2), ("what it calls, too", 3)):
        key = itemgetter(place_of_figure)
        rows = []
        for function in sorted(found, key=lambda each: -key(found[each]))[:SHOWN]:
            _, calls, *seconds, _ = found[function]
            path, line, name = function
            us = [f"{each / requests * 1e6:,.1f}" for each in seconds]
            rows.append((f"{calls / requests:,.1f}", *us, f"{place(path)}:{line} {name}"))
        title = f"CPU of a request, as cProfile slows it, by {order} ({kept})"
        report.table(title, ("calls", "own us", "with what it calls", "in"), rows)


def place(path: str) -> str:
    """Return ``path`` without what is the same for all."""
    path = path.rpartition("site-packages/")[2].removeprefix(f"{ROOT}/")
    return path.removeprefix(f"{sysconfig.get_path('stdlib')}/")
