"""What is written down while a text is read: the equations, at every character."""

import math

import numpy as np
import pytest
import torch

from lstm_textgen.inspect import inspection as trace
from lstm_textgen.inspect.inspection import trace_text
from lstm_textgen.model.layers import cell_weights

CELLS = ["lstm", "gru", "rnn"]


def text_of(length, vocabulary=5):
    return np.random.default_rng(3).integers(0, vocabulary, length, dtype=np.uint8)


def lstm(a, m, h, c):
    """The LSTM as in the papers; gates by name, then what is remembered."""
    i, f, g, o = (a + m).chunk(4)
    i, f, g, o = (
        1 / (1 + (-i).exp()),
        1 / (1 + (-f).exp()),
        g.tanh(),
        1 / (1 + (-o).exp()),
    )
    c = f * c + i * g
    h = o * c.tanh()
    names = {"input": i, "forget": f, "candidate": g, "output": o}
    return names | {"memory": c, "hidden": h}


def gru(a, m, h, c):
    (ar, az, an), (mr, mz, mn) = a.chunk(3), m.chunk(3)
    r, z = 1 / (1 + (-ar - mr).exp()), 1 / (1 + (-az - mz).exp())
    n = (an + r * mn).tanh()
    return {"reset": r, "update": z, "candidate": n, "hidden": (1 - z) * n + z * h}


def rnn(a, m, h, c):
    return {"hidden": (a + m).tanh()}


def character_by_character(model, ids):
    """Every signal of every layer, and the logits, one character after the other."""
    step = {"lstm": lstm, "gru": gru, "rnn": rnn}[model.config.cell]
    state = [(w.hidden, getattr(w, "cell", None)) for w in model.initial]
    signals, logits = [[] for _ in model.layers], []
    for id in ids.tolist():
        x = model.embedding.weight[id]
        for depth, layer in enumerate(model.layers):
            w, (h, c) = cell_weights(layer), state[depth]
            a, m = w.inputs @ x + w.bias, w.recurrent @ h + w.recurrent_bias
            found = step(a, m, h, c)
            state[depth] = found["hidden"], found.get("memory", c)
            signals[depth].append(found)
            x = (
                x + found["hidden"]
                if depth and model.config.residual
                else found["hidden"]
            )
        logits.append(model.head.weight @ x + model.head.bias)
    return signals, torch.stack(logits)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("residual", [True, False])
def test_arrays_are_the_equations_character_by_character(
    make_model, monkeypatch, cell, residual
):
    """In float64, across windows, every signal of every layer to 1e-12."""
    monkeypatch.setattr(trace, "TRACE_WINDOW", 7)
    model = make_model(cell=cell, layers=3, residual=residual)
    ids = text_of(30)

    found = trace_text(model, ids, keep=np.float64)

    with torch.no_grad():
        signals, _ = character_by_character(model, ids)
    for layer, expected in zip(found.layers, signals, strict=True):
        assert layer.keys() == expected[0].keys()
        for name, values in layer.items():
            by_hand = torch.stack([step[name] for step in expected]).numpy()
            np.testing.assert_allclose(values, by_hand, rtol=0, atol=1e-12)


def test_bits_and_guesses_are_those_of_the_model(make_model, monkeypatch):
    """Surprise at each character by what stood before; the likeliest that follow."""
    monkeypatch.setattr(trace, "TRACE_WINDOW", 7)
    model, ids = make_model(7, layers=2), text_of(30, 7)

    found = trace_text(model, ids)

    with torch.no_grad():
        chances = character_by_character(model, ids)[1].softmax(dim=-1).numpy()
    expected = [-math.log2(chances[t - 1, ids[t]]) for t in range(1, 30)]
    assert math.isnan(found.bits[0])
    np.testing.assert_allclose(found.bits[1:], expected, atol=1e-9)
    order = np.argsort(-chances, axis=1)[:, :5]
    np.testing.assert_array_equal(found.guesses, order)
    np.testing.assert_allclose(found.chances, np.take_along_axis(chances, order, 1))


def test_a_small_vocabulary_has_fewer_guesses(make_model):
    """Never more than there are characters."""
    assert trace_text(make_model(3), text_of(4, 3)).guesses.shape == (4, 3)


def test_only_the_ends_of_characters_are_kept(make_model):
    """A character of several bytes is told by its last, and pays for all of them."""
    model, ids = make_model(layers=2), text_of(6)
    ends = np.array([True, False, True, False, False, True])

    whole, some = trace_text(model, ids), trace_text(model, ids, ends=ends)

    for all_rows, kept in zip(whole.layers, some.layers, strict=True):
        for name, values in kept.items():
            np.testing.assert_array_equal(values, all_rows[name][ends])
    np.testing.assert_array_equal(some.guesses, whole.guesses[ends])
    paid = [math.nan, whole.bits[1:3].sum(), whole.bits[3:6].sum()]
    np.testing.assert_allclose(some.bits, paid)


def test_half_precision_is_the_same_rounded(make_model):
    """For the page the arrays take a quarter of the room, and lose three digits."""
    model, ids = make_model(), text_of(20)

    exact, small = (
        trace_text(model, ids, keep=np.float64),
        trace_text(model, ids, keep=np.float16),
    )

    for name, values in small.layers[0].items():
        assert values.dtype == np.float16
        np.testing.assert_allclose(values, exact.layers[0][name], rtol=2e-3, atol=1e-4)


def test_what_was_read_before_is_left_out(make_model):
    """Its memory stays: what follows is as surprising as it was."""
    model, ids = make_model(), text_of(9)
    whole = trace_text(model, ids)

    rest = whole.after(4)

    assert (len(rest), len(whole)) == (5, 9)
    np.testing.assert_array_equal(rest.bits, whole.bits[4:])
    np.testing.assert_array_equal(
        rest.layers[0]["hidden"], whole.layers[0]["hidden"][4:]
    )


def test_progress_adds_up(make_model, monkeypatch):
    """To the number of ids, window by window."""
    monkeypatch.setattr(trace, "TRACE_WINDOW", 8)
    told = []

    trace_text(make_model(), text_of(20), progress=told.append)

    assert told == [8, 8, 4]
