"""
The split of a text, its calibration slice, and B streams of windows over it.

Letters: N ids that are read, B streams, T steps, L characters of the longest stream.

The training text is read as a circle, without its calibration slice. Each epoch begins
at a new offset, or at the one by which the end of the text is read at a given time;
stream b reads from offset + floor(b N / B) to where stream b + 1 began. An epoch is cut
into ticks, windows of nearly the same number of steps, so that no tail is dropped. A
position is (epoch, tick).
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Int64, UInt

from lstm_textgen.errors import ConfigError, CorpusError

MAX_CALIBRATION = 16_384
"""The largest calibration slice: it fits the temperature to a hundredth."""

MIN_CALIBRATION = 1024
"""The smallest calibration slice; a text too short for it has none."""

CALIBRATION_ONE_IN = 50
"""The calibration slice is one of this many characters of the training part."""


def calibration_slice(characters: int) -> tuple[int, int]:
    """
    The calibration slice of a training part, from its middle.

    Args:
        characters: Length of the training part.

    Returns:
        From start up to stop, exclusive; both 0 where the part is too short.
    """
    length = min(MAX_CALIBRATION, characters // CALIBRATION_ONE_IN)
    if length < MIN_CALIBRATION:
        return 0, 0
    start = (characters - length) // 2
    return start, start + length


IGNORE = -100
"""Target where a stream has ended; the value that torch's cross entropy ignores."""

ALL = slice(None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """The parts of a text: from start up to stop, exclusive."""

    train: tuple[int, int]
    validation: tuple[int, int]
    test: tuple[int, int]


def with_context(part: tuple[int, int]) -> slice:
    """
    The ids to read so that every character of *part* is predicted: one more.

    The character before a part goes in front, where there is one.
    """
    start, stop = part
    return slice(max(start - 1, 0), stop) if start < stop else slice(start, stop)


def split_text(length: int, validation: float, test: float) -> Split:
    """
    Cut by position: the test part off the very end, validation before it.

    Args:
        length: Ids of the whole text.
        validation: Share of the whole that validates, in [0, 0.5].
        test: Share of the whole that tests, in [0, 0.5].

    Returns:
        Parts that follow each other. The shares are taken exactly as the
        decimals they were written as, and rounded up.

    Raises:
        CorpusError: Nothing is left to train on.
    """
    held_out = math.ceil(Fraction(str(validation)) * length)
    tested = math.ceil(Fraction(str(test)) * length)
    trained = length - held_out - tested
    if trained < 1:
        raise CorpusError(
            f"Of {length} characters, {held_out} validate and {tested} test.",
            "Train on a longer text, or hold out a smaller share.",
        )
    return Split(
        train=(0, trained),
        validation=(trained, trained + held_out),
        test=(trained + held_out, length),
    )


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
                the end of the text. None: as the seed has it.

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
