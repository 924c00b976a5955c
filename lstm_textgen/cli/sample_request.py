"""What is asked of `textgen sample`: which texts, from what, and how to print them."""

import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lstm_textgen.config import FormConfig, SampleConfig, check, choice
from lstm_textgen.errors import ConfigError

if TYPE_CHECKING:
    from lstm_textgen.text.tokenizer import OnUnknown


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRequest:
    """Which texts are to be drawn."""

    config: SampleConfig
    form: FormConfig
    samples: int = 1
    first_sample: int = 0
    """The number of the first one: each sample of a seed has its own."""
    best_of: int = 1
    """How many to draw in order to keep the one with the fewest nats a character."""
    beam: int = 0
    """Hypotheses of a beam search; 0 draws."""
    length_power: float = 1.0
    """Texts of different lengths compare by their nats / length to this power."""
    alternatives: int = 0
    """Characters to list beside each one that was drawn."""

    def __post_init__(self) -> None:
        for name, least in (("samples", 1), ("best_of", 1), ("first_sample", 0)):
            value = getattr(self, name)
            allowed = f"a number from {least} to 10^9"
            check(name, value, least <= value <= 10**9, allowed)
        for name in ("beam", "alternatives"):
            value = getattr(self, name)
            check(name, value, 0 <= value <= 10**6, "a number from 0 to 10^6")
        power = self.length_power
        check("length_power", power, abs(power) <= 100, "a number from -100 to 100")
        if self.samples > 1 and self.best_of > 1:
            raise ConfigError(
                "Both --samples and --best-of say how many texts.",
                "Leave one of them out.",
            )
        if self.beam:
            self._check_beam()

    def _check_beam(self) -> None:
        """Refuse settings that mean nothing where nothing is drawn."""
        if len(self.numbers) > 1 or self.first_sample or self.alternatives:
            raise ConfigError(
                "A beam search finds one text, without numbers and alternatives.",
                "Leave out --samples, --first-sample, --best-of and --alternatives.",
            )
        if self.config != SampleConfig(seed=self.config.seed):
            raise ConfigError(
                "A beam search looks for the likeliest text and draws nothing.",
                "Leave out --temperature, the masks and the penalties, or --beam.",
            )

    @property
    def numbers(self) -> range:
        """Which samples of the seed to draw."""
        count = max(self.samples, self.best_of)
        return range(self.first_sample, self.first_sample + count)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSource:
    """Which model writes, or which mixture, and where and how it computes."""

    checkpoint: str | None = None
    mix: tuple[str, ...] = ()
    """MODEL or MODEL:WEIGHT of each model of a mixture."""
    device: str = "cpu"
    threads: int | None = None
    """None: 1 for one text, else the usable cores."""
    precision: str = "float32"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptSource:
    """Where the prompt comes from: a text or a file."""

    text: str | None = None
    file: str | None = None
    encoding: str = "utf-8"
    on_unknown: "OnUnknown" = "error"

    def __post_init__(self) -> None:
        from lstm_textgen.text.tokenizer import OnUnknown

        choice("on_unknown", self.on_unknown, typing.get_args(OnUnknown))
        if self.text is not None and self.file is not None:
            raise ConfigError(
                "Both --prompt and --prompt-file are given.", "Leave one of them out."
            )

    def parts(self) -> Iterable[str]:
        """
        The text, piece by piece.

        Raises:
            MissingError: There is no such file.
            CorpusError: While iterating: it is not text.
        """
        from lstm_textgen.text.reader import TextReader
        from lstm_textgen.text.source import find_source

        if self.file is None:
            return [self.text or ""]
        return TextReader(find_source([self.file]), self.encoding)


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleOutput:
    """How texts are printed."""

    json: bool = False
    quiet: bool = False
    echo: bool = True
    """Repeat the prompt before its text."""
    color: str | None = None
    show_seed: bool = True
    """The seed was chosen here, and whoever wants the text again needs it."""

    def __post_init__(self) -> None:
        check("colour", self.color, self.color in (None, "surprise"), "surprise")


def check_interactive(
    request: SampleRequest, output: SampleOutput, prompt: PromptSource
) -> None:
    """
    A session is one text that grows, between a person and the model.

    Raises:
        ConfigError: Something was asked for that has no meaning there.
    """
    many = len(request.numbers) > 1 or request.first_sample or request.beam
    if many or request.alternatives or output.json or output.color:
        raise ConfigError(
            "A session in turns is one text on a terminal.",
            "Leave out --json, --colour, --alternatives, --samples, --first-sample, "
            "--best-of and --beam.",
        )
    if prompt.file == "-":
        raise ConfigError(
            "A session reads what is typed from stdin, and so does --prompt-file -.",
            "Name a file, or use --prompt.",
        )
