"""
Push a model: its three files are built in a folder of their own, shown, and sent.

They are written anew from what was read, so what is sent is what was checked.
"""

import contextlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lstm_textgen import __version__
from lstm_textgen.checkpoint.format import (
    as_trained,
    load_checkpoint,
    save_checkpoint,
    to_metadata,
)
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import ModelConfig, SampleConfig, TrainConfig, to_json
from lstm_textgen.errors import ConfigError, OutputError
from lstm_textgen.files import digest_of
from lstm_textgen.hub.card import SAMPLE_LENGTH, SAMPLE_SEED, model_card
from lstm_textgen.remote.client import hub_library, translated_hub_errors
from lstm_textgen.remote.repository import (
    CARD_FILE,
    FILES,
    MODEL_FILE,
    SETTINGS_FILE,
    Repository,
)
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.runs.find import find_checkpoint
from lstm_textgen.runs.metrics import read_metrics
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.strict_json import parse
from lstm_textgen.text.registry import corpus_named, corpus_path
from lstm_textgen.training.spec import read_config
from lstm_textgen.ui.terminal import write_text

LANGUAGE_CODES = {"English": "en", "Spanish": "es", "Italian": "it"}
"""Of the languages of the named corpora."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PushConfig:
    """Where a model is pushed, and what is added to it."""

    repository: Repository
    """Without a revision: a push makes the newest commit of the main branch."""

    private: bool = False
    """Whether a new repository is visible to its owner only."""

    license: str | None = None
    """Written into the model too. None: what the model says."""

    language: str | None = None
    """Code of two or three letters. None: that of the corpus, if it has a name."""

    message: str = ""
    """Of the commit. Empty: one that names this program."""

    def __post_init__(self) -> None:
        if self.repository.revision is not None:
            raise ConfigError(
                f"{self.repository} names a revision, and a push makes a new one.",
                f"Push to {self.repository.name}.",
            )
        if self.language is not None and not re.fullmatch("[a-z]{2,3}", self.language):
            raise ConfigError(
                f"{self.language!r} is no code of a language.",
                "Give two or three small letters: en, es, it, ...",
            )

    @property
    def commit_message(self) -> str:
        return self.message or f"A model of textgen {__version__}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """Everything that a push sends, before it is sent."""

    config: PushConfig

    folder: Path
    """Holds the three files, and no others."""

    @property
    def paths(self) -> dict[str, Path]:
        """The files by their names."""
        return {name: self.folder / name for name in FILES}

    @property
    def card(self) -> str:
        """The model card."""
        return self.paths[CARD_FILE].read_text(encoding="utf-8")

    def to_json(self) -> dict[str, Any]:
        """Everything that a push sends, every value read back from the files."""
        model = self.paths[MODEL_FILE].read_bytes()
        header_bytes = int.from_bytes(model[:8], "little")
        header = parse(model[8 : 8 + header_bytes].decode("utf-8"))
        return {
            "repository": self.config.repository.name,
            "private": self.config.private,
            "message": self.config.commit_message,
            "files": [
                {
                    "name": name,
                    "size_bytes": path.stat().st_size,
                    "sha256": digest_of(path),
                }
                for name, path in self.paths.items()
            ],
            "metadata": {k: parse(text) for k, text in header["__metadata__"].items()},
            "settings": parse(self.paths[SETTINGS_FILE].read_text(encoding="ascii")),
            "card": self.card,
        }


def build_bundle(model: str, config: PushConfig, folder: Path) -> Bundle:
    """
    Write the three files.

    Args:
        model: As for `find_checkpoint`. Of a run, the card shows settings and losses.
        folder: An empty folder.

    Raises:
        MissingError: There is no such model.
        CheckpointError: It is damaged or not one of ours.
        SettingsFileError: The settings of the run are damaged.
        StorageError: The disk is full or fails.
    """
    path = find_checkpoint(model)
    checkpoint = load_checkpoint(path)
    if config.license is not None:
        checkpoint = replace(checkpoint, licence=config.license)
    train_config, losses = _run_of(path, checkpoint.model)
    settings = {"library": "lstm-textgen", **to_metadata(checkpoint)}
    if train_config is not None:
        settings["run"] = to_json(train_config)
    text = json.dumps(settings, indent=2, allow_nan=False)
    card = model_card(
        checkpoint,
        config.repository,
        _sample(path),
        language=config.language or _language(checkpoint.training),
        train_config=train_config,
        losses=losses,
    )
    save_checkpoint(folder / MODEL_FILE, checkpoint)
    (folder / SETTINGS_FILE).write_text(text + "\n", encoding="ascii")
    (folder / CARD_FILE).write_text(card, encoding="utf-8", newline="\n")
    return Bundle(config=config, folder=folder)


def _sample(path: Path) -> str:
    """What `textgen sample` generates with the same seed and length."""
    writer = Writer.load(path, characters=SAMPLE_LENGTH)
    config = SampleConfig(seed=SAMPLE_SEED)
    return writer.generate("", length=SAMPLE_LENGTH, config=config)


def _run_of(
    path: Path, model: ModelConfig
) -> tuple[TrainConfig | None, list[tuple[int, float]]]:
    """
    Settings and losses of the run whose own model *path* is, as far as there is one.

    The settings are left out if they are those of another model.
    """
    run = RunDirectory(path.parent)
    if path.name != run.model_path.name or not run.settings_path.is_file():
        return None, []
    config = read_config(run)
    return config if config.model == as_trained(model) else None, _losses(run)


def _losses(run: RunDirectory) -> list[tuple[int, float]]:
    """Validation losses in nats per character by step; else those of training."""
    records = read_metrics(run.metrics_path)
    for event in ("Evaluated", "StepDone"):
        losses = {
            record["step"]: record["nats_per_char"]
            for record in records
            if record.get("event") == event
            and not record.get("final")
            and type(record.get("step")) is int
            and type(record.get("nats_per_char")) is float
        }
        if len(losses) > 1:
            return sorted(losses.items())
    return []


def _language(training: TrainingRecord) -> str | None:
    """That of a named corpus, if the training text was that corpus byte for byte."""
    corpus = corpus_named(training.corpus)
    if corpus is None:
        return None
    path = corpus_path(corpus)
    sha256 = corpus.sha256 or (digest_of(path) if path else None)
    if sha256 != training.sha256:
        return None
    return LANGUAGE_CODES.get(corpus.language.partition(",")[0])


def send_bundle(bundle: Bundle) -> tuple[Repository, str]:
    """
    Create the repository unless it exists, and commit the files.

    After an interruption the same call finishes it: the repository exists then, and
    what has arrived of the model is not sent again.

    Returns:
        The repository with the commit as its revision, and its address for a browser.

    Raises:
        OutputError: It is to be private, and the repository exists and is public.
        AccessError: The hub requires a login, or rejects this one.
        UnavailableError: No connection, no client, or a server that fails.
        CheckpointError: The hub does not accept the front matter of the card.
    """
    hub = hub_library()
    config, name = bundle.config, bundle.config.repository.name
    with translated_hub_errors(config.repository):
        api = hub.HfApi()
        # before the repository is created; a private name, which may go one day
        with contextlib.suppress(AttributeError):
            api._validate_yaml(bundle.card)
        address = api.create_repo(name, private=config.private or None, exist_ok=True)
        if config.private and not api.model_info(name).private:
            raise OutputError(
                f"{name} is there already, and everybody can see it.",
                "Make it private on the hub first, or leave out --private.",
            )
        commit = api.create_commit(
            name,
            [
                hub.CommitOperationAdd(path_in_repo=file, path_or_fileobj=str(path))
                for file, path in bundle.paths.items()
            ],
            commit_message=config.commit_message,
        )
    return Repository(name, commit.oid), str(address)


def show_bundle(bundle: Bundle) -> None:
    """Show on stdout the files, each value in the model's header, and the card."""
    content = bundle.to_json()
    visible_to = "its owner only" if content["private"] else "everybody"
    lines = [
        f"to       {content['repository']}; a new one is seen by {visible_to}",
        f"message  {content['message']}",
        "",
    ]
    for file in content["files"]:
        size = f"{file['size_bytes']:,} bytes"
        lines.append(f"{file['name']:<18} {size:>17}  sha256 {file['sha256']}")
    metadata, settings = _flatten(content["metadata"]), _flatten(content["settings"])
    lines += ["", f"In {MODEL_FILE}, beside the weights:", *_rows(metadata)]
    in_model = _flatten(content["metadata"]["lstm_textgen"]).items()
    added = {
        key: value for key, value in settings.items() if (key, value) not in in_model
    }
    lines += ["", f"In {SETTINGS_FILE}, the same without digests, and:", *_rows(added)]
    lines += ["", f"{CARD_FILE}:", "", content["card"]]
    write_text("\n".join(lines))


def _flatten(value: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Each value as JSON, by the keys that lead to it: `a.b` for {"a": {"b": ...}}."""
    flat: dict[str, str] = {}
    for key, child in value.items():
        if isinstance(child, dict):
            flat |= _flatten(child, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(child, ensure_ascii=False)
    return flat


def _rows(values: dict[str, str]) -> list[str]:
    width = max(map(len, values), default=0)
    return [f"  {name:<{width}}  {value}" for name, value in values.items()]
