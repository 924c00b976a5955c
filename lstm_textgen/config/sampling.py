"""How the next character is drawn, and what a text must look like."""

import typing
from dataclasses import dataclass
from typing import Literal

from lstm_textgen.config.checks import check, choice
from lstm_textgen.errors import ConfigError

Until = Literal["newline", "sentence", "paragraph"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleConfig:
    """
    How the next character is drawn.

    The fields stand in the order in which they act. Everything but the temperature
    is off unless it is asked for.
    """

    repetition_penalty: float = 1.0
    """Weakens what was written lately: divides its logits. Above 0; 1 is off."""

    frequency_penalty: float = 0.0
    """Nats off for each time that a character was written lately. 0 is off."""

    presence_penalty: float = 0.0
    """Nats off for a character that was written lately at all. 0 is off."""

    no_repeat: int = 0
    """No run of so many characters comes twice in the window. 0 is off."""

    dry: float = 0.0
    """Nats off for lengthening a repeat of `dry_allowed` characters. 0 is off."""

    dry_base: float = 1.15
    """What each further character of the repeat multiplies that by, 1 to 10."""

    dry_allowed: int = 12
    """From so many characters on a repeat costs: shorter ones are words, 1 or more."""

    penalty_window: int = 256
    """How many characters of the past all of the above look at, 1 to 65536."""

    temperature: float = 0.8
    """
    Divides the logits. Below 1 sharpens, above 1 flattens, 0 is greedy.

    Why 0.8: `docs/sampling.md`.
    """

    final_temperature: float | None = None
    """Where the temperature goes, in even steps, over the sample. None stays."""

    top_k: int = 0
    """How many of the likeliest characters to keep. 0 keeps everything."""

    min_p: float = 0.0
    """Keeps what has this share of the highest probability, in [0, 1]. 0 is off."""

    typical: float = 1.0
    """Mass of the characters nearest to the expected surprise, in (0, 1]. 1 is off."""

    eta: float = 0.0
    """Cuts what is less likely than this, or less where all is unlikely. 0 is off."""

    top_p: float = 1.0
    """Probability mass to keep, in (0, 1]. 1 keeps everything."""

    mirostat: float = 0.0
    """Surprise to keep to, in nats a character. 0 is off."""

    mirostat_rate: float = 0.1
    """How fast mirostat corrects itself, in (0, 1]."""

    seed: int = 0
    """Makes a sample repeatable, 0 to 2^63 - 1."""

    def __post_init__(self) -> None:
        self._check_penalties()
        for name in ("temperature", "final_temperature"):
            heat = getattr(self, name)
            ok = heat is None or 0 <= heat <= 100
            check(name, heat, ok, "a number from 0 to 100")
        check("top_k", self.top_k, self.top_k >= 0, "0 or more")
        check("min_p", self.min_p, 0 <= self.min_p <= 1, "a number from 0 to 1")
        check("eta", self.eta, 0 <= self.eta < 1, "at least 0, below 1")
        for name in ("typical", "top_p", "mirostat_rate"):
            value = getattr(self, name)
            check(name, value, 0 < value <= 1, "above 0, at most 1")
        check("mirostat", self.mirostat, 0 <= self.mirostat <= 100, "from 0 to 100")
        check("seed", self.seed, 0 <= self.seed < 2**63, "from 0 to 2^63 - 1")

    def _check_penalties(self) -> None:
        factor = self.repetition_penalty
        check("repetition_penalty", factor, 0 < factor <= 100, "above 0, at most 100")
        for name in ("frequency_penalty", "presence_penalty"):
            nats = getattr(self, name)
            check(name, nats, -100 <= nats <= 100, "a number from -100 to 100")
        check("dry", self.dry, 0 <= self.dry <= 100, "a number from 0 to 100")
        base, window = self.dry_base, self.penalty_window
        check("dry_base", base, 1 <= base <= 10, "a number from 1 to 10")
        check("penalty_window", window, 1 <= window <= 65536, "from 1 to 65536")
        for name, least in (("no_repeat", 0), ("dry_allowed", 1)):
            size = getattr(self, name)
            check(name, size, least <= size <= 65536, f"from {least} to 65536")


@dataclass(frozen=True, kw_only=True, slots=True)
class FormConfig:
    """What a text must look like, and where it ends."""

    length: int = 500
    """Characters to write at most, 0 or more."""

    min_length: int = 0
    """Characters before which neither `stop` nor `until` ends the text."""

    stop: tuple[str, ...] = ()
    """Strings that end the text. They are not part of it."""

    until: Until | None = None
    """Ends the text after a line, a sentence or a paragraph."""

    only: str = ""
    """Characters and ranges (`a-z .,`) that may be written. Empty allows all."""

    ban: str = ""
    """Characters and ranges that may not be written."""

    match: str = ""
    """A regular expression that the whole text must match. Empty is off."""

    def __post_init__(self) -> None:
        for name in ("length", "min_length"):
            count = getattr(self, name)
            check(name, count, 0 <= count < 2**62, "0 or more, below 2^62")
        if self.match and (self.stop or self.until):
            raise ConfigError(
                "A text that must match as a whole cannot end elsewhere.",
                "Leave out match, or stop and until.",
            )
        check("stop", self.stop, "" not in self.stop, "at least one character")
        if self.until is not None:
            choice("until", self.until, typing.get_args(Until))
