"""The learning rate over a run: up from zero, then down a cosine to zero."""

import math


def rate_factor(progress: float, warm_up: float) -> float:
    """
    What the highest learning rate is multiplied by.

    Args:
        progress: Share of the budget that is used, 0 to 1.
        warm_up: Share in which the factor climbs in a straight line. 0 is none.

    Returns:
        A factor from 0 to 1; 0 at the end, so that the run anneals to its budget.

    Source:
        Loshchilov and Hutter (2017), SGDR, without restarts.
        https://arxiv.org/abs/1608.03983
    """
    if progress >= 1:
        return 0.0
    if progress < warm_up:
        return progress / warm_up
    falling = (progress - warm_up) / (1 - warm_up)
    return 0.5 * (1 + math.cos(math.pi * falling))
