"""Progress bars on stderr, on a terminal only."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

from tqdm import tqdm

LONG_BYTES = 30_000_000
"""Less than this is read before anybody could look at a bar."""


@contextlib.contextmanager
def reading_bar(
    size: int, *, shown_from: int = LONG_BYTES, quiet: bool = False, unit: str = "B"
) -> Iterator[Callable[[int], None] | None]:
    """
    A bar while something of *size* is read; none for what is read in a moment.

    Args:
        size: How much there is, in *unit*.
        shown_from: The least size that gets a bar.
        quiet: Show none.
        unit: What the bar counts.

    Yields:
        A function that takes the amount just read, or None where there is no bar.
    """
    if quiet or size < shown_from or not sys.stderr.isatty():
        yield None
        return
    with _bar("reading", unit, size) as bar:

        def advance(amount: int) -> None:
            bar.update(amount)

        yield advance


@contextlib.contextmanager
def download_bar(
    name: str, *, quiet: bool = False
) -> Iterator[Callable[[int, int | None], None] | None]:
    """
    A bar during a download.

    Yields:
        A function that takes the bytes that have arrived and the bytes in all, or
        None where there is no bar.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    with _bar(name, "B") as bar:

        def show(done: int, size: int | None) -> None:
            bar.total = size
            bar.update(done - bar.n)

        yield show


def _bar(description: str, unit: str, size: int | None = None) -> "tqdm[NoReturn]":
    return tqdm(
        total=size,
        desc=description,
        unit=unit,
        unit_scale=True,
        leave=False,
        file=sys.stderr,
    )
