"""How surprising each character was, as a colour on a terminal."""

import math
import sys

from lstm_textgen.report.terminal import say, wants_colour

SHADES = (
    (0.5, "38;5;244"),
    (1.5, "38;5;252"),
    (3.0, "38;5;222"),
    (5.0, "38;5;215"),
    (8.0, "38;5;203"),
    (math.inf, "1;38;5;197"),
)
"""Up to so many bits this style: from grey over yellow to a strong red."""


def shade(nats: float) -> str:
    """
    The style of a character.

    Args:
        nats: Its surprise, -ln p.
    """
    bits = nats / math.log(2)
    return next(style for limit, style in SHADES if bits <= limit)


def legend() -> None:
    """One line on stderr that says what the colours mean, if there are any."""
    if not wants_colour(sys.stdout):
        say("note: colours need a terminal, and NO_COLOR turns them off.")
        return
    coloured = wants_colour(sys.stderr)
    words, below = [], 0.0
    for limit, style in SHADES:
        text = f"over {below:g}" if limit == math.inf else f"to {limit:g}"
        words.append(f"\x1b[{style}m{text}\x1b[0m" if coloured else text)
        below = limit
    print(f"bits of surprise: {', '.join(words)}", file=sys.stderr)
