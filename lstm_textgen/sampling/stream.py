"""Ids to characters, and where a text ends: stop strings, `until`, its length."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lstm_textgen.config import FormConfig
from lstm_textgen.sampling.generate import DrawnId
from lstm_textgen.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Character:
    """One character of a sample."""

    text: str
    nats: float
    """Its surprise under the model itself, before all transforms."""
    alternatives: tuple[tuple[str, float], ...] = ()
    """The most likely characters here, and their probabilities."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A whole text that was drawn."""

    number: int
    """Which sample of its seed it is."""

    characters: tuple[Character, ...]
    stopped_by: str
    """`length`, `stop`, `until`, or `match` where nothing could follow."""

    @property
    def text(self) -> str:
        return "".join(character.text for character in self.characters)

    @property
    def nats(self) -> float:
        """The surprise of the whole text under the model itself."""
        return sum((character.nats for character in self.characters), 0.0)

    @property
    def nats_per_char(self) -> float:
        """NaN for an empty text."""
        return self.nats / len(self.characters) if self.characters else float("nan")


class CharacterStream:
    """
    Turns the ids of one sample into whole characters, up to the end of its text.

    Args:
        tokenizer: What the ids mean.
        form: Where the text ends.
    """

    def __init__(self, tokenizer: Tokenizer, form: FormConfig) -> None:
        self._tokenizer = tokenizer
        self._decode = tokenizer.decoder()
        self._conditions = StopConditions(form)
        self._nats = 0.0
        """Of bytes that are not yet a character."""

    @property
    def stopped_by(self) -> str | None:
        """`length`, `stop`, `until` or `match`; None while it grows."""
        return self._conditions.stopped_by

    def push(self, drawn: DrawnId | None) -> list[Character]:
        """
        One more id, or None where nothing can follow.

        Returns:
            The characters that are complete with it and definitely belong to the text.
        """
        if self.stopped_by is not None:
            return []
        if drawn is None:
            return self._conditions.finish("match")
        text = self._decode(drawn.id)
        if not text:  # a byte that is not yet a character
            self._nats += drawn.nats
            return []
        broken = len(text) - 1  # U+FFFD for earlier bytes that are no character
        nats = [self._nats / broken] * broken if broken else []
        nats.append(drawn.nats if broken else self._nats + drawn.nats)
        self._nats = 0.0
        named = tuple((self._tokenizer.id_name(id), p) for id, p in drawn.alternatives)
        released: list[Character] = []
        for char, surprise in zip(text, nats, strict=True):
            if self.stopped_by is None:
                released += self._conditions.push(Character(char, surprise, named))
        return released


class SampleStream(Iterator[Character]):
    """
    A sample while it is drawn, character by character.

    Args:
        drawn: From `generate`, for one sample.
        stream: Its characters.
    """

    def __init__(
        self, drawn: Iterator[list[DrawnId | None]], stream: CharacterStream
    ) -> None:
        self._stream = stream
        self._characters = self._draw(drawn)

    def _draw(self, drawn: Iterator[list[DrawnId | None]]) -> Iterator[Character]:
        while self._stream.stopped_by is None:
            yield from self._stream.push(next(drawn)[0])

    def __next__(self) -> Character:
        return next(self._characters)

    @property
    def stopped_by(self) -> str | None:
        """Why it ended; None while it is drawn."""
        return self._stream.stopped_by


SENTENCE_END = re.compile(r"""[.!?…]["'”’»)\]]*\Z""")
"""A sentence that has ended, if a space follows."""

CLOSING = "”’」』）"

FULL_WIDTH_END = re.compile(f"[。！？][{CLOSING}]*\\Z")
"""A sentence that has ended without a space, if nothing that closes follows."""

LOOK_BACK = 16
"""Characters that are searched for the end of a sentence."""


class StopConditions:
    """
    Takes a text character by character and releases what definitely belongs to it.

    What may be the beginning of a stop string is held back until that is known. A
    stop string, and the space after a sentence, are not part of the text.

    Args:
        form: Where the text ends.
    """

    def __init__(self, form: FormConfig) -> None:
        self.stopped_by: str | None = "length" if form.length == 0 else None
        self._form = form
        self._stops = [(stop, "stop") for stop in form.stop]
        line_ends = {"newline": "\n", "paragraph": "\n\n"}.get(form.until or "")
        if line_ends:
            self._stops.append((line_ends, "until"))
        self._held: list[Character] = []
        self._released = 0
        self._tail = ""
        """The end of what was released."""

    def push(self, character: Character) -> list[Character]:
        """
        One more character.

        Returns:
            The characters that are now known to be part of the text. It is complete
            when `stopped_by` is set.
        """
        if self._ends_sentence(character.text):
            return self.finish("until")
        self._held.append(character)
        text = _join(self._held)
        for stop, reason in self._stops:
            before = len(text) - len(stop)
            if text.endswith(stop) and self._released + before >= self._form.min_length:
                self.stopped_by = reason
                return self._release(before)
        if self._released + len(self._held) >= self._form.length:
            return self.finish("length")
        return self._release(len(text) - self._overlap(text))

    def finish(self, reason: str) -> list[Character]:
        """End here; what was held back is part of the text."""
        self.stopped_by = reason
        return self._release(len(self._held))

    def _release(self, count: int) -> list[Character]:
        released, self._held = self._held[:count], self._held[count:]
        self._released += count
        self._tail = (self._tail + _join(released))[-LOOK_BACK:]
        return released

    def _overlap(self, text: str) -> int:
        """Characters at the end of *text* that may begin a stop string."""
        longest = max((len(stop) - 1 for stop, _ in self._stops), default=0)
        for size in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-size:]) for stop, _ in self._stops):
                return size
        return 0

    def _ends_sentence(self, char: str) -> bool:
        """Whether a sentence was complete before *char*."""
        if self._form.until != "sentence":
            return False
        if self._released + len(self._held) < max(self._form.min_length, 1):
            return False
        text = self._tail + _join(self._held)
        if char.isspace():
            return bool(SENTENCE_END.search(text) or FULL_WIDTH_END.search(text))
        return char not in CLOSING and bool(FULL_WIDTH_END.search(text))


def _join(characters: list[Character]) -> str:
    return "".join(character.text for character in characters)
