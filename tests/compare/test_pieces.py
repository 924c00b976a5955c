"""Results in files: found again by all that decides them, and only by that."""

import json
from dataclasses import replace

import pytest

from lstm_textgen.compare.experiments import TaskPiece, TextPiece
from lstm_textgen.config import ModelConfig, OptimizerConfig

TASK = TaskPiece(
    task="copy",
    model=ModelConfig(hidden=4),
    optimizer=OptimizerConfig(),
    seed=1,
    device="cpu",
    steps=5,
    questions=7,
)
TEXT = TextPiece(
    model=ModelConfig(hidden=4),
    optimizer=OptimizerConfig(),
    seed=1,
    device="cpu",
    steps=5,
    sample=9,
    places=0,
    text="0" * 64,
)
RESULT = {"nats_per_char": 1.25, "curve": [[1, 0.5, 2.0]]}


@pytest.mark.parametrize("piece", [TASK, TEXT])
def test_what_is_kept_is_found_again(drawer, piece):
    """Number by number."""
    assert drawer.find(piece) is None
    drawer.keep(piece, RESULT)

    assert drawer.find(piece) == RESULT


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"steps": 6},
        {"device": "cuda"},
        {"model": ModelConfig(hidden=5)},
        {"optimizer": OptimizerConfig(learning_rate=1e-4)},
        {"text": "1" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_are_another_piece(drawer, change):
    """Anything that decides the result makes a difference."""
    drawer.keep(TEXT, RESULT)

    assert drawer.find(replace(TEXT, **change)) is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"settings": {}, "result": {}}', "\udc80", '{"settings": 1}'],
)
def test_a_damaged_file_counts_as_none(drawer, content):
    """It is done again, and written over."""
    drawer.keep(TASK, RESULT)
    [path] = drawer.folder.iterdir()
    path.write_text(content, encoding="utf-8", errors="surrogateescape")

    assert drawer.find(TASK) is None
    drawer.keep(TASK, RESULT)
    assert drawer.find(TASK) == RESULT


def test_a_result_beside_other_settings_is_not_taken(drawer):
    """The name of a file is short; what is in it decides."""
    drawer.keep(TASK, RESULT)
    [path] = drawer.folder.iterdir()
    kept = json.loads(path.read_text())
    kept["settings"]["seed"] = 2
    path.write_text(json.dumps(kept))

    assert drawer.find(TASK) is None
