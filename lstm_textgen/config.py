"""
Settings as frozen values, checked when they are built; JSON both ways.

Defaults live here and nowhere else. Sizes that depend on the text, the budget
and the machine are chosen by `training.plan`, which fills these in.
"""

import dataclasses
import difflib
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from lstm_textgen.errors import ConfigError

Cell = Literal["lstm", "gru", "rnn"]
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
        _choice("tokenizer", self.tokenizer, typing.get_args(TokenizerKind))
        _check("min_count", self.min_count, self.min_count >= 1, "1 or more")
        for name in ("validation", "test"):
            value = getattr(self, name)
            _check(name, value, 0 <= value <= 0.5, "a number from 0 to 0.5")


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

    def __post_init__(self) -> None:
        _choice("cell", self.cell, typing.get_args(Cell))
        _check("layers", self.layers, 1 <= self.layers <= 16, "a number from 1 to 16")
        for name in ("hidden", "embedding"):
            value = getattr(self, name)
            _check(name, value, 1 <= value <= 8192, "a number from 1 to 8192")


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
            _check(name, value, 1 <= value <= 65536, "a number from 1 to 65536")
        every = self.basis_every
        _check("basis_every", every, 0 <= every <= 65536, "a number from 0 to 65536")
        rate = self.learning_rate
        _check("learning_rate", rate, 0 < rate <= 10, "above 0, at most 10")
        _check("warm_up", self.warm_up, 0 <= self.warm_up <= 0.5, "from 0 to 0.5")
        for name in ("weight_decay", "clip"):
            value = getattr(self, name)
            _check(name, value, 0 <= value < math.inf, "0 or more")
        for name in ("beta2", "dropout", "weight_drop"):
            value = getattr(self, name)
            _check(name, value, 0 <= value < 1, "at least 0, below 1")
        patience = self.patience
        _check("patience", patience, 0 < patience <= 1, "above 0, at most 1")


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
            _check(name, value, 0 < value < 2**63, "above 0, below 2^63")


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
        _check("seed", self.seed, 0 <= self.seed < 2**63, "from 0 to 2^63 - 1")
        _choice("precision", self.precision, typing.get_args(Precision))


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleConfig:
    """
    How the next character is drawn.

    The fields stand in the order in which they act.
    """

    temperature: float = 0.8
    """Divides the logits. Below 1 sharpens, above 1 flattens, 0 is greedy."""

    top_k: int = 0
    """How many of the likeliest characters to keep. 0 keeps everything."""

    top_p: float = 1.0
    """Probability mass to keep, in (0, 1]. 1 keeps everything."""

    seed: int = 0
    """Makes a sample repeatable, 0 to 2^63 - 1."""

    def __post_init__(self) -> None:
        heat = self.temperature
        _check("temperature", heat, 0 <= heat <= 100, "a number from 0 to 100")
        _check("top_k", self.top_k, self.top_k >= 0, "0 or more")
        _check("top_p", self.top_p, 0 < self.top_p <= 1, "above 0, at most 1")
        _check("seed", self.seed, 0 <= self.seed < 2**63, "from 0 to 2^63 - 1")


def to_json(config: Any) -> dict[str, Any]:
    """A settings value as plain JSON; `from_json` is the way back."""
    return dataclasses.asdict(config)


T = TypeVar("T")


def from_json(kind: type[T], data: object, where: str = "settings") -> T:
    """
    Build the settings *kind* from plain JSON.

    Args:
        kind: One of the dataclasses of this module.
        data: A JSON object. Keys that are left out take their defaults.
        where: How to name the object in an error.

    Raises:
        ConfigError: Not an object, an unknown key, a wrong type, a value out
            of range.
    """
    if not isinstance(data, dict):
        raise ConfigError(
            f"{where} is {_shown(data)}.", "Make it an object of settings."
        )
    hints = typing.get_type_hints(kind)
    for key in data:
        if key not in hints:
            raise unknown_key(str(key), list(hints), where)
    values = {k: _typed(f"{where}.{k}", v, hints[k]) for k, v in data.items()}
    try:
        return kind(**values)
    except TypeError as error:  # a field without a default is missing
        raise ConfigError(f"{where} lacks a setting ({error}).", "Add it.") from error


def unknown_key(key: str, known: list[str], where: str) -> ConfigError:
    """The error for a setting that does not exist, with the nearest one that does."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    remedy = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known)}."
    return ConfigError(f"{where} has no setting named {_shown(key)}.", remedy)


def _typed(name: str, value: object, hint: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type, hint), value, name)
    choices = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        _choice(name, value, choices)
        return value
    kinds = choices if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in kinds:
        return None
    if float in kinds and type(value) is int:
        return float(value) if abs(value) < 2**53 else _wrong(name, value, "smaller")
    if type(value) not in kinds:  # exact, because True is an int and must not pass
        wanted = " or ".join(k.__name__ for k in kinds if k is not type(None))
        return _wrong(name, value, f"of type {wanted}")
    return value


def _wrong(name: str, value: object, allowed: str) -> typing.NoReturn:
    raise ConfigError(
        f"{name} is {_shown(value)}.", f"Set {name} to a value {allowed}."
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _check(name: str, value: object, ok: bool, allowed: str) -> None:
    if not ok:
        raise ConfigError(f"{name} is {_shown(value)}.", f"Set {name} to {allowed}.")


def _choice(name: str, value: object, choices: tuple[Any, ...]) -> None:
    _check(name, value, value in choices, f"one of {', '.join(map(str, choices))}")
