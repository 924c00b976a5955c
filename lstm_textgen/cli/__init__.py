"""
The command line: each command parses, calls one function and prints.

This module knows the names of the commands, and is the one place where an error
becomes a message and an exit code. Torch is imported inside the commands, so that
help comes at once.
"""

import os
import sys
import time
from typing import Annotated

import typer

from lstm_textgen.cli import checkpoints, evaluate, sample, train
from lstm_textgen.compare import command as compare
from lstm_textgen.corpora import command as corpora
from lstm_textgen.errors import TextgenError, is_out_of_memory
from lstm_textgen.export import command as export
from lstm_textgen.hub import command as hub
from lstm_textgen.inspect import command as inspect
from lstm_textgen.signals import EndedBySignal, Ending, hear_signals
from lstm_textgen.ui.options import option
from lstm_textgen.ui.terminal import open_missing_streams, say, silence

STARTED_S = time.monotonic()
"""When this process began to count: a budget in minutes includes its imports."""

HELP = """
\b
textgen train fables                learn from a bundled text
textgen sample --prompt "The fox"   let the newest model write on
textgen train book.txt --minutes 5  learn from your own text

Train a small network on any text, character by character, and let it write on.
"""

SPINS = "20000"
"""
How long an OpenMP thread that waits for another keeps its core, in turns of a loop.

GNU's default is 300,000 or more, and a program that is busy beside a training run then
slows it twenty times or worse: each waits for a core that the other one holds. This
setting slows an idle machine by about a tenth (`benchmarks/README.md`). It must be set
before torch is imported, which no command does before it runs.
"""

MAX_ERROR_LINE = 600
"""Characters of a line about an error; a longer one loses its middle."""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "TEXTGEN",
        "max_content_width": 100,
    },
)

app.command("train", short_help="Learn from a text.")(train.train)
app.command("sample", short_help="Let a model write on.")(sample.sample)
app.command("evaluate", short_help="How well a model knows a text.")(evaluate.evaluate)
app.command("info", short_help="What a checkpoint is.")(checkpoints.info)
app.command("compare", short_help="LSTM, GRU and RNN on equal terms.")(compare.compare)
app.command("inspect", short_help="What happens inside it.")(inspect.inspect)
app.command("push", short_help="Give a model away on a hub.")(hub.push)
app.command("pull", short_help="Fetch a model from a hub.")(hub.pull)
app.command("export", short_help="A model for other programs.")(export.export)

app.add_typer(
    checkpoints.app, name="checkpoints", short_help="Look at runs and models."
)

app.add_typer(corpora.app, name="corpora", short_help="Texts to learn from.")


def _version(requested: bool) -> None:
    if requested:
        from lstm_textgen import __version__

        typer.echo(f"textgen {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    context: typer.Context,
    version: Annotated[
        bool,
        option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    context.obj = STARTED_S


def run() -> None:
    """What `textgen`, `lstm-textgen` and `python -m lstm_textgen` call."""
    ending = Ending()
    hear_signals()
    open_missing_streams()
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    try:
        code = app(prog_name="textgen", standalone_mode=False)
    except typer.Abort:
        sys.exit(130)
    except EndedBySignal as end:
        ending.by_signal(end.number)
    except Exception as error:
        sys.exit(_report(error))
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: Exception) -> int:
    """Print two lines on stderr, the problem and the remedy; return the exit code."""
    if "NoArgs" in type(error).__name__:  # typer has shown the help instead
        return int(getattr(error, "exit_code", 2))
    if isinstance(error, OSError):  # most of all, a stdout that takes no more
        silence(sys.stdout)
    if "--debug" in sys.argv:
        import traceback

        say(traceback.format_exc().rstrip())  # it may hold a stranger's words
    problem, remedy, code = _explain(error)
    say(f"error: {_shorten(problem)}")
    say(f"  try: {_shorten(remedy)}")
    return code


def _explain(error: Exception) -> tuple[str, str, int]:
    """Problem, remedy and exit code."""
    if isinstance(error, TextgenError):
        return error.problem, error.remedy, error.exit_code
    if isinstance(error, typer.TyperException):  # a mistake in the words of a command
        problem = getattr(error, "format_message", lambda: str(error))()
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "textgen"
        return problem, f"{command} --help", error.exit_code
    if isinstance(error, OSError):
        problem = f"Reading or writing failed ({error})."
        return problem, "Check the disk, and where the output goes.", 74
    if is_out_of_memory(error):
        remedy = "Lower --hidden, --layers, --streams or --window."
        return "There is not enough memory for this.", remedy, 2
    problem = f"A defect of this program: {type(error).__name__}: {error}"
    return problem, "Run it again with --debug and report what it says.", 1


def _shorten(text: str) -> str:
    """On one line, without the middle of what is too long."""
    line = " ".join(text.split())
    half = MAX_ERROR_LINE // 2
    return line if len(line) <= MAX_ERROR_LINE else f"{line[:half]} ... {line[-half:]}"
