"""
What may reach a screen, and how text leaves this program.

Text from a model, a file name or a stranger's checkpoint is shown on a terminal only
after `sanitize`; into a pipe or a file it goes exactly as it is.
"""

import math
import os
import re
import sys
from collections.abc import Iterable
from io import TextIOBase
from typing import TextIO

Stream = TextIO | TextIOBase
"""What text is written to; a test may put a wrapper of its own in place of stdout."""

UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # changes of direction
)

REPLACEMENT = "\ufffd"

SHADES = (
    (0.5, "38;5;244"),
    (1.5, "38;5;252"),
    (3.0, "38;5;222"),
    (5.0, "38;5;215"),
    (8.0, "38;5;203"),
    (math.inf, "1;38;5;197"),
)
"""Up to so many bits of surprise this style: from gray over yellow to a strong red."""


def sanitize(text: str) -> str:
    """Replace every character of *text* that could steer a terminal."""
    return UNSAFE.sub(REPLACEMENT, text)


def write_text(
    text: str, stream: Stream | None = None, *, style: str | None = None
) -> None:
    """
    Put text on stdout at once; safe characters only where a person reads it.

    Ends the process quietly when nobody reads any more, as after `| head`.

    Args:
        text: Anything; characters that the stream cannot hold become `?`.
        stream: Another stream than stdout.
        style: How a terminal shows it, such as `38;5;203`; without effect elsewhere.
    """
    target = stream or sys.stdout
    write_drawn(_drawn(text, style, target), target)


def write_pieces(pieces: Iterable[tuple[str, str | None]]) -> None:
    """Put a line of several pieces on stdout, each as `write_text` with its style."""
    write_drawn("".join(_drawn(text, style, sys.stdout) for text, style in pieces))


def _drawn(text: str, style: str | None, stream: Stream) -> str:
    """Text as a stream gets it: for a terminal safe, and in its style."""
    shown = sanitize(text) if stream.isatty() else text
    if style and text != "\n" and wants_color(stream):
        shown = f"\x1b[{style}m{shown}\x1b[0m"
    return shown


def write_drawn(text: str, stream: Stream | None = None) -> None:
    """
    Put on stdout what is safe as it is, escape sequences of our own included.

    Everything else is as for `write_text`.
    """
    stream = stream or sys.stdout
    try:
        stream.write(_encodable(text, stream))
        stream.flush()
    except BrokenPipeError:
        silence(stream)
        sys.exit(0)


def say(text: str) -> None:
    """Print a line for people on stderr. It is no error if nobody reads it."""
    _say_drawn(sanitize(text))


def _say_drawn(text: str) -> None:
    stream = sys.stderr
    try:
        print(_encodable(text, stream), file=stream, flush=True)
    except OSError:  # the reader has left, or the terminal was closed
        silence(stream)


def _encodable(text: str, stream: Stream) -> str:
    """Text with `?` for what the encoding of the stream cannot hold."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def silence(stream: Stream) -> None:
    """Discard output still buffered for a closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_missing_streams() -> None:
    """Open stdout and stderr where a launcher started this process without them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def wants_color(stream: Stream) -> bool:
    """Whether color is welcome: on a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def shade(nats: float) -> str:
    """
    The style of a character.

    Args:
        nats: Its surprise, -ln p.
    """
    bits = nats / math.log(2)
    return next(style for limit, style in SHADES if bits <= limit)


def legend() -> None:
    """One line on stderr that explains the colors, or why there are none."""
    if not wants_color(sys.stdout):
        say("note: colours need a terminal, and NO_COLOR turns them off.")
        return
    labels, below = [], 0.0
    for limit, style in SHADES:
        label = f"over {below:g}" if limit == math.inf else f"to {limit:g}"
        labels.append(_drawn(label, style, sys.stderr))
        below = limit
    _say_drawn(f"bits of surprise: {', '.join(labels)}")
