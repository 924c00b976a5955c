"""What differs between two models."""

import dataclasses
import math

import numpy as np
import torch

from lstm_textgen.checkpoint.diff import diff_models
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import ModelConfig
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.tokenizer import ByteTokenizer
from tests.builders import char_tokenizer, to_checkpoint


def test_a_model_does_not_differ_from_itself(checkpoint):
    """Every tensor is listed, at the distance 0."""
    found = diff_models(checkpoint, checkpoint)

    assert found.same
    assert found.same_weights
    assert [tensor.name for tensor in found.tensors] == sorted(checkpoint.tensors)
    assert {tensor.distance for tensor in found.tensors} == {0.0}


def test_the_distance_is_that_of_euclid(checkpoint):
    """A step of 3 in one number and of 4 in another one is a step of 5."""
    weight = checkpoint.tensors["head.weight"].copy()
    norm = float(np.linalg.norm(weight))
    weight[0, 0] += 3
    weight[1, 2] -= 4
    other = dataclasses.replace(
        checkpoint, tensors=checkpoint.tensors | {"head.weight": weight}
    )

    found = diff_models(checkpoint, other)
    [moved] = [tensor for tensor in found.tensors if tensor.distance]

    assert not found.same
    assert moved.name == "head.weight"
    assert math.isclose(moved.distance, 5, rel_tol=1e-6)
    assert math.isclose(moved.relative, 5 / norm, rel_tol=1e-6)
    assert math.isclose(moved.largest, 4, rel_tol=1e-6)


def test_texts_and_training_are_listed_where_they_differ(checkpoint):
    """And only there: what is the same is not in the list."""
    training = dataclasses.replace(checkpoint.training, steps=8)
    other = dataclasses.replace(checkpoint, training=training, licence="MIT")

    found = diff_models(checkpoint, other)

    assert found.training == {"steps": (7, 8)}
    assert found.about == {"licence": ("CC0-1.0", "MIT")}
    assert (found.settings, found.vocabulary) == ({}, {})
    assert found.same_weights
    assert not found.same


def test_models_of_other_shapes_are_compared_too():
    """Characters that one lacks, settings, and tensors that one lacks."""
    small = ModelConfig(layers=1, hidden=3, embedding=2)
    large = ModelConfig(layers=2, hidden=3, embedding=4)
    one, other = (
        to_checkpoint(CharModel(config, 3), char_tokenizer(text), TrainingRecord())
        for config, text in ((small, "abc"), (large, "bcd"))
    )

    found = diff_models(one, other)
    specs = {tensor.name: tensor.specs for tensor in found.tensors}

    assert (found.only_first, found.only_second) == ("a", "d")
    assert found.settings == {"embedding": (2, 4), "layers": (1, 2)}
    assert specs["embedding.weight"] == ("F32 [3, 2]", "F32 [3, 4]")
    assert specs["layers.1.bias_hh_l0"] == ("none", "F32 [12]")
    assert not found.same_weights


def test_bytes_and_characters_differ_in_kind_alone():
    """A model of bytes knows every character, so none is missing."""
    config = ModelConfig(layers=1, hidden=3, embedding=2)
    one = to_checkpoint(CharModel(config, 256), ByteTokenizer(), TrainingRecord())
    other = to_checkpoint(
        CharModel(config, 2),
        char_tokenizer("ab"),
        TrainingRecord(),
        dtype=torch.bfloat16,
    )

    found = diff_models(one, other)

    assert found.vocabulary == {"kind": ("byte", "char")}
    assert (found.only_first, found.only_second) == ("", "")
