"""Find the checkpoint that the user means, here or on a hub: the one place for it."""

from pathlib import Path

from lstm_textgen.checkpoint.finding import RUNS, resolve_checkpoint
from lstm_textgen.sharing.pull import fetch_model
from lstm_textgen.sharing.repository import is_on_hub, parse_repository


def find_checkpoint(argument: str | None, *, folder: Path = RUNS) -> Path:
    """
    The file that the user means; a model on a hub is brought to the hub's cache.

    Args:
        argument: As for `resolve_checkpoint`, or `hf://user/repo[@revision]`.
        folder: Where the runs are.

    Raises:
        ConfigError: The name of a model on a hub is none.
        MissingError, CheckpointError, AccessError, UnavailableError, StorageError:
            As `resolve_checkpoint` and `fetch_model`.
    """
    if argument is not None and is_on_hub(argument):
        return fetch_model(parse_repository(argument)).path
    return resolve_checkpoint(argument, folder=folder)
