"""`textgen export`: a model in a format that other programs read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from lstm_textgen.ui.options import (
    AsJson,
    CheckpointArgument,
    Debug,
    Quiet,
    option,
    print_json,
)

if TYPE_CHECKING:
    from lstm_textgen.checkpoint.format import Checkpoint as Model


FORMATS = ("onnx", "npz", "html")


def export(
    format: Annotated[str, option("--format", "-f", help=f"{', '.join(FORMATS)}.")],
    checkpoint: CheckpointArgument = None,
    output: Annotated[
        Path | None,
        option("--output", "-o", help="File to write.", default="./NAME.FORMAT"),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """
    \b
    textgen export shakespeare --format html
    textgen export checkpoints/book --format onnx -o book.onnx
    textgen export --format npz

    Put a model into a format that other programs read: html is a page in which it
    writes, in any browser and without a network; onnx is one step as a graph; npz is
    arrays for numpy. The path goes to stdout.
    """
    from lstm_textgen.checkpoint.format import load_checkpoint
    from lstm_textgen.config import choice
    from lstm_textgen.files import write_durably
    from lstm_textgen.runs.find import find_checkpoint, model_name, require_free
    from lstm_textgen.ui.terminal import say, write_text

    choice("format", format, FORMATS)
    path = find_checkpoint(checkpoint)
    target = output or Path(f"{model_name(checkpoint, path)}.{format}")
    require_free(target)
    data = _exported(format, load_checkpoint(path))
    write_durably(target, data)
    if json:
        about = {"path": str(target), "format": format, "size_bytes": len(data)}
        print_json(about)
        return
    write_text(f"{target}\n")
    if not quiet:
        say(f"{len(data) / 1e6:.2f} MB. {NEXT[format]}")


NEXT = {
    "onnx": "One step: id and memory in, logits and memory out; see docs/format.md.",
    "npz": "Open it with numpy.load; docs/format.md has a reader.",
    "html": "Open it in a browser, or give it away: it needs nothing beside it.",
}
"""What to do with the file."""


def _exported(format: str, model: "Model") -> bytes:
    """The bytes of the file."""
    if format == "html":
        from lstm_textgen.export.webpage import page_bytes

        return page_bytes(model)
    if format == "npz":
        from lstm_textgen.export.arrays import npz_bytes

        return npz_bytes(model)
    try:
        from lstm_textgen.export.onnx import onnx_bytes
    except ImportError as error:
        from lstm_textgen.errors import UnavailableError

        raise UnavailableError(
            f"The format onnx needs the package onnx, which does not load ({error}).",
            'Install it: pip install "lstm-textgen[onnx]"',
        ) from error
    return onnx_bytes(model)
