"""
A bar for long reading, and none for short.

A bar for a transfer.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator

from tqdm import tqdm

LONG_BYTES = 30_000_000
"""Less than this is read before a bar could be looked at."""


@contextlib.contextmanager
def reading_bar(
    size: int, *, shown_from: int = LONG_BYTES, quiet: bool = False, unit: str = "B"
) -> Iterator[Callable[[int], None] | None]:
    """
    A bar on stderr while something of *size* is read.

    Yields:
        What to call with the amount that was read, or None where no bar is wanted.
    """
    if quiet or size < shown_from or not sys.stderr.isatty():
        yield None
        return
    with tqdm(
        total=size,
        desc="reading",
        unit=unit,
        unit_scale=True,
        leave=False,
        file=sys.stderr,
    ) as bar:

        def advance(amount: int) -> None:
            bar.update(amount)

        yield advance


@contextlib.contextmanager
def download_bar(
    name: str, *, quiet: bool = False
) -> Iterator[Callable[[int, int | None], None] | None]:
    """
    A bar on stderr during a download, on a terminal only.

    Yields:
        What to call with the bytes that have arrived and the bytes in all.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    with tqdm(
        desc=name, unit="B", unit_scale=True, leave=False, file=sys.stderr
    ) as bar:

        def show(done: int, size: int | None) -> None:
            bar.total = size
            bar.update(done - bar.n)

        yield show
