"""The learning rate over a run: up from zero, then straight down to zero."""


def rate_factor(progress: float, warm_up: float) -> float:
    """
    What the highest learning rate is multiplied by.

    Args:
        progress: Share of the budget that is used, 0 to 1.
        warm_up: Share in which the factor climbs in a straight line. 0 is none.

    Returns:
        A factor from 0 to 1; 0 at the end, so that the run anneals to its budget.

    Source:
        Bergsma et al. (2025), Straight to Zero: Why Linearly Decaying the Learning
        Rate to Zero Works Best for LLMs. https://arxiv.org/abs/2502.15938
    """
    if progress >= 1:
        return 0.0
    if progress < warm_up:
        return progress / warm_up
    return (1 - progress) / (1 - warm_up)


def share_since(began: float, progress: float) -> float:
    """How much of the time from *began* to the end of the budget is over, 0 to 1."""
    return max(0.0, progress - began) / max(1 - began, 1e-9)
