"""
Sets of characters as people type them: `a-z .,` and what may be written with them.

Shapes: V vocabulary.
"""

import numpy as np
from jaxtyping import Bool

from lstm_textgen.errors import ConfigError
from lstm_textgen.text.tokenizer import Tokenizer

ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse_set(text: str) -> list[tuple[str, str]]:
    r"""
    The ranges of a set of characters, such as `a-zäöü .,\n`.

    A dash between two characters makes a range; at either end it is itself. After a
    backslash `n`, `t` and `r` are line end, tab and carriage return, and every other
    character is itself.

    Returns:
        First and last character of each range.

    Raises:
        ConfigError: A range runs backwards, or the text ends in a backslash.
    """
    signs = list(_unescaped(text))
    ranges, place = [], 0
    while place < len(signs):
        first = last = signs[place][0]
        dash = signs[place + 1 : place + 2] == [("-", False)]
        if dash and place + 2 < len(signs):
            last = signs[place + 2][0]
            place += 2
        if last < first:
            raise ConfigError(
                f"The range {first}-{last} runs backwards.",
                f"Write {last}-{first} instead.",
            )
        ranges.append((first, last))
        place += 1
    return ranges


def allowed_ids(tokenizer: Tokenizer, only: str, ban: str) -> Bool[np.ndarray, " V"]:
    """
    Which ids may be written. The mark for unknown characters never is.

    Args:
        tokenizer: The vocabulary. Of a model of bytes only ASCII can be banned, and
            only ASCII can be all that is allowed: a byte above it is part of many
            characters.
        only: A set, outside of which nothing may be written. Empty allows all.
        ban: A set that may not be written.

    Raises:
        ConfigError: A set cannot be read, or nothing is left to write.
    """
    wanted, banned = parse_set(only), parse_set(ban)
    if tokenizer.kind == "byte":
        _check_ascii(only, wanted)
        _check_ascii(ban, banned)
    unknown = getattr(tokenizer, "unknown", None)
    allowed = np.array(
        [
            (_within(char, wanted) or not wanted)
            and not _within(char, banned)
            and (unknown is None or char != unknown)
            for char in characters_of(tokenizer)
        ]
    )
    if not allowed.any():
        raise ConfigError(
            "No character of the model is left to write.",
            "Allow more with --only, or ban less.",
        )
    return allowed


def characters_of(tokenizer: Tokenizer) -> list[str]:
    """What each id stands for; of bytes, the code point of the same number."""
    if tokenizer.kind == "byte":
        return [chr(code) for code in range(tokenizer.size)]
    return list(tokenizer.decode(np.arange(tokenizer.size)))


def _unescaped(text: str):  # type: ignore[no-untyped-def]
    """Each character, and whether a backslash stood before it."""
    signs = iter(text)
    for sign in signs:
        if sign != "\\":
            yield sign, False
            continue
        after = next(signs, None)
        if after is None:
            raise ConfigError(
                f"The set {text!r} ends in a backslash.", "Write two for one."
            )
        yield ESCAPES.get(after, after), True


def _within(char: str, ranges: list[tuple[str, str]]) -> bool:
    return any(first <= char <= last for first, last in ranges)


def _check_ascii(text: str, ranges: list[tuple[str, str]]) -> None:
    if any(last > "\x7f" for _, last in ranges):
        raise ConfigError(
            f"The set {text!r} goes beyond ASCII, and this is a model of bytes.",
            "Use ASCII alone, or a model of characters.",
        )
