"""Holding a gate or a memory: it stays, and all else follows the equations."""

import numpy as np
import pytest
import torch

from lstm_textgen.config import ModelConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.inspect.clamp import Clamp, ClampedBackend, parse_clamp
from lstm_textgen.inspect.inspection import trace_text

MODEL = ModelConfig(layers=2, hidden=20)
CELLS = ["lstm", "gru", "rnn"]
IDS = np.random.default_rng(5).integers(0, 5, 12)


def trace_with(model, *clamps):
    """The trace of the same ids under some clamps, in float64."""
    return trace_text(model, IDS, clamps=clamps, dtype=np.float64)


@pytest.mark.parametrize(
    ("text", "clamp"),
    [
        ("forget=1", Clamp(None, None, "forget", 1.0)),
        ("1:forget=0", Clamp(1, None, "forget", 0.0)),
        ("0:17=2.5", Clamp(0, 17, None, 2.5)),
        ("0:17:input=.5", Clamp(0, 17, "input", 0.5)),
        ("0:17:candidate=-1", Clamp(0, 17, "candidate", -1.0)),
        ("memory=0", Clamp(None, None, None, 0.0)),
        (" 1 : memory = -3", Clamp(1, None, None, -3.0)),
    ],
)
def test_what_is_held_is_written_by_place_and_name(text, clamp):
    """Layer, unit and gate; what is left out means all."""
    assert parse_clamp(text, MODEL) == clamp


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", "''"),
        ("forget", "'forget'"),
        ("=1", "'=1'"),
        ("17=2", "'17=2'"),
        ("0:=2", "'0:=2'"),
        ("0:17:forget:x=1", "0:17:forget:x=1"),
        ("2:0=1", "2"),
        ("0:20=1", "20"),
        ("0:99999999=1", "99999999"),
        ("forget=1.1", "1.1"),
        ("forget=-0.1", "-0.1"),
        ("candidate=2", "2"),
        ("0:1=nan", "nan"),
        ("0:1=1e9", "1e9"),
        ("0:1=", "'0:1='"),
        ("reset=1", "reset"),
    ],
)
def test_what_cannot_be_held_is_refused(text, value):
    """With the value; a number must be in the range of its signal."""
    with pytest.raises(ConfigError) as refusal:
        parse_clamp(text, MODEL)

    assert value in refusal.value.problem


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_what_a_cell_gives_out_is_at_most_one(cell):
    """The memory of GRU and RNN is what they give out, -1 to 1."""
    model = ModelConfig(cell=cell)

    assert parse_clamp("0:1=1", model).value == 1.0
    with pytest.raises(ConfigError, match=r"1\.5"):
        parse_clamp("0:1=1.5", model)


@pytest.mark.parametrize("cell", CELLS)
def test_with_nothing_held_it_is_the_model(make_model, assert_same_state, cell):
    """Logits and memory, over a prompt and over steps."""
    model = make_model(cell=cell, layers=2)
    ids = torch.from_numpy(IDS)
    backend = ClampedBackend(model, [])

    logits, state = backend.read(ids[:8], backend.initial())
    for id in ids[8:]:
        logits, state = backend.step(id[None], state)

    with torch.no_grad():
        expected, after = model(ids[:, None], model.initial_state(1))
    torch.testing.assert_close(logits, expected[-1])
    assert_same_state(state, after)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("value", [-1.0, -0.3, 0.0, 1.0])
def test_a_held_memory_stays_from_the_first_character_on(make_model, cell, value):
    """Exactly that unit, at exactly that value."""
    model = make_model(cell=cell, layers=2)
    name = "memory" if cell == "lstm" else "hidden"

    held = trace_with(model, Clamp(1, 2, None, value))
    free = trace_with(model)

    np.testing.assert_allclose(held.layers[1][name][:, 2], value, atol=1e-12)
    np.testing.assert_array_equal(held.layers[0][name], free.layers[0][name])
    assert not np.allclose(held.layers[1][name][:, 1], value)
    assert not np.allclose(held.bits[1:], free.bits[1:])


def test_a_held_memory_of_an_lstm_is_given_out_by_its_gate(make_model):
    """h = o tanh(c), with c beyond 1, which no candidate could reach."""
    held = trace_with(make_model(), Clamp(0, 1, None, 3.0))
    layer = held.layers[0]

    np.testing.assert_allclose(layer["memory"][:, 1], 3.0)
    expected = layer["output"][:, 1] * np.tanh(3.0)
    np.testing.assert_allclose(layer["hidden"][:, 1], expected)


@pytest.mark.parametrize(
    ("cell", "gate"),
    [
        *(("lstm", gate) for gate in ("forget", "input", "output")),
        *(("gru", gate) for gate in ("reset", "update")),
    ],
)
@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_a_held_gate_stays_and_the_equations_go_on(make_model, cell, gate, value):
    """The gate of all units of all layers; what it moves moves by the equations."""
    model = make_model(cell=cell, layers=2)

    held = trace_with(model, Clamp(None, None, gate, value))

    for layer in held.layers:
        np.testing.assert_allclose(layer[gate], value, atol=1e-12)
        if cell == "lstm":
            kept = layer["forget"][1:] * layer["memory"][:-1]
            noted = layer["input"][1:] * layer["candidate"][1:]
            np.testing.assert_allclose(layer["memory"][1:], kept + noted)
        else:
            kept = layer["update"][1:] * layer["hidden"][:-1]
            noted = (1 - layer["update"][1:]) * layer["candidate"][1:]
            np.testing.assert_allclose(layer["hidden"][1:], kept + noted)


def test_a_held_reset_gate_changes_what_is_noted(make_model):
    """At 0 the candidate is made of the input alone."""
    model = make_model(cell="gru")
    weights = model.layers[0]

    held = trace_with(model, Clamp(None, None, "reset", 0.0))

    with torch.no_grad():
        x = model.embedding.weight[IDS]
        a = x @ weights.weight_ih_l0.T + weights.bias_ih_l0
    alone = a.chunk(3, dim=-1)[2].tanh().numpy()
    np.testing.assert_allclose(held.layers[0]["candidate"], alone)


def test_a_memory_wins_over_its_gates(make_model):
    """Whichever was named first."""
    memory, gate = Clamp(0, 0, None, 2.0), Clamp(None, None, "forget", 0.0)

    for clamps in ([memory, gate], [gate, memory]):
        held = trace_with(make_model(), *clamps)
        np.testing.assert_allclose(held.layers[0]["memory"][:, 0], 2.0)


@pytest.mark.parametrize("cell", CELLS)
def test_writing_and_reading_are_held_alike(make_model, cell):
    """What the backend expects next is what the trace says."""
    model = make_model(cell=cell, layers=2)
    clamps = [Clamp(0, 3, None, 0.5), Clamp(1, None, "candidate", 0.2)]
    backend = ClampedBackend(model, clamps)

    logits, _ = backend.read(torch.from_numpy(IDS), backend.initial())

    probs = np.sort(logits.softmax(dim=-1)[0].numpy())[::-1]
    np.testing.assert_allclose(trace_with(model, *clamps).guess_probs[-1], probs)
