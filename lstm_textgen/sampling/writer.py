"""
Engine and tokenizer together: text in, text out, in whole characters.

    Writer.load(path).write("Once", length=200)
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_textgen.checkpoint.format import build_model, load_checkpoint
from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.model.network import CharModel
from lstm_textgen.sampling.engine import generate, read_prompt
from lstm_textgen.sampling.fast import FastStepper
from lstm_textgen.text.tokenizer import Tokenizer

DEFAULT = SampleConfig()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some whole characters of a sample, and what the model paid for them."""

    text: str
    nats: float


class Writer:
    """
    Writes on from a prompt with a trained model.

    Args:
        model: The network.
        tokenizer: Its vocabulary.
    """

    def __init__(self, model: CharModel, tokenizer: Tokenizer) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._stepper = FastStepper(model)

    @classmethod
    def load(cls, path: Path | str, device: str = "cpu") -> "Writer":
        """
        Open a checkpoint file.

        Raises:
            MissingError: There is no such file.
            CheckpointError: It is damaged or not one of ours.
        """
        checkpoint = load_checkpoint(Path(path))
        model = build_model(checkpoint, device=torch.device(device))
        return cls(model, checkpoint.tokenizer)

    def write(
        self, prompt: str = "", *, length: int = 500, config: SampleConfig = DEFAULT
    ) -> str:
        """
        Continue *prompt* by *length* characters; the prompt is not repeated.

        Raises:
            VocabularyError: A character of the prompt was never seen in training.
            ConfigError: The length is below 0.
        """
        return "".join(
            piece.text for piece in self.stream(prompt, length=length, config=config)
        )

    def stream(
        self, prompt: str = "", *, length: int = 500, config: SampleConfig = DEFAULT
    ) -> Iterator[Piece]:
        """The same as `write`, character by character as they are drawn."""
        ids = self.tokenizer.encode(prompt)
        return self.stream_ids(ids, length=length, config=config)

    def stream_ids(
        self, ids: NDArray[np.unsignedinteger], *, length: int, config: SampleConfig
    ) -> Iterator[Piece]:
        """`stream` for a prompt that is encoded already."""
        if length < 0:
            raise ConfigError(f"length is {length}.", "Set length to 0 or more.")
        if length == 0:
            return iter(())
        logits, state = read_prompt(self.model, ids if len(ids) else self._opening())
        drawn = generate(self._stepper, logits, state, config)
        return self._whole_characters((sample[0] for sample in drawn), length)

    def _whole_characters(self, drawn: Iterator, length: int) -> Iterator[Piece]:  # type: ignore[type-arg]
        """Pass ids on as text, holding back bytes until they make a character."""
        decoder = self.tokenizer.decoder()
        written, nats = 0, 0.0
        for character in drawn:
            nats += character.nats
            text = decoder.push(character.id)[: length - written]
            if not text:
                continue
            yield Piece(text, nats)
            written, nats = written + len(text), 0.0
            if written == length:
                return

    def _opening(self) -> NDArray[np.unsignedinteger]:
        """
        What stands before an empty prompt: a line end, as before any new line.

        A vocabulary without one opens with its first character.
        """
        line_end = self.tokenizer.decode(np.arange(self.tokenizer.size)).find("\n")
        return np.array([max(line_end, 0)], dtype=np.uint32)


def first_line(writer: Writer, prompt: str, length: int, config: SampleConfig) -> str:
    """A sample as a single line, its line ends shown as spaces."""
    pieces = writer.stream(prompt, length=length, config=config)
    text = "".join(piece.text for piece in itertools.islice(pieces, length))
    return " ".join(text.split())
