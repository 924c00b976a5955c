"""
What was written lately becomes less likely. Logits and history in, logits out.

Characters repeat: an `e` now and then is no fault. So these act over a window of what
was written last, and the ones that look at runs of characters (`ban_repeated_ngrams`,
`penalise_continued_repeats`) do less harm to a text than the ones that look at single
characters.

Shapes: N samples, V vocabulary, K characters of history, the newest last.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

History = Int64[Tensor, "N K"]

LONGEST = 64
"""Characters beyond those allowed from which on a repeat costs no more."""

DEAREST = 1e4
"""Nats that a repeat costs at most: nothing is drawn at that price."""


def penalise_repetition(
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


def penalise_frequency(
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


def penalise_continued_repeats(
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
