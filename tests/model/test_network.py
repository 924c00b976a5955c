"""The network: windows with carried memory are one long text, stream by stream."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from lstm_textgen.config import GATE_COUNT, ModelConfig
from lstm_textgen.model.dropout import draw_noise_masks
from lstm_textgen.model.layers import cell_weights
from lstm_textgen.model.network import CharModel, initialize
from tests.builders import tiny_model

CELLS = ["lstm", "gru", "rnn"]
SHAPES = [(1, True), (2, True), (2, False), (3, True), (3, False)]
every_shape = pytest.mark.parametrize(("layers", "residual"), SHAPES)
every_cell = pytest.mark.parametrize("cell", CELLS)
T, B, V = 12, 3, 5


@pytest.fixture
def ids():
    generator = torch.Generator().manual_seed(11)
    return torch.randint(V, (T, B), generator=generator)


def weighted(logits):
    """A sum of logits in which each has its own weight."""
    generator = torch.Generator().manual_seed(5)
    weights = torch.randn(logits.shape, generator=generator, dtype=logits.dtype)
    return (logits * weights).sum()


def gradient(loss, model):
    """Of every parameter; zeros where it had no part in the loss."""
    return torch.autograd.grad(loss, list(model.parameters()), materialize_grads=True)


@every_shape
@every_cell
def test_windows_are_one_long_text(
    cell, layers, residual, ids, make_model, make_state, read_slowly, assert_same_state
):
    """
    Carried memory makes windows of any size equal to one pass by the equations.

    With memory that is not detached the gradient is that of the whole text too.
    """
    model = make_model(cell=cell, layers=layers, residual=residual)
    start = make_state(model, B)
    whole, last = read_slowly(model, ids, start)

    pieces, state = [], start
    for window in ids.split([1, 4, 7]):
        logits, state = model(window, state)
        pieces.append(logits)
    found = torch.cat(pieces)

    torch.testing.assert_close(found, whole)
    assert_same_state(state, last)
    torch.testing.assert_close(
        gradient(weighted(found), model), gradient(weighted(whole), model)
    )


@every_cell
def test_a_detached_memory_stops_the_gradient(
    cell, ids, make_model, make_state, read_slowly
):
    """A window learns from itself alone: what was before is a number like any other."""
    model = make_model(cell=cell, layers=2)
    first = make_state(model, B).map(lambda tensor: tensor.requires_grad_())
    given = list(first.tensors().values())

    _, carried = model(ids[:6], first)
    open_logits, _ = model(ids[6:], carried)
    cut_logits, _ = model(ids[6:], carried.map(Tensor.detach))
    slow_logits, _ = read_slowly(
        model, ids[6:], carried.map(lambda tensor: tensor.detach().clone())
    )
    reached = torch.autograd.grad(weighted(open_logits), given, retain_graph=True)
    blocked = torch.autograd.grad(
        weighted(cut_logits), given, allow_unused=True, retain_graph=True
    )
    cut, slow = (gradient(weighted(lg), model) for lg in (cut_logits, slow_logits))

    assert torch.equal(open_logits, cut_logits)
    assert all((tensor != 0).any() for tensor in reached)
    assert blocked == (None,) * len(given)
    torch.testing.assert_close(cut, slow)


@every_cell
def test_a_column_alone_is_the_same_column(
    cell, ids, make_model, make_state, assert_same_state
):
    """A stream reads the same whether it is alone or among others."""
    model = make_model(cell=cell, layers=2)
    state = make_state(model, B)

    logits, after = model(ids, state)

    for b in range(B):
        column = slice(b, b + 1)
        alone, alone_after = model(ids[:, column], state.select(column))
        torch.testing.assert_close(alone, logits[:, column])
        assert_same_state(alone_after, after.select(column))


@every_cell
def test_a_residual_layer_adds_to_what_it_reads(cell, ids, make_model):
    """
    A second layer of all zeros gives zero.

    So with the residual the network is exactly its first layer and head, and
    without it the head sees nothing but zeros.
    """
    make_model = partial(make_model, cell=cell, initial_state="zeros")
    deep = make_model(layers=2, residual=True)
    plain = make_model(layers=2, residual=False)
    plain.load_state_dict(deep.state_dict())
    for model in (deep, plain):
        for parameter in model.layers[1].parameters():
            parameter.detach().zero_()
    shallow = make_model(layers=1)
    shallow.load_state_dict(
        {k: v for k, v in deep.state_dict().items() if not k.startswith("layers.1")}
    )

    added, _ = deep(ids, deep.initial_state(B))
    lone, _ = shallow(ids, shallow.initial_state(B))
    replaced, _ = plain(ids, plain.initial_state(B))

    assert torch.equal(added, lone)
    assert torch.equal(replaced, plain.head.bias.expand(T, B, V))


@pytest.mark.parametrize(
    ("dropout", "weight_drop"), [(0.4, 0.0), (0.0, 0.4), (0.4, 0.4)]
)
@every_cell
def test_noise_is_locked_for_a_window(
    cell, dropout, weight_drop, ids, make_model, make_state, read_slowly
):
    """
    With noise the network equals the equations with the same factors at all steps.

    The factors act on what a layer hands upwards and on its recurrent matrix, not
    on what it remembers. Gradients agree as well.
    """
    model = make_model(cell=cell, layers=3)
    noise = draw_noise_masks(
        model.config,
        B,
        dropout=dropout,
        weight_drop=weight_drop,
        generator=torch.Generator().manual_seed(2),
    )
    state = make_state(model, B)

    found, _ = model(ids, state, noise)
    expected, _ = read_slowly(model, ids, state, noise)
    silent, _ = model(ids, state)

    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, silent)
    torch.testing.assert_close(
        gradient(weighted(found), model), gradient(weighted(expected), model)
    )


@pytest.mark.parametrize("initial", ["zeros", "learned"])
def test_an_initial_state_is_where_the_weights_are(make_model, initial):
    """It has the type of the weights, so that a float64 network stays one."""
    model = make_model(dtype=torch.float64, initial_state=initial)

    _, state = model(torch.zeros(1, 2, dtype=torch.int64), model.initial_state(2))

    assert {t.dtype for t in state.tensors().values()} == {torch.float64}


@every_cell
def test_every_stream_begins_with_what_was_learned(make_model, cell):
    """
    Each row is the learned one, and a copy: who writes into it changes no model.

    The gradient of all streams comes back to the one.
    """
    model = make_model(cell=cell, layers=2)
    learned = dict(model.initial.named_parameters())

    state = model.initial_state(3).tensors()

    assert state.keys() == learned.keys()
    for name, rows in state.items():
        assert all(torch.equal(row, learned[name]) for row in rows)
        rows.sum().backward()
        assert torch.equal(learned[name].grad, torch.full((4,), 3.0).double())
        with torch.no_grad():
            rows += 1
        assert not torch.equal(rows[0], learned[name])


EMBEDDING, HIDDEN, VOCABULARY = 20, 16, 30


def initialized(cell, seed=1):
    """A network with its first weights, wide enough for their statistics."""
    shape = {"layers": 2, "hidden": HIDDEN, "embedding": EMBEDDING}
    return tiny_model(VOCABULARY, cell=cell, seed=seed, **shape)


@every_cell
def test_each_recurrent_block_is_orthogonal(cell):
    """The matrix of each gate turns the memory and changes no length: U'U = 1."""
    for layer in initialized(cell).layers:
        blocks = cell_weights(layer).recurrent.detach().double().split(HIDDEN)

        assert len(blocks) == GATE_COUNT[cell]
        for block in blocks:
            identity = torch.eye(HIDDEN, dtype=torch.float64)
            torch.testing.assert_close(block.T @ block, identity, atol=1e-5, rtol=0)


@every_cell
def test_biases_are_zero_but_the_forget_gate(cell):
    """The forget gate of an LSTM starts at 1 in all, and everything else at 0."""
    model = initialized(cell)
    forget = [1.0] * HIDDEN if cell == "lstm" else [0.0] * HIDDEN
    others = [0.0] * HIDDEN

    for layer in model.layers:
        weights = cell_weights(layer)
        both = (weights.bias + weights.recurrent_bias).split(HIDDEN)
        expected = [others, forget, others, others][: GATE_COUNT[cell]]
        assert [block.tolist() for block in both] == expected
    assert model.head.bias.tolist() == [0.0] * VOCABULARY


@every_cell
def test_matrices_are_uniform_by_fan(cell):
    """Input blocks and head fill (-b, b) with b^2 = 6 / (fan in + fan out)."""
    model = initialized(cell)
    matrices = [(model.head.weight, HIDDEN, VOCABULARY)]
    for layer, fan_in in zip(model.layers, (EMBEDDING, HIDDEN), strict=True):
        blocks = cell_weights(layer).inputs.split(HIDDEN)
        matrices += [(block, fan_in, HIDDEN) for block in blocks]

    for matrix, fan_in, fan_out in matrices:
        bound = math.sqrt(6 / (fan_in + fan_out))
        assert 0.95 * bound < matrix.abs().max() <= bound
        assert matrix.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.15)


@every_cell
def test_one_seed_is_one_network(cell):
    """The same seed gives the same weights in every bit, and another seed others."""
    first, again, other = (
        initialized(cell),
        initialized(cell),
        initialized(cell, seed=2),
    )

    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
        if "bias" not in name:
            assert not torch.equal(tensor, other.state_dict()[name])


def test_torchs_own_random_numbers_are_untouched():
    """Only the given generator is used to fill, never the global one."""
    model = CharModel(ModelConfig(hidden=HIDDEN, embedding=EMBEDDING), VOCABULARY)
    before = torch.get_rng_state()

    initialize(model, torch.Generator().manual_seed(1))

    assert torch.equal(torch.get_rng_state(), before)


def test_a_float64_network_has_the_same_weights():
    """The type of the network does not change what a seed gives."""
    single = initialized("gru")
    double = CharModel(single.config, VOCABULARY).double()

    initialize(double, torch.Generator().manual_seed(1))

    for name, tensor in single.state_dict().items():
        assert torch.equal(double.state_dict()[name], tensor.double())
