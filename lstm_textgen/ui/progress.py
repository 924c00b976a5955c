"""Progress bars on stderr, on a terminal only."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

from tqdm import tqdm

from lstm_textgen.ui.terminal import say

Bar = TypeVar("Bar", bound="RunBar")

LONG_BYTES = 30_000_000
"""Less than this is read too fast for a bar to be useful."""

BAR = "{percentage:3.0f}%|{bar:10}| {desc}"
"""With the text of a training step it fits into 80 columns."""

LINE_EVERY_S = 10.0
"""Where there is no terminal: the least time between two lines of progress."""


class RunBar:
    """
    The progress of a long run: a bar on a terminal, elsewhere a line now and then.

    Use it as a context manager. A terminal that is gone is no reason to stop, so what
    cannot be drawn is skipped.

    Args:
        text: Beside the bar until the first `advance`.
        quiet: Show no progress.
    """

    def __init__(self, text: str, *, quiet: bool) -> None:
        self.quiet = quiet
        self._line_at_s = -LINE_EVERY_S
        self._bar: tqdm[NoReturn] | None = None
        if sys.stderr.isatty() and not quiet:
            self._bar = tqdm(
                total=1.0, bar_format=BAR, dynamic_ncols=True, file=sys.stderr
            )
            self._bar.set_description_str(text)

    def __enter__(self: Bar) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.close()

    def advance(self, progress: float, text: str, prefix: str = "") -> None:
        """
        Show how far the run is.

        Args:
            progress: Fraction that is done, 0 to 1.
            text: What was just done.
            prefix: Goes before the text where there is a line instead of the bar.
        """
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.n = round(progress, 4)
                self._bar.set_description_str(text)
        elif not self.quiet and time.monotonic() - self._line_at_s >= LINE_EVERY_S:
            self._line_at_s = time.monotonic()
            say(f"{progress:4.0%}  {prefix}{text}")

    def print_line(self, text: str) -> None:
        """Print a line above the bar, even where no progress is shown."""
        if self._bar is None:
            say(text)
        else:
            with contextlib.suppress(OSError):
                self._bar.write(text, file=sys.stderr)


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
