"""What `run.json` says of a run, and what it is refused for."""

import json
from dataclasses import replace

import pytest

from lstm_textgen.config import BudgetConfig, TrainConfig
from lstm_textgen.errors import ConfigError, SettingsFileError
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.text.split import Split, calibration_slice, split_text
from lstm_textgen.training.spec import CorpusIdentity, RunSpec, read_config

CONFIG = TrainConfig(budget=BudgetConfig(steps=5), precision="float32")
SPLIT = split_text(100_000, 0.1, 0.0)
SPEC = RunSpec(
    config=CONFIG,
    corpus=CorpusIdentity(name="book", ids=100_000, sha256="ab" * 32),
    vocabulary_sha256="ab" * 32,
    split=SPLIT,
    calibration=calibration_slice(90_000),
    evaluation_sample=4096,
    expected_epochs=1.5,
    characters_read_per_second=1e5,
)


@pytest.fixture
def directory(tmp_path):
    found = RunDirectory(tmp_path / "run")
    with found.lock():
        found.begin(SPEC.to_json())
    return found


def edit(directory, **changes):
    """Change the file; a value of None takes the key out."""
    settings = json.loads(directory.settings_path.read_text()) | changes
    kept = {key: value for key, value in settings.items() if value is not None}
    directory.settings_path.write_text(json.dumps(kept))


def test_it_comes_back(directory):
    """What a new run wrote is what a resumed run reads."""
    assert RunSpec.load(directory) == SPEC
    assert directory.settings()["format"] == 2


@pytest.mark.parametrize("format", [1, 3, "2", None])
def test_another_format(directory, format):
    """
    A run of an older version is not resumed: its file knows too little for that.

    The error names the file, the format and a way on; the settings can still be read,
    so that its model can be pushed.
    """
    edit(directory, format=format)

    with pytest.raises(SettingsFileError, match=r"run\.json") as caught:
        RunSpec.load(directory)
    assert repr(format) in caught.value.problem
    assert "-o" in caught.value.remedy
    assert read_config(directory) == CONFIG


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("config", None),
        ("config", {"hidden": 6}),
        ("config", {"budget": {"steps": 5}, "precision": "auto"}),
        ("evaluation_sample", "many"),
        ("evaluation_sample", 0),
        ("expected_epochs", -1.0),
        ("split", {"train": [0, 9], "validation": [9, 10], "test": [10, 10]}),
        ("split", {"train": [0], "validation": [], "test": []}),
        ("calibration", [1]),
        ("calibration", [0, 1]),
        ("calibration", [-1, 2000]),
        ("calibration", [89_000, 91_000]),
        ("calibration", "all"),
    ],
)
def test_a_file_that_was_edited(directory, key, value):
    """What cannot be is named, with the file."""
    edit(directory, **{key: value})

    with pytest.raises(SettingsFileError, match=r"run\.json") as caught:
        RunSpec.load(directory)
    named = "precision" if "precision" in str(value) else key
    assert named in caught.value.problem
    assert "-o" in caught.value.remedy


def test_parts_must_follow_each_other():
    """A part that is cut elsewhere would train on what validates."""
    train, validation, test = SPLIT.train, SPLIT.validation, SPLIT.test
    for wrong in (
        Split(train=train, validation=test, test=validation),
        Split(train=(0, 0), validation=(0, 100_000), test=(100_000, 100_000)),
        Split(train=(0, train[1] + 1), validation=validation, test=test),
    ):
        with pytest.raises(ConfigError, match="split"):
            replace(SPEC, split=wrong)


def test_what_a_state_belongs_to():
    """Settings and vocabulary are the run's; its budget and its text may change."""
    longer = replace(CONFIG, budget=BudgetConfig(steps=9))
    elsewhere = CorpusIdentity(name="other", ids=100_000, sha256="cd" * 32)

    assert replace(SPEC, config=longer).identity() == SPEC.identity()
    assert replace(SPEC, corpus=elsewhere).identity() == SPEC.identity()
    for other in (
        replace(SPEC, config=replace(CONFIG, seed=2)),
        replace(SPEC, vocabulary_sha256="cd" * 32),
    ):
        assert other.identity() != SPEC.identity()
