"""One sample, as it grows and when it is whole: ids become characters, and it ends."""

from collections.abc import Iterator
from dataclasses import dataclass

from lstm_textgen.config import FormConfig
from lstm_textgen.sampling.ends import Ends, Piece
from lstm_textgen.sampling.engine import Drawn
from lstm_textgen.text.tokenizer import Tokenizer


class Column:
    """
    Turns what is drawn for one sample into whole characters, up to its end.

    Args:
        tokenizer: What the ids mean.
        form: Where the text ends.
    """

    def __init__(self, tokenizer: Tokenizer, form: FormConfig) -> None:
        self._tokenizer = tokenizer
        self._decoder = tokenizer.decoder()
        self._ends = Ends(form)
        self._nats = 0.0

    @property
    def stopped_by(self) -> str | None:
        """`length`, `stop`, `until` or `match`; None while it grows."""
        return self._ends.stopped_by

    def push(self, drawn: Drawn | None) -> list[Piece]:
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
        pieces: list[Piece] = []
        for char, nats in zip(text, prices, strict=True):
            if self.stopped_by is None:
                pieces += self._ends.push(Piece(char, nats, self._named(drawn)))
        return pieces

    def _named(self, drawn: Drawn) -> tuple[tuple[str, float], ...]:
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

    pieces: tuple[Piece, ...]
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


class Writing(Iterator[Piece]):
    """A sample while it is drawn: its characters one by one."""

    def __init__(self, drawn: Iterator[list[Drawn | None]], column: Column) -> None:
        self._column = column
        self._pieces = self._grow(drawn)

    def _grow(self, drawn: Iterator[list[Drawn | None]]) -> Iterator[Piece]:
        while self._column.stopped_by is None:
            yield from self._column.push(next(drawn)[0])

    def __next__(self) -> Piece:
        return next(self._pieces)

    @property
    def stopped_by(self) -> str | None:
        """Why it ended; None while it is drawn."""
        return self._column.stopped_by
