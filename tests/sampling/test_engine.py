"""Ids to ids: the prompt is read whole, and what is drawn is what the settings say."""

from itertools import islice

import numpy as np
import pytest
import torch

from lstm_textgen.config import SampleConfig
from lstm_textgen.sampling import engine
from lstm_textgen.sampling.chain import Dice, draw, make_chain
from lstm_textgen.sampling.engine import generate, read_prompt
from lstm_textgen.sampling.fast import FastStepper

V = 5
CELLS = ["lstm", "gru", "rnn"]
PROMPT = np.array([3, 0, 4, 4, 1, 2, 0, 3, 1, 1], np.uint8)
CONFIG = SampleConfig(temperature=1.7, top_k=4, top_p=0.97, seed=11)


def samples_of(model, config, *, samples=1, length=40):
    """Drawn characters, one list per sample."""
    logits, state = read_prompt(model, PROMPT)
    drawn = generate(FastStepper(model), logits, state, config, samples=samples)
    return [list(sample) for sample in zip(*islice(drawn, length), strict=True)]


def ids_of(sample):
    return [character.id for character in sample]


@pytest.mark.parametrize("window", [1, 3, 5, 9])
@pytest.mark.parametrize("cell", CELLS)
def test_a_prompt_is_read_whole(
    cell, window, make_model, monkeypatch, assert_same_state
):
    """Read in windows of any size it leaves what it leaves when read at once."""
    model = make_model(V, cell=cell, layers=2)
    ids = torch.from_numpy(PROMPT.astype(np.int64)).unsqueeze(1)
    with torch.no_grad():
        logits, whole = model(ids, model.zero_state(1))
    monkeypatch.setattr(engine, "PROMPT_WINDOW", window)

    found, state = read_prompt(model, PROMPT)

    torch.testing.assert_close(found, logits[-1])
    assert_same_state(state, whole)


@pytest.mark.parametrize("cell", CELLS)
def test_a_sample_is_drawn_step_by_step(cell, make_model, read_slowly):
    """
    A slow sampler draws the same ids at the same price.

    It reads prompt and sample anew for every character, by the equations, changes
    the logits by the chain and draws with the sample's dice. The price is what the
    model itself would have paid, before temperature and masks.
    """
    model = make_model(V, cell=cell, layers=2)
    sample = samples_of(model, CONFIG, samples=3, length=12)[2]
    ids, nats, dice = PROMPT.astype(np.int64).tolist(), [], Dice(CONFIG.seed, 2)

    for _ in sample:
        with torch.no_grad():
            logits, _ = read_slowly(
                model, torch.tensor(ids).unsqueeze(1), model.zero_state(1)
            )
        changed = logits[-1]
        for transform in make_chain(CONFIG):
            changed = transform(changed)
        (drawn,) = draw(changed, torch.tensor([dice.roll()]).double()).tolist()
        nats.append(-logits[-1, 0].log_softmax(-1)[drawn].item())
        ids.append(drawn)

    assert ids_of(sample) == ids[len(PROMPT) :]
    assert [c.nats for c in sample] == pytest.approx(nats, abs=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_a_sample_does_not_depend_on_its_company(cell, make_model):
    """Sample 2 of 3 is sample 2 of 5, in ids and nats; no two samples are alike."""
    model = make_model(V, cell=cell, layers=2)

    few = samples_of(model, CONFIG, samples=3)
    many = samples_of(model, CONFIG, samples=5)

    for n in range(3):
        assert ids_of(few[n]) == ids_of(many[n])
        nats = [character.nats for character in many[n]]
        assert [c.nats for c in few[n]] == pytest.approx(nats, abs=1e-9)
    assert len({tuple(ids_of(sample)) for sample in many}) == 5


def test_greedy_takes_the_likeliest(make_model, read_slowly):
    """At temperature 0 each character is the model's own first choice."""
    model = make_model(V, layers=2)

    (sample,) = samples_of(model, SampleConfig(temperature=0.0), length=15)

    text = torch.tensor([*PROMPT.tolist(), *ids_of(sample)]).unsqueeze(1)
    logits, _ = read_slowly(model, text, model.zero_state(1))
    choices = logits[len(PROMPT) - 1 : -1, 0].argmax(-1)
    assert ids_of(sample) == choices.tolist()


def test_seeds_write_differently(make_model):
    """The same seed repeats a sample, and another seed gives another."""
    model = make_model(V)
    first, again, other = (
        ids_of(samples_of(model, SampleConfig(temperature=1.0, seed=seed))[0])
        for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_drawing_leaves_the_beginning_alone(make_model):
    """Logits and memory of a prompt may be drawn from again and again."""
    model = make_model(V, layers=2)
    logits, state = read_prompt(model, PROMPT)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    stepper = FastStepper(model)

    first, again = (
        list(islice(generate(stepper, logits, state, CONFIG, samples=2), 10))
        for _ in range(2)
    )

    assert first == again
    for name, tensor in state.tensors().items():
        assert torch.equal(tensor, before[name])
