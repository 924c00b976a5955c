"""A bar for a transfer."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from tqdm import tqdm


@contextlib.contextmanager
def fetching_bar(
    name: str, *, quiet: bool = False
) -> Iterator[Callable[[int, int | None], None] | None]:
    """
    A bar on stderr while something is fetched, on a terminal only.

    Yields:
        What to call with the bytes that are there and those that there will be.
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
