"""What `textgen push` puts together: the model, how it was made, what it writes."""

import dataclasses
import re
from pathlib import Path

from lstm_textgen import __version__
from lstm_textgen.checkpoint.format import Checkpoint, as_trained, load_checkpoint
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import SampleConfig, TrainConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.files import digest_of
from lstm_textgen.hub.bundle import Bundle, pack_bundle
from lstm_textgen.hub.card import About, model_card
from lstm_textgen.model.weights import build_model
from lstm_textgen.remote.repository import Repository
from lstm_textgen.runs import metrics
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.runs.find import find_checkpoint
from lstm_textgen.sampling.backend import choose_backend
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.registry import corpus_named, corpus_path
from lstm_textgen.training.machine import choose_machine
from lstm_textgen.training.recorded import read_recorded

SAMPLE_CHARACTERS = 400

SAMPLE_SEED = 1

LANGUAGES = {"English": "en", "Spanish": "es", "Italian": "it"}
"""Codes of the languages that the known corpora have."""


def build_bundle(
    model: str,
    target: Repository,
    folder: Path,
    *,
    private: bool,
    licence: str | None,
    language: str | None,
    message: str,
) -> Bundle:
    """
    Read a model, let it write for its page, and lay out what would be sent.

    Args:
        model: As for `find_checkpoint`. Of a run, settings and log go into the page.
        target: Where it is to go.
        folder: An empty folder for the three files.
        private: Whether a new repository is to be seen by its owner only.
        licence: Written into the model too; None leaves what it says.
        language: Two or three letters; None takes that of a corpus with a name.
        message: Empty for one that names this program.

    Raises:
        MissingError: There is no such model.
        CheckpointError: It is damaged or not one of ours.
        SettingsFileError: The settings of the run are damaged.
        ConfigError: The language is not a code.
    """
    if language is not None and not re.fullmatch("[a-z]{2,3}", language):
        problem = f"{language!r} is no code of a language."
        raise ConfigError(problem, "Give two or three small letters: en, es, it, ...")
    path = find_checkpoint(model)
    checkpoint = load_checkpoint(path)
    if licence is not None:
        checkpoint = dataclasses.replace(checkpoint, licence=licence)
    run = _run_of(path)
    about = About(
        name=target.name,
        sample=_sample(checkpoint),
        length=SAMPLE_CHARACTERS,
        seed=SAMPLE_SEED,
        language=language or _language(checkpoint.training),
        config=_config(run, checkpoint),
        curve=_curve(run),
    )
    pack_bundle(folder, checkpoint, model_card(checkpoint, about), about.config)
    message = message or f"A model of textgen {__version__}"
    return Bundle(repository=target, private=private, message=message, folder=folder)


def _sample(checkpoint: Checkpoint) -> str:
    """What `textgen sample` writes with this seed, and no more said."""
    model = build_model(checkpoint, choose_machine("cpu", 1).device)
    stepper = choose_backend(model, characters=SAMPLE_CHARACTERS)
    writer = Writer(stepper, checkpoint.tokenizer)
    config = SampleConfig(seed=SAMPLE_SEED)
    return writer.write("", length=SAMPLE_CHARACTERS, config=config)


def _run_of(path: Path) -> RunDirectory | None:
    """The run that a model lies in, if it is that run's own."""
    run = RunDirectory(path.parent)
    is_own = path.name == run.model_path.name and run.settings_path.is_file()
    return run if is_own else None


def _config(run: RunDirectory | None, checkpoint: Checkpoint) -> TrainConfig | None:
    """The settings of the run, if they are those of this very model."""
    if run is None:
        return None
    config = read_recorded(run).config
    return config if config.model == as_trained(checkpoint.model) else None


def _curve(run: RunDirectory | None) -> list[tuple[int, float]]:
    """Losses on held-out text by step; where there are none, those of training."""
    records = [] if run is None else metrics.read_metrics(run.metrics_path)
    for kind in ("Evaluated", "StepDone"):
        found = {
            record["step"]: record["nats_per_char"]
            for record in records
            if record.get("event") == kind
            and not record.get("final")
            and type(record.get("step")) is int
            and type(record.get("nats_per_char")) is float
        }
        if len(found) > 1:
            return sorted(found.items())
    return []


def _language(training: TrainingRecord) -> str | None:
    """That of a corpus with a name, if the text was that corpus byte for byte."""
    corpus, path = corpus_named(training.corpus), corpus_path(training.corpus)
    if corpus is None:
        return None
    digest = corpus.sha256 or (digest_of(path) if path else None)
    same = digest is not None and digest == training.sha256
    return LANGUAGES.get(corpus.language.partition(",")[0]) if same else None
