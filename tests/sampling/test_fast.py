"""The fast stepper: one character at a time, the same numbers as the network."""

import pytest
import torch
from torch.nn import functional

from lstm_textgen.sampling.batched import BatchedBackend

V = 5
SHAPES = [(1, True), (2, True), (2, False), (3, True), (3, False)]
in_both_types = pytest.mark.parametrize("products", [None, torch.bfloat16])


def read_both(model, stepper, ids, state):
    """Logits and memory after each step, of the network and of the stepper."""
    ours = theirs = state
    for now in ids:
        logits, theirs = model(now.unsqueeze(0), theirs)
        fast_logits, ours = stepper.step(now, ours)
        yield (fast_logits, ours), (logits[0], theirs)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("layers", "residual"), SHAPES)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@torch.no_grad()
def test_every_step_is_that_of_the_network(
    cell, layers, residual, batch, make_model, make_state, assert_same_state
):
    """In float64 logits and memory agree to 1e-9 at each of ten steps."""
    model = make_model(V, cell=cell, layers=layers, residual=residual)
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(V, (10, batch), generator=generator)
    exact = {"atol": 1e-9, "rtol": 0}

    steps = read_both(model, BatchedBackend(model), ids, make_state(model, batch))

    for (found, found_state), (expected, expected_state) in steps:
        torch.testing.assert_close(found, expected, **exact)
        assert_same_state(found_state, expected_state, **exact)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@torch.no_grad()
def test_single_precision_is_close(cell, make_model, make_state, assert_same_state):
    """In float32 they agree to 1e-5, also with a hundred units."""
    model = make_model(V, cell=cell, layers=2, hidden=100, dtype=torch.float32)
    ids = torch.randint(V, (10, 2), generator=torch.Generator().manual_seed(3))

    steps = read_both(model, BatchedBackend(model), ids, make_state(model, 2))

    for (found, _), (expected, _) in steps:
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("layers", "residual"), SHAPES)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@torch.no_grad()
def test_products_in_bfloat16_are_close_to_the_cells(
    cell,
    layers,
    residual,
    batch,
    make_model,
    make_state,
    read_slowly,
    assert_same_state,
):
    """
    Within 0.05 of the equations in float64, at each of ten steps of a float32 model.

    Logits and memory stay in float32, so that nothing is rounded between products.
    """
    shape = {"cell": cell, "layers": layers, "residual": residual, "hidden": 50}
    exact, model = (
        make_model(V, dtype=dtype, **shape) for dtype in (torch.float64, torch.float32)
    )
    stepper = BatchedBackend(model, products=torch.bfloat16)
    state = make_state(model, batch)
    slow = state.map(torch.Tensor.double)
    generator = torch.Generator().manual_seed(3)
    close = {"atol": 0.05, "rtol": 0}

    for now in torch.randint(V, (10, batch), generator=generator):
        logits, state = stepper.step(now, state)
        expected, slow = read_slowly(exact, now.unsqueeze(0), slow)

        kinds = {each.dtype for each in (logits, *state.tensors().values())}
        assert kinds == {torch.float32}
        torch.testing.assert_close(logits.double(), expected[0], **close)
        assert_same_state(state.map(torch.Tensor.double), slow, **close)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_trained_model_means_the_same_in_bfloat16(cell, make_model):
    """
    A text that it knows costs the same to 0.002 nats a character.

    Its logits, up to 9, are larger than those of random weights, and rounding changes
    them by up to 0.1, but not by nothing.
    """
    ids = torch.tensor([3, 1, 4, 1, 0, 2, 0]).repeat(16).reshape(4, 28).T  # (T, N)
    model = make_model(V, cell=cell, layers=2, hidden=32, dtype=torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(30):
        logits, _ = model(ids[:-1], model.initial_state(4))
        loss = functional.cross_entropy(logits.flatten(0, 1), ids[1:].flatten())
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()

    stepper = BatchedBackend(model, products=torch.bfloat16)
    pairs = read_both(model, stepper, ids[:-1], model.initial_state(4))
    rounded, exact = zip(*((ours[0], theirs[0]) for ours, theirs in pairs), strict=True)
    rounded, exact = torch.cat(rounded), torch.cat(exact).detach()

    costs = [functional.cross_entropy(x, ids[1:].flatten()) for x in (rounded, exact)]
    assert costs[1] < 0.5  # of ln 5 = 1.6: it has learned
    assert abs(costs[0] - costs[1]) < 0.002
    assert 0 < (rounded - exact).abs().max() < 0.1


@in_both_types
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_memory_it_is_given_stays(cell, products, make_model, make_state):
    """A step makes a new memory, so that one beginning serves many samples."""
    model = make_model(V, cell=cell, layers=2)
    state = make_state(model, 3)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    stepper, ids = BatchedBackend(model, products=products), torch.tensor([0, 4, 2])

    first, _ = stepper.step(ids, state)
    again, _ = stepper.step(ids, state)

    assert torch.equal(first, again)
    for name, tensor in state.tensors().items():
        assert torch.equal(tensor, before[name])


@in_both_types
@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_later_changes_of_the_model_are_not_seen(
    cell, size, products, make_model, make_state
):
    """
    Its weights are copies, so training may go on while it writes.

    A matrix with a single row or column is in order either way around, and was
    once shared instead of copied.
    """
    model = make_model(size, cell=cell, layers=2, hidden=size, embedding=size)
    state, ids = make_state(model, 2), torch.tensor([0, size - 1])
    stepper = BatchedBackend(model, products=products)

    before, _ = stepper.step(ids, state)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    after, _ = stepper.step(ids, state)

    assert torch.equal(before, after)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@torch.no_grad()
def test_a_prompt_is_read_from_nothing(cell, make_model, assert_same_state):
    """Through the fused layers, as many steps from the initial state."""
    model = make_model(V, cell=cell, layers=2)
    stepper, ids = BatchedBackend(model), torch.tensor([0, 4, 2, 2])

    logits, state = stepper.read(ids, stepper.empty())

    *_, (expected, _) = read_both(model, stepper, ids.unsqueeze(1), stepper.empty())
    torch.testing.assert_close(logits, expected[0])
    assert_same_state(state, expected[1])


def test_nothing_asks_for_a_gradient(make_model, make_state):
    """Writing builds no graph, whatever the model is otherwise used for."""
    model = make_model(V)

    logits, state = BatchedBackend(model).step(torch.tensor([1]), make_state(model, 1))

    assert not logits.requires_grad
    assert not any(tensor.requires_grad for tensor in state.tensors().values())
