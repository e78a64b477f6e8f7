"""The arithmetic of the benchmarks."""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks._harness import (
    TICK,
    Candidate,
    Cores,
    Ratio,
    Report,
    finish,
    interleave,
    lag,
    percentile,
)


def test_candidates_take_turns() -> None:
    order: list[str] = []
    numbers: Iterator[int] = iter(range(100))

    def candidate(name: str) -> Candidate:
        return Candidate(name, 2, lambda: next(numbers), lambda _: order.append(name), print)

    samples = interleave([candidate("a"), candidate("b"), candidate("c")], 3, "something", Cores())
    assert "".join(order) == "abcbcacababc"
    assert {name: len(each) for name, each in samples.items()} == {"a": 3, "b": 3, "c": 3}


def test_background_work_counts_as_cpu_and_not_as_time() -> None:
    def burn() -> None:
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass

    candidate = Candidate("a", 1, lambda: None, lambda _: None, lambda _: None, burn)
    [measured] = interleave([candidate], 1, "something", Cores())["a"]
    assert measured.cpu >= 0.02 > measured.wall


def test_ratios_are_those_of_the_rounds() -> None:
    # The machine is three times slower in the middle round; the ratio is not.
    ratio = Ratio.of([1.0, 3.0, 1.0], [2.0, 6.0, 2.0])
    assert (ratio.low, ratio.median, ratio.high) == (0.5, 0.5, 0.5)


def test_percentiles() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert percentile([7.0], 0.01) == 7.0


def test_a_stall_counts_as_every_tick_that_it_swallowed() -> None:
    async def stall() -> list[float]:
        async with lag() as late:
            await asyncio.sleep(0.01)
            time.sleep(0.1)  # noqa: ASYNC251 - the stall
            await asyncio.sleep(0.01)
        return [each.lag for each in late]

    late = asyncio.run(stall())
    assert max(late) >= 0.1 - 2 * TICK
    assert sum(each >= 0.05 for each in late) >= 45


@pytest.mark.parametrize(
    ("met", "strict", "status"), [(True, True, 0), (False, False, 0), (False, True, 1)]
)
def test_missed_targets(
    met: bool, strict: bool, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report("some", {"rows": 1}, ["Django"])
    report.target("speed", "at most 1", "2", met=met)
    report.table("A table", ("", "us"), [("one", "1")])
    kept = tmp_path / "some.json"
    assert finish(report, argparse.Namespace(json=kept, strict=strict)) == status
    said = capsys.readouterr().out
    assert ("missed: speed: 2" in said) is not met
    assert json.loads(kept.read_text())["targets"][0]["met"] is met
