"""
B streams of windows over a text.

Letters: N ids that are read, B streams, T steps, L characters of the longest stream.

The training text is read as a circle, without its calibration slice. Each epoch begins
at a new offset, or at the one by which the end of the text is read at a given time;
stream b reads from offset + floor(b N / B) to where stream b + 1 began. An epoch is cut
into ticks, windows of nearly the same number of steps, so that no tail is dropped. A
position is (epoch, tick).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt

from lstm_textgen.errors import ConfigError, CorpusError

IGNORE = -100
"""Target where a stream has ended; the value that torch's cross entropy ignores."""

ALL = slice(None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Streams:
    """
    Windows of inputs and targets, each a function of its position alone.

    In an epoch every character outside the calibration slice is a target exactly once.

    Raises:
        CorpusError: The text has fewer than two characters.
        ConfigError: There are more streams than characters.
    """

    ids: UInt[np.ndarray, " whole"]
    """The training text with its calibration slice, usually memory-mapped."""

    streams: int
    """B, how many positions are read side by side."""

    window: int
    """The largest number of steps of a window."""

    seed: int
    """Seed of the offset at which each epoch begins, 0 or more."""

    calibration: tuple[int, int] = (0, 0)
    """A slice that is not read: from start up to stop, exclusive."""

    def __post_init__(self) -> None:
        assert 0 <= self.calibration[0] <= self.calibration[1] <= len(self.ids)
        count = self.characters
        if count < 2:
            raise CorpusError(
                f"The text to train on has {count} characters.",
                "Train on a text of at least two, better of 100,000 or more.",
            )
        for name in ("streams", "window"):
            value = getattr(self, name)
            if value < 1:
                raise ConfigError(f"{name} is {value}.", f"Set {name} to 1 or more.")
        if self.streams > count:
            raise ConfigError(
                f"streams is {self.streams}, and the text has {count} characters.",
                f"Set streams to {count} or less, or train on a longer text.",
            )

    @property
    def characters(self) -> int:
        """N, how many ids an epoch reads."""
        start, stop = self.calibration
        return len(self.ids) - (stop - start)

    @property
    def ticks(self) -> int:
        """Windows in an epoch."""
        return -(-self._longest // self.window)

    @property
    def _longest(self) -> int:
        return -(-self.characters // self.streams)

    def window_at(
        self,
        epoch: int,
        tick: int,
        columns: slice = ALL,
        *,
        end_at: float | None = None,
    ) -> tuple[Int64[np.ndarray, "T B"], Int64[np.ndarray, "T B"]]:
        """
        Inputs and targets of one tick.

        Args:
            epoch: 0 or more.
            tick: From 0 to `ticks` - 1.
            columns: The streams to read.
            end_at: The fraction of the epoch, from 0 to 1, after which a stream reaches
                the end of the text. None draws the offset from the seed.

        Returns:
            Characters, and the characters that follow them. On the last tick
            the streams that are a character shorter have IGNORE as last target.
        """
        assert epoch >= 0
        assert 0 <= tick < self.ticks
        first, stop = (t * self._longest // self.ticks for t in (tick, tick + 1))
        bounds = np.arange(self.streams + 1) * self.characters // self.streams
        starts, lengths = bounds[:-1][columns], np.diff(bounds)[columns]
        steps = np.arange(first, stop + 1)[:, None]  # one more, for the targets
        read = self.read(self._offset(epoch, end_at) + starts + steps)  # (T + 1, B)
        ended = steps[:-1] >= lengths
        return read[:-1], np.where(ended, IGNORE, read[1:])

    def read(self, places: Int64[np.ndarray, "..."]) -> Int64[np.ndarray, "..."]:
        """
        The ids at some places, which are counted without the calibration slice.

        The last character of the text is followed by its first, and the one before the
        calibration slice by the one after it. These two transitions of N do not occur
        in the text, but avoiding them would lose characters.
        """
        places = places % self.characters
        begin, end = self.calibration
        places = places + (places >= begin) * (end - begin)
        return np.asarray(self.ids[places], dtype=np.int64)

    def _offset(self, epoch: int, end_at: float | None) -> int:
        """Where *epoch* begins; SeedSequence is stable across versions of NumPy."""
        if end_at is not None:
            return round((1 - end_at) * self.characters / self.streams)
        sequence = np.random.SeedSequence(self.seed, spawn_key=(epoch,))
        return int(sequence.generate_state(1, np.uint64)[0]) % self.characters
