"""Writer processes of the audit benchmark: they write at once, each as fast as it can."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import _audit_project as project
from benchmarks import _audit_writing as writing

ROOT = Path(__file__).parents[1]


@contextmanager
def crew(number: int, url: str, directory: Path) -> Iterator["Crew"]:
    """Start ``number`` writers, which end with the block."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", __name__, url, str(directory), str(each)],
            cwd=ROOT,
            env=project.python_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for each in range(number)
    ]
    try:
        yield Crew(processes)
    finally:
        for process in processes:
            process.communicate()


class Crew:
    """Some writers, all of which do the same at the same time."""

    def __init__(self, processes: Sequence["subprocess.Popen[str]"]) -> None:
        self._processes = processes
        self._answers()  # they are up

    def write(self, how: str, seconds: float) -> float:
        """Have all write for ``seconds``, and return the rows that came in each second."""
        begin = time.time() + 0.1
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(json.dumps([how, begin, seconds]) + "\n")
            process.stdin.flush()
        return sum(float(rows / spent) for rows, spent in self._answers())

    def _answers(self) -> list[Any]:
        answers = []
        for process in self._processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("a writer has ended")
            answers.append(json.loads(line))
        return answers


def main(url: str, directory: str, number: str) -> None:
    """Write when told to."""
    project.configure({"postgresql": url}, Path(directory))
    ways = writing.ways("postgresql")
    with writing.request(int(number)):
        for way in ways.values():
            way(writing.TYPICAL, 5)
        _say([0, 1])
        for line in sys.stdin:
            how, begin, seconds = json.loads(line)
            way, rows = ways[how], 0
            time.sleep(max(0.0, begin - time.time()))
            began = time.perf_counter()
            while (spent := time.perf_counter() - began) < seconds:
                way(writing.TYPICAL, 5)
                rows += 5
            _say([rows, spent])


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
