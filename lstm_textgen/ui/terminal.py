"""
What may reach a screen, and how text leaves this program.

Text from a model, a file name or a stranger's checkpoint is shown on a terminal only
after `sanitise`; into a pipe or a file it goes exactly as it is.

How surprising each character was, as a colour on a terminal.
"""

import math
import os
import re
import sys
from collections.abc import Iterable
from typing import TextIO

UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"  # changes of direction
)

REPLACEMENT = "\ufffd"


def sanitize(text: str) -> str:
    """Take every character out of *text* that could steer a terminal."""
    return UNSAFE.sub(REPLACEMENT, text)


def write_text(
    text: str, stream: TextIO | None = None, *, style: str | None = None
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
    shown = sanitize(text) if target.isatty() else text
    if style and text != "\n" and wants_color(target):
        shown = f"\x1b[{style}m{shown}\x1b[0m"
    write_drawn(shown, stream)


def write_drawn(text: str, stream: TextIO | None = None) -> None:
    """
    Put on stdout what is safe as it is, escape sequences of our own included.

    Everything else is as for `write_text`.
    """
    stream = stream or sys.stdout
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        silence(stream)
        sys.exit(0)


def write_pieces(pieces: Iterable[tuple[str, str | None]]) -> None:
    """Put a line of several pieces on stdout, each as `write_text` with its style."""
    screen, colour = sys.stdout.isatty(), wants_color(sys.stdout)
    shown = ""
    for text, style in pieces:
        safe = sanitize(text) if screen else text
        shown += f"\x1b[{style}m{safe}\x1b[0m" if style and colour else safe
    write_drawn(shown)


def say(text: str) -> None:
    """A line for people, on stderr. That nobody hears it is no reason to stop."""
    stream = sys.stderr
    encoding = stream.encoding or "utf-8"
    safe = sanitize(text).encode(encoding, "replace").decode(encoding)
    try:
        print(safe, file=stream, flush=True)
    except OSError:  # the reader has left, or the terminal was closed
        silence(stream)


def silence(stream: TextIO) -> None:
    """Let what is still to be flushed into a closed pipe go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_missing_streams() -> None:
    """Where a launcher started this process without stdout or stderr, have them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def wants_color(stream: TextIO) -> bool:
    """Whether colour is welcome: on a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


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
    if not wants_color(sys.stdout):
        say("note: colours need a terminal, and NO_COLOR turns them off.")
        return
    coloured = wants_color(sys.stderr)
    words, below = [], 0.0
    for limit, style in SHADES:
        text = f"over {below:g}" if limit == math.inf else f"to {limit:g}"
        words.append(f"\x1b[{style}m{text}\x1b[0m" if coloured else text)
        below = limit
    print(f"bits of surprise: {', '.join(words)}", file=sys.stderr)
