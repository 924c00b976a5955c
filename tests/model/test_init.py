"""Weights at birth: orthogonal, level, and remembering from the start."""

import math

import pytest
import torch

from lstm_textgen.config import GATES, ModelConfig
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel, initialize

E, H, V = 20, 16, 30
every_cell = pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])


def born(cell, seed=1):
    config = ModelConfig(cell=cell, layers=2, hidden=H, embedding=E)
    model = CharModel(config, V)
    initialize(model, torch.Generator().manual_seed(seed))
    return model


@every_cell
def test_each_recurrent_block_is_orthogonal(cell):
    """The matrix of each gate turns the memory and changes no length: U'U = 1."""
    for layer in born(cell).layers:
        blocks = cell_weights(layer).recurrent.detach().double().split(H)

        assert len(blocks) == GATES[cell]
        for block in blocks:
            identity = torch.eye(H, dtype=torch.float64)
            torch.testing.assert_close(block.T @ block, identity, atol=1e-5, rtol=0)


@every_cell
def test_biases_are_zero_but_the_forget_gate(cell):
    """The forget gate of an LSTM starts at 1 in all, and everything else at 0."""
    model = born(cell)
    forget = [1.0] * H if cell == "lstm" else [0.0] * H
    others = [0.0] * H

    for layer in model.layers:
        weights = cell_weights(layer)
        both = (weights.bias + weights.recurrent_bias).split(H)
        expected = [others, forget, others, others][: GATES[cell]]
        assert [block.tolist() for block in both] == expected
    assert model.head.bias.tolist() == [0.0] * V


@every_cell
def test_matrices_are_uniform_by_fan(cell):
    """Input blocks and head fill (-b, b) with b^2 = 6 / (fan in + fan out)."""
    model = born(cell)
    matrices = [(model.head.weight, H, V)]
    for layer, fan_in in zip(model.layers, (E, H), strict=True):
        blocks = cell_weights(layer).inputs.split(H)
        matrices += [(block, fan_in, H) for block in blocks]

    for matrix, fan_in, fan_out in matrices:
        bound = math.sqrt(6 / (fan_in + fan_out))
        assert 0.95 * bound < matrix.abs().max() <= bound
        assert matrix.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.15)


@every_cell
def test_one_seed_is_one_network(cell):
    """The same seed gives the same weights in every bit, and another seed others."""
    first, again, other = born(cell), born(cell), born(cell, seed=2)

    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
        if "bias" not in name:
            assert not torch.equal(tensor, other.state_dict()[name])


def test_torchs_own_random_numbers_are_untouched():
    """Only the given generator is used to fill, never the global one."""
    model = CharModel(ModelConfig(hidden=H, embedding=E), V)
    before = torch.get_rng_state()

    initialize(model, torch.Generator().manual_seed(1))

    assert torch.equal(torch.get_rng_state(), before)


def test_a_float64_network_has_the_same_weights():
    """The type of the network does not change what a seed gives."""
    single = born("gru")
    double = CharModel(single.config, V).double()

    initialize(double, torch.Generator().manual_seed(1))

    for name, tensor in single.state_dict().items():
        assert torch.equal(double.state_dict()[name], tensor.double())
