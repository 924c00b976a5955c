"""Useful context against a loop over positions; gradient reach worked by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from lstm_textgen.compare.measure import (
    context_losses,
    gradient_reach,
    reach_end,
    useful_context,
)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_context_loss_is_the_loss_after_reading_the_last_k(
    make_model, read_slowly, cell, monkeypatch
):
    """Character by character from the initial state, in float64."""
    monkeypatch.setattr("lstm_textgen.compare.measure.CONTEXT_BATCH", 3)
    model = make_model(5, cell=cell)
    ids = np.random.RandomState(1).randint(0, 5, 60).astype(np.uint8)
    positions, lengths = np.array([9, 17, 30, 44, 59]), (1, 2, 9)

    expected = []
    for length in lengths:
        nats = []
        for position in positions:
            context = torch.from_numpy(ids[position - length : position].astype(int))
            state = model.initial_state(1)
            logits, _ = read_slowly(model, context.unsqueeze(1), state)
            nats.append(-logits[-1, 0].log_softmax(0)[ids[position]].item())
        expected.append(np.mean(nats))

    losses = context_losses(model, ids, positions, lengths)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("losses", "end"),
    [
        ([3.0, 2.0, 1.995, 1.992], 2),
        ([3.0, 2.0, 1.9, 1.8], 8),
        ([3.0, 2.0, 1.99, 1.98], 4),  # two small steps are one that helps
        ([2.0, 2.0, 2.5, 2.5], 1),  # more does harm
    ],
)
def test_context_is_useful_until_no_longer_one_is_better(losses, end):
    """By more than 0.01 nats; what helps only later counts too."""
    assert useful_context(losses, (1, 2, 4, 8)) == end


def linear_rnn(make_model, weight):
    """One unit, and inputs so small that tanh is a straight line."""
    model = make_model(2, cell="rnn", hidden=1, embedding=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.embedding.weight.fill_(1e-9)
        model.layers[0].weight_ih_l0.fill_(0.5)
        model.layers[0].weight_hh_l0.fill_(weight)
        model.head.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    return model


@pytest.mark.parametrize("weight", [0.9, -0.5, 1.1])
def test_the_gradient_of_a_linear_network_is_a_power_of_its_weight(make_model, weight):
    """
    h(t) = w h(t-1) + u x(t), so d loss / d x(t-k) = w^k u d loss / d h(t).

    With both logits 0 the loss falls by 1 for each unit of h.
    """
    windows = torch.zeros(41, 3, dtype=torch.int64)
    norms = gradient_reach(linear_rnn(make_model, weight), windows)

    np.testing.assert_allclose(norms, 0.5 * abs(weight) ** np.arange(40), rtol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_without_repeated_characters_it_is_the_gradient_of_the_embedding(
    make_model, cell
):
    """Then each row of the embedding is one input, and autograd knows its gradient."""
    steps = 12
    model = make_model(steps + 1, cell=cell, layers=2)
    order = torch.randperm(steps + 1, generator=torch.Generator().manual_seed(2))
    windows = order.unsqueeze(1)

    logits, _ = model(windows[:-1], model.initial_state(1))
    functional.cross_entropy(logits[-1], windows[-1]).backward()
    by_id = model.embedding.weight.grad.norm(dim=1)
    expected = by_id[order[:-1]].flip(0)

    np.testing.assert_allclose(gradient_reach(model, windows), expected.numpy())


def test_the_model_is_not_changed(make_model):
    """No gradient, no other type and no hook is left behind."""
    model = make_model(dtype=torch.float32)
    gradient_reach(model, torch.zeros(5, 2, dtype=torch.int64))

    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.head.weight.dtype == torch.float32
    assert not model.embedding._forward_hooks


@pytest.mark.parametrize(
    ("norms", "end"),
    [
        (0.9 ** np.arange(100.0), 45),  # 0.9^44 is 0.0097
        (0.9 ** np.arange(45.0), None),
        (np.array([5.0, 1.0, 0.001, 0.5, 0.001]), 4),  # a hole is not the end
        (np.array([1.0, 0.0, 0.0]), None),  # nothing at all is a share of nothing
    ],
)
def test_reach_ends_where_the_gradient_stays_below_a_hundredth(norms, end):
    """Of that at k = 1, after the last k that is not below."""
    assert reach_end(norms) == end
