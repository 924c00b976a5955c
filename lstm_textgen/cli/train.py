"""`textgen train`: learn from a text."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lstm_textgen.config import (
    CADENCE,
    BudgetConfig,
    Cadence,
    ModelConfig,
    OptimizerConfig,
    TextConfig,
)
from lstm_textgen.signals import end_by_signal
from lstm_textgen.text.registry import resolve_names
from lstm_textgen.ui.options import (
    AsJson,
    CorpusArgument,
    Debug,
    Device,
    Quiet,
    Settings,
    SettingsOptions,
    machine_option,
    nearest_given,
    option,
    print_json,
    read_settings,
    seconds,
    with_settings,
)

run_option = partial(option, rich_help_panel="Run")

MODEL_OPTIONS = SettingsOptions(
    defaults=ModelConfig(),
    panel="Model",
    help={
        "cell": "lstm, gru or rnn.",
        "layers": "Recurrent layers, 1 to 16.",
        "hidden": "Units of each layer.",
        "embedding": "Numbers per character.",
        "residual": "Add each upper layer to its input.",
    },
    shown_defaults={"layers": None, "hidden": None},
)

OPTIMIZER = OptimizerConfig()

OPTIMIZER_OPTIONS = SettingsOptions(
    defaults=OPTIMIZER,
    panel="Learning",
    help={
        "learning_rate": "Highest rate.",
        "streams": "Places read side by side.",
        "window": "Characters between steps.",
        "dropout": "Share of outputs that rest.",
        "weight_drop": "Share of recurrent weights that rest.",
        "weight_decay": "Pull on matrices.",
        "warm_up": "Share of the budget.",
        "basis_every": "Steps between new axes for the optimiser; 0 is AdamW.",
        "clip": "Largest gradient norm.",
        "patience": "Share of the budget without improvement; 1 is off.",
    },
    spellings={"learning_rate": "--lr"},
    shown_defaults={
        "streams": f"{OPTIMIZER.streams}, on a GPU 64",
        "window": f"{OPTIMIZER.window}, wide layers and GPUs twice that",
        "dropout": None,
        "weight_drop": None,
    },
)

TEXT_OPTIONS = SettingsOptions(
    defaults=TextConfig(),
    panel="Text",
    help={
        "tokenizer": "char or byte.",
        "min_count": "Fold rarer characters.",
        "encoding": "Of the files.",
        "validation": "Share held out.",
        "test": "Share never used.",
    },
)


@with_settings(model=MODEL_OPTIONS, optimizer=OPTIMIZER_OPTIONS, text=TEXT_OPTIONS)
def train(
    context: typer.Context,
    corpus: CorpusArgument,
    *,
    output: Annotated[
        Path | None,
        run_option("--output", "-o", help="Run folder.", default="checkpoints/NAME"),
    ] = None,
    minutes: Annotated[float | None, run_option(help="How long, by the clock.")] = None,
    epochs: Annotated[
        float | None, run_option(help="How often to read the text.")
    ] = None,
    steps: Annotated[
        int | None, run_option(help="How many changes of the weights.")
    ] = None,
    preset: Annotated[
        str | None, run_option(help="Size: tiny, small, base or large.")
    ] = None,
    resume: Annotated[
        bool, run_option("--resume", help="Go on with the run that is there.")
    ] = False,
    accept_corpus_change: Annotated[
        bool,
        run_option(
            "--accept-corpus-change", help="With --resume: the text may be another one."
        ),
    ] = False,
    dry_run: Annotated[
        bool, run_option("--dry-run", help="Say what would be done, and stop.")
    ] = False,
    model: Settings,
    optimizer: Settings,
    text: Settings,
    seed: Annotated[int | None, run_option(help="For repeating a run.")] = None,
    precision: Annotated[
        str | None, machine_option(help="auto, float32 or bfloat16.", default="auto")
    ] = None,
    device: Device = "auto",
    threads: Annotated[
        int | None,
        machine_option(
            help="Threads of the CPU.",
            default="usable cores; by minutes fewer where they are faster",
        ),
    ] = None,
    save_every: Annotated[
        float,
        run_option(
            callback=seconds,
            help="Seconds of work that a crash may cost.",
            default=f"{CADENCE.save_every_s:g}",
        ),
    ] = CADENCE.save_every_s,
    config: Annotated[
        Path | None,
        run_option(
            help="TOML file with these options.", callback=read_settings, is_eager=True
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
    saves and ends, SIGUSR1 saves and goes on, and --resume goes on where it was.
    Without a budget or size, sensible ones are chosen and announced.
    """
    from lstm_textgen.model.machine import choose_machine
    from lstm_textgen.text.source import find_source
    from lstm_textgen.training.overrides import Overrides
    from lstm_textgen.training.prepare import prepare_run
    from lstm_textgen.training.run import open_run
    from lstm_textgen.ui.progress import reading_bar
    from lstm_textgen.ui.run_view import RunSummary, RunView, announce, sum_up
    from lstm_textgen.ui.terminal import say, write_text

    run_settings = {"seed": seed, "precision": precision}
    budgets = {"minutes": minutes, "epochs": epochs, "steps": steps}
    budget = nearest_given(context, budgets)
    overrides = Overrides(
        preset=preset,
        text=text,
        model=model,
        optimizer=optimizer,
        budget=BudgetConfig(**budget) if budget else None,
        run={name: value for name, value in run_settings.items() if value is not None},
    )
    overrides.check()
    source = find_source(resolve_names(corpus))
    machine = choose_machine(device, threads)
    with reading_bar(2 * source.size_bytes, quiet=quiet) as progress:
        run = prepare_run(
            source,
            overrides,
            machine,
            output=output,
            resume=resume,
            accept_corpus_change=accept_corpus_change,
            progress=progress,
        )
    if not quiet:
        if resume and not run.resumes:
            path = run.directory.path
            say(f"note: no run is in {path} yet: starting from the beginning")
        announce(run)
    if dry_run:
        return
    summary = RunSummary(run)
    cadence = Cadence(save_every_s=save_every)
    with (
        open_run(run, started_s=context.obj, cadence=cadence) as events,
        RunView(quiet=quiet) as view,
    ):
        for event in events:
            view.show(event)
            summary.add(event)
    if not quiet:
        sum_up(run, summary)
    try:
        if json:
            print_json(summary.as_json())
        else:
            write_text(f"{summary.model_path}\n")
    finally:  # also where nobody reads any more
        end_by_signal(summary.stopped_by)
