"""
Text in, text out: a backend and its tokenizer together.

    Writer.load(path).generate("Once", length=200)
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Integer

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.weights import build_model
from lstm_textgen.sampling.backend import Backend, choose_backend
from lstm_textgen.sampling.batched import BatchedBackend
from lstm_textgen.sampling.constraints import constraint_for
from lstm_textgen.sampling.generate import (
    DrawnId,
    ReadPrompt,
    beam_search,
    generate,
    read_prompt,
)
from lstm_textgen.sampling.stream import (
    Character,
    CharacterStream,
    Sample,
    SampleStream,
)
from lstm_textgen.text.tokenizer import Tokenizer, opening_id

DEFAULT = SampleConfig()

FORM = FormConfig()

MAX_SIDE_BY_SIDE = 512
"""Samples that are drawn at once: more would take memory and gain nothing."""

Chunks = Iterable[Integer[np.ndarray, "_"]]


class Writer:
    """
    Generates text with a trained model.

    Args:
        model: A network, or a backend: one network or several.
        tokenizer: The vocabulary.
    """

    def __init__(self, model: CharModel | Backend[Any], tokenizer: Tokenizer) -> None:
        self.backend: Backend[Any] = (
            BatchedBackend(model) if isinstance(model, CharModel) else model
        )
        self.tokenizer = tokenizer

    @classmethod
    def load(
        cls,
        path: Path | str,
        device: str = "cpu",
        *,
        characters: int = 0,
        precision: str = "float32",
    ) -> "Writer":
        """
        Open a checkpoint file.

        Args:
            path: A `.safetensors` file.
            device: Where to compute.
            characters: About how many will be generated in one go: many are worth
                compiled code, if numba is installed.
            precision: `float32`; `bfloat16`, products in that type for many samples,
                on a processor that has them; or `int8`, weights in 8 bits for one
                sample, which needs numba.

        Raises:
            MissingError: There is no such file.
            CheckpointError: It is damaged or not one of ours.
            ConfigError: There is no such precision, or it is `int8` on a GPU.
            UnavailableError: Numba is needed and not installed.
        """
        checkpoint = load_checkpoint(Path(path))
        model = build_model(checkpoint, device=torch.device(device))
        backend = choose_backend(model, characters=characters, precision=precision)
        return cls(backend, checkpoint.tokenizer)

    def generate(
        self,
        prompt: str = "",
        *,
        length: int | None = None,
        config: SampleConfig = DEFAULT,
        form: FormConfig = FORM,
    ) -> str:
        """
        Continue *prompt*; it is not repeated.

        Args:
            prompt: The text before.
            length: Characters at most; None for that of *form*.
            config: How to draw.
            form: What the text must look like.

        Raises:
            VocabularyError: A character of the prompt was never seen in training.
            ConfigError: A setting does not fit the model.
        """
        stream = self.stream(prompt, length=length, config=config, form=form)
        return "".join(character.text for character in stream)

    def stream(
        self,
        prompt: str = "",
        *,
        length: int | None = None,
        config: SampleConfig = DEFAULT,
        form: FormConfig = FORM,
    ) -> SampleStream:
        """The same as `generate`, character by character as they are drawn."""
        form = form if length is None else replace(form, length=length)
        after = self.read([self.tokenizer.encode(prompt)])
        return self.continue_from(after, config, form)

    def read(
        self, chunks: Chunks, before: ReadPrompt[Any] | None = None
    ) -> ReadPrompt[Any]:
        """
        Read a prompt in any number of parts.

        Args:
            chunks: Its ids. If there are none, the text opens after a line end.
            before: What was read already.
        """
        parts = (chunk for chunk in chunks if len(chunk))
        first = next(parts, None)
        if first is None:
            if before is not None:
                return before
            first = np.array([opening_id(self.tokenizer)], dtype=np.uint32)
        return read_prompt(self.backend, itertools.chain([first], parts), before)

    def continue_from(
        self,
        prompt: ReadPrompt[Any],
        config: SampleConfig,
        form: FormConfig = FORM,
        *,
        sample: int = 0,
        alternatives: int = 0,
    ) -> SampleStream:
        """
        Draw one sample from a prompt that was read, which may be used again.

        Raises:
            ConfigError: The form does not fit the model.
            UnavailableError: The library for patterns is not installed.
        """
        drawn = self._draw(prompt, config, form, [sample], alternatives)
        return SampleStream(drawn, CharacterStream(self.tokenizer, form))

    def samples(
        self,
        prompt: ReadPrompt[Any],
        config: SampleConfig,
        form: FormConfig = FORM,
        *,
        numbers: Sequence[int],
        alternatives: int = 0,
    ) -> Iterator[Sample]:
        """Draw several samples side by side; they come in the order of *numbers*."""
        for start in range(0, len(numbers), MAX_SIDE_BY_SIDE):
            batch = numbers[start : start + MAX_SIDE_BY_SIDE]
            streams = [CharacterStream(self.tokenizer, form) for _ in batch]
            texts: list[list[Character]] = [[] for _ in batch]
            drawn = self._draw(prompt, config, form, batch, alternatives)
            while any(stream.stopped_by is None for stream in streams):
                row = next(drawn)
                for stream, text, id in zip(streams, texts, row, strict=True):
                    text += stream.push(id)
            for number, stream, text in zip(batch, streams, texts, strict=True):
                yield Sample(number, tuple(text), stream.stopped_by or "length")

    def beam(
        self,
        prompt: ReadPrompt[Any],
        form: FormConfig = FORM,
        *,
        width: int,
        power: float = 1.0,
    ) -> Sample:
        """Search for the most likely text of a form, as `beam_search` does."""
        is_bytes = self.tokenizer.kind == "byte"
        may_end = bool(form.stop or form.until or is_bytes)

        def is_whole(ids: Sequence[int]) -> bool:
            if not may_end:
                return False
            stream = CharacterStream(self.tokenizer, form)
            for id in ids:
                stream.push(DrawnId(id, 0.0))
            return stream.stopped_by is not None

        best = beam_search(
            self.backend,
            prompt,
            width=width,
            length=max(form.length, 1) * (4 if is_bytes else 1),
            power=power,
            automaton=constraint_for(self.tokenizer, form),
            is_whole=is_whole,
        )
        stream = CharacterStream(self.tokenizer, form)
        text: list[Character] = []
        for id, nats in zip(best.ids, best.costs, strict=True):
            text += stream.push(DrawnId(id, nats))
        if stream.stopped_by is None:  # its pattern lets nothing follow
            text += stream.push(None)
        return Sample(0, tuple(text), stream.stopped_by or "length")

    def _draw(
        self,
        prompt: ReadPrompt[Any],
        config: SampleConfig,
        form: FormConfig,
        samples: Sequence[int],
        alternatives: int,
    ) -> Iterator[list[DrawnId | None]]:
        return generate(
            self.backend,
            prompt,
            config,
            samples=samples,
            length=form.length,
            automaton=constraint_for(self.tokenizer, form),
            alternatives=alternatives,
        )


def single_line(writer: Writer, prompt: str, length: int, config: SampleConfig) -> str:
    """A sample as a single line, its line ends shown as spaces."""
    return " ".join(writer.generate(prompt, length=length, config=config).split())
