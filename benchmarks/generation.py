"""Generating beside `secrets.choice`, and beside the ways that are fast and biased."""

import secrets
import string
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from benchmarks._harness import (
    Candidate,
    Ratio,
    Report,
    Samples,
    arguments,
    finish,
    interleave,
    median,
    nothing,
)
from credfirewall.passwords import Spec
from credfirewall.passwords.generator import draw, generate

POOL = string.ascii_letters + string.digits + string.punctuation
LENGTHS = (16, 64, 128)
PEER = "secrets.choice, joined"
OURS = "draw"
BARS = {16: 12.0, 128: 50.0}
"""How many times faster than the peer a password of this length has to be."""


@dataclass(frozen=True)
class Sizes:
    """How much to measure: rounds, and values in each of a round's samples."""

    rounds: int
    values: int
    slow_values: int


SIZES = {
    "full": Sizes(rounds=60, values=4000, slow_values=200),
    "quick": Sizes(rounds=15, values=2000, slow_values=100),
    "smoke": Sizes(rounds=2, values=50, slow_values=10),
}


def chosen(length: int) -> str:
    """Draw as the standard library's documentation shows it."""
    return "".join(secrets.choice(POOL) for _ in range(length))


def modulo(length: int) -> str:
    """Draw in the biased way that is all over the web."""
    return "".join(POOL[byte % len(POOL)] for byte in secrets.token_bytes(length))


def candidate(name: str, values: int, length: int, make: Callable[[], str]) -> Candidate:
    def run(_: object) -> list[str]:
        return [make() for _ in range(values)]

    def verify(made: list[str]) -> None:
        assert len(made) == values
        assert not length or set(map(len, made)) == {length}

    return Candidate(name, values, nothing, run, verify)


def passwords(length: int, sizes: Sizes) -> list[Candidate]:
    """Return the ways to draw a password of ``length``."""
    plain, each = Spec.of(length=length), Spec.of(length=length, require_each=True)
    return [
        candidate(OURS, sizes.values, length, partial(draw, plain)),
        candidate("draw, one of each class", sizes.values, length, partial(draw, each)),
        candidate("generate", sizes.values, length, lambda: generate(length=length).value),
        candidate(PEER, sizes.slow_values, length, partial(chosen, length)),
        candidate("modulo (biased)", sizes.values, length, partial(modulo, length)),
    ]


def kinds(sizes: Sizes) -> list[Candidate]:
    """Return the other kinds, as they are by default."""
    names = ("passphrase", "pin", "pronounceable")
    specs = {name: Spec.of(kind=name) for name in names}
    return [candidate(name, sizes.values, 0, partial(draw, specs[name])) for name in names]


def rows(samples: Samples, peer: str | None) -> list[tuple[str, str, str]]:
    """Return a table's rows: microseconds a value, and how many times faster than the peer."""
    found = []
    for name, taken in samples.items():
        ratio = f"{faster(samples, name).median:.1f}" if peer else ""
        found.append((name, f"{median(taken).cpu * 1e6:.2f}", ratio))
    return found


def faster(samples: Samples, name: str) -> Ratio:
    """Return how many times faster than the peer, round by round."""
    return Ratio.of((each.cpu for each in samples[PEER]), (each.cpu for each in samples[name]))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, show, keep."""
    options = arguments("generation", __doc__, SIZES, argv)
    sizes = SIZES[options.sizes]
    report = Report("generation", asdict(sizes), [])
    head = ("", "CPU us a value", "times faster")
    for length in LENGTHS:
        title = f"Passwords of {length} out of {len(POOL)} characters"
        samples = interleave(passwords(length, sizes), sizes.rounds, title, report.cores)
        report.table(title, head, rows(samples, PEER))
        report.figures[str(length)] = figures(samples)
        if bar := BARS.get(length):
            ratio = faster(samples, OURS)
            report.target(
                f"{length} characters, beside {PEER}",
                f"at least {bar:g} times faster",
                f"{ratio.median:.1f} ({ratio.low:.1f} to {ratio.high:.1f})",
                met=ratio.median >= bar,
            )
    samples = interleave(kinds(sizes), sizes.rounds, "The other kinds", report.cores)
    report.table("The other kinds, by default", head[:2], [row[:2] for row in rows(samples, None)])
    report.figures["kinds"] = figures(samples)
    return finish(report, options)


def figures(samples: Samples) -> dict[str, float]:
    """Return the microseconds of CPU that a value takes, by name."""
    return {name: median(taken).cpu * 1e6 for name, taken in samples.items()}


if __name__ == "__main__":
    sys.exit(main())
