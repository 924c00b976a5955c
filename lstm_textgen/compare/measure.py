"""
Train one network on the text, and measure what it has learned to use.

Letters: N ids, P places, T characters of a window, B windows.

Useful context: what it helps to know more of the text before a character.

Letters: N ids, P places, K lengths.

Gradient reach: how much an early character moves a late loss.

Shapes: T characters of a window, B windows, V vocabulary.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64, UInt
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lstm_textgen.compare.experiments import Result, TextPiece
from lstm_textgen.config import BudgetConfig, TrainConfig
from lstm_textgen.errors import CorpusError
from lstm_textgen.evaluation.perplexity import estimate
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.text.streams import Streams
from lstm_textgen.training.events import Evaluated, StepDone
from lstm_textgen.training.loop import Trainer
from lstm_textgen.training.machine import Machine
from lstm_textgen.training.schedule import Meter

REACH_WINDOW = 512
"""Characters through which a gradient is followed back."""

LEAST_HELD_OUT = 2 * REACH_WINDOW
"""Characters that measuring needs."""

JUDGED = 100_000
"""Held-out characters at most that the finished network is judged by."""

Ids = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TextData:
    """What every network of a comparison reads."""

    train: Ids
    held_out: Ids
    vocabulary: int

    def __post_init__(self) -> None:
        if len(self.held_out) < LEAST_HELD_OUT:
            raise CorpusError(
                f"The held-out text has {len(self.held_out):,} characters, "
                f"and measuring context needs {LEAST_HELD_OUT:,}.",
                f"Give a text of at least {10 * LEAST_HELD_OUT:,} characters.",
            )


def read_text_data(
    piece: TextPiece, material: TextData, go_on: Callable[[], None]
) -> Result:
    """
    Train, judge, and if the piece says so, measure.

    Args:
        piece: The settings.
        material: The text.
        go_on: Called now and then; may raise to break off.

    Returns:
        Plain JSON: `nats_per_char`, the `curve` of [characters, seconds, nats per
        character] on the way, and the gradient reach `untrained` and `trained` and
        the `context` losses where they were measured. Seconds are those of
        training alone.

    Raises:
        DivergedError: The loss is no longer a number.
    """
    trainer = _trainer(piece, material)
    measures: dict[str, Any] = {}
    if piece.places:
        windows = _windows(material, piece)
        measures["untrained"] = gradient_reach(trainer.model, windows, go_on).tolist()
    curve: list[tuple[int, float, float]] = []
    seconds = 0.0
    for event in trainer.fit():
        go_on()
        if isinstance(event, StepDone):
            seconds += event.loss.characters / event.characters_per_second
        if isinstance(event, Evaluated):
            read = trainer.position.characters
            curve.append((read, seconds, event.loss.nats_per_char))
    loss = estimate(trainer.model, material.held_out, characters=JUDGED)
    if piece.places:
        measures["trained"] = gradient_reach(trainer.model, windows, go_on).tolist()
        places = _places(material, piece.places)
        losses = context_losses(trainer.model, material.held_out, places, go_on=go_on)
        measures["context"] = losses.tolist()
    return {"nats_per_char": loss.nats_per_char, "curve": curve} | measures


def new_model(piece: TextPiece, vocabulary: int) -> CharModel:
    """The network of a piece at birth."""
    model = CharModel(piece.model, vocabulary)
    initialize(model, torch.Generator().manual_seed(piece.seed))
    return model.to(piece.device)


def _trainer(piece: TextPiece, material: TextData) -> Trainer:
    config = TrainConfig(
        model=piece.model,
        optimizer=piece.optimizer,
        budget=BudgetConfig(steps=piece.steps),
        seed=piece.seed,
        precision="float32",
    )
    streams = Streams(
        ids=material.train,
        streams=piece.optimizer.streams,
        window=piece.optimizer.window,
        seed=piece.seed,
    )
    meter = Meter(config.budget, ticks=streams.ticks, started_s=time.monotonic())
    return Trainer(
        new_model(piece, material.vocabulary),
        streams,
        material.held_out,
        config,
        machine=Machine(torch.device(piece.device), torch.get_num_threads()),
        meter=meter,
        sample=piece.sample,
    )


def windows_at(places: int) -> int:
    """Through how many windows a gradient is followed, if context has *places*."""
    return max(16, min(64, places // 32))


def _places(material: TextData, count: int) -> Int64[np.ndarray, " P"]:
    """Held-out characters with enough before them, spread evenly."""
    held_out = len(material.held_out)
    return np.linspace(LENGTHS[-1], held_out - 1, count).astype(np.int64)


def _windows(material: TextData, piece: TextPiece) -> Int64[Tensor, "T B"]:
    """Held-out windows at random places: inputs, and the character after them."""
    random = np.random.Generator(np.random.Philox(piece.seed))
    count = windows_at(piece.places)
    starts = random.integers(0, len(material.held_out) - REACH_WINDOW, count)
    places = starts + np.arange(REACH_WINDOW + 1)[:, None]
    ids = material.held_out[places].astype(np.int64)
    return torch.from_numpy(ids).to(piece.device)


LENGTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Characters that a model is given."""

AT_ONCE = 256
"""Places that are read side by side."""

GAIN = 0.01
"""Nats per character below which more context counts as no help."""


@torch.inference_mode()
def context_losses(
    model: CharModel,
    ids: UInt[np.ndarray, " N"],
    places: Int64[np.ndarray, " P"],
    lengths: Sequence[int] = LENGTHS,
    go_on: Callable[[], None] = lambda: None,
) -> Float64[np.ndarray, " K"]:
    """
    The loss on a character when only the last k before it were read.

    Each reading starts from the initial state, at the same places for every k, so
    that the figures differ by the context alone.

    Args:
        model: Reads on the device of its weights.
        ids: The text.
        places: Which characters to predict, each at least the longest length.
        lengths: The k, each 1 or more.
        go_on: Called every second or so; may raise to break off.

    Returns:
        Nats per character for every length.
    """
    losses = [_loss(model, ids, places, length, go_on) for length in lengths]
    return np.array(losses)


def _loss(
    model: CharModel,
    ids: UInt[np.ndarray, " N"],
    places: Int64[np.ndarray, " P"],
    length: int,
    go_on: Callable[[], None],
) -> float:
    nats, device = 0.0, model.head.weight.device
    for start in range(0, len(places), AT_ONCE):
        go_on()
        some = places[start : start + AT_ONCE]
        read = ids[some + np.arange(-length, 1)[:, None]].astype(np.int64)
        window = torch.from_numpy(read).to(device)  # (length + 1, P)
        outputs, _ = model.read(window[:-1], model.initial_state(len(some)))
        logits = model.head(outputs[-1])
        nats += functional.cross_entropy(logits, window[-1], reduction="sum").item()
    return nats / len(places)


def context_end(
    losses: Sequence[float], lengths: Sequence[int] = LENGTHS, gain: float = GAIN
) -> int:
    """
    The shortest context that no longer one beats by more than *gain*.

    Args:
        losses: Nats per character, one for each length.
        lengths: Rising.
        gain: Nats per character.
    """
    for place, length in enumerate(lengths):
        if losses[place] <= min(losses[place:]) + gain:
            return length
    raise AssertionError("the longest is beaten by none")


REACH_AT_ONCE = 8
"""Windows that are followed side by side."""


def gradient_reach(
    model: CharModel,
    windows: Int64[Tensor, "T1 B"],
    go_on: Callable[[], None] = lambda: None,
) -> Float64[np.ndarray, " T"]:
    """
    The norm of d loss(t) / d input(t - k) for every k, averaged over windows.

    The loss is that of the last character of a window alone, the inputs are the
    embedded characters before it, the memory is empty before the first. Computed in
    float64: a gradient that vanishes leaves the range of float32.

    Args:
        model: Stays as it is.
        windows: T + 1 characters each, the last one to be predicted.
        go_on: Called every second or so; may raise to break off.

    Returns:
        At place k the mean norm for the input k characters before the last input.
    """
    model = copy.deepcopy(model).double()
    embedded: list[Tensor] = []
    hook = model.embedding.register_forward_hook(
        lambda module, arguments, output: embedded.append(output)
    )
    norms = []
    for first in range(0, windows.shape[1], REACH_AT_ONCE):
        go_on()
        some = windows[:, first : first + REACH_AT_ONCE]
        embedded.clear()
        outputs, _ = model.read(some[:-1], model.initial_state(some.shape[1]))
        logits = model.head(outputs[-1])
        nats = functional.cross_entropy(logits, some[-1], reduction="sum")
        [gradient] = torch.autograd.grad(nats, embedded)  # (T, B, E)
        norms.append(gradient.norm(dim=-1))
    hook.remove()
    mean: Float64[np.ndarray, " T"] = torch.cat(norms, 1).mean(dim=1).cpu().numpy()
    return mean[::-1].copy()


def reach_end(norms: Float64[np.ndarray, " T"], share: float = 0.01) -> int | None:
    """
    From how many characters back on the gradient stays under a share of k = 1.

    Args:
        norms: From `gradient_reach`.
        share: Of the norm at k = 1, above 0.

    Returns:
        The first such k; None if the last one of the window is not under it.
    """
    above = np.flatnonzero(norms >= share * norms[1])
    last = int(above[-1]) if len(above) else 0
    return None if last == len(norms) - 1 else last + 1
