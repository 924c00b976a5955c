"""
B read heads over a text, equally far apart; a position is (epoch, tick).

Letters: N ids that are read, B streams, T steps, L characters of the longest stream.

The text is read as a circle, with a part of it passed over. Each epoch begins at a
fresh offset, or where it must so that the end of the text is read when it should be;
stream b reads from offset + floor(b N / B) to where stream b + 1 began. An epoch is cut
into ticks of nearly the same number of steps, so that no tail is dropped.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Int64, UInt

from lstm_textgen.errors import ConfigError, CorpusError

MAX_CALIBRATION = 16_384
"""The most characters kept apart: the temperature is known to a hundredth by then."""

MIN_CALIBRATION = 1024
"""Fewer would tell of themselves only; a text too short for them keeps none apart."""

CALIBRATION_ONE_IN = 50
"""One character of so many is kept apart."""


def calibration_length(characters: int) -> int:
    """How many *characters* of a training part are kept apart."""
    length = min(MAX_CALIBRATION, characters // CALIBRATION_ONE_IN)
    return length if is_calibration_length(length) else 0


def is_calibration_length(length: int) -> bool:
    """Whether so many characters tell a temperature."""
    return MIN_CALIBRATION <= length <= MAX_CALIBRATION


def calibration_slice(characters: int, length: int) -> tuple[int, int]:
    """Where they stand in it: from start, up to but without stop."""
    start = (characters - length) // 2
    return (start, start + length) if length else (0, 0)


IGNORE = -100
"""Target where a stream has ended; the value that torch's cross entropy skips."""

ALL = slice(None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Which ids train, validate and test: from start, up to but without stop."""

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
    Windows of inputs and targets, each found from its position alone.

    In an epoch every character that is not apart is a target exactly once.

    Raises:
        CorpusError: The text has fewer than two characters.
        ConfigError: There are more streams than characters.
    """

    ids: UInt[np.ndarray, " whole"]
    """The text, with what is apart; only what a window needs is read."""

    streams: int
    """B, how many places are read side by side."""

    window: int
    """The longest window: most steps of a tick."""

    seed: int
    """Decides where each epoch begins, 0 or more."""

    apart: tuple[int, int] = (0, 0)
    """A part that is passed over: from start, up to but without stop."""

    def __post_init__(self) -> None:
        assert 0 <= self.apart[0] <= self.apart[1] <= len(self.ids)
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
        start, stop = self.apart
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
            columns: The share of the streams that is wanted.
            end_at: After which share of the epoch, from 0 to 1, a stream comes to the
                end of the text. None: where the seed has it.

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
        The ids at some places, which are counted without what is apart.

        The last character of the text is followed by its first, and what stands before
        the part that is apart by what stands after it. These seams are false, but they
        are two among N, and moving them would lose characters.
        """
        places = places % self.characters
        begin, end = self.apart
        places = places + (places >= begin) * (end - begin)
        return np.asarray(self.ids[places], dtype=np.int64)

    def _offset(self, epoch: int, end_at: float | None) -> int:
        """Where *epoch* begins; SeedSequence is stable over versions of numpy."""
        if end_at is not None:
            return round((1 - end_at) * self.characters / self.streams)
        drawn = np.random.SeedSequence(self.seed, spawn_key=(epoch,))
        return int(drawn.generate_state(1, np.uint64)[0]) % self.characters
