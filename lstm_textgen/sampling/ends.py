"""Where a text ends: stop strings, lines, sentences, paragraphs, its length."""

import re
from dataclasses import dataclass

from lstm_textgen.config import FormConfig

ENDED = re.compile(r"""[.!?…]["'”’»)\]]*\Z""")
"""A sentence that has ended, if a blank follows."""

ENDED_TIGHT = re.compile("[。！？][”’」』）]*\\Z")
"""A sentence that has ended without a blank, if nothing that closes follows."""

CLOSING = "”’」』）"
LOOK_BACK = 16
"""Characters that are looked at for the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One character of a sample, and what the model paid for it."""

    text: str
    nats: float
    alternatives: tuple[tuple[str, float], ...] = ()
    """The likeliest characters here, and their probabilities."""


class Ends:
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
        self._held: list[Piece] = []
        self._given = 0
        self._tail = ""

    def push(self, piece: Piece) -> list[Piece]:
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

    def finish(self, why: str) -> list[Piece]:
        """End here; what was held back is part of the text."""
        self.stopped_by = why
        return self._give(len(self._held))

    def _give(self, count: int) -> list[Piece]:
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
