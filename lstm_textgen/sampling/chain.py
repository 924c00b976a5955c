"""
From settings to the next character: the transforms in their order of action.

Shapes: N samples, K characters of history.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from jaxtyping import Float64, Int64
from torch import Tensor

from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.sampling.mirostat import keep_below_limit
from lstm_textgen.sampling.penalties import (
    ban_repeated_ngrams,
    penalise_continued_repeats,
    penalise_frequency,
    penalise_repetition,
)
from lstm_textgen.sampling.transforms import (
    divide_by_temperature,
    keep_top_k,
    keep_top_p,
)
from lstm_textgen.sampling.truncation import keep_eta, keep_min_p, keep_typical


@dataclass(frozen=True, slots=True)
class Moment:
    """What a link may look at beside the logits."""

    history: Int64[Tensor, "N K"]
    """What was written last, the newest last; empty if no link asks for it."""

    progress: float
    """How much of the sample is written, 0 to 1."""

    limits: Float64[Tensor, " N"]
    """Mirostat's highest surprise for each sample, in nats."""


@dataclass(frozen=True, slots=True)
class Link:
    """One transform of the chain, ready to act."""

    option: str
    """What it is called on the command line."""

    value: str
    says: str
    """What it does, for `--show-chain`."""

    act: Callable[[Tensor, Moment], Tensor]


def make_chain(config: SampleConfig) -> list[Link]:
    """
    The transforms that *config* asks for, without those that would do nothing.

    Penalties weigh what was written, the temperature what is left of the model's
    opinion, and then each mask looks at what the one before has left. Greedy takes
    the likeliest after the penalties, and nothing else has a say.

    Raises:
        ConfigError: A run to look for is longer than what is looked at.
    """
    _check_window(config)
    if config.temperature == 0 and config.final_temperature in (None, 0):
        greedy = Link(
            *("temperature", "0", "only the likeliest"),
            lambda logits, now: keep_top_k(logits, 1),
        )
        return [*_penalties(config), greedy]
    return [
        *_penalties(config),
        *_temperature(config),
        *_masks(config),
        *_mirostat(config),
    ]


def _check_window(config: SampleConfig) -> None:
    runs = {"no_repeat": config.no_repeat, "dry_allowed": config.dry_allowed}
    if not config.dry:
        del runs["dry_allowed"]
    for name, size in runs.items():
        if size >= config.penalty_window:
            raise ConfigError(
                f"{name} is {size}, and penalty_window is {config.penalty_window}: "
                "no run is so long.",
                f"Set penalty_window above {size}.",
            )


def looks_back(config: SampleConfig) -> bool:
    """Whether any link of the chain looks at what was written."""
    return bool(_penalties(config))


def plain_temperature(config: SampleConfig) -> float | None:
    """The temperature, if it is all that the chain has, above 0 and constant."""
    alone = {link.option for link in make_chain(config)} <= {"temperature"}
    constant = config.final_temperature in (None, config.temperature)
    return config.temperature if alone and constant and config.temperature else None


def _penalties(config: SampleConfig) -> list[Link]:
    """Those that look at the history: option, value, where it is off, what it does."""
    lately = f"in the last {config.penalty_window:,} characters"
    factor, size = config.repetition_penalty, config.no_repeat
    times, once = config.frequency_penalty, config.presence_penalty
    repeat = f"a repeat of {config.dry_allowed} or more"
    dry = partial(
        penalise_continued_repeats,
        multiplier=config.dry,
        base=config.dry_base,
        allowed=config.dry_allowed,
    )
    table: list[tuple[str, float, float, Callable[[Tensor, Tensor], Tensor], str]] = [
        (
            *("repetition-penalty", factor, 1),
            lambda logits, history: penalise_repetition(logits, history, factor),
            f"weakens by this factor what stands {lately}",
        ),
        (
            *("frequency-penalty", times, 0),
            lambda logits, history: penalise_frequency(logits, history, times, 0.0),
            f"so many nats off for each time {lately}",
        ),
        (
            *("presence-penalty", once, 0),
            lambda logits, history: penalise_frequency(logits, history, 0.0, once),
            f"so many nats off for standing {lately}",
        ),
        (
            *("no-repeat", size, 0),
            lambda logits, history: ban_repeated_ngrams(logits, history, size),
            f"no run of so many characters twice {lately}",
        ),
        ("dry", config.dry, 0, dry, f"nats off for what lengthens {repeat}"),
    ]
    return [
        Link(option, f"{value:g}", says, partial(_looking_back, penalise))
        for option, value, off, penalise, says in table
        if value != off
    ]


def _temperature(config: SampleConfig) -> list[Link]:
    """One temperature, or one that goes evenly from its first value to its last."""
    first, last = config.temperature, config.final_temperature
    if last is None or last == first:
        link = Link(
            *("temperature", f"{first:g}", "below 1 sharpens, above 1 flattens"),
            lambda logits, now: divide_by_temperature(logits, first),
        )
        return [link] if first != 1 else []
    return [
        Link(
            *("temperature", f"{first:g}:{last:g}", "from the first value to the last"),
            lambda logits, now: divide_by_temperature(
                logits, first + (last - first) * now.progress
            ),
        )
    ]


def _masks(config: SampleConfig) -> list[Link]:
    """What leaves out the unlikely: option, value, where it is off, what it does."""
    table: list[tuple[str, Any, float, Callable[[Tensor, Any], Tensor], str]] = [
        ("top-k", config.top_k, 0, keep_top_k, "only the likeliest so many"),
        (
            *("min-p", config.min_p, 0, keep_min_p),
            "only what has this share of the highest probability",
        ),
        (
            *("typical", config.typical, 1, keep_typical),
            "only what surprises about as expected, of this mass",
        ),
        (
            *("eta", config.eta, 0, keep_eta),
            "only what is likelier; less strict where all is unlikely",
        ),
        ("top-p", config.top_p, 1, keep_top_p, "only the likeliest of this mass"),
    ]
    return [
        Link(option, f"{value:g}", says, partial(_alone, mask, value))
        for option, value, off, mask, says in table
        if value != off
    ]


def _mirostat(config: SampleConfig) -> list[Link]:
    """The mask whose limit follows what was drawn."""
    if not config.mirostat:
        return []
    return [
        Link(
            *("mirostat", f"{config.mirostat:g}"),
            "only what keeps the text at so many nats a character",
            lambda logits, now: keep_below_limit(logits, now.limits),
        )
    ]


def _looking_back(
    penalise: Callable[[Tensor, Tensor], Tensor], logits: Tensor, now: Moment
) -> Tensor:
    return penalise(logits, now.history)


def _alone(
    mask: Callable[[Tensor, Any], Tensor], value: Any, logits: Tensor, now: Moment
) -> Tensor:
    return mask(logits, value)
