"""The record of training in a checkpoint."""

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
    The text that a model was trained on, and how far training went.

    Positions in the text are counted in ids from its beginning: in characters, or in
    bytes for a model of bytes. A part that starts where it stops is empty.
    """

    corpus: str = ""
    """Name of the text, never a path."""

    characters: int = 0
    """Length of the text, in ids."""

    sha256: str = ""
    """Digest of the text."""

    encoding: str = "utf-8"
    """How the bytes of its files became characters."""

    train_start: int = 0
    train_stop: int = 0
    """The part that was trained on."""

    calibration_start: int = 0
    calibration_stop: int = 0
    """A slice of the training part that fitted the temperature and nothing else."""

    validation_start: int = 0
    validation_stop: int = 0
    """The part that chose the best weights."""

    test_start: int = 0
    test_stop: int = 0
    """The part that was never read."""

    steps: int = 0
    """Changes of the weights."""

    epochs: float = 0.0
    """How often the training part was read."""

    seconds: float = 0.0
    """Duration of training by the clock."""

    seed: int = 0
    """Seed of all random numbers."""

    temperature: float | None = None
    """The fitted temperature, above 0, by which the head was divided when training
    ended; None where the head is as the last step left it."""

    validation_nats_per_char: float | None = None
    """Loss on the validation part; None where nothing was held out."""

    validation_characters: int = 0
    """How many characters that loss is the mean of."""

    def __post_init__(self) -> None:
        for name in ("corpus", "sha256", "encoding"):
            check_free_text(name, getattr(self, name))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float):
                _check_number(field.name, value)
        if self.temperature == 0:
            raise ConfigError("temperature is 0.", "Set it to more, or to null.")
        self._check_calibration()
        self._check_order()

    @property
    def parts(self) -> dict[str, tuple[int, int]]:
        """The parts of the text by name: from start, up to but without stop."""
        return {
            "train": (self.train_start, self.train_stop),
            "validation": (self.validation_start, self.validation_stop),
            "test": (self.test_start, self.test_stop),
        }

    @property
    def calibration(self) -> tuple[int, int]:
        """The calibration slice: from start, up to but without stop."""
        return self.calibration_start, self.calibration_stop

    def without_parts(self) -> "TrainingRecord":
        """The same record, with every part empty."""
        return dataclasses.replace(
            self,
            train_start=0,
            train_stop=0,
            calibration_start=0,
            calibration_stop=0,
            validation_start=0,
            validation_stop=0,
            test_start=0,
            test_stop=0,
        )

    def _check_calibration(self) -> None:
        start, stop = self.calibration
        places = [self.train_start, start, stop, self.train_stop]
        if start != stop and places != sorted(places):
            raise ConfigError(
                f"What calibrates stands at {places[1:3]}, and what trains at "
                f"{places[::3]}.",
                "Take it from the part that trains.",
            )

    def _check_order(self) -> None:
        places = [0]
        for start, stop in self.parts.values():
            places += [start, stop] if start != stop else []
        places.append(self.characters)
        if places != sorted(places):
            raise ConfigError(
                f"The parts of the text begin and end at {places[1:-1]}, and the text "
                f"at {places[-1]}.",
                "Give them in order: training, validation, test.",
            )


def check_free_text(name: str, text: str) -> None:
    """
    Refuse a free text that cannot be stored.

    Raises:
        ConfigError: It is too long, or contains a NUL or a lone surrogate.
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
