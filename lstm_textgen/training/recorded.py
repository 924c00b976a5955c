"""What `run.json` remembers of a run, and whether what is asked for now is the same."""

from pathlib import Path
from typing import Any

from lstm_textgen.config import RunConfig, from_json, to_json
from lstm_textgen.errors import (
    ConfigError,
    CorpusError,
    OutputError,
    SettingsFileError,
)
from lstm_textgen.text.cache import EncodedText
from lstm_textgen.training.plan import Plan
from lstm_textgen.training.wishes import Wishes


def settings_of(plan: Plan, text: EncodedText) -> dict[str, Any]:
    """What `run.json` says: all that decides the result, and nothing personal."""
    return {
        "format": 1,
        "config": to_json(plan.config),
        "evaluation_sample": plan.sample,
        "corpus": {
            "name": text.name,
            "characters": len(text.ids),
            "sha256": text.sha256,
        },
    }


def recorded_config(settings: dict[str, Any], path: Path) -> RunConfig:
    """
    The settings that the run in *path* was made with.

    Raises:
        SettingsFileError: The file does not hold settings.
    """
    try:
        return from_json(RunConfig, settings.get("config"), "run.json: config")
    except ConfigError as error:
        raise SettingsFileError(
            f"{path}: {error.problem}", "Start a new run with -o under another name."
        ) from error


def recorded_sample(settings: dict[str, Any], path: Path) -> int:
    """
    How many held-out characters an evaluation of the run in *path* counts.

    Raises:
        SettingsFileError: The file does not say.
    """
    sample = settings.get("evaluation_sample")
    if type(sample) is not int or sample < 1:
        raise SettingsFileError(
            f"{path}: run.json: evaluation_sample is {sample!r}.",
            "Start a new run with -o under another name.",
        )
    return sample


def as_recorded(config: RunConfig) -> Wishes:
    """Wishes that leave the plan nothing to choose."""
    data = to_json(config)
    return Wishes(
        text=data["text"],
        model=data["model"],
        optimizer=data["optimizer"],
        budget=config.budget,
        run={"seed": config.seed, "precision": config.precision},
    )


def check_same(wishes: Wishes, recorded: RunConfig, path: Path) -> None:
    """
    What the user sets must be what the run was made with.

    Raises:
        OutputError: It is not.
    """
    differences = wishes.differences(recorded)
    if differences:
        raise OutputError(
            f"The run in {path} was made with other settings: "
            f"{'; '.join(differences)}.",
            "Leave these options out to go on, or start a new run with -o.",
        )


def check_corpus(settings: dict[str, Any], text: EncodedText, path: Path) -> None:
    """
    A run goes on with the text that it began with.

    Raises:
        CorpusError: The digest of the text is another.
    """
    recorded = settings.get("corpus", {}).get("sha256")
    if recorded != text.sha256:
        raise CorpusError(
            f"The text is not the one that the run in {path} began with: sha256 "
            f"{text.sha256[:12]}..., not {str(recorded)[:12]}....",
            "Give it the same text, or start a new run with -o.",
        )
