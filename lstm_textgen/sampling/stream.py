"""
One sample, as it grows and when it is whole: ids become characters, and it ends.

Where a text ends: stop strings, lines, sentences, paragraphs, its length.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lstm_textgen.config import FormConfig
from lstm_textgen.sampling.generate import DrawnId
from lstm_textgen.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Character:
    """One character of a sample, and what the model paid for it."""

    text: str
    nats: float
    alternatives: tuple[tuple[str, float], ...] = ()
    """The likeliest characters here, and their probabilities."""


class CharacterStream:
    """
    Turns what is drawn for one sample into whole characters, up to its end.

    Args:
        tokenizer: What the ids mean.
        form: Where the text ends.
    """

    def __init__(self, tokenizer: Tokenizer, form: FormConfig) -> None:
        self._tokenizer = tokenizer
        self._decoder = tokenizer.decoder()
        self._ends = StopConditions(form)
        self._nats = 0.0

    @property
    def stopped_by(self) -> str | None:
        """`length`, `stop`, `until` or `match`; None while it grows."""
        return self._ends.stopped_by

    def push(self, drawn: DrawnId | None) -> list[Character]:
        """
        One more id, or None where nothing can follow.

        Returns:
            The characters that are complete with it and surely part of the text.
        """
        if self.stopped_by is not None:
            return []
        if drawn is None:
            return self._ends.finish("match")
        text = self._decoder.push(drawn.id)
        if not text:  # a byte that makes no character yet
            self._nats += drawn.nats
            return []
        broken = len(text) - 1  # marks for the bytes before, which make no character
        prices = [self._nats / broken] * broken if broken else []
        prices.append(drawn.nats if broken else self._nats + drawn.nats)
        self._nats = 0.0
        pieces: list[Character] = []
        for char, nats in zip(text, prices, strict=True):
            if self.stopped_by is None:
                pieces += self._ends.push(Character(char, nats, self._named(drawn)))
        return pieces

    def _named(self, drawn: DrawnId) -> tuple[tuple[str, float], ...]:
        """The alternatives as text."""
        return tuple((self._name(id), p) for id, p in drawn.alternatives)

    def _name(self, id: int) -> str:
        """A character as it is; a byte that is none by itself by its number."""
        if self._tokenizer.kind == "byte" and id > 0x7F:
            return f"\\x{id:02x}"
        return self._tokenizer.decode([id])


@dataclass(frozen=True, slots=True)
class Sample:
    """A whole text that was drawn."""

    number: int
    """Which one of its seed it is."""

    pieces: tuple[Character, ...]
    stopped_by: str
    """`length`, `stop`, `until`, or `match` where nothing could follow."""

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def nats(self) -> float:
        """What the model would have paid for it, before all transforms."""
        return sum((piece.nats for piece in self.pieces), 0.0)

    @property
    def nats_per_char(self) -> float:
        """Not a number for an empty text."""
        return self.nats / len(self.pieces) if self.pieces else float("nan")


class SampleStream(Iterator[Character]):
    """A sample while it is drawn: its characters one by one."""

    def __init__(
        self, drawn: Iterator[list[DrawnId | None]], column: CharacterStream
    ) -> None:
        self._column = column
        self._pieces = self._grow(drawn)

    def _grow(self, drawn: Iterator[list[DrawnId | None]]) -> Iterator[Character]:
        while self._column.stopped_by is None:
            yield from self._column.push(next(drawn)[0])

    def __next__(self) -> Character:
        return next(self._pieces)

    @property
    def stopped_by(self) -> str | None:
        """Why it ended; None while it is drawn."""
        return self._column.stopped_by


ENDED = re.compile(r"""[.!?…]["'”’»)\]]*\Z""")
"""A sentence that has ended, if a blank follows."""

ENDED_TIGHT = re.compile("[。！？][”’」』）]*\\Z")
"""A sentence that has ended without a blank, if nothing that closes follows."""

CLOSING = "”’」』）"

LOOK_BACK = 16
"""Characters that are looked at for the end of a sentence."""


class StopConditions:
    """
    Takes a text character by character and gives back what is surely part of it.

    What may be the beginning of a stop string is held back until that is known. A
    stop string and the blank after a sentence are not part of the text.

    Args:
        form: Where the text ends.
    """

    def __init__(self, form: FormConfig) -> None:
        self.stopped_by: str | None = "length" if form.length == 0 else None
        self._form = form
        self._stops = [(stop, "stop") for stop in form.stop]
        lines = {"newline": "\n", "paragraph": "\n\n"}.get(form.until or "")
        self._stops += [(lines, "until")] if lines else []
        self._held: list[Character] = []
        self._given = 0
        self._tail = ""

    def push(self, piece: Character) -> list[Character]:
        """
        One more character.

        Returns:
            What is now known to be part of the text. The text is complete when
            `stopped_by` is set.
        """
        if self._ends_sentence(piece.text):
            return self.finish("until")
        self._held.append(piece)
        text = "".join(each.text for each in self._held)
        for stop, why in self._stops:
            before = len(text) - len(stop)
            if text.endswith(stop) and self._given + before >= self._form.min_length:
                self.stopped_by = why
                return self._give(before)
        if self._given + len(self._held) >= self._form.length:
            return self.finish("length")
        return self._give(len(text) - self._overlap(text))

    def finish(self, why: str) -> list[Character]:
        """End here; what was held back is part of the text."""
        self.stopped_by = why
        return self._give(len(self._held))

    def _give(self, count: int) -> list[Character]:
        given, self._held = self._held[:count], self._held[count:]
        self._given += count
        if given:
            self._tail = (self._tail + "".join(p.text for p in given))[-LOOK_BACK:]
        return given

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
        if self._given + len(self._held) < max(self._form.min_length, 1):
            return False
        text = self._tail + "".join(piece.text for piece in self._held)
        if char.isspace():
            return bool(ENDED.search(text) or ENDED_TIGHT.search(text))
        return char not in CLOSING and bool(ENDED_TIGHT.search(text))
