"""The initial state of a finished model, in a file and in a mean of models."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lstm_textgen.checkpoint.average import average_models
from lstm_textgen.checkpoint.container import pack
from lstm_textgen.checkpoint.format import (
    MODEL,
    load_checkpoint,
    save_checkpoint,
    to_metadata,
)
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.errors import CheckpointError
from lstm_textgen.model.weights import (
    build_model,
    to_arrays,
    to_tensors,
    with_initial_state,
)
from tests.builders import char_tokenizer, in_bfloat16, to_checkpoint


@pytest.fixture
def checkpoint(make_model):
    model = make_model(3, layers=2, dtype=torch.float32, initial_state="zeros")
    return to_checkpoint(model, char_tokenizer("abc"), TrainingRecord())


@pytest.fixture
def state(make_model, make_state):
    return make_state(make_model(3, layers=2), 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_comes_back(tmp_path, checkpoint, state, dtype):
    """In the type of the weights, and the built model begins with it."""
    tensors = to_arrays(to_tensors(checkpoint.tensors), dtype)
    checkpoint = replace(checkpoint, tensors=tensors)
    begun = with_initial_state(checkpoint, state)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, begun)

    built = build_model(load_checkpoint(path))

    for name, rows in built.initial_state(2).tensors().items():
        expected = state.tensors()[name].to(dtype).float()
        assert torch.equal(rows, expected.expand(2, -1)), name
    assert {t.dtype for t in to_tensors(begun.tensors).values()} == {dtype}


def test_one_that_says_nothing_of_it_begins_with_nothing(tmp_path, checkpoint):
    """As every file from before: the word is not even in it."""
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, checkpoint)

    assert b"initial" not in path.read_bytes()
    assert load_checkpoint(path).model.initial_state == "zeros"


def test_tensors_and_settings_must_agree(tmp_path, checkpoint, state):
    """Neither one without the other, and no memory of another width."""
    begun = with_initial_state(checkpoint, state)
    narrow = {"initial.0.hidden": np.zeros(3, np.float32)}
    for model, tensors in (
        (begun.model, checkpoint.tensors),
        (checkpoint.model, begun.tensors),
        (begun.model, begun.tensors | narrow),
    ):
        wrong = replace(checkpoint, model=model, tensors=tensors)
        with pytest.raises(CheckpointError, match="settings"):
            save_checkpoint(tmp_path / "model", wrong)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_mean_begins_between_those_that_have_one(checkpoint, state, place):
    """One that a run saved before its end has none, and has no say in it."""
    models = [
        with_initial_state(in_bfloat16(checkpoint), one)
        for one in (state, state.map(lambda tensor: 3 * tensor))
    ]
    models.insert(place, checkpoint)

    mean = average_models(models, ["one", "two", "three"])

    expected = 2 * state.tensors()["1.cell"][0].float()
    found = mean.tensors["initial.1.cell"]
    np.testing.assert_allclose(found, expected, rtol=1e-2)
    assert mean.model.initial_state == "learned"
    assert {t.dtype for t in mean.tensors.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("name", "value"),
    [("0.hidden", 1.01), ("0.hidden", -1.01), ("1.cell", 1025.0), ("1.cell", -1e9)],
)
def test_a_memory_that_cannot_be(tmp_path, checkpoint, state, name, value):
    """A GRU that keeps all would carry it for ever."""
    begun = with_initial_state(checkpoint, state)
    begun.tensors[f"initial.{name}"][1] = value

    with pytest.raises(CheckpointError, match=f"no number from .*initial.{name}"):
        save_checkpoint(tmp_path / "model", begun)


def test_zeros_are_not_named(tmp_path, checkpoint):
    """There is one way to say it, so that the same model is the same bytes."""
    about = to_metadata(checkpoint)
    about["model"]["initial_state"] = "zeros"
    path = tmp_path / "model.safetensors"
    path.write_bytes(pack(checkpoint.tensors, MODEL, about))

    with pytest.raises(CheckpointError, match="initial_state"):
        load_checkpoint(path)
