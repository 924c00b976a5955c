"""Ids to ids: the prompt is read whole, and what is drawn is what the settings say."""

from itertools import islice

import numpy as np
import pytest
import torch

from lstm_textgen.config import SampleConfig
from lstm_textgen.sampling import generate as engine
from lstm_textgen.sampling.batched import BatchedBackend
from lstm_textgen.sampling.constraints import any_text
from lstm_textgen.sampling.generate import (
    UniformStream,
    draw_ids,
    generate,
    read_prompt,
)
from lstm_textgen.sampling.transforms import Context, make_chain

V = 5
CELLS = ["lstm", "gru", "rnn"]
PROMPT = np.array([3, 0, 4, 4, 1, 2, 0, 3, 1, 1], np.uint8)
CONFIG = SampleConfig(temperature=1.7, top_k=4, top_p=0.97, seed=11)
BUSY = SampleConfig(
    temperature=1.7,
    final_temperature=0.6,
    repetition_penalty=1.2,
    frequency_penalty=0.1,
    no_repeat=4,
    penalty_window=7,
    min_p=0.02,
    mirostat=1.3,
    seed=11,
)


def samples_of(model, config, *, samples=range(1), length=40, **more):
    """Drawn characters, one list per sample."""
    stepper = BatchedBackend(model)
    beginning = read_prompt(stepper, [PROMPT])
    drawn = generate(stepper, beginning, config, samples=samples, length=length, **more)
    return [list(sample) for sample in zip(*islice(drawn, length), strict=True)]


def ids_of(sample):
    return [character.id for character in sample]


@pytest.mark.parametrize("parts", [[10], [1, 9], [3, 3, 4], [1] * 10])
@pytest.mark.parametrize("window", [1, 3, 9])
@pytest.mark.parametrize("cell", CELLS)
def test_a_prompt_is_read_whole(
    cell, window, parts, make_model, monkeypatch, assert_same_state
):
    """Read in parts and windows of any size it leaves what it leaves at once."""
    model = make_model(V, cell=cell, layers=2)
    ids = torch.from_numpy(PROMPT.astype(np.int64)).unsqueeze(1)
    with torch.no_grad():
        logits, whole = model(ids, model.initial_state(1))
    monkeypatch.setattr(engine, "PROMPT_WINDOW", window)
    chunks = np.split(PROMPT, np.cumsum(parts)[:-1])

    found = read_prompt(BatchedBackend(model), chunks)

    torch.testing.assert_close(found.logits, logits[-1])
    assert_same_state(found.memory, whole)
    assert found.recent.tolist() == PROMPT.tolist()


def test_a_prompt_can_be_read_on(make_model, assert_same_state):
    """What was read before is gone on with, and stays as it was."""
    stepper = BatchedBackend(make_model(V, layers=2))
    before = read_prompt(stepper, [PROMPT[:4]])
    kept = before.logits.clone()

    found = read_prompt(stepper, [PROMPT[4:]], before)

    whole = read_prompt(stepper, [PROMPT])
    torch.testing.assert_close(found.logits, whole.logits)
    assert_same_state(found.memory, whole.memory)
    assert found.recent.tolist() == whole.recent.tolist()
    assert torch.equal(before.logits, kept)


def test_only_the_end_of_a_long_prompt_is_kept(make_model, monkeypatch):
    """Memory does not grow with the prompt."""
    monkeypatch.setattr(engine, "RECENT", 3)

    found = read_prompt(BatchedBackend(make_model(V)), [PROMPT, PROMPT])

    assert found.recent.tolist() == PROMPT[-3:].tolist()


@pytest.mark.parametrize("config", [CONFIG, BUSY], ids=["masks", "everything"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_sample_is_drawn_step_by_step(cell, config, make_model, read_slowly):
    """
    A slow sampler draws the same ids at the same price.

    It reads prompt and sample anew for every character, by the equations, changes
    the logits by the chain and draws with the sample's dice. The price is what the
    model itself would have paid, before temperature and masks.
    """
    model = make_model(V, cell=cell, layers=2)
    sample = samples_of(model, config, samples=range(3), length=12)[2]
    ids, nats, dice = (
        PROMPT.astype(np.int64).tolist(),
        [],
        UniformStream(config.seed, 2),
    )
    limit = 2 * config.mirostat

    for place in range(len(sample)):
        with torch.no_grad():
            logits, _ = read_slowly(
                model, torch.tensor(ids).unsqueeze(1), model.initial_state(1)
            )
        changed = logits[-1]
        seen = torch.tensor([ids[-config.penalty_window :]])
        limits = torch.tensor([limit], dtype=torch.float64)
        for link in make_chain(config):
            changed = link.act(changed, Context(seen, place / 11, limits))
        (drawn,) = draw_ids(changed, torch.tensor([dice.roll()]).double()).tolist()
        nats.append(-logits[-1, 0].log_softmax(-1)[drawn].item())
        limit -= config.mirostat_rate * (nats[-1] - config.mirostat)
        ids.append(drawn)

    assert ids_of(sample) == ids[len(PROMPT) :]
    assert [c.nats for c in sample] == pytest.approx(nats, abs=1e-9)


@pytest.mark.parametrize("config", [CONFIG, BUSY], ids=["masks", "everything"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_sample_does_not_depend_on_its_company(cell, config, make_model):
    """Sample 2 of 3 is sample 2 of 5 and sample 2 alone; no two are alike."""
    model = make_model(V, cell=cell, layers=2)

    few = samples_of(model, config, samples=range(3))
    many = samples_of(model, config, samples=range(5))
    (alone,) = samples_of(model, config, samples=[2])

    for n in range(3):
        assert ids_of(few[n]) == ids_of(many[n])
        nats = [character.nats for character in many[n]]
        assert [c.nats for c in few[n]] == pytest.approx(nats, abs=1e-9)
    assert ids_of(alone) == ids_of(many[2])
    assert len({tuple(ids_of(sample)) for sample in many}) == 5


def test_greedy_takes_the_likeliest(make_model, read_slowly):
    """At temperature 0 each character is the model's own first choice."""
    model = make_model(V, layers=2)

    (sample,) = samples_of(model, SampleConfig(temperature=0.0), length=15)

    text = torch.tensor([*PROMPT.tolist(), *ids_of(sample)]).unsqueeze(1)
    logits, _ = read_slowly(model, text, model.initial_state(1))
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
    stepper = BatchedBackend(make_model(V, layers=2))
    beginning = read_prompt(stepper, [PROMPT])
    before = {n: tensor.clone() for n, tensor in beginning.memory.tensors().items()}

    first, again = (
        list(islice(generate(stepper, beginning, CONFIG, samples=range(2)), 10))
        for _ in range(2)
    )

    assert first == again
    for name, tensor in beginning.memory.tensors().items():
        assert torch.equal(tensor, before[name])


def test_mirostat_keeps_to_its_surprise(make_model):
    """Over two thousand characters the mean is within a twentieth of the target."""
    model = make_model(40, hidden=16, seed=2)

    for target in (2.3, 2.8, 3.3):
        config = SampleConfig(temperature=1.0, mirostat=target, seed=1)
        (sample,) = samples_of(model, config, length=2000)
        mean = sum(character.nats for character in sample) / 2000

        assert mean == pytest.approx(target, rel=0.05)


def test_an_automaton_decides_what_may_be_written(make_model):
    """Only allowed ids come, as often as by a model that knows no others."""
    allowed = np.array([True, False, True, False, True])

    samples = samples_of(
        make_model(V),
        SampleConfig(temperature=1.0),
        samples=range(50),
        automaton=any_text(allowed),
    )

    assert {id for sample in samples for id in ids_of(sample)} == {0, 2, 4}


def test_the_likeliest_others_are_told(make_model, read_slowly):
    """By the model's own probabilities, the likeliest first."""
    model = make_model(V)
    (sample,) = samples_of(model, CONFIG, length=6, alternatives=3)
    text = torch.tensor([*PROMPT.tolist(), *ids_of(sample)]).unsqueeze(1)
    logits, _ = read_slowly(model, text, model.initial_state(1))

    for row, character in zip(logits[len(PROMPT) - 1 :, 0], sample, strict=False):
        best = row.softmax(-1).topk(3)
        ids, probs = zip(*character.alternatives, strict=True)
        assert list(ids) == best.indices.tolist()
        assert list(probs) == pytest.approx(best.values.tolist(), abs=1e-9)
