"""Backends: every way to compute a step has the numbers of the network."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch.nn import functional

from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import ConfigError, UnavailableError
from lstm_textgen.sampling.backend import COMPILED_FROM, BlockBackend, choose_backend
from lstm_textgen.sampling.batched import MAX_GRAPHS, BatchedBackend, GraphBackend
from lstm_textgen.sampling.generate import UniformStream, generate, read_prompt

V = 5
CELLS = ["lstm", "gru", "rnn"]
SHAPES = [(1, True), (2, True), (2, False), (3, True), (3, False)]
EXACT = {"atol": 1e-9, "rtol": 0}
PROMPT = np.array([3, 0, 4, 1, 1])

every_cell = pytest.mark.parametrize("cell", CELLS)
every_shape = pytest.mark.parametrize(("layers", "residual"), SHAPES)
needs_numba = pytest.mark.skipif(not find_spec("numba"), reason="needs numba")


class Recorder:
    """Stands in for a GPU: does a step again into the tensors of its first outputs."""

    def __init__(self):
        self.sizes = []

    def __call__(self, step):
        logits, after = step()
        self.sizes.append(len(logits))

        def replay():
            new_logits, new_after = step()
            logits.copy_(new_logits)
            for name, tensor in after.tensors().items():
                tensor.copy_(new_after.tensors()[name])

        return replay, (logits, after)


def graphed(model, **options):
    return GraphBackend(model, record=Recorder(), **options)


def compiled(model, **options):
    from lstm_textgen.sampling.compiled import CompiledBackend

    return CompiledBackend(model, **options)


COMPILED = pytest.param(compiled, marks=[needs_numba, pytest.mark.slow])
"""Compiling the kernels takes longer than all other tests of this module."""

every_backend = pytest.mark.parametrize(
    "backend_of", [BatchedBackend, graphed, COMPILED]
)


def random_ids(samples, steps=10):
    generator = torch.Generator().manual_seed(3)
    return torch.randint(V, (steps, samples), generator=generator)


def draw(backend, config, samples, count):
    """The next characters of some samples, a list for each of *count* steps."""
    drawn = generate(backend, read_prompt(backend, [PROMPT]), config, samples=samples)
    return [next(drawn) for _ in range(count)]


@pytest.mark.parametrize("samples", [1, 3])
@every_shape
@every_cell
@every_backend
@torch.no_grad()
def test_every_step_is_that_of_the_equations(
    backend_of,
    cell,
    layers,
    residual,
    samples,
    make_model,
    make_state,
    read_slowly,
    assert_same_state,
):
    """
    In float64 logits and state agree to 1e-9 at each of ten steps.

    The state that is given stays as it is, and so do all that were returned before.
    """
    model = make_model(V, cell=cell, layers=layers, residual=residual)
    backend, state = backend_of(model), make_state(model, samples)
    expected_state, returned = state, [(torch.zeros(1), state, state.map(torch.clone))]

    for ids in random_ids(samples):
        logits, state = backend.step(ids, state)
        expected, expected_state = read_slowly(model, ids[None], expected_state)
        returned.append((logits, state, state.map(torch.clone)))

        torch.testing.assert_close(logits, expected[0], **EXACT)
        assert_same_state(state, expected_state, **EXACT)

    for logits, after, copy in returned:
        assert not logits.requires_grad
        assert_same_state(after, copy, atol=0, rtol=0)


@pytest.mark.slow
@every_cell
@every_backend
@torch.no_grad()
def test_single_precision_is_close(
    backend_of, cell, make_model, make_state, read_slowly, assert_same_state
):
    """In float32 they agree to 1e-5, also with a hundred units."""
    model = make_model(V, cell=cell, layers=2, hidden=100, dtype=torch.float32)
    backend, state = backend_of(model), make_state(model, 1)
    expected_state = state

    for ids in random_ids(1):
        logits, state = backend.step(ids, state)
        expected, expected_state = read_slowly(model, ids[None], expected_state)

        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits, expected[0], atol=1e-5, rtol=0)
        assert_same_state(state, expected_state, atol=1e-5, rtol=0)


@every_cell
@every_backend
@torch.no_grad()
def test_a_prompt_is_read_from_the_initial_state(
    backend_of, cell, make_model, read_slowly, assert_same_state
):
    """As many steps of the equations."""
    model = make_model(V, cell=cell, layers=2)
    backend, ids = backend_of(model), torch.tensor([0, 4, 2, 2])

    logits, state = backend.read(ids, backend.initial())

    expected, expected_state = read_slowly(model, ids[:, None], model.initial_state(1))
    torch.testing.assert_close(logits, expected[-1])
    assert_same_state(state, expected_state)


@every_backend
def test_states_can_be_selected_and_chosen(
    backend_of, make_model, make_state, assert_same_state
):
    """By places, which may come twice, and by marks."""
    model = make_model(V, layers=2)
    backend = backend_of(model)
    first, second = make_state(model, 3, seed=1), make_state(model, 3, seed=2)

    selected = backend.select(first, torch.tensor([2, 0, 2]))
    chosen = backend.where(torch.tensor([True, False, True]), first, second)

    assert_same_state(selected, first.map(lambda tensor: tensor[[2, 0, 2]]))
    assert_same_state(chosen.map(lambda t: t[1:2]), second.map(lambda t: t[1:2]))
    assert_same_state(chosen.map(lambda t: t[::2]), first.map(lambda t: t[::2]))


@pytest.mark.parametrize("products", [None, torch.bfloat16])
@pytest.mark.parametrize("size", [1, 4])
@every_cell
def test_later_changes_of_the_model_are_not_seen(
    cell, size, products, make_model, make_state
):
    """
    Its weights are copies, so training may continue while it draws.

    A matrix with a single row or column is in order either way around, and was
    once shared instead of copied.
    """
    model = make_model(size, cell=cell, layers=2, hidden=size, embedding=size)
    state, ids = make_state(model, 2), torch.tensor([0, size - 1])
    backend = BatchedBackend(model, products=products)

    before, _ = backend.step(ids, state)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    after, _ = backend.step(ids, state)

    assert torch.equal(before, after)


# Products in bfloat16


@pytest.mark.parametrize("samples", [1, 3])
@every_shape
@every_cell
@torch.no_grad()
def test_products_in_bfloat16_are_close_to_the_cells(
    cell,
    layers,
    residual,
    samples,
    make_model,
    make_state,
    read_slowly,
    assert_same_state,
):
    """
    Within 0.05 of the equations in float64, at each of ten steps of a float32 model.

    Logits and state stay in float32, so that nothing is rounded between products.
    """
    shape = {"cell": cell, "layers": layers, "residual": residual, "hidden": 50}
    exact, model = (
        make_model(V, dtype=dtype, **shape) for dtype in (torch.float64, torch.float32)
    )
    backend = BatchedBackend(model, products=torch.bfloat16)
    state = make_state(model, samples)
    expected_state = state.map(torch.Tensor.double)
    close = {"atol": 0.05, "rtol": 0}

    for ids in random_ids(samples):
        logits, state = backend.step(ids, state)
        expected, expected_state = read_slowly(exact, ids[None], expected_state)

        tensors = (logits, *state.tensors().values())
        assert {tensor.dtype for tensor in tensors} == {torch.float32}
        torch.testing.assert_close(logits.double(), expected[0], **close)
        assert_same_state(state.map(torch.Tensor.double), expected_state, **close)


@pytest.mark.slow
@every_cell
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

    backend, state = (
        BatchedBackend(model, products=torch.bfloat16),
        model.initial_state(4),
    )
    rows = []
    for now in ids[:-1]:
        logits, state = backend.step(now, state)
        rows.append(logits)
    with torch.no_grad():
        exact, _ = model(ids[:-1], model.initial_state(4))
    rounded, exact = torch.cat(rows), exact.flatten(0, 1)

    costs = [functional.cross_entropy(x, ids[1:].flatten()) for x in (rounded, exact)]
    assert costs[1] < 0.5  # of ln 5 = 1.6: it has learned
    assert abs(costs[0] - costs[1]) < 0.002
    assert 0 < (rounded - exact).abs().max() < 0.1


# A CUDA graph


def test_one_graph_for_each_number_of_samples(make_model, make_state):
    """Recorded once; of many numbers the ones used last are kept."""
    model, recorder = make_model(V), Recorder()
    backend = GraphBackend(model, record=recorder)
    sizes = [2, 3, 2, 3, *range(4, 4 + MAX_GRAPHS), 2]

    for size in sizes:
        backend.step(random_ids(size)[0], make_state(model, size))

    assert recorder.sizes == [2, 3, *range(4, 4 + MAX_GRAPHS), 2]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_real_graph_is_the_plain_step(make_model, make_state, assert_same_state):
    """On a GPU: captured, replayed, and equal to the step without a graph."""
    model = make_model(V, layers=2).to("cuda")
    plain, graph = BatchedBackend(model), GraphBackend(model)
    expected_state = state = make_state(model, 3).map(lambda tensor: tensor.cuda())

    for ids in random_ids(3):
        expected, expected_state = plain.step(ids, expected_state)
        logits, state = graph.step(ids, state)
        torch.testing.assert_close(logits, expected, **EXACT)
        assert_same_state(state, expected_state, **EXACT)


# Compiled code


@pytest.mark.slow
@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponentials(dtype):
    """As exact as the type allows, and beyond the borders as at them."""
    from lstm_textgen.sampling.compiled import exponentials, kernel_constants

    def exp(values):
        x = np.array(values, dtype)
        bits = np.empty(x.size, f"i{x.itemsize}")
        exponentials(x, bits, bits.view(dtype), kernel_constants(x.dtype))
        return x

    x = np.linspace(-79, 79, 1001).astype(dtype)
    error = exp(x) / np.exp(x.astype(np.float64)) - 1
    assert np.abs(error).max() < 16 * np.finfo(dtype).eps
    for beyond, border in ((-1e4, -80), (1e4, 80)):
        assert exp([beyond]) == exp([border])


@pytest.mark.slow
@needs_numba
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])
@every_cell
def test_it_draws_the_same_text(cell, temperature, make_model):
    """Ids and surprise of two hundred characters, whichever way they are drawn."""
    model = make_model(V, cell=cell, layers=2)
    config = SampleConfig(temperature=temperature, seed=5)

    fast, plain = (
        [row[0] for row in draw(backend, config, [3], 200)]
        for backend in (compiled(model), BatchedBackend(model))
    )

    assert isinstance(compiled(model), BlockBackend)
    assert not isinstance(BatchedBackend(model), BlockBackend)
    assert [character.id for character in fast] == [character.id for character in plain]
    nats = [character.nats for character in plain]
    assert [character.nats for character in fast] == pytest.approx(nats, abs=1e-9)


@pytest.mark.slow
@needs_numba
@every_cell
def test_where_blocks_end_does_not_show(cell, make_model, assert_same_state):
    """Drawn in one block or in two from the same numbers; the prompt stays."""
    backend = compiled(make_model(V, cell=cell, layers=2))
    prompt = read_prompt(backend, [PROMPT])
    before = prompt.state.map(torch.clone)
    uniforms = UniformStream(1)
    numbers = np.array([uniforms.next() for _ in range(20)])

    whole, _, logits, _ = backend.draw(prompt.logits, prompt.state, numbers, 0.9)
    first, _, *after = backend.draw(prompt.logits, prompt.state, numbers[:7], 0.9)
    second, _, last_logits, _ = backend.draw(*after, numbers[7:], 0.9)

    assert first + second == whole
    assert torch.equal(last_logits, logits)
    assert_same_state(prompt.state, before, atol=0, rtol=0)


@pytest.mark.slow
@needs_numba
@every_cell
def test_eight_bits_are_close(cell, make_model, make_state):
    """
    Each weight is off by half a step at most, and the logits by little.

    What that costs on a real text is measured by the benchmark.
    """
    model = make_model(V, cell=cell, layers=2, hidden=100, dtype=torch.float32)
    state, ids = make_state(model, 1), torch.tensor([2])

    exact, _ = compiled(model).step(ids, state)
    rounded, _ = compiled(model, int8=True).step(ids, state)

    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(rounded, exact, atol=0.05, rtol=0)


@pytest.mark.slow
@needs_numba
@pytest.mark.parametrize("int8", [False, True])
def test_several_samples_have_the_same_weights_as_one(int8, make_model):
    """Sample 2 of three, which torch computes, is sample 2 alone."""
    backend = compiled(make_model(V, layers=2), int8=int8)
    config = SampleConfig(temperature=1.0)

    several, alone = (draw(backend, config, some, 40) for some in (range(3), [2]))

    assert [row[-1].id for row in several] == [row[0].id for row in alone]


# The choice of a backend


@pytest.mark.slow
@needs_numba
def test_compiled_code_is_for_long_texts(make_model, monkeypatch):
    """A short one is drawn before numba is imported, and without numba all are."""
    model = make_model(V, dtype=torch.float32)

    def kind(**options):
        return type(choose_backend(model, **options)).__name__

    assert kind(characters=COMPILED_FROM - 1) == "BatchedBackend"
    assert kind(characters=COMPILED_FROM) == "CompiledBackend"
    assert kind(precision="int8") == "CompiledBackend"
    assert kind(characters=COMPILED_FROM, precision="bfloat16") == "BatchedBackend"
    monkeypatch.setitem(sys.modules, "lstm_textgen.sampling.compiled", None)
    assert kind(characters=10**9) == "BatchedBackend"
    with pytest.raises(UnavailableError, match=r"lstm-textgen\[fast\]"):
        choose_backend(model, precision="int8")


@pytest.mark.parametrize("precision", ["half", "", "auto", "FLOAT32"])
def test_a_precision_is_one_of_three(precision, make_model):
    """Any other is refused, and the remedy lists them."""
    with pytest.raises(ConfigError) as caught:
        choose_backend(make_model(V), precision=precision)

    assert repr(precision) in caught.value.problem
    assert "float32, bfloat16, int8" in caught.value.remedy


def test_eight_bits_are_for_the_cpu(make_model):
    """A model that lies elsewhere is refused before numba is asked for."""
    with pytest.raises(ConfigError) as caught:
        choose_backend(make_model(V).to("meta"), precision="int8")

    assert "--device cpu" in caught.value.remedy
