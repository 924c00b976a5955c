"""
What may be written: sets of characters such as `a-z .,`, and patterns.

Both become an automaton over the ids of a vocabulary, which says at every step which
ids may follow so that the text can still match.

Shapes: N samples, S states of the automaton, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from lstm_textgen.config import FormConfig
from lstm_textgen.errors import ConfigError, UnavailableError
from lstm_textgen.text.tokenizer import Tokenizer

UNREACHABLE = 2**62
"""Characters to a match that no text can reach."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """
    A deterministic finite automaton over the ids of a vocabulary.

    A text continues as long as anything may follow: `[0-9]{1,3}` becomes three digits,
    unless its length ends it before.
    """

    following: Int64[Tensor, "S V"]
    """The state after each id. State 0 is dead: no text through it matches."""

    distance: Int64[Tensor, " S"]
    """The fewest characters from each state to a whole match."""

    start: int

    def allowed(self, states: Int64[Tensor, " N"], left: int) -> Bool[Tensor, "N V"]:
        """
        Which ids may come next, so that the text can still match in time.

        Args:
            states: The state of each sample.
            left: How many characters may still be written, including this one.

        Returns:
            A row without any id has to end here; if it came here by ids that were
            allowed, it matches.
        """
        return self.distance[self.following[states]] < left

    def advance(
        self, states: Int64[Tensor, " N"], ids: Int64[Tensor, " N"]
    ) -> Int64[Tensor, " N"]:
        """The states after one more id each."""
        return self.following[states, ids]


def constraint_for(tokenizer: Tokenizer, form: FormConfig) -> Automaton | None:
    """
    The automaton of the texts that a form allows; None where it allows all.

    Raises:
        ConfigError: Nothing is left to write, or nothing of this length matches.
        UnavailableError: The library that reads patterns is not installed.
    """
    if not (form.only or form.ban or form.match or tokenizer.unknown):
        return None
    allowed = allowed_ids(tokenizer, form.only, form.ban)
    if not form.match:
        return any_text(allowed)
    if tokenizer.kind == "byte":
        raise ConfigError(
            "This is a model of bytes, and a pattern is one of characters.",
            "Use a model of characters.",
        )
    automaton = from_pattern(form.match, characters_of(tokenizer), allowed)
    shortest = int(automaton.distance[automaton.start])
    if shortest > form.length:
        raise ConfigError(
            f"A text that matches has {shortest:,} characters or more, and length is "
            f"{form.length:,}.",
            f"Set --length {shortest} or more.",
        )
    return automaton


def any_text(allowed: Bool[np.ndarray, " V"]) -> Automaton:
    """The automaton of all texts, of any length, made of ids which are *allowed*."""
    following = torch.from_numpy(np.stack([np.zeros_like(allowed), allowed]))
    distance = torch.tensor([UNREACHABLE, -UNREACHABLE])
    return Automaton(following.long(), distance, start=1)


# Sets of characters.

ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def allowed_ids(tokenizer: Tokenizer, only: str, ban: str) -> Bool[np.ndarray, " V"]:
    """
    Which ids may be written. The mark for unknown characters never is.

    Args:
        tokenizer: The vocabulary. Of a model of bytes only ASCII can be banned, and
            only ASCII can be all that is allowed: a byte above it is part of many
            characters.
        only: The characters that may be written. Empty allows all.
        ban: A set that may not be written.

    Raises:
        ConfigError: A set cannot be read, or nothing is left to write.
    """
    permitted, banned = parse_set(only), parse_set(ban)
    if tokenizer.kind == "byte":
        _check_ascii(only, permitted)
        _check_ascii(ban, banned)
    allowed = np.array(
        [
            (not permitted or _is_in(char, permitted))
            and not _is_in(char, banned)
            and char != tokenizer.unknown
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
    """The character of each id; of a byte, the one with the same number."""
    if tokenizer.kind == "byte":
        return [chr(code) for code in range(tokenizer.size)]
    return list(tokenizer.decode(np.arange(tokenizer.size)))


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
    signs = list(_unescape(text))
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


def _unescape(text: str) -> Iterator[tuple[str, bool]]:
    """Every character, and whether a backslash stood before it."""
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


def _is_in(char: str, ranges: list[tuple[str, str]]) -> bool:
    return any(first <= char <= last for first, last in ranges)


def _check_ascii(text: str, ranges: list[tuple[str, str]]) -> None:
    if any(last > "\x7f" for _, last in ranges):
        raise ConfigError(
            f"The set {text!r} goes beyond ASCII, and this is a model of bytes.",
            "Use ASCII alone, or a model of characters.",
        )


# Patterns.

SPECIAL, SPECIAL_IN_SETS = "\\[]|().?*+{}", "\\[]^-"
"""Characters that mean something in a pattern, and in a set within it."""


def from_pattern(
    pattern: str, characters: list[str], allowed: Bool[np.ndarray, " V"]
) -> Automaton:
    """
    The automaton of all texts that match *pattern* as a whole.

    Args:
        pattern: A regular expression without look-around and back references. A `^`
            at its beginning and a `$` at its end say what holds anyway. `\\w`, `\\d`
            and `\\s` are ASCII.
        characters: The character of each id.
        allowed: Ids that may be used at all.

    Raises:
        ConfigError: The pattern cannot be read, or no text of these characters
            matches it.
        UnavailableError: The library that reads patterns is not installed.

    Source:
        Willard and Louf (2023), Efficient Guided Generation for Large Language
        Models, section 3. https://arxiv.org/abs/2307.09702
    """
    fsm = _parse(pattern)
    states = {state: number for number, state in enumerate(fsm.states, start=1)}
    following = np.zeros((len(states) + 1, len(characters)), np.int64)
    for charclass in fsm.alphabet:
        ids = [n for n, char in enumerate(characters) if charclass.accepts(char)]
        for state, number in states.items():
            following[number, ids] = states[fsm.map[state][charclass]]
    following[:, ~allowed] = 0
    ends = np.array([False, *(state in fsm.finals for state in states)])
    distance = _distances(following, ends)
    start = states[fsm.initial]
    if distance[start] >= UNREACHABLE:
        raise ConfigError(
            f"No text that this model can write matches {pattern!r}.",
            "Use characters of its vocabulary (textgen info shows them).",
        )
    return Automaton(torch.tensor(following), torch.tensor(distance), start)


def _parse(pattern: str) -> Any:
    """The pattern as a minimal automaton of the library."""
    try:
        import greenery  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise UnavailableError(
            "Patterns need the library greenery.",
            'Install it: pip install "lstm-textgen[match]"',
        ) from error
    adapted = _adapt(pattern)
    try:
        return greenery.parse(adapted).to_fsm().reduce()
    except Exception as error:  # it raises bare Exception for what it cannot read
        raise ConfigError(
            f"The pattern {pattern!r} cannot be read.",
            "Use literals, [sets], (groups), |, ?, *, + and {2,5} alone.",
        ) from error


def _adapt(pattern: str) -> str:
    """
    The pattern in the dialect of the library.

    There `^` and `$` are characters, a dot takes line ends too, and a backslash may
    stand before few signs only.

    Raises:
        ConfigError: A `^` or `$` that is not at one of the two ends.
    """
    inner = pattern.removeprefix("^")
    if inner.endswith("$") and not inner.endswith("\\$"):
        inner = inner[:-1]
    adapted, in_set, place = [], False, 0
    while place < len(inner):
        sign = inner[place : place + 2] if inner[place] == "\\" else inner[place]
        place += len(sign)
        if not in_set and sign in ("^", "$"):
            raise ConfigError(
                f"{sign} stands in the middle of the pattern {pattern!r}.",
                "Leave it out: the whole text must match anyway.",
            )
        in_set = (in_set or sign == "[") and sign != "]"
        if len(sign) == 2 and not sign[1].isalnum():
            special = SPECIAL_IN_SETS if in_set else SPECIAL
            sign = sign if sign[1] in special else sign[1]
        adapted.append("[^\\n]" if sign == "." and not in_set else sign)
    return "".join(adapted)


def _distances(
    following: np.ndarray, ends: Bool[np.ndarray, " S"]
) -> Int64[np.ndarray, " S"]:
    """How far each state is from an end, computed backwards from the ends."""
    distance = np.where(ends, 0, UNREACHABLE)
    for _ in range(len(ends)):
        nearer = np.minimum(distance, distance[following].min(axis=1) + 1)
        if (nearer == distance).all():
            break
        distance = nearer
    return distance
