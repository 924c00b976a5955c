"""
What changes over a run: the rate, up from zero and straight down to zero; and when the
end of the text is read, shortly before the end of the run.
"""

import math

MARGIN = 0.15
"""Of what is still to come when the last epoch begins: as much may be lost to a machine
that is slower than before, and the end of the text is still read."""


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


def windows_ahead(done: int, began: float, progress: float) -> float:
    """
    How many windows are still to come, at the pace of those so far.

    Args:
        done: Windows that were read.
        began: Progress at the first of them.
        progress: Share of the budget that is used after them.

    Returns:
        0 or more; infinite where there is no pace yet.
    """
    if progress <= began:
        return math.inf
    return done * (1 - progress) / (progress - began)


def end_of_text_at(epochs: float) -> float | None:
    """
    When in an epoch to read the end of the text, so that the run ends soon after it.

    A run of few epochs has read some of the text once less than the rest, and some long
    ago. What follows the text, the held-out part first, is most like its end.

    Args:
        epochs: Still to come, this one counted in.

    Returns:
        A share of the epoch, or None while more than two are to come.
    """
    if epochs > 2:
        return None
    return (epochs - MARGIN) % 1 if epochs > 1 else (1 - MARGIN) * epochs
