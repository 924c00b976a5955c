"""
From settings to the next character: the transforms in their order of action.

Shapes: N samples, K characters of history.

Logits in, logits out. Pure, stateless, any leading shape.

Shapes: V vocabulary, *batch any number of leading axes.

Which characters stay possible, judged by their probabilities. Logits in, logits out.

Shapes: V vocabulary, *batch any number of leading axes. Each function gives a new
tensor with -inf for what is left out. Something is always left.

What was written lately becomes less likely. Logits and history in, logits out.

Characters repeat: an `e` now and then is no fault. So these act over a window of what
was written last, and the ones that look at runs of characters (`ban_repeated_ngrams`,
`penalise_continued_repeats`) do less harm to a text than the ones that look at single
characters.

Shapes: N samples, V vocabulary, K characters of history, the newest last.

Mirostat: keep the surprise of a text at a level, by looking at what was drawn.

Each sample has a limit. What would surprise more is left out, and after each draw
the limit moves against the error. The state, one number a sample, goes in and comes
out.

Shapes: N samples, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Context:
    """What a link may look at beside the logits."""

    history: Int64[Tensor, "N K"]
    """What was written last, the newest last; empty if no link asks for it."""

    progress: float
    """How much of the sample is written, 0 to 1."""

    limits: Float64[Tensor, " N"]
    """Mirostat's highest surprise for each sample, in nats."""


@dataclass(frozen=True, slots=True)
class Transform:
    """One transform of the chain, ready to act."""

    option: str
    """What it is called on the command line."""

    value: str
    says: str
    """What it does, for `--show-chain`."""

    act: Callable[[Tensor, Context], Tensor]


def make_chain(config: SampleConfig) -> list[Transform]:
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
        greedy = Transform(
            *("temperature", "0", "only the likeliest"),
            lambda logits, now: keep_top_k(logits, 1),
        )
        return [*_penalty_transforms(config), greedy]
    return [
        *_penalty_transforms(config),
        *_temperature(config),
        *_mask_transforms(config),
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


def needs_history(config: SampleConfig) -> bool:
    """Whether any link of the chain looks at what was written."""
    return bool(_penalty_transforms(config))


def only_temperature(config: SampleConfig) -> float | None:
    """The temperature, if it is all that the chain has, above 0 and constant."""
    alone = {link.option for link in make_chain(config)} <= {"temperature"}
    constant = config.final_temperature in (None, config.temperature)
    return config.temperature if alone and constant and config.temperature else None


def _penalty_transforms(config: SampleConfig) -> list[Transform]:
    """Those that look at the history: option, value, where it is off, what it does."""
    lately = f"in the last {config.penalty_window:,} characters"
    factor, size = config.repetition_penalty, config.no_repeat
    times, once = config.frequency_penalty, config.presence_penalty
    repeat = f"a repeat of {config.dry_allowed} or more"
    dry = partial(
        penalize_continued_repeats,
        multiplier=config.dry,
        base=config.dry_base,
        allowed=config.dry_allowed,
    )
    table: list[tuple[str, float, float, Callable[[Tensor, Tensor], Tensor], str]] = [
        (
            *("repetition-penalty", factor, 1),
            lambda logits, history: penalize_repetition(logits, history, factor),
            f"weakens by this factor what stands {lately}",
        ),
        (
            *("frequency-penalty", times, 0),
            lambda logits, history: penalize_frequency(logits, history, times, 0.0),
            f"so many nats off for each time {lately}",
        ),
        (
            *("presence-penalty", once, 0),
            lambda logits, history: penalize_frequency(logits, history, 0.0, once),
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
        Transform(option, f"{value:g}", says, partial(_looking_back, penalise))
        for option, value, off, penalise, says in table
        if value != off
    ]


def _temperature(config: SampleConfig) -> list[Transform]:
    """One temperature, or one that goes evenly from its first value to its last."""
    first, last = config.temperature, config.final_temperature
    if last is None or last == first:
        link = Transform(
            *("temperature", f"{first:g}", "below 1 sharpens, above 1 flattens"),
            lambda logits, now: divide_by_temperature(logits, first),
        )
        return [link] if first != 1 else []
    return [
        Transform(
            *("temperature", f"{first:g}:{last:g}", "from the first value to the last"),
            lambda logits, now: divide_by_temperature(
                logits, first + (last - first) * now.progress
            ),
        )
    ]


def _mask_transforms(config: SampleConfig) -> list[Transform]:
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
        Transform(option, f"{value:g}", says, partial(_alone, mask, value))
        for option, value, off, mask, says in table
        if value != off
    ]


def _mirostat(config: SampleConfig) -> list[Transform]:
    """The mask whose limit follows what was drawn."""
    if not config.mirostat:
        return []
    return [
        Transform(
            *("mirostat", f"{config.mirostat:g}"),
            "only what keeps the text at so many nats a character",
            lambda logits, now: keep_below_limit(logits, now.limits),
        )
    ]


def _looking_back(
    penalise: Callable[[Tensor, Tensor], Tensor], logits: Tensor, now: Context
) -> Tensor:
    return penalise(logits, now.history)


def _alone(
    mask: Callable[[Tensor, Any], Tensor], value: Any, logits: Tensor, now: Context
) -> Tensor:
    return mask(logits, value)


def divide_by_temperature(
    logits: Float[Tensor, "*batch V"], temperature: float
) -> Float[Tensor, "*batch V"]:
    """
    Sharpen or flatten the distribution.

    Args:
        logits: Unnormalised log-probabilities, in nats.
        temperature: Above 0. Below 1 sharpens, above 1 flattens, 1 changes nothing.

    Returns:
        A new tensor. The highest logit becomes 0 first, so that a temperature
        near 0 gives minus infinity for the rest and never a number too large.

    Source:
        Ackley, Hinton and Sejnowski (1985), A Learning Algorithm for Boltzmann
        Machines. Cognitive Science 9(1).
    """
    # a temperature too small for the type would be 0, and 0 / 0 no number
    divisor = max(temperature, torch.finfo(logits.dtype).tiny)
    return (logits - logits.amax(dim=-1, keepdim=True)) / divisor


def keep_top_k(
    logits: Float[Tensor, "*batch V"], top_k: int
) -> Float[Tensor, "*batch V"]:
    """
    Mask all but the *top_k* likeliest characters.

    Of two equally likely characters the lower id goes first, so exactly *top_k*
    remain.

    Args:
        logits: Unnormalised log-probabilities, in nats.
        top_k: How many to keep, 1 or more. V or more keeps everything, 0 also.

    Returns:
        A new tensor with -inf for the others.

    Source:
        Fan, Lewis and Dauphin (2018), Hierarchical Neural Story Generation,
        section 5.2. https://arxiv.org/abs/1805.04833
    """
    if top_k == 0 or top_k >= logits.shape[-1]:
        return logits.clone()
    ranked, ids = logits.sort(dim=-1, descending=True, stable=True)
    ranked[..., top_k:] = -torch.inf
    return torch.empty_like(logits).scatter_(-1, ids, ranked)


def keep_top_p(
    logits: Float[Tensor, "*batch V"], top_p: float
) -> Float[Tensor, "*batch V"]:
    """
    Mask every character outside the nucleus.

    The nucleus is the smallest set of likeliest characters whose probabilities
    sum to at least *top_p*. It is never empty. Of two equally likely characters
    the lower id goes first.

    Args:
        logits: Unnormalised log-probabilities, in nats.
        top_p: Probability mass to keep, in (0, 1]. 1 keeps everything.

    Returns:
        A new tensor with -inf outside the nucleus.

    Source:
        Holtzman et al. (2020), The Curious Case of Neural Text Degeneration,
        section 3.1. https://arxiv.org/abs/1904.09751
    """
    if top_p == 1.0:  # skip: rounding in cumsum could drop the tail
        return logits.clone()
    ranked, ids = logits.sort(dim=-1, descending=True, stable=True)
    probs = ranked.softmax(dim=-1)
    mass_above = probs.cumsum(dim=-1) - probs
    outside = mass_above >= top_p
    outside[..., 0] = False
    ranked = ranked.masked_fill(outside, -torch.inf)
    return torch.empty_like(logits).scatter_(-1, ids, ranked)


def keep_min_p(
    logits: Float[Tensor, "*batch V"], min_p: float
) -> Float[Tensor, "*batch V"]:
    """
    Mask every character that is much less likely than the likeliest.

    Args:
        logits: Unnormalised log-probabilities, in nats.
        min_p: The least share of the highest probability, in [0, 1]. 0 keeps all.

    Source:
        Nguyen et al. (2024), Turning Up the Heat: Min-p Sampling for Creative and
        Coherent LLM Outputs. https://arxiv.org/abs/2407.01082
    """
    if min_p == 0:
        return logits.clone()
    probs = logits.softmax(dim=-1)
    return _without(logits, probs < min_p * probs.amax(dim=-1, keepdim=True))


def keep_typical(
    logits: Float[Tensor, "*batch V"], mass: float
) -> Float[Tensor, "*batch V"]:
    """
    Keep the characters whose surprise is nearest to the one to be expected.

    Of those whose -ln p is nearest to the entropy, as many as it takes to reach
    *mass*; of equally near ones the lower id goes first. The likeliest character
    need not be among them.

    Args:
        logits: Unnormalised log-probabilities, in nats.
        mass: Probability to keep, in (0, 1]. 1 keeps everything.

    Source:
        Meister et al. (2022), Locally Typical Sampling, section 4.
        https://arxiv.org/abs/2202.00666
    """
    if mass == 1.0:
        return logits.clone()
    surprise = -logits.log_softmax(dim=-1)
    probs = logits.softmax(dim=-1)
    entropy = torch.where(probs > 0, probs * surprise, 0.0).sum(dim=-1, keepdim=True)
    distance = (surprise - entropy).abs()
    order = distance.sort(dim=-1, stable=True).indices
    ranked = probs.gather(-1, order)
    outside = ranked.cumsum(dim=-1) - ranked >= mass
    outside[..., 0] = False
    return logits.masked_fill(
        torch.empty_like(outside).scatter_(-1, order, outside), -torch.inf
    )


def keep_eta(
    logits: Float[Tensor, "*batch V"], epsilon: float
) -> Float[Tensor, "*batch V"]:
    """
    Mask what is unlikely, and less strictly so where everything is unlikely.

        eta = min(epsilon, sqrt(epsilon) * exp(-entropy))

    and a character stays whose probability is at least eta.

    Args:
        logits: Unnormalised log-probabilities, in nats.
        epsilon: The least probability where the next character is nearly certain,
            in [0, 1). 0 keeps everything.

    Source:
        Hewitt, Manning and Liang (2022), Truncation Sampling as Language Model
        Desmoothing, section 4.2. https://arxiv.org/abs/2210.15191
    """
    if epsilon == 0:
        return logits.clone()
    probs = logits.softmax(dim=-1)
    entropy = torch.special.entr(probs).sum(dim=-1, keepdim=True)
    eta = (epsilon**0.5 * (-entropy).exp()).clamp(max=epsilon)
    return _without(logits, probs < eta)


def _without(
    logits: Float[Tensor, "*batch V"], outside: Bool[Tensor, "*batch V"]
) -> Float[Tensor, "*batch V"]:
    """Mask what is outside, but never the likeliest."""
    best = logits.argmax(dim=-1, keepdim=True)
    return logits.masked_fill(outside.scatter(-1, best, False), -torch.inf)


History = Int64[Tensor, "N K"]

LONGEST = 64
"""Characters beyond those allowed from which on a repeat costs no more."""

DEAREST = 1e4
"""Nats that a repeat costs at most: nothing is drawn at that price."""


def penalize_repetition(
    logits: Float[Tensor, "N V"], history: History, penalty: float
) -> Float[Tensor, "N V"]:
    """
    Divide the positive logits of what is in the history, multiply the negative ones.

    Args:
        logits: Unnormalised log-probabilities, in nats.
        history: What was written last.
        penalty: Above 0. 1 changes nothing, more discourages, less encourages.

    Returns:
        A new tensor. It depends on where the zero of the logits is, unlike all else
        here.

    Source:
        Keskar et al. (2019), CTRL, section 4.1. https://arxiv.org/abs/1909.05858.
        There every logit is divided, which would help a negative one; that those are
        multiplied is what samplers do since.
    """
    weakened = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(_counts(logits, history) > 0, weakened, logits)


def penalize_frequency(
    logits: Float[Tensor, "N V"], history: History, frequency: float, presence: float
) -> Float[Tensor, "N V"]:
    """
    Subtract *frequency* for every time that a character is in the history, and
    *presence* once if it is there at all.

    Args:
        logits: Unnormalised log-probabilities, in nats.
        history: What was written last.
        frequency: Nats for every time. 0 is off, below 0 encourages.
        presence: Nats for being there. 0 is off, below 0 encourages.

    Returns:
        A new tensor.

    Source:
        OpenAI (2020), API reference, `frequency_penalty` and `presence_penalty`.
    """
    counts = _counts(logits, history)
    return logits - frequency * counts - presence * (counts > 0)


def ban_repeated_ngrams(
    logits: Float[Tensor, "N V"], history: History, size: int
) -> Float[Tensor, "N V"]:
    """
    Mask every character that would complete a run which is in the history already.

    Where that leaves nothing, nothing is masked.

    Args:
        logits: Unnormalised log-probabilities, in nats.
        history: What was written last.
        size: Characters of a run that may not come twice, 1 or more.

    Returns:
        A new tensor.

    Source:
        Paulus, Xiong and Socher (2018), A Deep Reinforced Model for Abstractive
        Summarization, section 2.5. https://arxiv.org/abs/1705.04304
    """
    if history.shape[1] < size:
        return logits.clone()
    runs = history.unfold(1, size, 1)  # (N, K - size + 1, size)
    last = history[:, history.shape[1] - (size - 1) :].unsqueeze(1)
    begun = (runs[..., :-1] == last).all(dim=-1)
    banned = torch.zeros_like(logits).scatter_add_(
        1, runs[..., -1], begun.to(logits.dtype)
    )
    changed = logits.masked_fill(banned > 0, -torch.inf)
    possible = changed.isfinite().any(dim=-1, keepdim=True)
    return torch.where(possible, changed, logits)


def penalize_continued_repeats(
    logits: Float[Tensor, "N V"],
    history: History,
    *,
    multiplier: float,
    base: float,
    allowed: int,
) -> Float[Tensor, "N V"]:
    """
    DRY: the longer a repeat has become, the more its going on costs.

    A character that would lengthen a repeat of n characters, one that stands at the
    end of the history and somewhere before, loses

        multiplier * base^(n - allowed)      where n >= allowed

    nats, for the longest such repeat.

    Args:
        logits: Unnormalised log-probabilities, in nats.
        history: What was written last.
        multiplier: Nats at the length *allowed*, 0 or more. 0 is off.
        base: What each further character multiplies that by, 1 or more.
        allowed: The shortest repeat that costs something to lengthen, 1 or more.

    Returns:
        A new tensor.

    Source:
        Weidmann (2024), DRY: a modern repetition penalty, pull request 5677 of
        text-generation-webui.
    """
    lengths = repeat_lengths(history, longest=allowed + LONGEST)
    beyond = (lengths - allowed).clamp(max=LONGEST).double()
    growth = (multiplier * base**beyond).clamp(max=DEAREST)
    costs = torch.where(lengths >= allowed, growth, 0.0)
    highest = torch.zeros_like(logits).scatter_reduce(
        1, history[:, 1:], costs.to(logits.dtype), "amax"
    )
    return logits - highest


def repeat_lengths(history: History, *, longest: int) -> Int64[Tensor, "N K1"]:
    """
    How many characters up to each place are those at the end of the history.

    Args:
        history: What was written last.
        longest: Where to stop counting.

    Returns:
        For every place but the last one the length of the common ending of the
        history up to there and of the whole history.
    """
    count, K = history.shape
    lengths = torch.zeros(count, max(K - 1, 0), dtype=torch.int64)
    going = torch.ones(count, max(K - 1, 0), dtype=torch.bool)
    for back in range(min(K - 1, longest)):
        # the character *back* before each place, against the one before the end
        same = torch.zeros_like(going)
        same[:, back:] = history[:, : K - 1 - back] == history[:, K - 1 - back, None]
        going = going & same
        if not going.any():
            break
        lengths += going
    return lengths


def _counts(logits: Float[Tensor, "N V"], history: History) -> Float[Tensor, "N V"]:
    """How often each character is in the history."""
    ones = torch.ones_like(history, dtype=logits.dtype)
    return torch.zeros_like(logits).scatter_add_(1, history, ones)


def first_limits(samples: int, target: float) -> Float64[Tensor, " N"]:
    """
    Where the limits begin: at twice the target.

    Args:
        samples: N.
        target: Surprise to keep to, in nats a character.
    """
    return torch.full((samples,), 2 * target, dtype=torch.float64)


def keep_below_limit(
    logits: Float[Tensor, "N V"], limits: Float64[Tensor, " N"]
) -> Float[Tensor, "N V"]:
    """
    Mask every character that would surprise more than the limit.

    Args:
        logits: Unnormalised log-probabilities, in nats.
        limits: The highest -ln p that is allowed in each row. The likeliest
            character always stays.

    Returns:
        A new tensor with -inf for what is left out.

    Source:
        Basu et al. (2021), Mirostat: A Neural Text Decoding Algorithm that
        Directly Controls Perplexity. https://arxiv.org/abs/2007.14966. In its
        second version, which needs no estimate of Zipf's exponent.
    """
    surprise = -logits.log_softmax(dim=-1)
    outside = surprise > limits.to(surprise).unsqueeze(-1)
    best = logits.argmax(dim=-1, keepdim=True)
    return logits.masked_fill(outside.scatter(-1, best, False), -torch.inf)


def next_limits(
    limits: Float64[Tensor, " N"],
    surprise: Float64[Tensor, " N"],
    *,
    target: float,
    rate: float,
) -> Float64[Tensor, " N"]:
    """
    Move the limits against the error of the last draw.

        limit' = limit - rate * (surprise - target)

    Args:
        limits: Before.
        surprise: -ln p of what was drawn, by the model itself, in nats.
        target: Surprise to keep to, in nats a character.
        rate: How fast, in (0, 1].
    """
    return limits - rate * (surprise - target)
