"""
Train one network on the text, and measure its loss, useful context and gradient reach.

Useful context is how much more of the text before a character still lowers the loss on
it. Gradient reach is how strongly an early character influences a late loss.

Shapes: N ids, P positions, K context lengths, T characters of a window, B windows.
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

from lstm_textgen.config import CADENCE, TrainConfig
from lstm_textgen.errors import CorpusError
from lstm_textgen.evaluation.perplexity import parallel_loss
from lstm_textgen.model.machine import Machine
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.streams import Streams
from lstm_textgen.training.data import TrainingData
from lstm_textgen.training.events import Evaluated, StepDone
from lstm_textgen.training.loop import Control, Loop
from lstm_textgen.training.schedule import Meter
from lstm_textgen.training.spec import RunSpec
from lstm_textgen.training.state import start as initial_state

CONTEXT_LENGTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
"""Characters that a model is given."""

CONTEXT_BATCH = 256
"""Positions read side by side."""

MIN_GAIN_NATS = 0.01
"""Nats per character below which more context counts as no help."""

REACH_WINDOW = 512
"""Characters through which a gradient is followed back."""

REACH_BATCH = 8
"""Windows followed side by side."""

MIN_HELD_OUT = 2 * REACH_WINDOW
"""Characters that measuring needs."""

ESTIMATE_CHARACTERS = 4096
"""Held-out characters that an evaluation during training counts."""

FINAL_CHARACTERS = 100_000
"""Held-out characters, at most, that the loss of the trained network counts."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StudyText:
    """The text of a comparison, which every network reads."""

    name: str
    sha256: str
    characters: int
    """Of the whole text."""
    train: NDArray[np.unsignedinteger[Any]]
    held_out: NDArray[np.unsignedinteger[Any]]
    vocabulary: int

    def __post_init__(self) -> None:
        if len(self.held_out) < MIN_HELD_OUT:
            raise CorpusError(
                f"The held-out text has {len(self.held_out):,} characters, "
                f"and measuring context needs {MIN_HELD_OUT:,}.",
                f"Give a text of at least {10 * MIN_HELD_OUT:,} characters.",
            )


def measure_on_text(
    config: TrainConfig,
    text: StudyText,
    *,
    device: torch.device,
    context_positions: int,
    check_interrupt: Callable[[], None],
) -> dict[str, Any]:
    """
    Train a network on the text and measure it.

    Args:
        config: The network, its optimizer, steps and seed.
        text: What it reads.
        device: Where to compute.
        context_positions: Held-out characters at which useful context is measured; 0
            measures neither that nor gradient reach.
        check_interrupt: Called now and then; may raise to stop.

    Returns:
        Plain JSON: `nats_per_char`; the `curve` of [characters, seconds, nats per
        character] during training; and where they were measured the gradient reach,
        `untrained` and `trained`, and the `context` losses. Seconds are those of
        training alone.

    Raises:
        DivergedError: The loss is not finite.
    """
    loop = _loop(config, text, device)
    measured: dict[str, Any] = {}
    if context_positions:
        count = reach_windows(context_positions)
        windows = _draw_windows(text, count, config.seed).to(device)
        reach = gradient_reach(loop.network, windows, check_interrupt)
        measured["untrained"] = reach.tolist()
    curve: list[tuple[int, float, float]] = []
    elapsed_s = 0.0
    for event in loop.events():
        check_interrupt()
        if isinstance(event, StepDone):
            elapsed_s += event.loss.characters / event.characters_per_second
        if isinstance(event, Evaluated):
            characters = loop.position.characters
            curve.append((characters, elapsed_s, event.loss.nats_per_char))
    loss = parallel_loss(loop.network, text.held_out, characters=FINAL_CHARACTERS)
    if context_positions:
        reach = gradient_reach(loop.network, windows, check_interrupt)
        measured["trained"] = reach.tolist()
        losses = context_losses(
            loop.network,
            text.held_out,
            _spread_positions(text, context_positions),
            check_interrupt=check_interrupt,
        )
        measured["context"] = losses.tolist()
    return {"nats_per_char": loss.nats_per_char, "curve": curve} | measured


def _loop(config: TrainConfig, text: StudyText, device: torch.device) -> Loop:
    streams = Streams(
        ids=text.train,
        streams=config.optimizer.streams,
        window=config.optimizer.window,
        seed=config.seed,
    )
    machine = Machine(device, torch.get_num_threads())
    spec = RunSpec.for_ids(
        config, len(text.train), evaluation_sample=ESTIMATE_CHARACTERS
    )
    return Loop(
        spec,
        initial_state(spec, vocabulary=text.vocabulary, machine=machine),
        TrainingData(streams=streams, held_out=text.held_out),
        machine,
        meter=Meter(config.budget, ticks=streams.ticks, started_s=time.monotonic()),
        control=Control(),
        cadence=CADENCE,
    )


def reach_windows(context_positions: int) -> int:
    """Windows through which a gradient is followed, beside so many positions."""
    return max(16, min(64, context_positions // 32))


def _spread_positions(text: StudyText, count: int) -> Int64[np.ndarray, " P"]:
    """Held-out characters with enough context before them, spread evenly."""
    last = len(text.held_out) - 1
    return np.linspace(CONTEXT_LENGTHS[-1], last, count).astype(np.int64)


def _draw_windows(text: StudyText, count: int, seed: int) -> Int64[Tensor, "T1 B"]:
    """Held-out windows at random positions: inputs, and the character after them."""
    random = np.random.Generator(np.random.Philox(seed))
    starts = random.integers(0, len(text.held_out) - REACH_WINDOW, count)
    positions = starts + np.arange(REACH_WINDOW + 1)[:, None]
    return torch.from_numpy(text.held_out[positions].astype(np.int64))


@torch.inference_mode()
def context_losses(
    model: CharModel,
    ids: UInt[np.ndarray, " N"],
    positions: Int64[np.ndarray, " P"],
    lengths: Sequence[int] = CONTEXT_LENGTHS,
    check_interrupt: Callable[[], None] = lambda: None,
) -> Float64[np.ndarray, " K"]:
    """
    The loss on a character when only the last k before it were read.

    Each reading starts from the initial state, at the same positions for every k, so
    that the losses differ by the context alone.

    Args:
        model: Reads on the device of its weights.
        ids: The text.
        positions: Characters to predict, each at least the longest length.
        lengths: The k, each 1 or more.
        check_interrupt: Called every second or so; may raise to stop.

    Returns:
        Nats per character for every length.
    """
    device = model.head.weight.device
    nats = np.zeros(len(lengths))
    for k, length in enumerate(lengths):
        for start in range(0, len(positions), CONTEXT_BATCH):
            check_interrupt()
            batch = positions[start : start + CONTEXT_BATCH]
            window = ids[batch + np.arange(-length, 1)[:, None]].astype(np.int64)
            inputs = torch.from_numpy(window).to(device)  # (k + 1, P)
            outputs, _ = model.read(inputs[:-1], model.initial_state(len(batch)))
            logits = model.head(outputs[-1])
            loss = functional.cross_entropy(logits, inputs[-1], reduction="sum")
            nats[k] += loss.item()
    return nats / len(positions)


def useful_context(
    losses: Sequence[float], lengths: Sequence[int] = CONTEXT_LENGTHS
) -> int:
    """
    The shortest context that no longer one beats by more than `MIN_GAIN_NATS`.

    Args:
        losses: Nats per character, one for each length.
        lengths: Increasing.
    """
    return next(
        length
        for index, length in enumerate(lengths)
        if losses[index] <= min(losses[index:]) + MIN_GAIN_NATS
    )


def gradient_reach(
    model: CharModel,
    windows: Int64[Tensor, "T1 B"],
    check_interrupt: Callable[[], None] = lambda: None,
) -> Float64[np.ndarray, " T"]:
    """
    The norm of d loss(t) / d input(t - k) for every k, averaged over windows.

    The loss is that of the last character of a window alone, the inputs are the
    embedded characters before it, and the state is initial before the first. Computed
    in float64, because a vanishing gradient leaves the range of float32.

    Args:
        model: Not changed.
        windows: T + 1 characters each, the last one to be predicted.
        check_interrupt: Called every second or so; may raise to stop.

    Returns:
        At index k the mean norm for the input k characters before the last input.
    """
    model = copy.deepcopy(model).double()
    embedded: list[Tensor] = []
    hook = model.embedding.register_forward_hook(
        lambda module, arguments, output: embedded.append(output)
    )
    norms = []
    for start in range(0, windows.shape[1], REACH_BATCH):
        check_interrupt()
        batch = windows[:, start : start + REACH_BATCH]
        embedded.clear()
        outputs, _ = model.read(batch[:-1], model.initial_state(batch.shape[1]))
        logits = model.head(outputs[-1])
        nats = functional.cross_entropy(logits, batch[-1], reduction="sum")
        [gradient] = torch.autograd.grad(nats, embedded)  # (T, B, E)
        norms.append(gradient.norm(dim=-1))
    hook.remove()
    mean: Float64[np.ndarray, " T"] = torch.cat(norms, 1).mean(dim=1).cpu().numpy()
    return mean[::-1].copy()


def reach_end(norms: Float64[np.ndarray, " T"]) -> int | None:
    """
    The k from which on the gradient stays below 1 % of that at k = 1.

    Args:
        norms: From `gradient_reach`.

    Returns:
        The first such k; None if the last one of the window is not below.
    """
    above = np.flatnonzero(norms >= 0.01 * norms[1])
    last = int(above[-1]) if len(above) else 0
    return None if last == len(norms) - 1 else last + 1
