"""
What leaves the machine: three files in a folder of their own, and nothing else.

They are written anew from what was read, so what is sent is what was checked.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstm_textgen.checkpoint.format import Checkpoint, describe, save_checkpoint
from lstm_textgen.checkpoint.plain_json import parse
from lstm_textgen.config import RunConfig, to_json
from lstm_textgen.sharing.repository import (
    CARD_FILE,
    FILES,
    MODEL_FILE,
    SETTINGS_FILE,
    Repository,
)
from lstm_textgen.sharing.settle import digest_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """Everything that a push sends, before it is sent."""

    repository: Repository
    private: bool
    """Whether a new repository is to be seen by its owner only."""

    message: str
    """What the commit says."""

    folder: Path
    """Where the files lie. It may hold no others."""

    @property
    def paths(self) -> dict[str, Path]:
        """The files by their names."""
        return {name: self.folder / name for name in FILES}

    def contents(self) -> list[dict[str, Any]]:
        """Name, size and sha256 of each file, as it lies there."""
        return [
            {
                "name": name,
                "size_bytes": path.stat().st_size,
                "sha256": digest_of(path),
            }
            for name, path in self.paths.items()
        ]

    def metadata(self) -> dict[str, Any]:
        """Every value in the head of the model file, read back from the file."""
        data = self.paths[MODEL_FILE].read_bytes()
        head = parse(data[8 : 8 + int.from_bytes(data[:8], "little")].decode("utf-8"))
        texts = head["__metadata__"]
        return {key: parse(text) for key, text in texts.items()}

    def settings(self) -> dict[str, Any]:
        """Every value in the file of settings, read back from the file."""
        return dict(parse(self.paths[SETTINGS_FILE].read_text(encoding="ascii")))

    def card(self) -> str:
        """The page, read back from the file."""
        return self.paths[CARD_FILE].read_text(encoding="utf-8")


def fill(
    folder: Path, checkpoint: Checkpoint, card: str, config: RunConfig | None
) -> None:
    """
    Write the three files.

    Args:
        folder: An empty folder.
        checkpoint: The model, with the licence under which it is given away.
        card: The page about it.
        config: How it was trained, where that is still known.

    Raises:
        CheckpointError: The model is not one that could be read again.
        StorageError: The disk is full or fails.
    """
    save_checkpoint(folder / MODEL_FILE, checkpoint)
    text = json.dumps(settings_of(checkpoint, config), indent=2, allow_nan=False)
    (folder / SETTINGS_FILE).write_text(text + "\n", encoding="ascii")
    (folder / CARD_FILE).write_text(card, encoding="utf-8", newline="\n")


def settings_of(checkpoint: Checkpoint, config: RunConfig | None) -> dict[str, Any]:
    """What `config.json` says: the model's own description, and the run's settings."""
    settings = {"library": "lstm-textgen", **describe(checkpoint)}
    return settings if config is None else {**settings, "run": to_json(config)}
