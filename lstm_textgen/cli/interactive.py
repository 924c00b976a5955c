"""`textgen sample --interactive`: a person and a model write in turns."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from lstm_textgen.cli.sample_output import SampleOutput, SampleRequest
from lstm_textgen.errors import ConfigError, OutputError, TextgenError
from lstm_textgen.sampling.dialogue import Dialogue
from lstm_textgen.sampling.generate import ReadPrompt
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import OnUnknown, Tokenizer, encode_prompt
from lstm_textgen.ui.terminal import say, write_text

HELP = """\
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


class Leave(Exception):
    """The person has had enough."""


class Conversation:
    """
    Carries out what a person types.

    Args:
        session: The text so far.
        tokenizer: What the model can read.
        on_unknown: What becomes of characters that it cannot.
    """

    def __init__(
        self, session: Dialogue, tokenizer: Tokenizer, on_unknown: OnUnknown
    ) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._on_unknown = on_unknown
        self._commands: dict[str, Callable[[str], None]] = {
            "undo": self._undo,
            "retry": lambda rest: self._write(self._session.retry()),
            "branch": self._branch,
            "go": self._go,
            "temperature": self._temperature,
            "length": self._length,
            "show": lambda rest: write_text(self._session.text + "\n"),
            "save": self._save,
            "help": lambda rest: say(HELP),
            "quit": self._quit,
        }

    def obey(self, line: str) -> None:
        """
        One line: a command, words to add, or nothing for the model to go on.

        Raises:
            TextgenError: It cannot be done; the text is as before.
            Leave: It was /quit.
        """
        if line.startswith("/"):
            name, _, rest = line[1:].partition(" ")
            if name not in self._commands:
                raise ConfigError(f"There is no command /{name}.", "/help lists them.")
            self._commands[name](rest.strip())
        elif line:
            self._say(line)
        else:
            self._write(self._session.go_on())

    def _say(self, line: str) -> None:
        """Add words, and let the model go on; if it cannot, they do not count."""
        ids, notes = encode_prompt(self._tokenizer, line, self._on_unknown)
        for note in notes:
            say(f"note: {note}")
        added = self._session.say(self._tokenizer.decode(ids))
        try:
            pieces = self._session.go_on()
        except TextgenError:
            self._session.undo()
            raise
        write_text(added)
        self._write(pieces)

    def _write(self, pieces: Iterator[str]) -> None:
        """Show a turn as it grows; Ctrl-C ends the turn alone."""
        with contextlib.suppress(KeyboardInterrupt):
            for piece in pieces:
                write_text(piece)
        with _deaf():
            self._session.finish()
            write_text("\n")

    def _undo(self, rest: str) -> None:
        gone = " ".join(self._session.undo().split())
        say(f"taken back: {gone[:30]}{'...' if len(gone) > 30 else ''}")
        self._show_end()

    def _branch(self, rest: str) -> None:
        if not rest:
            raise ConfigError("A branch needs a name.", "/branch storm")
        self._session.fork(rest)
        say(f"branch {rest}")

    def _go(self, rest: str) -> None:
        self._session.switch(rest)
        say(f"branch {rest}")
        self._show_end()

    def _temperature(self, rest: str) -> None:
        try:
            self._session.heat(float(rest))
        except ValueError as error:
            raise ConfigError(f"{rest!r} is no number.", "/temperature 0.6") from error

    def _length(self, rest: str) -> None:
        try:
            count = int(rest)
        except ValueError as error:
            raise ConfigError(f"{rest!r} is no whole number.", "/length 300") from error
        self._session.form = replace(self._session.form, length=count)

    def _save(self, rest: str) -> None:
        if not rest:
            raise ConfigError("There is no name of a file.", "/save story.txt")
        try:
            with Path(rest).open("x", encoding="utf-8") as file:
                file.write(self._session.text + "\n")
        except FileExistsError as error:
            raise OutputError(
                f"{rest} exists already.", "Take another name."
            ) from error
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL
            raise OutputError(
                f"{rest} cannot be written ({error}).", "Take another name."
            ) from error
        say(f"saved in {rest}")

    def _quit(self, rest: str) -> None:
        raise Leave

    def _show_end(self) -> None:
        """Where the text stands now: its last line."""
        write_text((self._session.text.rstrip("\n").rpartition("\n")[2]) + "\n")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C interrupts what is being done, and not the program."""
    before = signal.getsignal(signal.SIGINT)
    if before == signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@_interruptible()
def converse(
    writer: Writer,
    begun: tuple[ReadPrompt, str],
    task: SampleRequest,
    output: SampleOutput,
    on_unknown: OnUnknown,
) -> None:
    """
    Take lines until there are no more.

    Args:
        writer: The model.
        begun: What the prompt left behind, and its text.
        task: How to draw, and the length of a turn.
        output: Whether to be quiet.
        on_unknown: What becomes of characters that the model does not know.
    """
    beginning, prompt = begun
    session = Dialogue(writer, task.config, task.form)
    conversation = Conversation(session, writer.tokenizer, on_unknown)
    if not output.quiet:
        say("Enter lets the model go on, /help lists all, Ctrl-D ends.")
        if output.tell_seed:
            say(f"seed {task.config.seed}")
    first = None
    if prompt:
        session.open(prompt, beginning)
        write_text(prompt)
        first = ""
    while (line := _ask() if first is None else first) is not None:
        first = None
        try:
            conversation.obey(line)
        except TextgenError as error:
            say(f"error: {error.problem}")
            say(f"  try: {error.remedy}")
        except KeyboardInterrupt:
            say("")
        except Leave:
            return


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Ctrl-C is not heard: what is done here takes a moment and must be whole."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _ask() -> str | None:
    """A line, or None at the end; Ctrl-C forgets what was typed."""
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
