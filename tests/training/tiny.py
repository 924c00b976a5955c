"""Tiny runs in memory."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from lstm_textgen.config import (
    BudgetConfig,
    Cadence,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)
from lstm_textgen.model.machine import Machine
from lstm_textgen.text.streams import Streams
from lstm_textgen.training.data import TrainingData
from lstm_textgen.training.loop import Control, Loop
from lstm_textgen.training.schedule import Meter
from lstm_textgen.training.spec import RunSpec
from lstm_textgen.training.state import RunState, start

CPU = Machine(torch.device("cpu"), 1)
SELDOM = Cadence(report_every_s=1e9)
EVERY_STEP = Cadence(report_every_s=0.0)


def ids_of(characters, vocabulary, seed=7):
    """Ids with something to learn: each is most often followed by the next one."""
    random = np.random.RandomState(seed)  # this one is frozen over versions
    jumps = np.where(random.rand(characters) < 0.7, 1, random.randint(0, 9, characters))
    return (np.cumsum(jumps) % vocabulary).astype(np.uint8)


@dataclass
class TinyRun:
    """What a loop is built from."""

    spec: RunSpec
    start: RunState
    data: TrainingData
    meter: Meter
    control: Control = field(default_factory=Control)

    def loop(self, state=None, cadence=SELDOM):
        """A loop that begins at *state*, and that nobody has asked to stop."""
        self.control = Control()
        return Loop(
            self.spec,
            state or self.start,
            self.data,
            CPU,
            meter=self.meter,
            control=self.control,
            cadence=cadence,
        )


def in_type(state, dtype):
    """The same state with the weights, and all that follows them, in another type."""

    def cast(tensors):
        return {n: t.to(dtype) if t.is_floating_point() else t for n, t in tensors}

    return replace(
        state,
        weights=cast(state.weights.items()),
        optimizer=cast(state.optimizer.items()),
        recurrent=state.recurrent.map(lambda tensor: tensor.to(dtype)),
    )


def tiny(
    *,
    ids=None,
    held_out=None,
    cell="lstm",
    layers=2,
    hidden=6,
    vocabulary=7,
    steps=6,
    seed=3,
    dtype=torch.float32,
    sample=10_000,
    **optimizer,
):
    """A run in memory; what is not given is tiny."""
    batch = {"streams": 3, "window": 5, "learning_rate": 0.02, "patience": 1.0}
    config = TrainConfig(
        model=ModelConfig(cell=cell, layers=layers, hidden=hidden, embedding=4),
        optimizer=OptimizerConfig(**batch | optimizer),
        budget=BudgetConfig(steps=steps),
        seed=seed,
        precision="float32",
    )
    ids = ids_of(40, vocabulary) if ids is None else ids
    spec = RunSpec.for_ids(config, len(ids), evaluation_sample=sample)
    streams = Streams(
        ids=ids,
        streams=config.optimizer.streams,
        window=config.optimizer.window,
        seed=seed,
    )
    held_out = ids_of(30, vocabulary, seed=8) if held_out is None else held_out
    return TinyRun(
        spec,
        in_type(start(spec, vocabulary=vocabulary, machine=CPU), dtype),
        TrainingData(streams=streams, held_out=held_out),
        Meter(config.budget, ticks=streams.ticks, started_s=0.0),
    )


def of(kind, events):
    """The events of a kind."""
    return [event for event in events if isinstance(event, kind)]


def equal(tensors, others):
    """Whether two groups of tensors or arrays have the same names and the same bits."""
    return tensors.keys() == others.keys() and all(
        np.array_equal(tensors[name], others[name]) for name in tensors
    )
