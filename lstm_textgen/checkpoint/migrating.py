"""Bring a checkpoint of an older format to the newest."""

from pathlib import Path

from lstm_textgen.checkpoint.durable import write_durably
from lstm_textgen.checkpoint.finding import require_free
from lstm_textgen.checkpoint.format import MODEL, load_checkpoint, save_checkpoint
from lstm_textgen.checkpoint.reader import open_container
from lstm_textgen.checkpoint.version import FORMAT


def migrate(path: Path) -> tuple[int, Path | None]:
    """
    Write a model again, in the newest format; the old file stays beside it.

    Reading understands every format that there ever was, so what was read is
    simply written. A file that is not older stays as it is.

    Args:
        path: A model; the old one becomes `NAME.format-N.safetensors`.

    Returns:
        The format that it had, and where the old file is; None if nothing was done.

    Raises:
        MissingError, CheckpointError: As `load_checkpoint`.
        OutputError: The name for the old file is taken.
        StorageError: The disk is full or fails.
    """
    checkpoint = load_checkpoint(path)
    with open_container(path, MODEL) as container:
        was = int(container.metadata["format"])
    if was >= FORMAT:
        return was, None
    kept = path.with_name(f"{path.stem}.format-{was}{path.suffix}")
    require_free(kept)
    write_durably(kept, path.read_bytes())
    save_checkpoint(path, checkpoint)
    return was, kept
