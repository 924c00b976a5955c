"""Useful context against a loop that reads one place after the other."""

import numpy as np
import pytest
import torch

from lstm_textgen.compare.measure import context_end, context_losses


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_it_is_the_loss_after_reading_the_last_k(
    make_model, read_slowly, cell, monkeypatch
):
    """Character by character from the initial state, place by place, in float64."""
    monkeypatch.setattr("lstm_textgen.compare.measure.AT_ONCE", 3)
    model = make_model(5, cell=cell)
    ids = np.random.RandomState(1).randint(0, 5, 60).astype(np.uint8)
    places, lengths = np.array([9, 17, 30, 44, 59]), (1, 2, 9)

    expected = []
    for length in lengths:
        nats = []
        for place in places:
            read = torch.from_numpy(ids[place - length : place].astype(np.int64))
            logits, _ = read_slowly(model, read.unsqueeze(1), model.initial_state(1))
            nats.append(-logits[-1, 0].log_softmax(0)[ids[place]].item())
        expected.append(np.mean(nats))

    found = context_losses(model, ids, places, lengths)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("losses", "end"),
    [
        ([3.0, 2.0, 1.995, 1.992], 2),
        ([3.0, 2.0, 1.9, 1.8], 8),
        ([3.0, 2.0, 1.99, 1.98], 4),  # two small steps are one that helps
        ([2.0, 2.0, 2.5, 2.5], 1),  # more does harm
    ],
)
def test_more_stops_helping_where_no_longer_one_is_better(losses, end):
    """By more than 0.01 nats; what helps only later counts too."""
    assert context_end(losses, (1, 2, 4, 8)) == end
