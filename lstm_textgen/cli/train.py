"""`textgen train`: learn from a text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from lstm_textgen.cli import train_options as options
from lstm_textgen.config import ModelConfig, OptimizerConfig, TextConfig
from lstm_textgen.signals import end_by_signal
from lstm_textgen.text.registry import resolve_names
from lstm_textgen.ui.options import (
    AsJson,
    Debug,
    Device,
    Quiet,
    ThreadsByMinutes,
    nearest_given,
    print_json,
)

if TYPE_CHECKING:
    from lstm_textgen.training.overrides import Overrides
    from lstm_textgen.training.start import Prepared


def train(
    context: typer.Context,
    corpus: options.Corpus,
    output: options.Output = None,
    minutes: options.Minutes = None,
    epochs: options.Epochs = None,
    steps: options.Steps = None,
    preset: options.Preset = None,
    resume: options.Resume = False,
    accept_corpus_change: options.AcceptCorpusChange = False,
    dry_run: options.DryRun = False,
    cell: options.Cell = None,
    layers: options.Layers = None,
    hidden: options.Hidden = None,
    embedding: options.Embedding = None,
    residual: options.Residual = None,
    learning_rate: options.LearningRate = None,
    streams: options.Streams = None,
    window: options.Window = None,
    dropout: options.Dropout = None,
    weight_drop: options.WeightDrop = None,
    weight_decay: options.WeightDecay = None,
    warm_up: options.WarmUp = None,
    basis_every: options.BasisEvery = None,
    clip: options.Clip = None,
    patience: options.Patience = None,
    tokenizer: options.Tokenizer = None,
    min_count: options.MinCount = None,
    encoding: options.Encoding = None,
    validation: options.Validation = None,
    test: options.Test = None,
    seed: options.Seed = None,
    precision: options.Precision = None,
    device: Device = "auto",
    threads: ThreadsByMinutes = None,
    save_every: options.SaveEvery = 30.0,
    config: options.SettingsFile = None,
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
            "basis_every": basis_every,
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
    machine = {"device": device, "threads": threads}
    run = {"output": output, "resume": resume}
    run["accept_corpus_change"] = accept_corpus_change
    prepared = _prepare(corpus, wishes, machine, run, quiet)
    if not dry_run:
        _run(prepared, context.obj, save_every, json, quiet)


Given = Mapping[str, Any]


def _wishes(
    preset: str | None,
    *,
    text: Given,
    model: Given,
    optimizer: Given,
    budget: Given,
    run: Given,
) -> "Overrides":
    """What was given, checked at once, so that a slip costs no waiting."""
    from lstm_textgen.config import BudgetConfig, TrainConfig
    from lstm_textgen.training.overrides import Overrides, check_preset

    check_preset(preset)
    wanted = _given(budget)
    length = BudgetConfig(**wanted) if wanted else None
    wishes = Overrides(
        preset=preset,
        text=_given(text),
        model=_given(model),
        optimizer=_given(optimizer),
        budget=length,
        run=_given(run),
    )
    TrainConfig(
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
    wishes: "Overrides",
    where: Given,
    run: Given,
    quiet: bool,
) -> "Prepared":
    """
    Everything before the first step, announced.

    Args:
        corpus: What the user named.
        wishes: What the user has set.
        where: As for `choose_machine`.
        run: Output, and whether to go on, as for `prepare`.
        quiet: Say nothing.
    """
    from lstm_textgen.text.source import find_source
    from lstm_textgen.training.machine import choose_machine
    from lstm_textgen.training.start import prepare
    from lstm_textgen.ui.progress import reading_bar
    from lstm_textgen.ui.run_view import announce
    from lstm_textgen.ui.terminal import say

    source = find_source(resolve_names(corpus))
    machine = choose_machine(**where)
    with reading_bar(2 * source.size_bytes, quiet=quiet) as progress:
        prepared = prepare(source, wishes, machine, progress=progress, **run)
    if run["resume"] and not prepared.resumes and not quiet:
        say(f"note: no run is in {prepared.path} yet: starting from the beginning")
    if not quiet:
        announce(prepared)
    return prepared


def _run(
    prepared: "Prepared", started_s: float, save_every: float, json: bool, quiet: bool
) -> None:
    """Train, follow it on stderr, and put the result on stdout."""
    from lstm_textgen.training.start import open_session
    from lstm_textgen.ui.run_view import RunSummary, RunView, say_warning, sum_up
    from lstm_textgen.ui.terminal import write_text

    summary = RunSummary(prepared)
    with (
        open_session(prepared, started_s=started_s, save_every_s=save_every) as (
            session,
            warnings,
        ),
        RunView(quiet=quiet) as progress,
    ):
        for warning in warnings:
            say_warning(warning)
        for event in session.run():
            progress.show(event)
            summary.add(event)
    if not quiet:
        sum_up(prepared, summary)
    try:
        if json:
            print_json(summary.as_json())
        else:
            write_text(f"{summary.model_path}\n")
    finally:  # also where nobody reads any more
        end_by_signal(summary.stopped_by)
