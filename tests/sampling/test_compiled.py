"""Machine code: the same numbers as the network, and the same texts."""

import sys
from itertools import islice

import numpy as np
import pytest
import torch

from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import UnavailableError
from lstm_textgen.sampling.backend import PAYS_FROM, choose_backend
from lstm_textgen.sampling.batched import BatchedBackend
from lstm_textgen.sampling.generate import UniformStream, generate, read_prompt

pytest.importorskip("numba")

from lstm_textgen.sampling import compiled as kernels
from lstm_textgen.sampling.compiled import CompiledBackend

V = 7
SHAPES = [(1, True), (2, True), (2, False), (3, True)]
CELLS = ["lstm", "gru", "rnn"]
PROMPT = np.array([3, 0, 4, 6, 1])
EXACT = {"atol": 1e-9, "rtol": 0}


@pytest.mark.parametrize(("layers", "residual"), SHAPES)
@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_every_step_is_that_of_the_cells(
    cell, layers, residual, make_model, make_state, read_slowly, assert_same_state
):
    """In float64 logits and memory agree to 1e-9 at each of ten steps."""
    model = make_model(V, cell=cell, layers=layers, residual=residual, hidden=9)
    stepper, state = CompiledBackend(model), make_state(model, 1)
    slow = state

    for id in torch.randint(V, (10, 1), generator=torch.Generator().manual_seed(3)):
        logits, state = stepper.step(id, state)
        expected, slow = read_slowly(model, id.unsqueeze(0), slow)

        torch.testing.assert_close(logits, expected[0], **EXACT)
        assert_same_state(state, slow, **EXACT)


@pytest.mark.parametrize("cell", CELLS)
@torch.no_grad()
def test_single_precision_is_close(cell, make_model, make_state, assert_same_state):
    """In float32 they agree to 1e-5, also with a hundred units."""
    model = make_model(V, cell=cell, layers=2, hidden=100, dtype=torch.float32)
    fast, plain = CompiledBackend(model), BatchedBackend(model)
    state = expected_state = make_state(model, 1)

    for id in torch.randint(V, (10, 1), generator=torch.Generator().manual_seed(3)):
        logits, state = fast.step(id, state)
        expected, expected_state = plain.step(id, expected_state)

        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
        assert_same_state(state, expected_state, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponentials(dtype):
    """As exact as the type allows, and at the borders as beyond them."""
    x = np.linspace(-79, 79, 1001).astype(dtype)
    bits = np.empty(x.size, f"i{x.itemsize}")
    found = x.copy()

    kernels.exponentials(
        found, bits, bits.view(dtype), kernels.kernel_constants(x.dtype)
    )

    wanted = np.exp(x.astype(np.float64))
    assert np.abs(found / wanted - 1).max() < 16 * np.finfo(dtype).eps
    for far, border in ((-1e4, -80), (1e4, 80)):
        pair = np.array([far, border], dtype)
        kernels.exponentials(
            pair, bits[:2], bits.view(dtype)[:2], kernels.kernel_constants(x.dtype)
        )
        assert pair[0] == pair[1]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("cell", CELLS)
def test_it_draws_the_same_text(cell, temperature, make_model):
    """Ids and prices of two hundred characters, whichever way they are drawn."""
    model = make_model(V, cell=cell, layers=2)
    config = SampleConfig(temperature=temperature, seed=5)

    def text(stepper):
        beginning = read_prompt(stepper, [PROMPT])
        drawn = list(islice(generate(stepper, beginning, config, samples=[3]), 200))
        return [each.id for (each,) in drawn], [each.nats for (each,) in drawn]

    ids, nats = text(CompiledBackend(model))
    expected_ids, expected_nats = text(BatchedBackend(model))

    assert ids == expected_ids
    assert nats == pytest.approx(expected_nats, abs=1e-9)


def test_where_blocks_end_does_not_show(make_model):
    """Drawn one by one or many at once, from the same numbers."""
    stepper = CompiledBackend(make_model(V, layers=2))
    begun = read_prompt(stepper, [PROMPT])
    dice = UniformStream(1)
    rolls = np.array([dice.roll() for _ in range(20)])

    whole, _, logits, _ = stepper.write(begun.logits, begun.memory, rolls, 0.9)
    first, _, *between = stepper.write(begun.logits, begun.memory, rolls[:7], 0.9)
    second, _, last, _ = stepper.write(*between, rolls[7:], 0.9)

    assert first + second == whole
    assert torch.equal(last, logits)


@pytest.mark.parametrize("cell", CELLS)
def test_the_memory_it_is_given_stays(cell, make_model, make_state):
    """One beginning serves many samples."""
    model = make_model(V, cell=cell, layers=2)
    state = make_state(model, 1)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    stepper = CompiledBackend(model)

    first, _ = stepper.step(torch.tensor([2]), state)
    stepper.write(first, state, np.array([0.1, 0.7]), 1.0)
    again, _ = stepper.step(torch.tensor([2]), state)

    assert torch.equal(first, again)
    for name, tensor in state.tensors().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("cell", CELLS)
def test_eight_bits_are_close(cell, make_model, make_state):
    """
    Each weight is off by half a step at most, and the logits by little.

    What that costs on a real text is measured by the benchmark.
    """
    model = make_model(V, cell=cell, layers=2, hidden=100, dtype=torch.float32)
    exact, rounded = CompiledBackend(model), CompiledBackend(model, int8=True)
    state = make_state(model, 1)

    logits, _ = exact.step(torch.tensor([2]), state)
    close, _ = rounded.step(torch.tensor([2]), state)

    assert not torch.equal(logits, close)
    torch.testing.assert_close(close, logits, atol=0.05, rtol=0)


def test_eight_bits_hold_for_several_samples_too(make_model):
    """Sample 2 of three is sample 2 alone, with the same rounded weights."""
    stepper = CompiledBackend(make_model(V, layers=2), int8=True)
    beginning = read_prompt(stepper, [PROMPT])
    config = SampleConfig(temperature=1.0)

    def ids(samples):
        drawn = generate(stepper, beginning, config, samples=samples)
        return [row[-1].id for row in islice(drawn, 40)]

    assert ids(range(3)) == ids([2])


def test_several_samples_are_drawn_by_the_plain_step(make_model):
    """Then it is a stepper like any other."""
    model = make_model(V, layers=2)
    config = SampleConfig(temperature=1.0)

    def texts(stepper):
        beginning = read_prompt(stepper, [PROMPT])
        drawn = generate(stepper, beginning, config, samples=range(3))
        return list(islice(drawn, 20))

    assert texts(CompiledBackend(model)) == texts(BatchedBackend(model))


def test_machine_code_is_for_long_texts(make_model, monkeypatch):
    """A short one is written before numba is imported."""
    model = make_model(V, dtype=torch.float32)

    assert type(choose_backend(model, characters=PAYS_FROM - 1)) is BatchedBackend
    assert type(choose_backend(model, characters=PAYS_FROM)) is CompiledBackend
    assert type(choose_backend(model, precision="int8")) is CompiledBackend
    monkeypatch.setitem(sys.modules, "lstm_textgen.sampling.compiled", None)
    assert type(choose_backend(model, characters=10**9)) is BatchedBackend
    with pytest.raises(UnavailableError, match=r"lstm-textgen\[fast\]"):
        choose_backend(model, precision="int8")
