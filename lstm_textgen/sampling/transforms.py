"""
Logits in, logits out. Pure, stateless, any leading shape.

Shapes: V vocabulary, *batch any number of leading axes.
"""

import torch
from jaxtyping import Float
from torch import Tensor


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
