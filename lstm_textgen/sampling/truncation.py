"""
Which characters stay possible, judged by their probabilities. Logits in, logits out.

Shapes: V vocabulary, *batch any number of leading axes. Each function gives a new
tensor with -inf for what is left out. Something is always left.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


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
