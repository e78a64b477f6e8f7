"""Many asynchronous checks at once: how long they take, and what they do to the event loop."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import _screening_project as project
from benchmarks._harness import Progress, lag, percentile

if TYPE_CHECKING:
    from benchmarks.screening import Bench

IDLE = "the event loop alone"
IDLE_SECONDS = 0.3


@dataclass(frozen=True)
class Burst:
    """One burst, or the medians of several; times in seconds, CPU per check.

    ``lag_p99`` is of the event loop's lag, ``own_p99`` of the part that this process caused;
    the best and the worst are those of the bursts.
    """

    seconds: float
    cpu: float
    lag_p99: float
    own_p99: float
    best_p99: float
    worst_p99: float
    lag_max: float
    failures: int


Check = Callable[[str], Awaitable[object]]


async def burst(check: Check, batch: Sequence[str]) -> Burst:
    """Run ``check`` for all of ``batch`` at once."""
    async with lag() as late:
        cpu, began = time.process_time(), time.perf_counter()
        done = await asyncio.gather(*map(check, batch), return_exceptions=True)
        seconds = time.perf_counter() - began
    await asyncio.to_thread(project.drain)
    cpu = (time.process_time() - cpu) / len(batch)
    failures = sum(each is not True for each in done)
    p99, own = (
        percentile(each, 0.99) for each in zip(*((a.lag, a.own) for a in late), strict=True)
    )
    return Burst(seconds, cpu, p99, own, p99, p99, max(each.lag for each in late), failures)


def bursts(bench: "Bench") -> dict[str, Burst]:
    """Measure every candidate in turn, each round in event loops of their own.

    The first burst of a loop opens its connections, the second finds them open.
    """
    found: dict[str, list[Burst]] = {}
    batch = bench.passwords[: bench.sizes.concurrent]
    rounds = bench.sizes.bursts + 1  # the first is for warming up
    with Progress(f"{len(batch)} asynchronous checks at once", rounds) as progress:
        for number in range(rounds):
            for name, run in _candidates(bench).items():
                pair = asyncio.run(run(batch))
                if number:
                    found.setdefault(f"{name}, new connections", []).append(pair[0])
                    found.setdefault(f"{name}, kept connections", []).append(pair[1])
            idle = asyncio.run(_idle())
            if number:
                found.setdefault(IDLE, []).append(idle)
            progress.step()
    return {name: _summary(each) for name, each in found.items()}


Pair = Callable[[Sequence[str]], Coroutine[Any, Any, tuple[Burst, Burst]]]


def _candidates(bench: "Bench") -> dict[str, Pair]:
    ours = {f"ours, {cache}": _ours(bench, cache) for cache in project.CACHES}
    return {"pwned-passwords-django, shared client": _peer(bench), **ours}


def _ours(bench: "Bench", cache: str) -> Pair:
    from django.core.cache import caches

    from credfirewall.screening import ascreen

    alias = project.emptied(cache)

    async def check(password: str) -> bool:
        return (await ascreen(password)).count == bench.known.get(password, 0)

    async def pair(batch: Sequence[str]) -> tuple[Burst, Burst]:
        project.use(alias, bench.urls["slow"])
        caches[alias].clear()
        first = await burst(check, batch)
        caches[alias].clear()
        return first, await burst(check, batch)

    return pair


def _peer(bench: "Bench") -> Pair:
    async def pair(batch: Sequence[str]) -> tuple[Burst, Burst]:
        bench.api.PwnedPasswords.api_endpoint = bench.urls["slow"]
        peer = bench.api.PwnedPasswords()

        async def check(password: str) -> bool:
            count: int = await peer.check_password_async(password)
            return count == bench.known.get(password, 0)

        async with peer.async_client:
            return await burst(check, batch), await burst(check, batch)

    return pair


async def _idle() -> Burst:
    """Return what the machine alone does to a loop that has nothing to do."""

    async def wait(_: str) -> bool:
        await asyncio.sleep(IDLE_SECONDS)
        return True

    return await burst(wait, [""])


def _summary(rounds: Sequence[Burst]) -> Burst:
    return Burst(
        seconds=statistics.median(each.seconds for each in rounds),
        cpu=statistics.median(each.cpu for each in rounds),
        lag_p99=statistics.median(each.lag_p99 for each in rounds),
        own_p99=statistics.median(each.own_p99 for each in rounds),
        best_p99=min(each.lag_p99 for each in rounds),
        worst_p99=max(each.lag_p99 for each in rounds),
        lag_max=max(each.lag_max for each in rounds),
        failures=sum(each.failures for each in rounds),
    )
