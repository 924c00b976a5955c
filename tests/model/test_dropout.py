"""Noise: the right share rests, the mean stays, and a seed decides."""

import math

import pytest
import torch

from lstm_textgen.config import GATE_COUNT, ModelConfig
from lstm_textgen.model.dropout import draw_noise_masks

B, H = 50, 40


def draw(seed=1, *, cell="lstm", dropout=0.0, weight_drop=0.0):
    return draw_noise_masks(
        ModelConfig(cell=cell, layers=2, hidden=H),
        B,
        dropout=dropout,
        weight_drop=weight_drop,
        generator=torch.Generator().manual_seed(seed),
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_share_rests_and_the_mean_stays(cell, share):
    """
    Factors are 0 or 1 / (1 - share), so that the expectation is 1.

    The number of zeros is within five standard deviations of a binomial's mean.
    """
    noise = draw(cell=cell, dropout=share, weight_drop=share)

    for factors in (*noise.outputs, *noise.recurrent):
        count, zeros = factors.numel(), int((factors == 0).sum())
        kept = factors[factors != 0]
        spread = math.sqrt(count * share * (1 - share))
        assert abs(zeros - share * count) < 5 * spread
        torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - share)))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_every_layer_and_stream_has_its_own(cell):
    """There is a set for each layer; streams and layers rest differently."""
    noise = draw(cell=cell, dropout=0.5, weight_drop=0.5)

    assert [f.shape for f in noise.outputs] == [(B, H)] * 2
    assert [f.shape for f in noise.recurrent] == [(GATE_COUNT[cell] * H, H)] * 2
    assert not torch.equal(*noise.outputs)
    assert not torch.equal(*noise.recurrent)
    assert len({tuple(row.tolist()) for row in noise.outputs[0]}) == B


def test_off_is_nothing():
    """Without noise there is none, and one kind does not bring the other."""
    assert draw() is None
    assert draw(dropout=0.5).recurrent == (None, None)
    assert draw(weight_drop=0.5).outputs == (None, None)


def test_off_draws_no_random_number():
    """A run without noise leaves the generator as it was."""
    generator = torch.Generator().manual_seed(1)
    config = ModelConfig(hidden=H)

    draw_noise_masks(config, B, dropout=0.0, weight_drop=0.0, generator=generator)

    assert torch.equal(
        generator.get_state(), torch.Generator().manual_seed(1).get_state()
    )


def test_a_generator_decides():
    """The same seed rests the same units; another seed, and the next draw, others."""
    generator = torch.Generator().manual_seed(1)
    config = ModelConfig(layers=2, hidden=H)
    settings = {"dropout": 0.5, "weight_drop": 0.5, "generator": generator}

    first = draw_noise_masks(config, B, **settings)
    second = draw_noise_masks(config, B, **settings)
    again = draw(1, dropout=0.5, weight_drop=0.5)
    other = draw(2, dropout=0.5, weight_drop=0.5)

    for part in ("outputs", "recurrent"):
        for depth in range(2):
            factors = getattr(first, part)[depth]
            assert torch.equal(factors, getattr(again, part)[depth])
            assert not torch.equal(factors, getattr(other, part)[depth])
            assert not torch.equal(factors, getattr(second, part)[depth])
