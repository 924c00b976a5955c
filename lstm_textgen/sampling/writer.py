"""
Engine and tokenizer together: text in, text out, in whole characters.

    Writer.load(path).write("Once", length=200)
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Integer

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.model.network import CharModel
from lstm_textgen.model.weights import build_model
from lstm_textgen.sampling.backend import Backend, choose_backend
from lstm_textgen.sampling.batched import BatchedBackend
from lstm_textgen.sampling.constraints import Automaton, constraint_for
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
from lstm_textgen.text.tokenizer import Tokenizer

DEFAULT = SampleConfig()

FORM = FormConfig()

SIDE_BY_SIDE = 512
"""Samples that are drawn at once: more would take memory and gain nothing."""

Chunks = Iterable[Integer[np.ndarray, "_"]]


class Writer:
    """
    Writes on from a prompt with a trained model.

    Args:
        stepper: What writes: one network, or a mixture of several.
        tokenizer: The vocabulary.
    """

    def __init__(self, stepper: Backend | CharModel, tokenizer: Tokenizer) -> None:
        is_model = isinstance(stepper, CharModel)
        self.stepper: Backend = BatchedBackend(stepper) if is_model else stepper  # type: ignore[arg-type, assignment]
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
            characters: About how many will be written in one go: many are worth a
                step in machine code, if numba is installed.
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
        stepper = choose_backend(model, characters=characters, precision=precision)
        return cls(stepper, checkpoint.tokenizer)

    def write(
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
            prompt: What stands before.
            length: Characters to write at most; None for that of *form*.
            config: How to draw.
            form: What the text must look like.

        Raises:
            VocabularyError: A character of the prompt was never seen in training.
            ConfigError: A setting does not fit the model.
        """
        pieces = self.stream(prompt, length=length, config=config, form=form)
        return "".join(piece.text for piece in pieces)

    def stream(
        self,
        prompt: str = "",
        *,
        length: int | None = None,
        config: SampleConfig = DEFAULT,
        form: FormConfig = FORM,
    ) -> SampleStream:
        """The same as `write`, character by character as they are drawn."""
        form = form if length is None else replace(form, length=length)
        beginning = self.begin([self.tokenizer.encode(prompt)])
        return self.go_on(beginning, config, form)

    def begin(self, chunks: Chunks, before: ReadPrompt | None = None) -> ReadPrompt:
        """
        Read a prompt in any number of parts.

        Args:
            chunks: Its ids. Without any, the text opens after a line end.
            before: What was read already.
        """
        parts = (chunk for chunk in chunks if len(chunk))
        first = next(parts, None)
        if first is None:
            if before is not None:
                return before
            first = self._opening()
        return read_prompt(self.stepper, itertools.chain([first], parts), before)

    def go_on(
        self,
        beginning: ReadPrompt,
        config: SampleConfig,
        form: FormConfig = FORM,
        *,
        sample: int = 0,
        alternatives: int = 0,
    ) -> SampleStream:
        """Draw one sample from a beginning, which may be drawn from again."""
        drawn = self._draw(beginning, config, form, [sample], alternatives)
        return SampleStream(drawn, CharacterStream(self.tokenizer, form))

    def samples(
        self,
        beginning: ReadPrompt,
        config: SampleConfig,
        form: FormConfig = FORM,
        *,
        numbers: Sequence[int],
        alternatives: int = 0,
    ) -> Iterator[Sample]:
        """Draw several samples side by side; they come in the order of *numbers*."""
        for start in range(0, len(numbers), SIDE_BY_SIDE):
            some = numbers[start : start + SIDE_BY_SIDE]
            columns = [CharacterStream(self.tokenizer, form) for _ in some]
            texts: list[list[Character]] = [[] for _ in some]
            drawn = self._draw(beginning, config, form, some, alternatives)
            while any(column.stopped_by is None for column in columns):
                row = next(drawn)
                for column, text, each in zip(columns, texts, row, strict=True):
                    text += column.push(each)
            for number, column, text in zip(some, columns, texts, strict=True):
                yield Sample(number, tuple(text), column.stopped_by or "length")

    def search(
        self,
        beginning: ReadPrompt,
        form: FormConfig = FORM,
        *,
        width: int,
        power: float = 1.0,
    ) -> Sample:
        """Look for the likeliest text of a form, as `beam_search` does."""
        is_bytes = self.tokenizer.kind == "byte"
        may_end = bool(form.stop or form.until or is_bytes)

        def is_whole(ids: Sequence[int]) -> bool:
            return may_end and self._column(ids, form)[0].stopped_by is not None

        found = beam_search(
            self.stepper,
            beginning,
            width=width,
            length=max(form.length, 1) * (4 if is_bytes else 1),
            power=power,
            automaton=self.automaton(form),
            is_whole=is_whole,
        )
        column, pieces = self._column(found.ids, form, found.costs)
        if column.stopped_by is None:  # its pattern lets nothing follow
            pieces += column.push(None)
        return Sample(0, tuple(pieces), column.stopped_by or "length")

    def _column(
        self, ids: Sequence[int], form: FormConfig, costs: Iterable[float] | None = None
    ) -> tuple[CharacterStream, list[Character]]:
        """The sample that these ids make, and its characters."""
        column, pieces = CharacterStream(self.tokenizer, form), []
        for id, nats in zip(ids, costs or itertools.repeat(0.0), strict=False):
            pieces += column.push(DrawnId(id, nats))
        return column, pieces

    def _draw(
        self,
        beginning: ReadPrompt,
        config: SampleConfig,
        form: FormConfig,
        samples: Sequence[int],
        alternatives: int,
    ) -> Iterator[list[DrawnId | None]]:
        return generate(
            self.stepper,
            beginning,
            config,
            samples=samples,
            length=form.length,
            automaton=self.automaton(form),
            alternatives=alternatives,
        )

    def automaton(self, form: FormConfig) -> Automaton | None:
        """
        What *form* allows to be written; None for anything.

        Raises:
            ConfigError: Nothing is left to write, or nothing that matches.
            UnavailableError: The library for patterns is not installed.
        """
        return constraint_for(self.tokenizer, form)

    def _opening(self) -> Integer[np.ndarray, " T"]:
        """
        What stands before an empty prompt: a line end, as before any new line.

        A vocabulary without one opens with its first character.
        """
        line_end = self.tokenizer.decode(np.arange(self.tokenizer.size)).find("\n")
        return np.array([max(line_end, 0)], dtype=np.uint32)


def first_line(writer: Writer, prompt: str, length: int, config: SampleConfig) -> str:
    """A sample as a single line, its line ends shown as spaces."""
    return " ".join(writer.write(prompt, length=length, config=config).split())
