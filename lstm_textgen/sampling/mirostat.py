"""
Mirostat: keep the surprise of a text at a level, by looking at what was drawn.

Each sample has a limit. What would surprise more is left out, and after each draw
the limit moves against the error. The state, one number a sample, goes in and comes
out.

Shapes: N samples, V vocabulary.
"""

import torch
from jaxtyping import Float, Float64
from torch import Tensor


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
