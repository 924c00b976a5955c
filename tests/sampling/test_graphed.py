"""The step as a graph: places that stay, and the numbers of the plain step."""

import pytest
import torch

from lstm_textgen.config import SampleConfig
from lstm_textgen.sampling.batched import KEPT, BatchedBackend, GraphBackend
from lstm_textgen.sampling.generate import generate, read_prompt

V = 5


class Recorder:
    """Stands in for a GPU: does a step again into the places of its first outputs."""

    def __init__(self):
        self.sizes = []

    def __call__(self, step):
        logits, after = step()
        self.sizes.append(len(logits))

        def again():
            new_logits, new_after = step()
            logits.copy_(new_logits)
            for name, place in after.tensors().items():
                place.copy_(new_after.tensors()[name])

        return again, (logits, after)


def _ids(samples, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(V, (10, samples), generator=generator)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_every_step_is_that_of_the_plain_stepper(
    cell, make_model, make_state, assert_same_state
):
    """Bit for bit, at each of ten steps; what was given out before does not change."""
    model = make_model(V, cell=cell, layers=2)
    plain, graphed = BatchedBackend(model), GraphBackend(model, record=Recorder())
    expected_state = state = make_state(model, 3)
    kept = []

    for now in _ids(3):
        expected, expected_state = plain.step(now, expected_state)
        found, state = graphed.step(now, state)
        assert torch.equal(found, expected)
        assert_same_state(state, expected_state, atol=0, rtol=0)
        kept.append((found, state, found.clone(), state.map(torch.clone)))

    for found, after, as_it_was, state_as_it_was in kept:
        assert torch.equal(found, as_it_was)
        assert_same_state(after, state_as_it_was, atol=0, rtol=0)


def test_the_memory_that_is_given_stays_as_it_is(make_model, make_state):
    """The first step too, from which the places are made."""
    model = make_model(V)
    graphed, state = GraphBackend(model, record=Recorder()), make_state(model, 2)
    before = state.map(torch.clone).tensors()

    for now in _ids(2):
        graphed.step(now, state)

    assert all(torch.equal(before[name], t) for name, t in state.tensors().items())


def test_one_graph_for_each_number_of_samples(make_model, make_state):
    """Recorded once; of many numbers the ones used last are kept."""
    model, recorder = make_model(V), Recorder()
    graphed = GraphBackend(model, record=recorder)
    sizes = [2, 3, 2, 3, *range(4, 4 + KEPT), 2]

    for size in sizes:
        graphed.step(_ids(size)[0], make_state(model, size))

    assert recorder.sizes == [2, 3, *range(4, 4 + KEPT), 2]


def test_a_text_is_that_of_the_plain_stepper(make_model):
    """Drawn through the engine, several at a time."""
    model = make_model(V)

    def draw(stepper):
        beginning = read_prompt(stepper, [_ids(1)[:, 0].numpy()])
        drawn = generate(stepper, beginning, SampleConfig(seed=4), samples=range(3))
        return [[each.id for each in next(drawn)] for _ in range(20)]

    assert draw(GraphBackend(model, record=Recorder())) == draw(BatchedBackend(model))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_real_graph_is_the_plain_step(make_model, make_state, assert_same_state):
    """On a GPU: captured, replayed, and equal to the step without a graph."""
    model = make_model(V, layers=2).to("cuda")
    plain, graphed = BatchedBackend(model), GraphBackend(model)
    expected_state = state = make_state(model, 3).map(lambda tensor: tensor.cuda())

    for now in _ids(3):
        expected, expected_state = plain.step(now, expected_state)
        found, state = graphed.step(now, state)
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
        assert_same_state(state, expected_state, atol=1e-9, rtol=0)
