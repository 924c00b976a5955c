"""
All settings as frozen values, checked when they are built; plain JSON both ways.

Defaults live here and nowhere else. Sizes that depend on the text, the budget and the
machine are chosen by `training.plan`, which builds these values.
"""

import dataclasses
import difflib
import math
import secrets
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from lstm_textgen.errors import ConfigError

Cell = Literal["lstm", "gru", "rnn"]

InitialState = Literal["zeros", "learned"]

Precision = Literal["auto", "float32", "bfloat16"]

TokenizerKind = Literal["char", "byte"]


Until = Literal["newline", "sentence", "paragraph"]

T = TypeVar("T")

GATES: dict[Cell, tuple[str, ...]] = {
    "lstm": ("input", "forget", "candidate", "output"),
    "gru": ("reset", "update", "candidate"),
    "rnn": ("candidate",),
}
"""The gates of a cell in the order of their blocks of H rows, as in torch."""

GATE_COUNT: dict[Cell, int] = {cell: len(names) for cell, names in GATES.items()}
"""How many gates a cell has, and so how many blocks of H rows its weights have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """How a text becomes ids, and which parts of it are held out."""

    tokenizer: TokenizerKind = "char"
    """`char` has one id for each character of the corpus, `byte` covers every text."""

    min_count: int = 1
    """Characters that occur less often become the unknown mark. 1 keeps all."""

    encoding: str = "utf-8"
    """Encoding of the files."""

    validation: float = 0.1
    """Fraction of the text held out for validation, in [0, 0.5]. 0 is none."""

    test: float = 0.0
    """Fraction cut off the end as a test part that is never read, in [0, 0.5]."""

    def __post_init__(self) -> None:
        choice("tokenizer", self.tokenizer, typing.get_args(TokenizerKind))
        check("min_count", self.min_count, self.min_count >= 1, "1 or more")
        for name in ("validation", "test"):
            value = getattr(self, name)
            check(name, value, 0 <= value <= 0.5, "a number from 0 to 0.5")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """The architecture of the network, which implies the shapes of its parameters."""

    cell: Cell = "lstm"
    """`lstm`, `gru`, or `rnn`: the Elman network with tanh."""

    layers: int = 1
    """Stacked recurrent layers, 1 to 16."""

    hidden: int = 384
    """Hidden units of each layer, 1 to 8192."""

    embedding: int = 64
    """Size of the character embedding, 1 to 8192."""

    residual: bool = True
    """Whether each layer but the lowest adds its output to its input."""

    initial_state: InitialState = "zeros"
    """Recurrent state before the first character. It is learned at the end of a run."""

    def __post_init__(self) -> None:
        choice("cell", self.cell, typing.get_args(Cell))
        choice("initial_state", self.initial_state, typing.get_args(InitialState))
        check("layers", self.layers, 1 <= self.layers <= 16, "a number from 1 to 16")
        for name in ("hidden", "embedding"):
            value = getattr(self, name)
            check(name, value, 1 <= value <= 8192, "a number from 1 to 8192")


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """How the weights are trained."""

    streams: int = 16
    """Batch size: positions in the text that are read side by side, 1 to 65536."""

    window: int = 64
    """Characters between two steps of truncated backpropagation, 1 to 65536."""

    learning_rate: float = 8e-3
    """Peak learning rate, in (0, 10]. The plan lowers it for wide layers."""

    warm_up: float = 0.02
    """Fraction of the budget in which the rate rises from 0, in [0, 0.5]."""

    weight_decay: float = 0.01
    """Decoupled weight decay of the matrices; biases have none. 0 is off."""

    beta2: float = 0.99
    """Decay rate of the second moment, in [0, 1)."""

    basis_every: int = 5
    """Steps between updates of the eigenbasis, 0 to 65536. 0 is plain AdamW."""

    clip: float = 1.0
    """Gradient clipping: the largest global norm. 0 is off."""

    dropout: float = 0.0
    """Dropout rate of the outputs of every layer, one mask per window, in [0, 1)."""

    weight_drop: float = 0.0
    """Dropout rate of the recurrent weights, one mask per window, in [0, 1)."""

    patience: float = 0.4
    """Early stopping: share of the budget without a new best, in (0, 1]. 1 is off."""

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
    """The length of a run. Exactly one of the three is set."""

    minutes: float | None = None
    """Minutes by the clock, validation included."""

    epochs: float | None = None
    """Passes through the training text."""

    steps: int | None = None
    """Changes of the weights, one after each window."""

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in ("minutes", "epochs", "steps")}
        given = {name: value for name, value in values.items() if value is not None}
        if len(given) != 1:
            lengths = " and ".join(f"{k} {v}" for k, v in given.items()) or "nothing"
            raise ConfigError(
                f"The length of the run is given as {lengths}.",
                "Set exactly one of minutes, epochs and steps.",
            )
        for name, value in given.items():
            check(name, value, 0 < value < 2**63, "above 0, below 2^63")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Everything that decides what a training run produces."""

    text: TextConfig = field(default_factory=TextConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    budget: BudgetConfig

    seed: int = 1
    """Seed of all random numbers, from 0 to 2^63 - 1."""

    precision: Precision = "auto"
    """`auto` takes bfloat16 where a measurement shows that it is faster."""

    def __post_init__(self) -> None:
        check("seed", self.seed, 0 <= self.seed < 2**63, "from 0 to 2^63 - 1")
        choice("precision", self.precision, typing.get_args(Precision))
        if self.model.initial_state != "zeros":
            raise ConfigError(
                f"initial_state is {self.model.initial_state!r} in a run to be made.",
                "Leave it out: it is learned when the run has ended.",
            )


def fresh_seed() -> int:
    """A seed for a sample whose user gave none, 0 to 2^32 - 1."""
    return secrets.randbelow(2**32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cadence:
    """How often a run reports, evaluates and saves."""

    report_every_s: float = 0.5
    """Seconds between two reports of the loss; each makes a GPU wait for the host."""

    evaluations: int = 20
    """Readings of the held-out text, evenly over the budget."""

    save_every_s: float = 30.0
    """How much work a crash may cost, in seconds."""


CADENCE = Cadence()


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleConfig:
    """
    How the next character is drawn.

    The fields stand in the order in which they act. Everything but the temperature
    is off by default.
    """

    repetition_penalty: float = 1.0
    """Divides the logits of recent characters, above 0. 1 is off."""

    frequency_penalty: float = 0.0
    """Nats subtracted for each recent use of a character, -100 to 100. 0 is off."""

    presence_penalty: float = 0.0
    """Nats subtracted once for a character used recently, -100 to 100. 0 is off."""

    no_repeat: int = 0
    """Length of the character n-grams that may not repeat. 0 is off."""

    dry: float = 0.0
    """Nats subtracted for extending a repeat of `dry_allowed` characters. 0 is off."""

    dry_base: float = 1.15
    """Growth of that penalty for each further character of the repeat, 1 to 10."""

    dry_allowed: int = 12
    """Length of the shortest repeat that it costs to extend, 1 to 65536."""

    penalty_window: int = 256
    """How many recent characters all of the above look at, 1 to 65536."""

    temperature: float = 0.8
    """
    Divides the logits. Below 1 sharpens, above 1 flattens, 0 is greedy.

    Why 0.8: `docs/sampling.md`.
    """

    final_temperature: float | None = None
    """Temperature at the end of the sample, approached linearly. None keeps it."""

    top_k: int = 0
    """Keep the K most likely characters. 0 keeps all."""

    min_p: float = 0.0
    """Keep characters with this share of the top probability, in [0, 1]. 0 is off."""

    typical: float = 1.0
    """Locally typical sampling: probability mass to keep, in (0, 1]. 1 is off."""

    eta: float = 0.0
    """Eta sampling: entropy-dependent probability cutoff, in [0, 1). 0 is off."""

    top_p: float = 1.0
    """Nucleus sampling: probability mass to keep, in (0, 1]. 1 keeps all."""

    mirostat: float = 0.0
    """Mirostat's target surprise, in nats per character, 0 to 100. 0 is off."""

    mirostat_rate: float = 0.1
    """Mirostat's learning rate, in (0, 1]."""

    seed: int = 0
    """Seed of the random numbers, from 0 to 2^63 - 1."""

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
    """Which texts are allowed, and where they end."""

    length: int = 500
    """Maximum number of characters, 0 or more."""

    min_length: int = 0
    """Characters before which neither `stop` nor `until` ends the text."""

    stop: tuple[str, ...] = ()
    """Strings that end the text, which does not include them."""

    until: Until | None = None
    """End the text after a line, a sentence or a paragraph."""

    only: str = ""
    """Allowed characters and ranges (`a-z .,`). Empty allows all."""

    ban: str = ""
    """Forbidden characters and ranges."""

    match: str = ""
    """Regular expression that the whole text must match. Empty is off."""

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


def check(name: str, value: object, ok: bool, allowed: str) -> None:
    """
    Refuse a value that is not *ok*.

    Raises:
        ConfigError: It names the value, and what is *allowed*.
    """
    if not ok:
        raise ConfigError(f"{name} is {shown(value)}.", f"Set {name} to {allowed}.")


def choice(name: str, value: object, choices: tuple[Any, ...]) -> None:
    """
    Refuse a value that is none of *choices*.

    Raises:
        ConfigError: It names the value and the choices.
    """
    check(name, value, value in choices, f"one of {', '.join(map(str, choices))}")


def shown(value: object) -> str:
    """The repr of a value, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def to_json(config: Any) -> dict[str, Any]:
    """A settings value as plain JSON; `from_json` is the inverse."""
    return dataclasses.asdict(config)


def from_json(kind: type[T], data: object, where: str = "settings") -> T:
    """
    Build the settings *kind* from plain JSON.

    Args:
        kind: A dataclass whose fields are plain values or such dataclasses.
        data: A JSON object. Missing keys take their defaults.
        where: The name of the object in an error.

    Raises:
        ConfigError: Not an object, an unknown key, a wrong type, a value out of range.
    """
    if not isinstance(data, dict):
        raise ConfigError(
            f"{where} is {shown(data)}.", "Make it an object of settings."
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
    """The error for a setting that does not exist, with the closest one that does."""
    # a hostile key may have millions of characters, and each would be indexed
    near = difflib.get_close_matches(key[:100], known, n=1, cutoff=0.5)
    remedy = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(known)}."
    return ConfigError(f"{where} has no setting named {shown(key)}.", remedy)


def _typed(name: str, value: object, hint: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type, hint), value, name)
    choices, origin = typing.get_args(hint), typing.get_origin(hint)
    if origin is Literal:
        choice(name, value, choices)
        return value
    if origin is tuple:  # of any length, and a list in JSON
        if not isinstance(value, list | tuple):
            return _wrong(name, value, "that is a list")
        return tuple(_typed(name, item, choices[0]) for item in value)
    kinds = choices if origin in (types.UnionType, typing.Union) else (hint,)
    if value is None and type(None) in kinds:
        return None
    if len(kinds) == 2 and typing.get_origin(kinds[0]) is Literal:
        return _typed(name, value, kinds[0])
    if float in kinds and type(value) is int:
        return float(value) if abs(value) < 2**53 else _wrong(name, value, "smaller")
    if type(value) not in kinds:  # exact, because True is an int and must not pass
        wanted = " or ".join(k.__name__ for k in kinds if k is not type(None))
        return _wrong(name, value, f"of type {wanted}")
    return value


def _wrong(name: str, value: object, allowed: str) -> typing.NoReturn:
    raise ConfigError(f"{name} is {shown(value)}.", f"Set {name} to a value {allowed}.")
