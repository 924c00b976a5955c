"""The mean of the weights of several models."""

import dataclasses

import numpy as np
import pytest

from lstm_textgen.checkpoint.average import average_models
from lstm_textgen.checkpoint.container import BF16
from lstm_textgen.checkpoint.format import (
    load_checkpoint,
    save_checkpoint,
    versions,
    with_temperature,
)
from lstm_textgen.config import ModelConfig
from lstm_textgen.errors import CheckpointError, ConfigError
from lstm_textgen.evaluation.loss import Loss, with_loss
from tests.builders import char_tokenizer, in_bfloat16

NAMES = ["a", "b", "c"]


@pytest.fixture
def moved(checkpoint):
    """The model with its weights at some place between 0 and themselves."""

    def move(factor, **changes):
        factor = np.float32(factor)
        tensors = {name: t * factor for name, t in checkpoint.tensors.items()}
        return dataclasses.replace(checkpoint, tensors=tensors, **changes)

    return move


def test_every_number_is_the_mean(checkpoint, moved):
    """Of 1, 2 and 6 times the weights it is 3 times the weights."""
    mean = average_models([moved(1), moved(2), moved(6)], NAMES)

    for name, tensor in checkpoint.tensors.items():
        np.testing.assert_allclose(mean.tensors[name], tensor * 3, rtol=1e-6)


def test_heads_are_alike_before_they_are_averaged(checkpoint, moved):
    """
    Calibrated models are averaged as they were before, and the mean calibrated.

    Those that one run put aside are not calibrated, and the one that it ends with is.
    """
    late, cool = with_temperature(moved(3), 1.5), with_temperature(moved(2), 1.3)

    mean = average_models([moved(1), late, cool], NAMES)

    assert mean.training.temperature == pytest.approx(1.4)
    for name, tensor in checkpoint.tensors.items():
        divisor = 1.4 if name.startswith("head.") else 1.0
        np.testing.assert_allclose(mean.tensors[name], 2 * tensor / divisor, rtol=1e-6)


def test_the_mean_of_twins_is_the_twin(moved):
    """
    Bit for bit, in bfloat16 and calibrated.

    The head was brought back to what it was in bfloat16, and a tenth of it moved.
    """
    twin = in_bfloat16(with_temperature(moved(1), 1.179))
    mean = average_models([twin, twin], NAMES[:2])

    assert mean.training.temperature == pytest.approx(1.179)
    assert all(
        np.array_equal(mean.tensors[k], array) for k, array in twin.tensors.items()
    )


def test_it_is_a_model_like_any_other(tmp_path, checkpoint, moved):
    """It can be saved and read, and knows the same characters."""
    mean = average_models([moved(0.5), moved(1)], NAMES[:2])
    save_checkpoint(tmp_path / "mean", mean)

    read = load_checkpoint(tmp_path / "mean")

    assert read.tokenizer == checkpoint.tokenizer
    assert "2 models" in read.note
    assert read.licence == "CC0-1.0"


def test_no_loss_is_claimed_that_was_not_measured(checkpoint, moved):
    """Text and parts are kept, so that it can be judged; steps are the most."""
    later = dataclasses.replace(checkpoint.training, steps=9, seconds=3.0)
    mean = average_models([moved(1), moved(2, training=later)], NAMES[:2])

    assert mean.training.validation_nats_per_char is None
    assert mean.training.sha256 == checkpoint.training.sha256
    assert mean.training.validation_start == checkpoint.training.validation_start
    assert (mean.training.steps, mean.training.seconds) == (9, 3.0)
    judged = with_loss(mean, Loss(15.0, 10)).training
    assert (judged.validation_nats_per_char, judged.validation_characters) == (1.5, 10)


def test_what_one_has_learned_from_does_not_judge_the_mean(checkpoint, moved):
    """Where their texts differ, or were divided otherwise, no part is kept."""
    all_of_it = dataclasses.replace(
        checkpoint.training, train_stop=100, validation_start=0, validation_stop=0
    )
    other_text = dataclasses.replace(checkpoint.training, sha256="cd" * 32)

    divided = average_models(
        [moved(1), moved(2, training=all_of_it)], NAMES[:2]
    ).training
    mixed = average_models(
        [moved(1), moved(2, training=other_text)], NAMES[:2]
    ).training

    assert divided.corpus == "hällo"
    assert (divided.train_stop, divided.validation_stop) == (0, 0)
    assert (mixed.corpus, mixed.sha256) == ("", "")


def test_what_is_said_of_all_is_true_of_all(checkpoint, moved):
    """
    The seed only if all have it; and the program that took the mean made it.

    Once the first of two seeds was recorded, and the versions of the first model.
    """
    others = [dataclasses.replace(checkpoint.training, seed=seed) for seed in (5, 5, 6)]
    models = [moved(1, training=record, made_by={"torch": "1"}) for record in others]

    same, mixed = average_models(models[:2], NAMES[:2]), average_models(models, NAMES)

    assert (same.training.seed, mixed.training.seed) == (5, 0)
    assert mixed.training.corpus == checkpoint.training.corpus
    assert mixed.made_by == versions()


def test_bfloat16_stays_only_among_itself(checkpoint):
    """A mean with float32 is float32."""
    half = in_bfloat16(checkpoint)

    types = [
        {t.dtype for t in average_models(models, NAMES[:2]).tensors.values()}
        for models in ([half, half], [half, checkpoint])
    ]

    assert types == [{BF16}, {np.dtype(np.float32)}]


def test_a_licence_is_kept_only_if_all_have_it(moved):
    """Nobody may say for others what may be done with a mixture."""
    assert average_models([moved(1), moved(2, licence="MIT")], NAMES[:2]).licence == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": ModelConfig(layers=2, hidden=4, embedding=2)}, "2 x 4"),
        ({"tokenizer": char_tokenizer("hello!")}, "other characters"),
    ],
)
def test_what_does_not_fit_is_named(moved, changes, words):
    """Another shape, other characters: the sum would mean nothing."""
    with pytest.raises(CheckpointError, match="b .*" + words):
        average_models([moved(1), moved(1, **changes)], NAMES[:2])


def test_one_model_has_no_mean(checkpoint):
    """It would be the model itself."""
    with pytest.raises(ConfigError, match="1 model"):
        average_models([checkpoint], ["a"])
