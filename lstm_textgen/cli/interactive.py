"""`textgen sample --interactive`: a person and a model write in turns."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lstm_textgen.cli.sample_request import SampleOutput, SampleRequest
from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError, OutputError, TextgenError
from lstm_textgen.sampling.generate import ReadPrompt
from lstm_textgen.sampling.stream import SampleStream
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import OnUnknown, Tokenizer, encode_prompt
from lstm_textgen.ui.terminal import say, write_text

COMMANDS = """\
Enter              the model goes on
some words         are added, then the model goes on
/undo              take back the last turn, yours or the model's
/retry             let the model write its last turn anew
/branch NAME       name this place and go on here; the other way stays
/go NAME           go on with another branch (the first is called main)
/temperature 0.6   bolder or tamer from here on
/length 300        characters of a turn
/show              the whole text so far
/save FILE         write it to a new file
/quit              end (Ctrl-D does too; Ctrl-C stops a turn)"""

MAIN = "main"
"""The branch that a dialogue begins on."""

FOLLOWS_DIRECTLY = tuple(" \t\n.,;:!?…)]}'\"’”»-")
"""What follows a word without a space."""


def converse(
    writer: Writer,
    prompt: tuple[ReadPrompt[Any], str],
    request: SampleRequest,
    output: SampleOutput,
    on_unknown: OnUnknown,
) -> None:
    """
    Take lines until there are no more.

    Args:
        writer: The model.
        prompt: The prompt as it was read, and its text.
        request: How to draw, and the length of a turn.
        output: Whether to be quiet.
        on_unknown: What to do with characters that the model does not know.
    """
    read, text = prompt
    dialogue = Dialogue(writer, request.config, request.form)
    conversation = Conversation(dialogue, writer.tokenizer, on_unknown)
    if not output.quiet:
        say("Enter lets the model go on, /help lists all, Ctrl-D ends.")
        if output.show_seed:
            say(f"seed {request.config.seed}")
    if text:
        dialogue.begin_with(text, read)
        write_text(text)
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    handler = signal.SIG_IGN if ignored else signal.default_int_handler
    with _on_interrupt(handler):  # Ctrl-C ends what is being done, not the program
        line = "" if text else _next_line()
        while line is not None and conversation.obey(line):
            line = _next_line()


class Conversation:
    """
    Carries out the lines that a person types.

    Args:
        dialogue: The text so far.
        tokenizer: That of the model.
        on_unknown: What to do with characters that it does not know.
    """

    def __init__(
        self, dialogue: "Dialogue", tokenizer: Tokenizer, on_unknown: OnUnknown
    ) -> None:
        self._dialogue = dialogue
        self._tokenizer = tokenizer
        self._on_unknown = on_unknown
        self._commands: dict[str, Callable[[str], None]] = {
            "undo": self._undo,
            "retry": lambda argument: self._show_turn(self._dialogue.retry()),
            "branch": self._branch,
            "go": self._go,
            "temperature": self._temperature,
            "length": self._length,
            "show": lambda argument: write_text(self._dialogue.text + "\n"),
            "save": self._save,
            "help": lambda argument: say(COMMANDS),
        }

    def obey(self, line: str) -> bool:
        """
        Carry out one line: a command, words to add, or nothing to let the model
        continue. A mistake is reported and leaves the text as it was.

        Returns:
            Whether the conversation continues.
        """
        try:
            if not line.startswith("/"):
                self._add(line)
                return True
            name, _, argument = line[1:].partition(" ")
            if name == "quit":
                return False
            if name not in self._commands:
                raise ConfigError(f"There is no command /{name}.", "/help lists them.")
            self._commands[name](argument.strip())
        except TextgenError as error:
            say(f"error: {error.problem}")
            say(f"  try: {error.remedy}")
        except KeyboardInterrupt:
            say("")
        return True

    def _add(self, line: str) -> None:
        """Add words, if any, and let the model continue; if it cannot, undo that."""
        if not line:
            self._show_turn(self._dialogue.continue_text())
            return
        ids, notes = encode_prompt(self._tokenizer, line, self._on_unknown)
        for note in notes:
            say(f"note: {note}")
        added = self._dialogue.add(self._tokenizer.decode(ids))
        try:
            turn = self._dialogue.continue_text()
        except TextgenError:
            self._dialogue.undo()
            raise
        write_text(added)
        self._show_turn(turn)

    def _show_turn(self, turn: Iterator[str]) -> None:
        """Show a turn of the model as it grows; Ctrl-C ends the turn alone."""
        with contextlib.suppress(KeyboardInterrupt):
            for text in turn:
                write_text(text)
        with _on_interrupt(signal.SIG_IGN):  # a turn is kept whole
            self._dialogue.finish()
            write_text("\n")

    def _undo(self, argument: str) -> None:
        removed = " ".join(self._dialogue.undo().split())
        say(f"taken back: {removed[:30]}{'...' if len(removed) > 30 else ''}")
        self._show_last_line()

    def _branch(self, name: str) -> None:
        if not name:
            raise ConfigError("A branch needs a name.", "/branch storm")
        self._dialogue.fork(name)
        say(f"branch {name}")

    def _go(self, name: str) -> None:
        self._dialogue.switch(name)
        say(f"branch {name}")
        self._show_last_line()

    def _temperature(self, argument: str) -> None:
        try:
            temperature = float(argument)
        except ValueError as error:
            problem = f"{argument!r} is no number."
            raise ConfigError(problem, "/temperature 0.6") from error
        self._dialogue.set_temperature(temperature)

    def _length(self, argument: str) -> None:
        try:
            length = int(argument)
        except ValueError as error:
            problem = f"{argument!r} is no whole number."
            raise ConfigError(problem, "/length 300") from error
        self._dialogue.set_length(length)

    def _save(self, name: str) -> None:
        if not name:
            raise ConfigError("There is no name of a file.", "/save story.txt")
        try:
            with Path(name).open("x", encoding="utf-8") as file:
                file.write(self._dialogue.text + "\n")
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL
            taken = isinstance(error, FileExistsError)
            why = "exists already" if taken else f"cannot be written ({error})"
            raise OutputError(f"{name} {why}.", "Take another name.") from error
        say(f"saved in {name}")

    def _show_last_line(self) -> None:
        write_text(self._dialogue.text.rstrip("\n").rpartition("\n")[2] + "\n")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one of the two added, and the whole text up to its end as it was read."""

    text: str
    by_model: bool
    after: ReadPrompt[Any] | None
    """None before anything was read."""
    before: "Turn | None"


class Dialogue:
    """
    A text that grows in turns.

    The recurrent state after a turn takes a few kilobytes, so it is kept for every
    turn: taking turns back and changing branches cost no reading.

    Args:
        writer: The model.
        config: How it draws. Every continuation takes the next sample of the seed, so
            the same lines give the same text.
        form: What a continuation must look like, and where it ends.
    """

    def __init__(self, writer: Writer, config: SampleConfig, form: FormConfig) -> None:
        self._writer = writer
        self._config, self._form = config, form
        self._branch = MAIN
        self._last = Turn("", False, None, None)
        self._other_branches: dict[str, Turn] = {}
        self._continuations = 0
        self._unfinished: list[str] | None = None

    @property
    def text(self) -> str:
        """The whole text on this branch."""
        parts: list[str] = []
        turn: Turn | None = self._last
        while turn is not None:
            parts.append(turn.text)
            turn = turn.before
        return "".join(reversed(parts))

    @property
    def branches(self) -> list[str]:
        """All names, sorted."""
        return sorted({self._branch, *self._other_branches})

    def begin_with(self, text: str, prompt: ReadPrompt[Any]) -> None:
        """Begin after a prompt that was read; it cannot be taken back."""
        self._last = Turn(text, False, prompt, None)

    def add(self, text: str) -> str:
        """
        Add what a person typed, with a space before it where it follows a word.

        Returns:
            What was added.

        Raises:
            VocabularyError: The model does not know a character of it.
        """
        follows_word = self.text[-1:].strip() and not text.startswith(FOLLOWS_DIRECTLY)
        if follows_word and " " in self._writer.tokenizer:
            text = f" {text}"
        self._append(text, by_model=False)
        return text

    def continue_text(self) -> Iterator[str]:
        """
        Let the model continue, character by character. `finish` makes a turn of what
        was drawn until then.

        Raises:
            ConfigError: The form does not fit the model.
            UnavailableError: The library for patterns is not installed.
        """
        prompt = self._last.after or self._writer.read([])
        # an empty text, such as a line end reached at once, is not a turn
        form = replace(self._form, min_length=max(self._form.min_length, 1))
        stream = self._writer.continue_from(
            prompt, self._config, form, sample=self._continuations
        )
        self._continuations += 1
        self._unfinished = []
        return self._record(stream, self._unfinished)

    @staticmethod
    def _record(stream: SampleStream, texts: list[str]) -> Iterator[str]:
        for character in stream:
            texts.append(character.text)
            yield character.text

    def finish(self) -> None:
        """End the model's turn: what it wrote so far becomes part of the text."""
        if self._unfinished is not None:
            self._append("".join(self._unfinished), by_model=True)
            self._unfinished = None

    def undo(self) -> str:
        """
        Take back the last turn.

        Returns:
            Its text.

        Raises:
            ConfigError: There is none.
        """
        last = self._last
        if last.before is None:
            raise ConfigError("There is nothing to take back.", "Write something.")
        self._last = last.before
        return last.text

    def retry(self) -> Iterator[str]:
        """
        Take back the model's last turn and let it continue anew.

        Raises:
            ConfigError: The last turn is not the model's, or as for `continue_text`;
                then nothing is taken back.
        """
        last = self._last
        if not last.by_model:
            raise ConfigError("The last turn is not the model's.", "Press Enter first.")
        self.undo()
        try:
            return self.continue_text()
        except TextgenError:
            self._last = last
            raise

    def fork(self, name: str) -> None:
        """
        Start a branch here and continue on it; the one so far stays.

        Raises:
            ConfigError: There is a branch of that name.
        """
        if name in self.branches:
            raise ConfigError(f"There is a branch {name!r} already.", f"/go {name}")
        self._other_branches[self._branch] = self._last
        self._branch = name

    def switch(self, name: str) -> None:
        """
        Continue another branch where it was left.

        Raises:
            ConfigError: There is no branch of that name.
        """
        if name not in self.branches:
            known = ", ".join(self.branches)
            raise ConfigError(f"There is no branch {name!r}.", f"There are {known}.")
        self._other_branches[self._branch] = self._last
        self._last = self._other_branches.pop(name)
        self._branch = name

    def set_temperature(self, temperature: float) -> None:
        """
        Change the temperature of the next continuations.

        Raises:
            ConfigError: It is out of range.
        """
        self._config = replace(
            self._config, temperature=temperature, final_temperature=None
        )

    def set_length(self, length: int) -> None:
        """
        Change the length of the next continuations.

        Raises:
            ConfigError: It is out of range.
        """
        self._form = replace(self._form, length=length)

    def _append(self, text: str, *, by_model: bool) -> None:
        before = self._last
        ids = self._writer.tokenizer.encode(text)
        after = self._writer.read([ids], before.after) if len(ids) else before.after
        self._last = Turn(text, by_model, after, before)


def _next_line() -> str | None:
    """A line, or None at the end; Ctrl-C discards what was typed."""
    if not sys.stdin.isatty():
        return next((line.rstrip("\n") for line in sys.stdin), None)
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  # gives input its editing and its history
    while True:
        try:
            if sys.stdout.isatty():
                return input("> ")
            print("> ", end="", file=sys.stderr, flush=True)  # stdout is for the text
            return input()
        except KeyboardInterrupt:
            say("")
        except EOFError:
            say("")
            return None


@contextlib.contextmanager
def _on_interrupt(handler: Any) -> Iterator[None]:
    """Handle Ctrl-C in another way for a while."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
