"""A curve drawn with characters, which every page and every terminal can show."""

from collections.abc import Sequence

import numpy as np

EIGHTHS = " ▁▂▃▄▅▆▇█"
"""A cell of the picture, from empty to full."""


def draw_curve(
    points: Sequence[tuple[int, float]], *, width: int = 60, height: int = 8
) -> list[str]:
    """
    A curve as filled blocks, with its highest and its lowest value beside it.

    Args:
        points: At least two, as (step, loss), each step above the one before.
        width: Columns of the picture itself.
        height: Its rows.

    Returns:
        The lines from top to bottom; the last one names the ends of the x axis. The
        lowest value stands an eighth of a row high, so that it can be seen.
    """
    x, y = np.array(points, dtype=float).T
    values = np.interp(np.linspace(x[0], x[-1], width), x, y)
    low, high = float(y.min()), float(y.max())
    share = (values - low) / (high - low) if high > low else np.zeros(width)
    eighths = 1 + np.rint(share * (8 * height - 1)).astype(int)
    lines = []
    for row in range(height - 1, -1, -1):
        cells = np.clip(eighths - 8 * row, 0, 8)
        label = {height - 1: f"{high:.3f}", 0: f"{low:.3f}"}.get(row, "")
        drawn = "".join(EIGHTHS[cell] for cell in cells)
        lines.append(f"{label:>7} │{drawn}".rstrip())
    ends = f"{x[0]:,.0f}", f"{x[-1]:,.0f}"
    lines.append(f"{'':>7} └{'─' * width}")
    lines.append(f"{'':>9}{ends[0]}{ends[1]:>{width - len(ends[0])}}")
    return lines
