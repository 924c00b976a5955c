"""The split of a text into parts, and the calibration slice of its training part."""

import math
from dataclasses import dataclass
from fractions import Fraction

from lstm_textgen.errors import CorpusError

MAX_CALIBRATION = 16_384
"""The largest calibration slice: it fits the temperature to a hundredth."""

MIN_CALIBRATION = 1024
"""The smallest calibration slice; a text too short for it has none."""

CALIBRATION_ONE_IN = 50
"""The calibration slice is one of this many characters of the training part."""


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
