"""
From logits to the logits that are drawn from: the chain of transforms, in order.

`TRANSFORMS` lists them in the order in which they act: penalties on recent characters,
the temperature, and masks that leave out unlikely characters. Each transform is a pure
function: logits in, new logits out.

Shapes: N samples, V vocabulary, K characters of history (the newest last), *batch any
number of leading axes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import ConfigError

Logits = Float[Tensor, "*batch V"]
"""Unnormalized log-probabilities, in nats."""

Rows = Float[Tensor, "N V"]
"""The logits of N samples."""

HistoryIds = Int64[Tensor, "N K"]
"""The last characters of N samples."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a transform may depend on beside the logits and the settings."""

    history: HistoryIds
    """Empty unless `needs_history`."""

    progress: float
    """How much of the sample is written, 0 to 1."""

    limits: Float64[Tensor, " N"]
    """Mirostat's highest surprise for each sample, in nats."""


@dataclass(frozen=True, slots=True)
class Transform:
    """One row of the chain."""

    name: str
    """The setting that switches it on."""

    off: float
    """The value of that setting at which the transform is left out."""

    says: str
    """What it does, for `--show-chain`; names of other settings in braces."""

    act: Callable[[Tensor, SampleConfig, Context], Tensor]


PENALTIES = (
    Transform(
        "repetition_penalty",
        1.0,
        "weakens by this factor what stands in the last {penalty_window:,} characters",
        lambda logits, config, now: penalize_repetition(
            logits, now.history, config.repetition_penalty
        ),
    ),
    Transform(
        "frequency_penalty",
        0.0,
        "so many nats off for each time in the last {penalty_window:,} characters",
        lambda logits, config, now: penalize_frequency(
            logits, now.history, config.frequency_penalty
        ),
    ),
    Transform(
        "presence_penalty",
        0.0,
        "so many nats off for standing in the last {penalty_window:,} characters",
        lambda logits, config, now: penalize_presence(
            logits, now.history, config.presence_penalty
        ),
    ),
    Transform(
        "no_repeat",
        0.0,
        "no run of so many characters twice in the last {penalty_window:,} characters",
        lambda logits, config, now: ban_repeated_ngrams(
            logits, now.history, config.no_repeat
        ),
    ),
    Transform(
        "dry",
        0.0,
        "nats off for what lengthens a repeat of {dry_allowed} or more",
        lambda logits, config, now: penalize_continued_repeats(
            logits,
            now.history,
            multiplier=config.dry,
            base=config.dry_base,
            allowed=config.dry_allowed,
        ),
    ),
)
"""The transforms that look at the history."""

TEMPERATURE = Transform(
    "temperature",
    1.0,
    "below 1 sharpens, above 1 flattens",
    lambda logits, config, now: apply_temperature(logits, config, now.progress),
)

MASKS = (
    Transform(
        "top_k",
        0.0,
        "only the likeliest so many",
        lambda logits, config, now: keep_top_k(logits, config.top_k),
    ),
    Transform(
        "min_p",
        0.0,
        "only what has this share of the highest probability",
        lambda logits, config, now: keep_min_p(logits, config.min_p),
    ),
    Transform(
        "typical",
        1.0,
        "only what surprises about as expected, of this mass",
        lambda logits, config, now: keep_typical(logits, config.typical),
    ),
    Transform(
        "eta",
        0.0,
        "only what is likelier; less strict where all is unlikely",
        lambda logits, config, now: keep_eta(logits, config.eta),
    ),
    Transform(
        "top_p",
        1.0,
        "only the likeliest of this mass",
        lambda logits, config, now: keep_top_p(logits, config.top_p),
    ),
    Transform(
        "mirostat",
        0.0,
        "only what keeps the text at so many nats a character",
        lambda logits, config, now: keep_below_limit(logits, now.limits),
    ),
)

TRANSFORMS = (*PENALTIES, TEMPERATURE, *MASKS)
"""The whole chain. Each transform sees what the ones before it have left."""


def active(config: SampleConfig) -> list[Transform]:
    """
    The transforms that act with these settings, in order.

    Greedy sampling takes the most likely character after the penalties, so the masks
    behind the temperature are left out.

    Raises:
        ConfigError: A run to look for is longer than the window it is looked for in.
    """
    _check_window(config)
    chain = (*PENALTIES, TEMPERATURE) if is_greedy(config) else TRANSFORMS
    ramp = _final_temperature(config) != config.temperature
    return [
        transform
        for transform in chain
        if getattr(config, transform.name) != transform.off
        or (transform is TEMPERATURE and ramp)
    ]


def describe_chain(config: SampleConfig) -> list[str]:
    """
    A line for each active transform: its option, its value, and what it does.

    Raises:
        ConfigError: As for `active`.
    """
    return [_describe(transform, config) for transform in active(config)]


def needs_history(config: SampleConfig) -> bool:
    """Whether any active transform looks at what was written."""
    return any(transform in PENALTIES for transform in active(config))


def only_temperature(config: SampleConfig) -> float | None:
    """The temperature, if it is all that acts, constant and above 0."""
    alone = all(transform is TEMPERATURE for transform in active(config))
    constant = _final_temperature(config) == config.temperature
    return config.temperature if alone and constant and config.temperature else None


def is_greedy(config: SampleConfig) -> bool:
    """Whether the most likely character is taken at every step."""
    return config.temperature == 0 and _final_temperature(config) == 0


def _final_temperature(config: SampleConfig) -> float:
    last = config.final_temperature
    return config.temperature if last is None else last


def _describe(transform: Transform, config: SampleConfig) -> str:
    option = transform.name.replace("_", "-")
    value = f"{getattr(config, transform.name):g}"
    says = transform.says.format(
        penalty_window=config.penalty_window, dry_allowed=config.dry_allowed
    )
    if transform is TEMPERATURE and is_greedy(config):
        says = "only the likeliest"
    elif transform is TEMPERATURE and _final_temperature(config) != config.temperature:
        value = f"{value}:{config.final_temperature:g}"
        says = "from the first value to the last"
    return f"{option} {value}: {says}"


def _check_window(config: SampleConfig) -> None:
    runs = {"no_repeat": config.no_repeat}
    if config.dry:
        runs["dry_allowed"] = config.dry_allowed
    for name, size in runs.items():
        if size >= config.penalty_window:
            raise ConfigError(
                f"{name} is {size}, and penalty_window is {config.penalty_window}: "
                "no run is so long.",
                f"Set penalty_window above {size}.",
            )


# Penalties. Characters repeat: a second `e` is no fault. So these act over a window
# of recent characters, and the two that look at runs of characters,
# `ban_repeated_ngrams` and `penalize_continued_repeats`, do a text less harm.

MAX_REPEAT = 64
"""Characters beyond those allowed, beyond which the penalty stops growing."""

MAX_REPEAT_NATS = 1e4
"""The most that lengthening a repeat costs: nothing is drawn at that price."""


def penalize_repetition(logits: Rows, history: HistoryIds, penalty: float) -> Rows:
    """
    Divide the positive logits of the characters in the history, multiply the negative
    ones.

    It depends on where the zero of the logits is, unlike all other transforms.

    Args:
        penalty: Above 0. 1 changes nothing, more discourages, less encourages.

    Source:
        Keskar et al. (2019), CTRL, section 4.1. https://arxiv.org/abs/1909.05858.
        There every logit is divided, which would help a negative one; that those are
        multiplied is what samplers do since.
    """
    weakened = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(_counts(logits, history) > 0, weakened, logits)


def penalize_frequency(logits: Rows, history: HistoryIds, nats: float) -> Rows:
    """
    Subtract *nats* for every time that a character is in the history.

    Args:
        nats: 0 is off, below 0 encourages.

    Source:
        OpenAI (2020), API reference, `frequency_penalty`.
    """
    return logits - nats * _counts(logits, history)


def penalize_presence(logits: Rows, history: HistoryIds, nats: float) -> Rows:
    """
    Subtract *nats* once for every character that is in the history.

    Args:
        nats: 0 is off, below 0 encourages.

    Source:
        OpenAI (2020), API reference, `presence_penalty`.
    """
    return logits - nats * (_counts(logits, history) > 0)


def ban_repeated_ngrams(logits: Rows, history: HistoryIds, size: int) -> Rows:
    """
    Mask every character that would complete a run that is in the history already.

    Where that leaves nothing, nothing is masked.

    Args:
        size: Characters of a run that may not come twice, 1 or more.

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
    logits: Rows,
    history: HistoryIds,
    *,
    multiplier: float,
    base: float,
    allowed: int,
) -> Rows:
    """
    DRY: the longer a repeat has become, the more it costs to continue it.

    A character that would lengthen a repeat of n characters, which stands at the end
    of the history and somewhere before, loses

        multiplier * base^(n - allowed)      where n >= allowed

    nats, for the longest such repeat.

    Args:
        multiplier: Nats at the length *allowed*, 0 or more. 0 is off.
        base: What each further character multiplies that by, 1 or more.
        allowed: The shortest repeat that costs something to lengthen, 1 or more.

    Source:
        Weidmann (2024), DRY: a modern repetition penalty, pull request 5677 of
        text-generation-webui.
    """
    lengths = repeat_lengths(history, longest=allowed + MAX_REPEAT)
    beyond = (lengths - allowed).clamp(max=MAX_REPEAT).double()
    growth = (multiplier * base**beyond).clamp(max=MAX_REPEAT_NATS)
    costs = torch.where(lengths >= allowed, growth, 0.0)
    highest = torch.zeros_like(logits).scatter_reduce(
        1, history[:, 1:], costs.to(logits.dtype), "amax"
    )
    return logits - highest


def repeat_lengths(history: HistoryIds, *, longest: int) -> Int64[Tensor, "N K1"]:
    """
    How many characters up to each place are those at the end of the history.

    Args:
        longest: Where to stop counting.

    Returns:
        For every place but the last, the length of the common ending of the history
        up to there and of the whole history.
    """
    count, K = history.shape
    lengths = torch.zeros(count, max(K - 1, 0), dtype=torch.int64)
    matching = torch.ones(count, max(K - 1, 0), dtype=torch.bool)
    for back in range(min(K - 1, longest)):
        # the character *back* before each place, against the one before the end
        same = torch.zeros_like(matching)
        same[:, back:] = history[:, : K - 1 - back] == history[:, K - 1 - back, None]
        matching = matching & same
        if not matching.any():
            break
        lengths += matching
    return lengths


def _counts(logits: Rows, history: HistoryIds) -> Rows:
    """How often each character is in the history."""
    ones = torch.ones_like(history, dtype=logits.dtype)
    return torch.zeros_like(logits).scatter_add_(1, history, ones)


# Temperature.


def apply_temperature(logits: Logits, config: SampleConfig, progress: float) -> Logits:
    """
    Divide by the temperature of this moment, or keep the most likely character.

    Args:
        config: The first temperature and the last one.
        progress: How much of the sample is written, 0 to 1.
    """
    if is_greedy(config):
        return keep_top_k(logits, 1)
    first, last = config.temperature, _final_temperature(config)
    return divide_by_temperature(logits, first + (last - first) * progress)


def divide_by_temperature(logits: Logits, temperature: float) -> Logits:
    """
    Sharpen or flatten the distribution.

    Args:
        temperature: Below 1 sharpens, above 1 flattens, 1 changes nothing, 0 leaves
            the most likely characters alone.

    Returns:
        New logits. The highest becomes 0 first, so that a temperature near 0 gives
        -inf for the others and never a number too large.

    Source:
        Ackley, Hinton and Sejnowski (1985), A Learning Algorithm for Boltzmann
        Machines. Cognitive Science 9(1).
    """
    # a temperature too small for the type would be 0, and 0 / 0 is NaN
    divisor = max(temperature, torch.finfo(logits.dtype).tiny)
    return (logits - logits.amax(dim=-1, keepdim=True)) / divisor


# Masks: each sets the logits of what it leaves out to -inf. Something is always left.


def keep_top_k(logits: Logits, top_k: int) -> Logits:
    """
    Mask all but the *top_k* most likely characters.

    Of two equally likely characters the lower id goes first, so exactly *top_k*
    remain.

    Args:
        top_k: How many to keep. 0, and V or more, keep everything.

    Source:
        Fan, Lewis and Dauphin (2018), Hierarchical Neural Story Generation,
        section 5.2. https://arxiv.org/abs/1805.04833
    """
    if top_k == 0 or top_k >= logits.shape[-1]:
        return logits.clone()
    ranked, ids = logits.sort(dim=-1, descending=True, stable=True)
    ranked[..., top_k:] = -torch.inf
    return torch.empty_like(logits).scatter_(-1, ids, ranked)


def keep_min_p(logits: Logits, min_p: float) -> Logits:
    """
    Mask every character that is much less likely than the most likely one.

    Args:
        min_p: The least share of the highest probability, in [0, 1]. 0 keeps all.

    Source:
        Nguyen et al. (2024), Turning Up the Heat: Min-p Sampling for Creative and
        Coherent LLM Outputs. https://arxiv.org/abs/2407.01082
    """
    probs = logits.softmax(dim=-1)
    return _mask(logits, probs < min_p * probs.amax(dim=-1, keepdim=True))


def keep_typical(logits: Logits, mass: float) -> Logits:
    """
    Keep the characters whose surprise is nearest to the expected one.

    Of those whose -ln p is nearest to the entropy, as many as it takes to reach
    *mass*; of equally near ones the lower id goes first. The most likely character
    need not be among them.

    Args:
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


def keep_eta(logits: Logits, epsilon: float) -> Logits:
    """
    Mask what is unlikely, and less strictly so where everything is unlikely.

        eta = min(epsilon, sqrt(epsilon) * exp(-entropy))

    A character stays whose probability is at least eta.

    Args:
        epsilon: The least probability where the next character is nearly certain,
            in [0, 1). 0 keeps everything.

    Source:
        Hewitt, Manning and Liang (2022), Truncation Sampling as Language Model
        Desmoothing, section 4.2. https://arxiv.org/abs/2210.15191
    """
    probs = logits.softmax(dim=-1)
    entropy = torch.special.entr(probs).sum(dim=-1, keepdim=True)
    eta = (epsilon**0.5 * (-entropy).exp()).clamp(max=epsilon)
    return _mask(logits, probs < eta)


def keep_top_p(logits: Logits, top_p: float) -> Logits:
    """
    Mask every character outside the nucleus.

    The nucleus is the smallest set of most likely characters whose probabilities sum
    to at least *top_p*. It is never empty. Of two equally likely characters the lower
    id goes first.

    Args:
        top_p: Probability mass to keep, in (0, 1]. 1 keeps everything.

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


def keep_below_limit(logits: Rows, limits: Float64[Tensor, " N"]) -> Rows:
    """
    Mirostat: mask every character that would surprise more than the limit.

    Each sample has a limit, which moves against the error after each draw
    (`next_limits`), so that the surprise of the text stays at a level.

    Args:
        limits: The highest -ln p that is allowed in each row. The most likely
            character always stays.

    Source:
        Basu et al. (2021), Mirostat: A Neural Text Decoding Algorithm that
        Directly Controls Perplexity. https://arxiv.org/abs/2007.14966. In its
        second version, which needs no estimate of Zipf's exponent.
    """
    surprise = -logits.log_softmax(dim=-1)
    return _mask(logits, surprise > limits.to(surprise).unsqueeze(-1))


def first_limits(samples: int, target: float) -> Float64[Tensor, " N"]:
    """
    The limits before the first draw: twice the target.

    Args:
        samples: N.
        target: Surprise to keep to, in nats a character.
    """
    return torch.full((samples,), 2 * target, dtype=torch.float64)


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
        limits: Before the draw.
        surprise: -ln p of the drawn characters by the model itself, in nats.
        target: Surprise to keep to, in nats a character.
        rate: How fast, in (0, 1].
    """
    return limits - rate * (surprise - target)


def _mask(logits: Logits, outside: Bool[Tensor, "*batch V"]) -> Logits:
    """Set what is outside to -inf, but never the most likely character."""
    best = logits.argmax(dim=-1, keepdim=True)
    return logits.masked_fill(outside.scatter(-1, best, False), -torch.inf)
