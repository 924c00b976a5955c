"""
Train the models that come with the package, by the command that anybody would use.

    python checkpoints/make.py fables
    python checkpoints/make.py shakespeare path/to/tinyshakespeare.txt
    python checkpoints/make.py shakespeare TEXT --from RUN     only pack a finished run

The best weights of the run are kept in bfloat16, with a card; they are judged anew on
the held-out part, as they will be used.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lstm_textgen.checkpoint.container import to_bfloat16, widen
from lstm_textgen.checkpoint.format import Checkpoint, load_checkpoint, save_checkpoint
from lstm_textgen.evaluation.loss import Loss, with_loss
from lstm_textgen.evaluation.part import read_part
from lstm_textgen.evaluation.perplexity import exact_loss
from lstm_textgen.model.weights import build_model
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.text.registry import resolve_names
from lstm_textgen.text.source import find_source

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Recipe:
    """A text, the minutes, and what the card says."""

    corpus: str
    minutes: float
    licence: str
    note: str


RECIPES = {
    "shakespeare": Recipe(
        corpus="tinyshakespeare",
        minutes=60,
        licence="CC0-1.0",
        note="Writes scenes in the manner of Shakespeare's plays. Trained by "
        "`textgen train tinyshakespeare --minutes 60`, two CPU cores; "
        "the last tenth of the text was held out.",
    ),
    "fables": Recipe(
        corpus="fables",
        minutes=5,
        licence="CC0-1.0",
        note="Writes short fables. Trained by `textgen train fables --minutes 5`, "
        "two CPU cores; the last tenth of the text was held out.",
    ),
}


def train(recipe: Recipe, corpus: str, run: Path) -> None:
    """Train a run by the real command; its progress goes to the terminal."""
    command = [sys.executable, "-m", "lstm_textgen", "train", corpus, "-o", str(run)]
    subprocess.run([*command, "--minutes", str(recipe.minutes)], check=True)


def check(recipe: Recipe, run: Path) -> None:
    """The card says how long the run was: refuse another one, and one cut short."""
    settings = json.loads((run / "run.json").read_text(encoding="utf-8"))
    minutes = settings["config"]["budget"]["minutes"]
    if minutes != recipe.minutes:
        sys.exit(f"{run} was planned for {minutes} minutes, not {recipe.minutes}.")
    loaded = RunDirectory(run).load_state()
    if loaded is None or loaded[1]["position"]["final_nats"] is None:
        sys.exit(f"{run} is not finished; textgen train ... -o {run} --resume ends it.")


def held_out(checkpoint: Checkpoint, corpus: str) -> Loss:
    """The loss of a model, as its file has it, on the part that judged it."""
    source = find_source(resolve_names([corpus]))
    ids = read_part(checkpoint.tokenizer, checkpoint.training, source, "validation")
    return exact_loss(build_model(checkpoint), ids, begins=checkpoint.tokenizer.begins)


def packed(checkpoint: Checkpoint, recipe: Recipe, corpus: str) -> Checkpoint:
    """The same model in bfloat16, with its card and with the loss that it has so."""
    halved = {k: to_bfloat16(widen(v)) for k, v in checkpoint.tensors.items()}
    half = dataclasses.replace(
        checkpoint, tensors=halved, licence=recipe.licence, note=recipe.note
    )
    half = with_loss(half, held_out(half, corpus))
    training = dataclasses.replace(half.training, corpus=recipe.corpus)
    return dataclasses.replace(half, training=training)


def make(name: str, corpus: str | None, run: Path | None) -> None:
    """Train, unless there is a run, pack it, and put it beside this file."""
    recipe = RECIPES[name]
    corpus = corpus or recipe.corpus
    with tempfile.TemporaryDirectory() as folder:
        if run is None:
            run = Path(folder) / "run"
            train(recipe, corpus, run)
        check(recipe, run)
        checkpoint = load_checkpoint(run / "model.safetensors")
        half = packed(checkpoint, recipe, corpus)
        target = HERE / f"{name}.safetensors"
        save_checkpoint(target, half)
    before = held_out(checkpoint, corpus).nats_per_char
    after = half.training.validation_nats_per_char
    print(f"{target.name}: {target.stat().st_size:,} bytes")
    print(f"held-out text: {before:.4f} nats in float32, {after:.4f} in bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("text", nargs="?", help="where the corpus is a file of yours")
    parser.add_argument("--from", dest="run", type=Path, help="a run that is finished")
    arguments = parser.parse_args()
    make(arguments.name, arguments.text, arguments.run)


if __name__ == "__main__":
    main()
