"""
What leaves the machine: three files in a folder of their own, and nothing else.

They are written anew from what was read, so what is sent is what was checked.

Send a model to a hub: one commit with three files.

All that a push would send, down to the last value, for people and as JSON.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstm_textgen.checkpoint.format import Checkpoint, save_checkpoint, to_metadata
from lstm_textgen.config import TrainConfig, to_json
from lstm_textgen.errors import ConfigError, OutputError
from lstm_textgen.files import digest_of
from lstm_textgen.remote.client import hub_library, translated
from lstm_textgen.remote.repository import (
    CARD_FILE,
    FILES,
    MODEL_FILE,
    SETTINGS_FILE,
    Repository,
)
from lstm_textgen.strict_json import parse
from lstm_textgen.ui.terminal import write_text


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
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


def pack_bundle(
    folder: Path, checkpoint: Checkpoint, card: str, config: TrainConfig | None
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
    text = json.dumps(bundle_settings(checkpoint, config), indent=2, allow_nan=False)
    (folder / SETTINGS_FILE).write_text(text + "\n", encoding="ascii")
    (folder / CARD_FILE).write_text(card, encoding="utf-8", newline="\n")


def bundle_settings(
    checkpoint: Checkpoint, config: TrainConfig | None
) -> dict[str, Any]:
    """What `config.json` says: the model's own description, and the run's settings."""
    settings = {"library": "lstm-textgen", **to_metadata(checkpoint)}
    return settings if config is None else {**settings, "run": to_json(config)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """A model that is on the hub now."""

    repository: Repository
    """With the commit as its revision."""

    address: str
    """Where a browser shows it."""


def check_target(repository: Repository) -> None:
    """
    A push goes to the main branch, whose newest commit it becomes.

    Raises:
        ConfigError: A revision is named.
    """
    if repository.revision is not None:
        raise ConfigError(
            f"{repository} names a revision, and a push makes a new one.",
            f"Push to {repository.name}.",
        )


def send_bundle(parcel: Bundle) -> Pushed:
    """
    Make the repository if it is not there, and commit the files of *parcel*.

    When it breaks off, the same call finishes it: the repository is there then, and
    what has arrived of the model is not sent again.

    Raises:
        OutputError: It is to be private, and the repository is there and public.
        AccessError: The hub wants a login, or refuses the one it has.
        UnavailableError: No connection, no client, or a server that fails.
        CheckpointError: The hub does not take the head of the page.
    """
    hub = hub_library()
    name = parcel.repository.name
    with translated(parcel.repository):
        api = hub.HfApi()
        # before there is a repository; by a name of the client's that may go one day
        with contextlib.suppress(AttributeError):
            api._validate_yaml(parcel.card())
        address = api.create_repo(name, private=parcel.private or None, exist_ok=True)
        if parcel.private and not api.model_info(name).private:
            raise OutputError(
                f"{name} is there already, and everybody can see it.",
                "Make it private on the hub first, or leave out --private.",
            )
        commit = api.create_commit(
            name,
            [
                hub.CommitOperationAdd(path_in_repo=file, path_or_fileobj=str(path))
                for file, path in parcel.paths.items()
            ],
            commit_message=parcel.message,
        )
    sent = Repository(name, commit.oid)
    return Pushed(repository=sent, address=str(address))


def bundle_json(parcel: Bundle) -> dict[str, Any]:
    """Everything, as it lies in the files."""
    return {
        "repository": parcel.repository.name,
        "private": parcel.private,
        "message": parcel.message,
        "files": parcel.contents(),
        "metadata": parcel.metadata(),
        "settings": parcel.settings(),
        "card": parcel.card(),
    }


def show_bundle(parcel: Bundle) -> None:
    """Everything, on stdout: the files, each value in the model's head, the page."""
    seen = "its owner only" if parcel.private else "everybody"
    lines = [
        f"to       {parcel.repository.name}; a new one is seen by {seen}",
        f"message  {parcel.message}",
        "",
    ]
    for entry in parcel.contents():
        size = f"{entry['size_bytes']:,} bytes"
        lines.append(f"{entry['name']:<18} {size:>17}  sha256 {entry['sha256']}")
    metadata = dict(_flat(parcel.metadata()))
    lines += ["", f"In {MODEL_FILE}, beside the weights:", *_listed(metadata)]
    own = dict(_flat(parcel.metadata()["lstm_textgen"]))
    new = {k: v for k, v in _flat(parcel.settings()) if own.get(k) != v}
    lines += ["", f"In {SETTINGS_FILE}, the same without digests, and:", *_listed(new)]
    lines += ["", f"{CARD_FILE}:", "", parcel.card()]
    write_text("\n".join(lines))


def _flat(value: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """The values by the names that lead to them, as JSON."""
    for key, child in value.items():
        if isinstance(child, dict):
            yield from _flat(child, f"{above}{key}.")
        else:
            yield f"{above}{key}", json.dumps(child, ensure_ascii=False)


def _listed(values: dict[str, str]) -> list[str]:
    width = max(map(len, values), default=0)
    return [f"  {name:<{width}}  {value}" for name, value in values.items()]
