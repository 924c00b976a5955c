"""
What decides what a training run produces: text, model, optimiser, budget.

Sizes that depend on the text, the budget and the machine are chosen by
`training.plan`, which fills these in.
"""

import math
import typing
from dataclasses import dataclass, field
from typing import Literal

from lstm_textgen.config.checks import check, choice
from lstm_textgen.errors import ConfigError

Cell = Literal["lstm", "gru", "rnn"]
InitialState = Literal["zeros", "learned"]
Precision = Literal["auto", "float32", "bfloat16"]
TokenizerKind = Literal["char", "byte"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """How a text becomes ids, and which part of it is held out."""

    tokenizer: TokenizerKind = "char"
    """`char` knows the characters of the corpus, `byte` covers every text."""

    min_count: int = 1
    """Characters rarer than this become one unknown mark. 1 keeps all."""

    encoding: str = "utf-8"
    """How the bytes of the files become characters."""

    validation: float = 0.1
    """Share of the text that validates, in [0, 0.5]. 0 holds nothing out."""

    test: float = 0.0
    """Share cut off the very end first and never looked at, in [0, 0.5]."""

    def __post_init__(self) -> None:
        choice("tokenizer", self.tokenizer, typing.get_args(TokenizerKind))
        check("min_count", self.min_count, self.min_count >= 1, "1 or more")
        for name in ("validation", "test"):
            value = getattr(self, name)
            check(name, value, 0 <= value <= 0.5, "a number from 0 to 0.5")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """The shape of the network: everything that its parameters follow from."""

    cell: Cell = "lstm"
    """`lstm`, `gru`, or `rnn`, the classic network with tanh."""

    layers: int = 1
    """Recurrent layers, one above the other, 1 to 16."""

    hidden: int = 384
    """Units of each layer, 1 to 8192."""

    embedding: int = 64
    """Numbers that stand for a character, 1 to 8192."""

    residual: bool = True
    """From the second layer on, a layer's output is added to its input."""

    initial_state: InitialState = "zeros"
    """The memory before the first character. It is learned when a run has ended."""

    def __post_init__(self) -> None:
        choice("cell", self.cell, typing.get_args(Cell))
        choice("initial_state", self.initial_state, typing.get_args(InitialState))
        check("layers", self.layers, 1 <= self.layers <= 16, "a number from 1 to 16")
        for name in ("hidden", "embedding"):
            value = getattr(self, name)
            check(name, value, 1 <= value <= 8192, "a number from 1 to 8192")


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """How the weights are found."""

    streams: int = 16
    """Places in the text that are read side by side: the batch size."""

    window: int = 64
    """Characters between two steps: how far the gradient reaches back."""

    learning_rate: float = 8e-3
    """The highest rate, reached after the warm-up; a plan lowers it for wide layers."""

    warm_up: float = 0.02
    """Share of the budget in which the rate climbs from zero, in [0, 0.5]."""

    weight_decay: float = 0.01
    """Decoupled decay of the matrices; biases have none. 0 is off."""

    beta2: float = 0.99
    """Memory of the second moment, in [0, 1)."""

    basis_every: int = 5
    """Steps between two looks for the directions of inputs, 0 to 65536; 0: AdamW."""

    clip: float = 1.0
    """Largest global norm of the gradient. 0 is off."""

    dropout: float = 0.0
    """Share of a layer's outputs that is locked to zero for a window, in [0, 1)."""

    weight_drop: float = 0.0
    """Share of the recurrent weights that rests for a window, in [0, 1)."""

    patience: float = 0.4
    """Stop early when the best is older than this share of the budget. 1 is off."""

    def __post_init__(self) -> None:
        for name in ("streams", "window"):
            value = getattr(self, name)
            check(name, value, 1 <= value <= 65536, "a number from 1 to 65536")
        every = self.basis_every
        check("basis_every", every, 0 <= every <= 65536, "a number from 0 to 65536")
        rate = self.learning_rate
        check("learning_rate", rate, 0 < rate <= 10, "above 0, at most 10")
        check("warm_up", self.warm_up, 0 <= self.warm_up <= 0.5, "from 0 to 0.5")
        for name in ("weight_decay", "clip"):
            value = getattr(self, name)
            check(name, value, 0 <= value < math.inf, "0 or more")
        for name in ("beta2", "dropout", "weight_drop"):
            value = getattr(self, name)
            check(name, value, 0 <= value < 1, "at least 0, below 1")
        patience = self.patience
        check("patience", patience, 0 < patience <= 1, "above 0, at most 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetConfig:
    """How long a run is. Exactly one of the three is set."""

    minutes: float | None = None
    """Minutes by the clock, validation counted in."""

    epochs: float | None = None
    """Times that the training text is read."""

    steps: int | None = None
    """Windows, each followed by one change of the weights."""

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in ("minutes", "epochs", "steps")}
        given = {name: value for name, value in values.items() if value is not None}
        if len(given) != 1:
            found = " and ".join(f"{k} {v}" for k, v in given.items()) or "nothing"
            raise ConfigError(
                f"The length of the run is given as {found}.",
                "Set exactly one of minutes, epochs and steps.",
            )
        for name, value in given.items():
            check(name, value, 0 < value < 2**63, "above 0, below 2^63")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """Everything that decides what a training run produces."""

    text: TextConfig = field(default_factory=TextConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    budget: BudgetConfig

    seed: int = 1
    """Where all random numbers of the run begin, 0 or more."""

    precision: Precision = "auto"
    """`auto` takes bfloat16 where a probe shows that it runs and pays."""

    def __post_init__(self) -> None:
        check("seed", self.seed, 0 <= self.seed < 2**63, "from 0 to 2^63 - 1")
        choice("precision", self.precision, typing.get_args(Precision))
        if self.model.initial_state != "zeros":
            raise ConfigError(
                f"initial_state is {self.model.initial_state!r} in a run to be made.",
                "Leave it out: it is learned when the run has ended.",
            )
