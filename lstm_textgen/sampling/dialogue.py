"""
Writing in turns: a person and a model, with a memory of every turn.

What the network remembers after a turn is a few kilobytes, so it is kept for every
turn, and going back or to another branch costs nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError, TextgenError
from lstm_textgen.sampling.generate import ReadPrompt
from lstm_textgen.sampling.stream import SampleStream
from lstm_textgen.sampling.writer import Writer

MAIN = "main"
"""The branch that a session begins on."""

JOINS = tuple(" \t\n.,;:!?…)]}'\"’”»-")
"""What follows a word without a blank."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one of the two added, and all that was read up to its end."""

    text: str
    by_model: bool
    after: ReadPrompt | None
    """None before anything was read."""
    before: "Turn | None"


class Dialogue:
    """
    A text that grows in turns.

    Args:
        writer: The model.
        config: How it draws. Every new continuation takes the next sample of the
            seed, so a session that is typed again writes the same.
        form: What a continuation must look like, and where it ends.
    """

    def __init__(self, writer: Writer, config: SampleConfig, form: FormConfig) -> None:
        self.config, self.form = config, form
        self.branch = MAIN
        self._writer = writer
        self._now = Turn("", False, None, None)
        self._others: dict[str, Turn] = {}
        self._drawn = 0
        self._growing: list[str] | None = None

    @property
    def text(self) -> str:
        """The whole text on this branch."""
        parts: list[str] = []
        turn: Turn | None = self._now
        while turn is not None:
            parts.append(turn.text)
            turn = turn.before
        return "".join(reversed(parts))

    @property
    def branches(self) -> list[str]:
        """All names, sorted."""
        return sorted({self.branch, *self._others})

    def open(self, text: str, beginning: ReadPrompt) -> None:
        """Begin after a prompt that was read; it cannot be taken back."""
        self._now = Turn(text, False, beginning, None)

    def say(self, text: str) -> str:
        """
        Add what a person typed.

        A blank is put before a word that follows a word.

        Returns:
            What was added.

        Raises:
            VocabularyError: The model does not know a character of it.
        """
        apart = self.text[-1:].strip() and not text.startswith(JOINS)
        text = f" {text}" if apart and " " in self._writer.tokenizer else text
        self._add(text, by_model=False)
        return text

    def go_on(self) -> Iterator[str]:
        """
        Let the model add. What came of it counts with `finish`, also if it is cut.

        Raises:
            ConfigError: The form cannot be had from this model.
            UnavailableError: A library for it is not installed.
        """
        start = self._now.after or self._writer.begin([])
        # an end that is reached at once, as the rest of a line, is no turn
        form = replace(self.form, min_length=max(self.form.min_length, 1))
        writing = self._writer.go_on(start, self.config, form, sample=self._drawn)
        self._drawn += 1
        growing: list[str] = []
        self._growing = growing
        return self._grow(writing, growing)

    @staticmethod
    def _grow(writing: SampleStream, growing: list[str]) -> Iterator[str]:
        for piece in writing:
            growing.append(piece.text)
            yield piece.text

    def finish(self) -> None:
        """The turn of the model is over: what it wrote so far is part of the text."""
        if self._growing is not None:
            self._add("".join(self._growing), by_model=True)
            self._growing = None

    def undo(self) -> str:
        """
        Take back the last turn.

        Returns:
            What was taken back.

        Raises:
            ConfigError: There is none.
        """
        last = self._now
        if last.before is None:
            raise ConfigError("There is nothing to take back.", "Write something.")
        self._now = last.before
        return last.text

    def retry(self) -> Iterator[str]:
        """
        Take back what the model wrote last, and let it write anew.

        Raises:
            ConfigError: The last turn is not the model's, or as for `go_on`; then
                nothing is taken back.
        """
        last = self._now
        if not last.by_model:
            raise ConfigError("The last turn is not the model's.", "Press Enter first.")
        self.undo()
        try:
            return self.go_on()
        except TextgenError:
            self._now = last
            raise

    def fork(self, name: str) -> None:
        """
        Give this place a name and go on there; the branch so far stays.

        Raises:
            ConfigError: There is a branch of that name.
        """
        if name in self.branches:
            raise ConfigError(f"There is a branch {name!r} already.", f"/go {name}")
        self._others[self.branch] = self._now
        self.branch = name

    def switch(self, name: str) -> None:
        """
        Go on with another branch, where it was left.

        Raises:
            ConfigError: There is no branch of that name.
        """
        if name not in self.branches:
            known = ", ".join(self.branches)
            raise ConfigError(f"There is no branch {name!r}.", f"There are {known}.")
        self._others[self.branch] = self._now
        self.branch, self._now = name, self._others.pop(name, self._now)

    def heat(self, temperature: float) -> None:
        """
        Change the temperature.

        Raises:
            ConfigError: It is out of range.
        """
        changed = replace(self.config, temperature=temperature, final_temperature=None)
        self.config = changed

    def _add(self, text: str, *, by_model: bool) -> None:
        before = self._now
        ids = self._writer.tokenizer.encode(text)
        after = self._writer.begin([ids], before.after) if len(ids) else before.after
        self._now = Turn(text, by_model, after, before)
