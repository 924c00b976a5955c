"""Equal terms: parameters are counted as the network counts them."""

import pytest

from lstm_textgen.compare.design import recurrent_parameters, sized_like
from lstm_textgen.config import ModelConfig
from lstm_textgen.model.network import CharModel


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("layers", [1, 3])
def test_recurrent_parameters_are_those_of_the_layers(cell, layers):
    """The count equals that of the network's own layers."""
    config = ModelConfig(cell=cell, layers=layers, hidden=7, embedding=5)
    model = CharModel(config, 11)

    assert recurrent_parameters(config) == sum(
        p.numel() for p in model.layers.parameters()
    )


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize(("hidden", "embedding"), [(64, 16), (96, 64), (128, 64)])
def test_other_cells_have_as_many_parameters(cell, hidden, embedding):
    """From 64 units on they differ by less than 2 %."""
    like = ModelConfig(hidden=hidden, embedding=embedding)
    sized = sized_like(like, cell)

    assert sized.cell == cell
    ratio = recurrent_parameters(sized) / recurrent_parameters(like)
    assert ratio == pytest.approx(1, abs=0.02)
