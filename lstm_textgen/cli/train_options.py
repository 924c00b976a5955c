"""The options of `textgen train`, in the groups that its help shows."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lstm_textgen.config import ModelConfig, OptimizerConfig, TextConfig
from lstm_textgen.ui.options import option, read_settings, seconds

run_option = partial(option, rich_help_panel="Run")

model_option = partial(option, rich_help_panel="Model")

learning_option = partial(option, rich_help_panel="Learning")

text_option = partial(option, rich_help_panel="Text")

machine_option = partial(option, rich_help_panel="Machine")

MODEL, OPTIMIZER, TEXT = ModelConfig(), OptimizerConfig(), TextConfig()

Corpus = Annotated[
    list[str],
    typer.Argument(help="Files, folders, patterns, - for stdin, or a corpus name."),
]

Output = Annotated[
    Path | None,
    run_option("--output", "-o", help="Run folder.", default="checkpoints/NAME"),
]

Minutes = Annotated[
    float | None, run_option("--minutes", help="How long, by the clock.")
]

Epochs = Annotated[
    float | None, run_option("--epochs", help="How often to read the text.")
]

Steps = Annotated[
    int | None, run_option("--steps", help="How many changes of the weights.")
]

Preset = Annotated[
    str | None, run_option("--preset", help="Size: tiny, small, base or large.")
]

Resume = Annotated[
    bool, run_option("--resume", help="Go on with the run that is there.")
]

AcceptCorpusChange = Annotated[
    bool,
    run_option(
        "--accept-corpus-change", help="With --resume: the text may be another one."
    ),
]

DryRun = Annotated[
    bool, run_option("--dry-run", help="Say what would be done, and stop.")
]

Cell = Annotated[
    str | None, model_option("--cell", help="lstm, gru or rnn.", default=MODEL.cell)
]

Layers = Annotated[
    int | None, model_option("--layers", help="Recurrent layers, 1 to 16.")
]

Hidden = Annotated[int | None, model_option("--hidden", help="Units of each layer.")]

Embedding = Annotated[
    int | None,
    model_option("--embedding", help="Numbers per character.", default=MODEL.embedding),
]

Residual = Annotated[
    bool | None,
    model_option(
        "--residual/--no-residual",
        help="Add each upper layer to its input.",
        default="on",
    ),
]

LearningRate = Annotated[
    float | None,
    learning_option(
        *("--learning-rate", "--lr"),
        help="Highest rate.",
        default=OPTIMIZER.learning_rate,
    ),
]

Streams = Annotated[
    int | None,
    learning_option(
        "--streams",
        help="Places read side by side.",
        default=f"{OPTIMIZER.streams}, on a GPU 64",
    ),
]

Window = Annotated[
    int | None,
    learning_option(
        "--window",
        help="Characters between steps.",
        default=f"{OPTIMIZER.window}, wide layers and GPUs twice that",
    ),
]

BasisEvery = Annotated[
    int | None,
    learning_option(
        "--basis-every",
        help="Steps between new axes for the optimiser; 0 is AdamW.",
        default=OPTIMIZER.basis_every,
    ),
]

Dropout = Annotated[
    float | None, learning_option("--dropout", help="Share of outputs that rest.")
]

WeightDrop = Annotated[
    float | None,
    learning_option("--weight-drop", help="Share of recurrent weights that rest."),
]

WeightDecay = Annotated[
    float | None,
    learning_option(
        "--weight-decay", help="Pull on matrices.", default=OPTIMIZER.weight_decay
    ),
]

WarmUp = Annotated[
    float | None,
    learning_option(
        "--warm-up", help="Share of the budget.", default=OPTIMIZER.warm_up
    ),
]

Clip = Annotated[
    float | None,
    learning_option("--clip", help="Largest gradient norm.", default=OPTIMIZER.clip),
]

Patience = Annotated[
    float | None,
    learning_option(
        "--patience",
        help="Share of the budget without improvement; 1 is off.",
        default=OPTIMIZER.patience,
    ),
]

Tokenizer = Annotated[
    str | None,
    text_option("--tokenizer", help="char or byte.", default=TEXT.tokenizer),
]

MinCount = Annotated[
    int | None,
    text_option("--min-count", help="Fold rarer characters.", default=TEXT.min_count),
]

Encoding = Annotated[
    str | None,
    text_option("--encoding", help="Of the files.", default=TEXT.encoding),
]

Validation = Annotated[
    float | None,
    text_option("--validation", help="Share held out.", default=TEXT.validation),
]

Test = Annotated[
    float | None, text_option("--test", help="Share never used.", default=TEXT.test)
]

Seed = Annotated[int | None, run_option("--seed", help="For repeating a run.")]

Precision = Annotated[
    str | None,
    machine_option("--precision", help="auto, float32 or bfloat16.", default="auto"),
]

SaveEvery = Annotated[
    float,
    run_option(
        "--save-every",
        callback=seconds,
        help="Seconds of work that a crash may cost.",
        default="30",
    ),
]

SettingsFile = Annotated[
    Path | None,
    run_option(
        "--config",
        help="TOML file with these options.",
        callback=read_settings,
        is_eager=True,
    ),
]
