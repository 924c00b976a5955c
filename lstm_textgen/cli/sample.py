"""`textgen sample`: let a model write on."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstm_textgen.cli.options import (
    AsJson,
    Debug,
    Device,
    Quiet,
    option,
    print_json,
)
from lstm_textgen.config import SampleConfig

if TYPE_CHECKING:
    from lstm_textgen.sampling.writer import Writer

DEFAULT = SampleConfig()


def sample(
    checkpoint: Annotated[
        str | None,
        typer.Argument(
            help="A model, a run, or shakespeare or fables. (default: the newest "
            "run, else shakespeare)"
        ),
    ] = None,
    prompt: Annotated[str, option("--prompt", "-p", help="Text to continue.")] = "",
    length: Annotated[
        int, option("--length", "-n", min=0, help="Characters to write.", default=500)
    ] = 500,
    temperature: Annotated[
        float,
        option(
            *("--temperature", "-t"),
            help="Boldness; 0 is greedy.",
            default=DEFAULT.temperature,
        ),
    ] = DEFAULT.temperature,
    top_k: Annotated[
        int, option("--top-k", help="Only the likeliest so many; 0 is off.", default=0)
    ] = DEFAULT.top_k,
    top_p: Annotated[
        float,
        option("--top-p", help="Only the likeliest of this mass; 1 is off.", default=1),
    ] = DEFAULT.top_p,
    seed: Annotated[
        int | None,
        option("--seed", help="Same seed, same text.", default="a fresh one"),
    ] = None,
    on_unknown: Annotated[
        str,
        option(
            "--on-unknown",
            help="Unknown characters in the prompt: error, skip or replace.",
            default="error",
        ),
    ] = "error",
    device: Device = "cpu",
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen sample --prompt "The fox"
    textgen sample runs/notes -p "Dear " -n 200 --temperature 0.5 --seed 7
    textgen sample model.safetensors --top-p 0.95 > page.txt

    Let a model write on from a prompt. The text goes to stdout as it is drawn,
    everything about it to stderr.
    """
    chosen = secrets.randbelow(2**32) if seed is None else seed
    config = SampleConfig(
        temperature=temperature, top_k=top_k, top_p=top_p, seed=chosen
    )
    writer = _open(checkpoint, device, quiet)
    ids = _read_prompt(writer, prompt, on_unknown, quiet)
    pieces = writer.stream_ids(ids, length=length, config=config)
    if json:
        drawn = list(pieces)
        text = "".join(piece.text for piece in drawn)
        nats = sum((piece.nats for piece in drawn), 0.0)
        print_json(
            {
                "prompt": prompt,
                "text": text,
                "seed": chosen,
                "nats": nats,
                "stopped_by": "length",
            }
        )
        return
    from lstm_textgen.report.terminal import say, write_text

    write_text(prompt)
    for piece in pieces:
        write_text(piece.text)
    write_text("\n")
    if seed is None and not quiet:
        say(f"seed {chosen}")


def _open(checkpoint: str | None, device: str, quiet: bool) -> "Writer":
    """The model that is meant, on one thread: a single stream has no use for more."""
    from lstm_textgen.checkpoint.finding import is_bundled, resolve_checkpoint
    from lstm_textgen.report.terminal import say
    from lstm_textgen.sampling.writer import Writer
    from lstm_textgen.training.machine import choose_machine

    path: Path = resolve_checkpoint(checkpoint)
    if checkpoint is None and is_bundled(path) and not quiet:
        say(f"No model in checkpoints/ yet: the bundled model {path.stem} writes.")
    machine = choose_machine(device, threads=1)
    return Writer.load(path, device=str(machine.device))


def _read_prompt(writer: "Writer", prompt: str, on_unknown: str, quiet: bool):  # type: ignore[no-untyped-def]
    """The ids of the prompt; what was left out or changed is said."""
    from lstm_textgen.errors import ConfigError
    from lstm_textgen.report.terminal import say
    from lstm_textgen.text.prompt import encode_prompt

    if on_unknown not in ("error", "skip", "replace"):
        raise ConfigError(
            f"on-unknown is {on_unknown!r}.", "Set it to error, skip or replace."
        )
    ids, notes = encode_prompt(writer.tokenizer, prompt, on_unknown)  # type: ignore[arg-type]
    for note in [] if quiet else notes:
        say(f"note: {note}")
    return ids
