"""A bar for what takes long, on a terminal and nowhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], object]


@contextmanager
def progress(
    total: int | Callable[[], int] | None, unit: str, quiet: bool = False
) -> Iterator[Advance]:
    """Show a bar on standard error; yield what is called with each number of things done.

    Without a terminal, or with ``quiet``, there is none, and a ``total`` that has to be counted
    is not.
    """
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield _nothing
        return
    from tqdm import tqdm

    number = total() if callable(total) else total
    with tqdm(total=number, unit=f" {unit}", unit_scale=True, dynamic_ncols=True) as bar:
        yield bar.update


def _nothing(done: int) -> None:
    """Show nothing."""
