"""`textgen evaluate`: how well a model knows a text."""

from typing import Annotated

import typer

from lstm_textgen.text.registry import resolve_names
from lstm_textgen.ui.options import (
    AsJson,
    CorpusArgument,
    Debug,
    Device,
    Quiet,
    Threads,
    option,
    print_json,
)


def evaluate(
    checkpoint: Annotated[
        str,
        typer.Argument(help="A model, a run, hf://user/repo, shakespeare or fables."),
    ],
    text: CorpusArgument,
    split: Annotated[
        str | None,
        option(
            help="Only this part of the text it was trained on: train, validation or "
            "test.",
            default="all of any text",
        ),
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen evaluate checkpoints/book book.txt --split validation
    textgen evaluate model.safetensors other.txt --json

    Read a text once, from its first to its last character, and say how many bits
    per character the model needs for it. Every character is counted once, but the
    very first of a whole text, which nothing predicts.
    """
    from lstm_textgen.checkpoint.format import load_checkpoint
    from lstm_textgen.evaluation import perplexity
    from lstm_textgen.evaluation.part import read_part
    from lstm_textgen.model.machine import choose_machine
    from lstm_textgen.model.weights import build_model
    from lstm_textgen.runs.find import find_checkpoint
    from lstm_textgen.text.source import find_source
    from lstm_textgen.ui.model_facts import meaning
    from lstm_textgen.ui.progress import reading_bar

    model = load_checkpoint(find_checkpoint(checkpoint))
    machine = choose_machine(device, threads)
    source = find_source(resolve_names(text))
    with reading_bar(source.size_bytes, quiet=quiet) as progress:
        ids = read_part(
            model.tokenizer, model.training, source, split, progress=progress
        )
    network = build_model(model, machine.device)
    begins = model.tokenizer.begins
    with reading_bar(len(ids), shown_from=500_000, quiet=quiet, unit="") as progress:
        loss = perplexity.exact_loss(network, ids, begins=begins, progress=progress)
    if json:
        print_json(
            {
                "characters": loss.characters,
                "nats_per_char": loss.nats_per_char,
                "bits_per_char": loss.bits_per_char,
                "perplexity": loss.perplexity,
            }
        )
    else:
        held_out = split in ("validation", "test")
        what = "Held-out text" if held_out else "This text"
        typer.echo(meaning(loss, model.tokenizer.size, what))
