"""What defines a run and stays the same while it trains: exactly `run.json`."""

import hashlib
import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

from lstm_textgen.config import TrainConfig, check, from_json, to_json
from lstm_textgen.errors import ConfigError, SettingsFileError
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.strict_json import canonical
from lstm_textgen.text.encode import EncodedText
from lstm_textgen.text.split import (
    MIN_CALIBRATION,
    Split,
    calibration_slice,
    split_text,
)

FORMAT = 2
"""Format 1 recorded less than an exact resume needs."""

REMEDY = "Start a new run with -o under another name."


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusIdentity:
    """Which text a run is trained on; nothing personal, such as a path."""

    name: str
    ids: int
    """Length of the text in ids of the run's vocabulary."""
    sha256: str
    """Of the normalized text in UTF-8."""

    @classmethod
    def of(cls, text: EncodedText) -> "CorpusIdentity":
        return cls(name=text.name, ids=len(text.ids), sha256=text.sha256)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """
    A run, but for what it has learned.

    Raises:
        ConfigError: The values contradict each other.
    """

    config: TrainConfig
    """Every setting as resolved: nothing is left to choose."""

    corpus: CorpusIdentity

    vocabulary_sha256: str
    """Of the text that the vocabulary was learned from. It differs from the corpus
    once the run has changed to another text."""

    split: Split

    calibration: tuple[int, int]
    """Ids of the training part that no step reads: from start, up to but without
    stop. The temperature is fitted there."""

    evaluation_sample: int
    """Held-out characters that an evaluation during the run counts."""

    expected_epochs: float
    """By the plan; decides when the first epoch reads the end of the text."""

    characters_read_per_second: float
    """Measured when the run was made; decides how many seconds of a budget in
    minutes are left for the end of the run."""

    def __post_init__(self) -> None:
        precision, sample = self.config.precision, self.evaluation_sample
        check("precision", precision, precision != "auto", "float32 or bfloat16")
        check("evaluation_sample", sample, sample >= 1, "1 or more")
        for name in ("expected_epochs", "characters_read_per_second"):
            value = getattr(self, name)
            check(name, value, value > 0, "a number above 0")
        parts = (self.split.train, self.split.validation, self.split.test)
        bounds = (0, *(stop for part in parts for stop in part[1:]))
        follow = parts == tuple(itertools.pairwise(bounds))
        ids = self.corpus.ids
        covered = follow and bounds[-1] == ids and sorted(bounds) == list(bounds)
        allowed = f"parts that follow each other, {ids} ids altogether"
        check("split", parts, covered and bounds[1] > 0, allowed)
        calibration, trained = self.calibration, bounds[1]
        start, stop = calibration if len(calibration) == 2 else (1, 0)
        inside = 0 <= start <= stop <= trained and 2 * (stop - start) <= trained
        length_fits = start == stop or stop - start >= MIN_CALIBRATION
        allowed = "a part of the ids that train"
        check("calibration", calibration, inside and length_fits, allowed)

    @classmethod
    def for_ids(
        cls, config: TrainConfig, ids: int, *, evaluation_sample: int
    ) -> "RunSpec":
        """A run that no folder records: every one of *ids* is trained on."""
        return cls(
            config=config,
            corpus=CorpusIdentity(name="ids", ids=ids, sha256=""),
            vocabulary_sha256="",
            split=Split(train=(0, ids), validation=(ids, ids), test=(ids, ids)),
            calibration=(0, 0),
            evaluation_sample=evaluation_sample,
            expected_epochs=math.inf,
            characters_read_per_second=math.inf,
        )

    @classmethod
    def load(cls, directory: RunDirectory) -> "RunSpec":
        """
        Read `run.json`.

        Raises:
            MissingError: The folder holds no run.
            SettingsFileError: The file is damaged, or of another format.
        """
        settings = directory.settings()
        found = settings.pop("format", None)
        if found != FORMAT:
            raise SettingsFileError(
                f"{directory.settings_path} has format {found!r}; this version resumes "
                f"runs of format {FORMAT}.",
                REMEDY,
            )
        try:
            return from_json(cls, settings)
        except ConfigError as error:
            raise _damaged(directory, error) from error

    def to_json(self) -> dict[str, Any]:
        """The content of `run.json`."""
        return {"format": FORMAT, **to_json(self)}

    @property
    def trained_ids(self) -> int:
        """How many ids an epoch reads."""
        return self.split.train[1] - (self.calibration[1] - self.calibration[0])

    def identity(self) -> str:
        """
        A digest of what a state belongs to: the settings and the vocabulary.

        Changing the text or extending the budget continues the same run, so neither
        is part of it.
        """
        config = to_json(self.config)
        del config["budget"]
        described = canonical([config, self.vocabulary_sha256])
        return hashlib.sha256(described.encode("ascii")).hexdigest()

    def with_text(self, text: EncodedText) -> "RunSpec":
        """The same run on another text, encoded in the vocabulary of the run."""
        shares = self.config.text.validation, self.config.text.test
        split = split_text(len(text.ids), *shares)
        calibration = calibration_slice(split.train[1])
        corpus = CorpusIdentity.of(text)
        return replace(self, corpus=corpus, split=split, calibration=calibration)


def read_config(directory: RunDirectory) -> TrainConfig:
    """
    The settings that a run was made with, whatever the format of its `run.json`.

    Raises:
        MissingError: The folder holds no run.
        SettingsFileError: The file is damaged.
    """
    config = directory.settings().get("config")
    try:
        return from_json(TrainConfig, config, "config")
    except ConfigError as error:
        raise _damaged(directory, error) from error


def _damaged(directory: RunDirectory, error: ConfigError) -> SettingsFileError:
    return SettingsFileError(f"{directory.settings_path}: {error.problem}", REMEDY)
