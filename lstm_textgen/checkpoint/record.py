"""What a checkpoint tells about its training, checked like every setting."""

import dataclasses
import math
from dataclasses import dataclass
from reprlib import repr as shorten

from lstm_textgen.errors import ConfigError

TEXT_CAP = 10_000
"""Characters of the longest free text in a checkpoint."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRecord:
    """
    The text that a model has learned from, and how far it came.

    Places in the text are counted in ids from its beginning: in characters, or in
    bytes where the model reads bytes. A part from a place to itself is empty.
    """

    corpus: str = ""
    """Name of the text, never a path."""

    characters: int = 0
    """How long the text is, in ids."""

    sha256: str = ""
    """Fingerprint of the text."""

    encoding: str = "utf-8"
    """How the bytes of its files became characters."""

    newline: str = "lf"
    """How its lines end."""

    train_start: int = 0
    train_stop: int = 0
    """The part that was learned from."""

    calibration_start: int = 0
    calibration_stop: int = 0
    """Of the part that was learned from, what gave the temperature and nothing else."""

    validation_start: int = 0
    validation_stop: int = 0
    """The part that chose the best weights."""

    test_start: int = 0
    test_stop: int = 0
    """The part that was never looked at."""

    steps: int = 0
    """Changes of the weights."""

    epochs: float = 0.0
    """How often the training part was read."""

    seconds: float = 0.0
    """How long it took by the clock."""

    seed: int = 0
    """Where all random numbers began."""

    temperature: float | None = None
    """What the logits were divided by, once and for all, when training had ended, more
    than 0; None where they are as the last step left them."""

    validation_nats_per_char: float | None = None
    """Loss on the validation part; None where nothing was held out."""

    validation_characters: int = 0
    """How many characters that loss is the mean of."""

    def __post_init__(self) -> None:
        for name in ("corpus", "sha256", "encoding", "newline"):
            check_free_text(name, getattr(self, name))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float):
                _check_number(field.name, value)
        if self.temperature == 0:
            raise ConfigError("temperature is 0.", "Set it to more, or to null.")
        places = [0]
        for part in ("train", "validation", "test"):
            start, stop = getattr(self, f"{part}_start"), getattr(self, f"{part}_stop")
            places += [start, stop] if start != stop else []
        places.append(self.characters)
        inside = [self.train_start, self.calibration_start]
        inside += [self.calibration_stop, self.train_stop]
        if self.calibration_start != self.calibration_stop and inside != sorted(inside):
            raise ConfigError(
                f"What calibrates stands at {inside[1:3]}, and what trains at "
                f"{inside[::3]}.",
                "Take it from the part that trains.",
            )
        if places != sorted(places):
            raise ConfigError(
                f"The parts of the text begin and end at {places[1:-1]}, and the text "
                f"at {places[-1]}.",
                "Give them in order: training, validation, test.",
            )


def check_free_text(name: str, text: str) -> None:
    """
    Refuse a free text that cannot be kept.

    Raises:
        ConfigError: It is too long, or holds a NUL or half a character.
    """
    if len(text) > TEXT_CAP:
        problem = f"{name} has {len(text)} characters."
        raise ConfigError(problem, f"Shorten it to {TEXT_CAP}.")
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text):
        problem = f"{name} holds a NUL or half a character (a surrogate)."
        raise ConfigError(problem, "Take that character out.")


def _check_number(name: str, value: int | float) -> None:
    if not (0 <= value < 2**63 and math.isfinite(value)):
        problem = f"{name} is {shorten(value)}."
        raise ConfigError(problem, f"Set {name} to a finite number, 0 or more.")
