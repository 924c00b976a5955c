"""What `run.json` remembers of a run, and whether what is asked for now is the same."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.config import TrainConfig, from_json, to_json
from lstm_textgen.errors import ConfigError, CorpusError, OutputError, SettingsFileError
from lstm_textgen.paths import default_cache
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.text.encode import EncodedText, encode_with
from lstm_textgen.text.source import Source
from lstm_textgen.text.streams import is_calibration_length
from lstm_textgen.training.machine import Machine
from lstm_textgen.training.overrides import Overrides, differences_anywhere
from lstm_textgen.training.plan import Plan


def run_settings(
    plan: Plan, text: EncodedText, apart: int, *, own_vocabulary: bool = True
) -> dict[str, Any]:
    """What `run.json` says: all that decides the result, and nothing personal."""
    return {
        "format": 1,
        "config": to_json(plan.config),
        "evaluation_sample": plan.sample,
        "calibration_characters": apart,
        "corpus": {
            "name": text.name,
            "characters": len(text.ids),
            "sha256": text.sha256,
            "own_vocabulary": own_vocabulary,
        },
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """A run that exists already."""

    path: Path
    config: TrainConfig
    sample: int
    """How many held-out characters an evaluation during the run counts."""
    apart: int
    """How many ids of the training part no step reads."""
    sha256: str
    """Of its text."""
    own_vocabulary: bool
    """Its text is the one that the vocabulary was learned from."""


def read_recorded(directory: RunDirectory) -> Recorded:
    """
    What the run in *directory* was made with.

    Raises:
        MissingError: It is no run.
        SettingsFileError: Its file does not hold settings.
    """
    path, settings = directory.path, directory.settings()
    corpus, sample = settings.get("corpus"), settings.get("evaluation_sample")
    apart = settings.get("calibration_characters", 0)
    try:
        config = from_json(TrainConfig, settings.get("config"), "run.json: config")
        if type(sample) is not int or sample < 1:
            raise ConfigError(f"run.json: evaluation_sample is {sample!r}.", "")
        if type(apart) is not int or not (apart == 0 or is_calibration_length(apart)):
            raise ConfigError(f"run.json: calibration_characters is {apart!r}.", "")
    except ConfigError as error:
        raise SettingsFileError(
            f"{path}: {error.problem}", "Start a new run with -o under another name."
        ) from error
    corpus = corpus if isinstance(corpus, dict) else {}
    return Recorded(
        path=path,
        config=config,
        sample=sample,
        apart=apart,
        sha256=str(corpus.get("sha256")),
        own_vocabulary=corpus.get("own_vocabulary", True) is True,
    )


def as_recorded(config: TrainConfig) -> Overrides:
    """Wishes that leave the plan nothing to choose."""
    data = to_json(config)
    return Overrides(
        text=data["text"],
        model=data["model"],
        optimizer=data["optimizer"],
        budget=config.budget,
        run={"seed": config.seed, "precision": config.precision},
    )


def check_same(wishes: Overrides, recorded: Recorded, machine: Machine) -> None:
    """
    What the user sets must be what the run was made with, here or elsewhere.

    Raises:
        OutputError: It is not.
    """
    differences = differences_anywhere(wishes, recorded.config, machine)
    if differences:
        raise OutputError(
            f"The run in {recorded.path} was made with other settings: "
            f"{'; '.join(differences)}.",
            "Leave these options out to go on, or start a new run with -o.",
        )


def is_other_text(recorded: Recorded, text: EncodedText, *, accepted: bool) -> bool:
    """
    Whether a run would go on with another text than the one that it began with.

    Raises:
        CorpusError: It would, and nobody has accepted that.
    """
    if recorded.sha256 == text.sha256:
        return False
    if not accepted:
        raise CorpusError(
            f"The text is not the one that the run in {recorded.path} began with: "
            f"sha256 {text.sha256[:12]}..., not {recorded.sha256[:12]}....",
            "Give it the same text, add --accept-corpus-change, or begin a run by -o.",
        )
    return True


def read_as_before(source: Source, recorded: Recorded) -> EncodedText:
    """
    Encode another text in the vocabulary that a run has learned.

    Raises:
        CorpusError: The run has no model yet that knows a vocabulary.
        VocabularyError: The text has a character that the run does not know.
    """
    model_path = RunDirectory(recorded.path).model_path
    if not model_path.exists():
        raise CorpusError(
            f"The run in {recorded.path} has no model yet, so no vocabulary to read "
            "another text in.",
            "Start a new run with -o under another name.",
        )
    tokenizer = load_checkpoint(model_path).tokenizer
    encoding = recorded.config.text.encoding
    return encode_with(source, tokenizer, encoding, cache=default_cache())
