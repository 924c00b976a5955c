"""The memory of a stack: taken apart, put together, cut and chosen from."""

import pytest
import torch

from lstm_textgen.config import ModelConfig
from lstm_textgen.model.recurrent import StackState, zero_state


def random_state(cell, layers, streams=3):
    torch.manual_seed(7)
    config = ModelConfig(cell=cell, layers=layers, hidden=4)
    zeros = zero_state(config, streams, dtype=torch.float64)
    return zeros.map(torch.rand_like)


@pytest.mark.parametrize("layers", [1, 2, 12])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_tensors_come_back_in_order(cell, layers):
    """Named tensors make the same memory again, in any order, ten layers or more."""
    state = random_state(cell, layers)
    named = state.tensors()

    again = StackState.from_tensors(dict(sorted(named.items(), reverse=True)))

    assert again == state  # the very same tensors
    assert set(named) == {
        f"{depth}.{part}"
        for depth in range(layers)
        for part in (["hidden", "cell"] if cell == "lstm" else ["hidden"])
    }


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_an_empty_memory_is_zero(cell):
    """Nothing read yet is all zeros; only the LSTM has a cell."""
    config = ModelConfig(cell=cell, layers=2, hidden=4)

    state = zero_state(config, 3, dtype=torch.float64)

    assert len(state.layers) == 2
    assert all((layer.cell is not None) == (cell == "lstm") for layer in state.layers)
    for tensor in state.tensors().values():
        assert torch.equal(tensor, torch.zeros(3, 4, dtype=torch.float64))


@pytest.mark.parametrize("streams", [slice(1, 3), slice(0, 0), torch.tensor([2, 0, 2])])
def test_select_takes_rows(streams):
    """Some streams' memory is their rows of every tensor, in the order asked for."""
    state = random_state("lstm", 2)

    chosen = state.select(streams).tensors()

    for name, tensor in state.tensors().items():
        expected = [tensor[row].tolist() for row in torch.arange(3)[streams]]
        assert chosen[name].tolist() == expected
