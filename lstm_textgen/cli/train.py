"""`textgen train`: learn from a text."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstm_textgen.cli.options import (
    AsJson,
    Debug,
    Device,
    Quiet,
    Threads,
    end_by_signal,
    named_texts,
    nearest_given,
    option,
    print_json,
    read_settings,
    seconds,
)
from lstm_textgen.config import ModelConfig, OptimizerConfig, TextConfig

if TYPE_CHECKING:
    from lstm_textgen.training.plan import Wishes
    from lstm_textgen.training.start import Prepared

run_option = partial(option, rich_help_panel="Run")
model_option = partial(option, rich_help_panel="Model")
learning_option = partial(option, rich_help_panel="Learning")
text_option = partial(option, rich_help_panel="Text")
machine_option = partial(option, rich_help_panel="Machine")

MODEL, OPTIMIZER, TEXT = ModelConfig(), OptimizerConfig(), TextConfig()


def train(
    context: typer.Context,
    corpus: Annotated[
        list[str],
        typer.Argument(help="Files, folders, patterns, - for stdin, or a corpus name."),
    ],
    output: Annotated[
        Path | None,
        run_option("--output", "-o", help="Run folder.", default="checkpoints/NAME"),
    ] = None,
    minutes: Annotated[
        float | None, run_option("--minutes", help="How long, by the clock.")
    ] = None,
    epochs: Annotated[
        float | None, run_option("--epochs", help="How often to read the text.")
    ] = None,
    steps: Annotated[
        int | None, run_option("--steps", help="How many changes of the weights.")
    ] = None,
    preset: Annotated[
        str | None, run_option("--preset", help="Size: tiny, small, base or large.")
    ] = None,
    resume: Annotated[
        bool, run_option("--resume", help="Go on with the run that is there.")
    ] = False,
    dry_run: Annotated[
        bool, run_option("--dry-run", help="Say what would be done, and stop.")
    ] = False,
    cell: Annotated[
        str | None, model_option("--cell", help="lstm, gru or rnn.", default=MODEL.cell)
    ] = None,
    layers: Annotated[
        int | None, model_option("--layers", help="Recurrent layers, 1 to 16.")
    ] = None,
    hidden: Annotated[
        int | None, model_option("--hidden", help="Units of each layer.")
    ] = None,
    embedding: Annotated[
        int | None,
        model_option(
            "--embedding", help="Numbers per character.", default=MODEL.embedding
        ),
    ] = None,
    residual: Annotated[
        bool | None,
        model_option(
            "--residual/--no-residual",
            help="Add each upper layer to its input.",
            default="on",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        learning_option(
            *("--learning-rate", "--lr"),
            help="Highest rate.",
            default=OPTIMIZER.learning_rate,
        ),
    ] = None,
    streams: Annotated[
        int | None,
        learning_option(
            "--streams", help="Places read side by side.", default=OPTIMIZER.streams
        ),
    ] = None,
    window: Annotated[
        int | None,
        learning_option(
            "--window", help="Characters between steps.", default=OPTIMIZER.window
        ),
    ] = None,
    dropout: Annotated[
        float | None, learning_option("--dropout", help="Share of outputs that rest.")
    ] = None,
    weight_drop: Annotated[
        float | None,
        learning_option(
            "--weight-drop",
            help="Share of recurrent weights that rest.",
            default=OPTIMIZER.weight_drop,
        ),
    ] = None,
    weight_decay: Annotated[
        float | None,
        learning_option(
            "--weight-decay", help="Pull on matrices.", default=OPTIMIZER.weight_decay
        ),
    ] = None,
    warm_up: Annotated[
        float | None,
        learning_option(
            "--warm-up", help="Share of the budget.", default=OPTIMIZER.warm_up
        ),
    ] = None,
    clip: Annotated[
        float | None,
        learning_option(
            "--clip", help="Largest gradient norm.", default=OPTIMIZER.clip
        ),
    ] = None,
    patience: Annotated[
        float | None,
        learning_option(
            "--patience",
            help="Share of the budget without improvement; 1 is off.",
            default=OPTIMIZER.patience,
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        text_option("--tokenizer", help="char or byte.", default=TEXT.tokenizer),
    ] = None,
    min_count: Annotated[
        int | None,
        text_option(
            "--min-count", help="Fold rarer characters.", default=TEXT.min_count
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        text_option("--encoding", help="Of the files.", default=TEXT.encoding),
    ] = None,
    validation: Annotated[
        float | None,
        text_option("--validation", help="Share held out.", default=TEXT.validation),
    ] = None,
    test: Annotated[
        float | None, text_option("--test", help="Share never used.", default=TEXT.test)
    ] = None,
    seed: Annotated[
        int | None, run_option("--seed", help="For repeating a run.")
    ] = None,
    precision: Annotated[
        str | None,
        machine_option(
            "--precision", help="auto, float32 or bfloat16.", default="auto"
        ),
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    save_every: Annotated[
        float,
        run_option(
            "--save-every",
            callback=seconds,
            help="Seconds of work that a crash may cost.",
            default="30",
        ),
    ] = 30.0,
    config: Annotated[
        Path | None,
        run_option(
            "--config",
            help="TOML file with these options.",
            callback=read_settings,
            is_eager=True,
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen train fables
    textgen train book.txt --minutes 10
    textgen train notes/ "more/*.txt" -o runs/notes --preset small
    textgen train book.txt -o runs/book --epochs 20 --resume

    Learn from a text. The model goes to a run folder, its path to stdout; Ctrl-C
    saves, and --resume goes on. Without a budget or size, sensible ones are chosen
    and announced.
    """
    wishes = _wishes(
        preset,
        text={
            "tokenizer": tokenizer,
            "min_count": min_count,
            "encoding": encoding,
            "validation": validation,
            "test": test,
        },
        model={
            "cell": cell,
            "layers": layers,
            "hidden": hidden,
            "embedding": embedding,
            "residual": residual,
        },
        optimizer={
            "streams": streams,
            "window": window,
            "learning_rate": learning_rate,
            "warm_up": warm_up,
            "weight_decay": weight_decay,
            "clip": clip,
            "dropout": dropout,
            "weight_drop": weight_drop,
            "patience": patience,
        },
        budget=nearest_given(
            context, {"minutes": minutes, "epochs": epochs, "steps": steps}
        ),
        run={"seed": seed, "precision": precision},
    )
    prepared = _prepare(corpus, wishes, output, resume, device, threads, quiet)
    if not dry_run:
        _run(prepared, save_every, json, quiet)


Given = Mapping[str, Any]


def _wishes(
    preset: str | None,
    *,
    text: Given,
    model: Given,
    optimizer: Given,
    budget: Given,
    run: Given,
) -> "Wishes":
    """What was given, checked at once, so that a slip costs no waiting."""
    from lstm_textgen.config import BudgetConfig, RunConfig
    from lstm_textgen.training.plan import Wishes, check_preset

    check_preset(preset)
    wanted = _given(budget)
    length = BudgetConfig(**wanted) if wanted else None
    wishes = Wishes(
        preset=preset,
        text=_given(text),
        model=_given(model),
        optimizer=_given(optimizer),
        budget=length,
        run=_given(run),
    )
    RunConfig(
        text=TextConfig(**wishes.text),
        model=ModelConfig(**wishes.model),
        optimizer=OptimizerConfig(**wishes.optimizer),
        budget=length or BudgetConfig(steps=1),
        **wishes.run,
    )
    return wishes


def _given(options: Given) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _prepare(
    corpus: list[str],
    wishes: "Wishes",
    output: Path | None,
    resume: bool,
    device: str,
    threads: int | None,
    quiet: bool,
) -> "Prepared":
    """Everything before the first step, announced."""
    from lstm_textgen.report.reading import reading_bar
    from lstm_textgen.report.terminal import say
    from lstm_textgen.report.training import announce
    from lstm_textgen.text.source import find_source
    from lstm_textgen.training.machine import choose_machine
    from lstm_textgen.training.start import prepare

    source = find_source(named_texts(corpus))
    machine = choose_machine(device, threads)
    with reading_bar(2 * source.size_bytes, quiet=quiet) as progress:
        prepared = prepare(
            source, wishes, machine, output=output, resume=resume, progress=progress
        )
    if resume and not prepared.resumes and not quiet:
        say(f"note: no run is in {prepared.path} yet: starting from the beginning")
    if not quiet:
        announce(prepared)
    return prepared


def _run(prepared: "Prepared", save_every: float, json: bool, quiet: bool) -> None:
    """Train, follow it on stderr, and put the result on stdout."""
    from lstm_textgen.cli import STARTED_S
    from lstm_textgen.report.training import Progress, RunSummary, say_warning, sum_up
    from lstm_textgen.training.start import open_session

    summary = RunSummary(prepared)
    with (
        open_session(prepared, started_s=STARTED_S, save_every_s=save_every) as (
            session,
            warning,
        ),
        Progress(quiet=quiet) as progress,
    ):
        say_warning(warning)
        for event in session.run():
            progress.show(event)
            summary.add(event)
    if not quiet:
        sum_up(prepared, summary)
    if json:
        print_json(summary.as_json())
    else:
        typer.echo(summary.model_path)
    end_by_signal(summary.stopped_by)
