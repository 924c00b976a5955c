"""Ids to ids: prompts are read whole, and what is drawn is what the settings say."""

import itertools
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.config import SampleConfig
from lstm_textgen.sampling import generate as generate_module
from lstm_textgen.sampling.batched import BatchedBackend
from lstm_textgen.sampling.constraints import any_text, from_pattern
from lstm_textgen.sampling.generate import (
    History,
    Hypothesis,
    UniformStream,
    beam_search,
    draw_ids,
    generate,
    read_prompt,
)
from lstm_textgen.sampling.transforms import Context, active

V = 5
PROMPT = np.array([3, 0, 4, 4, 1, 2, 0, 3, 1, 1], np.uint8)
MASKS = SampleConfig(temperature=1.7, top_k=4, top_p=0.97, seed=11)
EVERYTHING = SampleConfig(
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
HIGHEST = 1 - 2**-53
"""The greatest number that a uniform stream can give."""

every_cell = pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
every_config = pytest.mark.parametrize(
    "config", [MASKS, EVERYTHING], ids=["masks", "everything"]
)


def samples_of(model, config, *, samples=range(1), length=40, **more):
    """Drawn characters, one list per sample."""
    backend = BatchedBackend(model)
    prompt = read_prompt(backend, [PROMPT])
    drawn = generate(backend, prompt, config, samples=samples, length=length, **more)
    return [list(sample) for sample in zip(*islice(drawn, length), strict=True)]


def ids_of(sample):
    return [character.id for character in sample]


def nats_of(sample):
    return [character.nats for character in sample]


def float64s(*values):
    return torch.tensor(values, dtype=torch.float64)


# Prompts


@pytest.mark.parametrize("parts", [[10], [1, 9], [3, 3, 4], [1] * 10])
@pytest.mark.parametrize("window", [1, 3, 9])
@every_cell
def test_a_prompt_is_read_whole(
    cell, window, parts, make_model, monkeypatch, assert_same_state
):
    """Read in parts and windows of any size it leaves what it leaves at once."""
    model = make_model(V, cell=cell, layers=2)
    ids = torch.from_numpy(PROMPT.astype(np.int64)).unsqueeze(1)
    with torch.no_grad():
        logits, state = model(ids, model.initial_state(1))
    monkeypatch.setattr(generate_module, "PROMPT_WINDOW", window)
    chunks = np.split(PROMPT, np.cumsum(parts)[:-1])

    prompt = read_prompt(BatchedBackend(model), chunks)

    torch.testing.assert_close(prompt.logits, logits[-1])
    assert_same_state(prompt.state, state)
    assert prompt.recent.tolist() == PROMPT.tolist()


def test_a_prompt_can_be_continued(make_model, assert_same_state):
    """What was read before is taken up, and stays as it was."""
    backend = BatchedBackend(make_model(V, layers=2))
    before = read_prompt(backend, [PROMPT[:4]])
    copy = before.logits.clone()

    prompt = read_prompt(backend, [PROMPT[4:]], before)

    whole = read_prompt(backend, [PROMPT])
    torch.testing.assert_close(prompt.logits, whole.logits)
    assert_same_state(prompt.state, whole.state)
    assert prompt.recent.tolist() == whole.recent.tolist()
    assert torch.equal(before.logits, copy)


def test_only_the_end_of_a_long_prompt_is_kept(make_model, monkeypatch):
    """Memory does not grow with the prompt."""
    monkeypatch.setattr(generate_module, "MAX_RECENT", 3)

    prompt = read_prompt(BatchedBackend(make_model(V)), [PROMPT, PROMPT])

    assert prompt.recent.tolist() == PROMPT[-3:].tolist()


# Samples


@every_config
@every_cell
def test_a_sample_is_drawn_step_by_step(cell, config, make_model, read_slowly):
    """
    A slow sampler draws the same ids with the same surprise.

    It reads prompt and sample anew for every character, by the equations, changes
    the logits by the chain and draws with the sample's random numbers. The surprise is
    the model's own, before temperature and masks.
    """
    model = make_model(V, cell=cell, layers=2)
    sample = samples_of(model, config, samples=range(3), length=12)[2]
    ids, nats = PROMPT.astype(np.int64).tolist(), []
    uniforms = UniformStream(config.seed, 2)
    limit = 2 * config.mirostat

    for place in range(len(sample)):
        with torch.no_grad():
            logits, _ = read_slowly(
                model, torch.tensor(ids).unsqueeze(1), model.initial_state(1)
            )
        changed = logits[-1]
        history = torch.tensor([ids[-config.penalty_window :]])
        now = Context(history, place / 11, float64s(limit))
        for transform in active(config):
            changed = transform.act(changed, config, now)
        (drawn,) = draw_ids(changed, float64s(uniforms.next())).tolist()
        nats.append(-logits[-1, 0].log_softmax(-1)[drawn].item())
        limit -= config.mirostat_rate * (nats[-1] - config.mirostat)
        ids.append(drawn)

    assert ids_of(sample) == ids[len(PROMPT) :]
    assert nats_of(sample) == pytest.approx(nats, abs=1e-9)


@every_config
@every_cell
def test_a_sample_does_not_depend_on_its_company(cell, config, make_model):
    """Sample 2 of 3 is sample 2 of 5 and sample 2 alone; no two are alike."""
    model = make_model(V, cell=cell, layers=2)

    few = samples_of(model, config, samples=range(3))
    many = samples_of(model, config, samples=range(5))
    (alone,) = samples_of(model, config, samples=[2])

    for n in range(3):
        assert ids_of(few[n]) == ids_of(many[n])
        assert nats_of(few[n]) == pytest.approx(nats_of(many[n]), abs=1e-9)
    assert ids_of(alone) == ids_of(many[2])
    assert len({tuple(ids_of(sample)) for sample in many}) == 5


def test_drawing_leaves_the_prompt_as_it_is(make_model, assert_same_state):
    """Logits and state of a prompt may be drawn from again and again."""
    backend = BatchedBackend(make_model(V, layers=2))
    prompt = read_prompt(backend, [PROMPT])
    copy = prompt.state.map(torch.clone)

    first, again = (
        list(islice(generate(backend, prompt, MASKS, samples=range(2)), 10))
        for _ in range(2)
    )

    assert first == again
    assert_same_state(prompt.state, copy, atol=0, rtol=0)


@pytest.mark.slow
def test_mirostat_keeps_to_its_surprise(make_model):
    """Over two thousand characters the mean is within a twentieth of the target."""
    model = make_model(40, hidden=16, seed=2)

    for target in (2.3, 2.8, 3.3):
        config = SampleConfig(temperature=1.0, mirostat=target, seed=1)
        (sample,) = samples_of(model, config, length=2000)

        assert np.mean(nats_of(sample)) == pytest.approx(target, rel=0.05)


def test_an_automaton_decides_what_may_be_drawn(make_model):
    """All of the allowed ids come, and no others."""
    samples = samples_of(
        make_model(V),
        SampleConfig(temperature=1.0),
        samples=range(50),
        automaton=any_text(np.array([True, False, True, False, True])),
    )

    assert {id for sample in samples for id in ids_of(sample)} == {0, 2, 4}


def test_alternatives_are_the_most_likely_characters(make_model, read_slowly):
    """By the model's own probabilities, the most likely first."""
    model = make_model(V)
    (sample,) = samples_of(model, MASKS, length=6, alternatives=3)
    text = torch.tensor([*PROMPT.tolist(), *ids_of(sample)]).unsqueeze(1)
    logits, _ = read_slowly(model, text, model.initial_state(1))

    for row, character in zip(logits[len(PROMPT) - 1 :, 0], sample, strict=False):
        best = row.softmax(-1).topk(3)
        ids, probs = zip(*character.alternatives, strict=True)
        assert list(ids) == best.indices.tolist()
        assert list(probs) == pytest.approx(best.values.tolist(), abs=1e-9)


# Random numbers and draws


def test_draws_invert_the_cumulative_distribution():
    """
    Evenly spaced numbers draw each character by its share, off by at most one.

    One thousand rows with 1/2, 1/3, 0 and 1/6.
    """
    logits = float64s(3.0, 2.0, 0.0, 1.0).log()
    uniforms = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000

    ids = draw_ids(logits.expand(1000, -1).contiguous(), uniforms).tolist()

    counts = [Counter(ids)[id] for id in range(4)]
    assert ids == sorted(ids)
    assert counts == pytest.approx([500, 1000 / 3, 0, 1000 / 6], abs=1)
    assert counts[2] == 0


def test_draws_fit_the_probabilities():
    """
    Twenty thousand of them, by chi-squared at 1 in 1000.

    The bound for five degrees of freedom is 20.5.
    """
    weights = float64s(1.0, 2.0, 3.0, 4.0, 5.0, 15.0)
    uniforms, count = UniformStream(1), 20_000

    ids = draw_ids(
        weights.log().repeat(count, 1),
        float64s(*(uniforms.next() for _ in range(count))),
    )

    counts = torch.bincount(ids, minlength=6).double()
    expected = count * weights / weights.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 20.5


@pytest.mark.parametrize(("uniform", "expected"), [(0.0, 0), (0.25, 1), (HIGHEST, 3)])
def test_borders_of_equal_quarters(uniform, expected):
    """A border belongs to the character above it, and the end to the last."""
    logits = torch.zeros(1, 4, dtype=torch.float64)

    assert draw_ids(logits, float64s(uniform)).item() == expected


@given(
    logits=st.lists(
        st.one_of(st.just(-torch.inf), st.floats(-800, 800)), min_size=1, max_size=8
    ).filter(lambda row: max(row) > -torch.inf),
    uniform=st.one_of(st.sampled_from([0.0, HIGHEST]), st.floats(0, HIGHEST)),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@settings(deadline=None)
def test_a_masked_character_is_never_drawn(logits, uniform, dtype):
    """Whatever is masked, and at both ends of the random numbers."""
    row = torch.tensor([logits], dtype=dtype)

    (drawn,) = draw_ids(row, float64s(uniform)).tolist()

    assert row.double().softmax(-1)[0, drawn] > 0


def test_rows_are_drawn_independently():
    """Each row has its own distribution and its own number."""
    logits = torch.full((3, 3), -torch.inf, dtype=torch.float64)
    logits[0, 2] = logits[1, 0] = 5.0
    logits[2] = 0.0

    assert draw_ids(logits, float64s(0.5, 0.9, 0.5)).tolist() == [2, 0, 1]


@pytest.mark.parametrize(("seed", "sample"), [(0, 0), (0, 1), (2**63 - 1, 5)])
def test_a_uniform_stream_is_one_long_row_of_numbers(seed, sample):
    """
    Number n is the same as in one long draw from the generator.

    The borders of the blocks, at 256 and 512, do not show, and no number is left
    out or given twice.
    """
    uniforms = UniformStream(seed, sample)
    key = np.array([seed, sample], np.uint64)
    expected = np.random.Generator(np.random.Philox(key=key)).random(600)

    numbers = [uniforms.next() for _ in range(600)]

    assert numbers == expected.tolist()
    assert len(set(numbers)) == 600


def test_seeds_and_samples_have_their_own_numbers():
    """No two of them begin alike, also where seed and sample change places."""
    keys = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (1, 2), (2**63 - 1, 0)]

    assert len({UniformStream(*key).next() for key in keys}) == len(keys)
    assert UniformStream(5).next() == UniformStream(5, 0).next()


# History


@pytest.mark.parametrize("window", [0, 1, 2, 5])
@pytest.mark.parametrize("known", [0, 1, 4, 9])
def test_a_history_is_the_end_of_all_that_was_written(window, known):
    """At every step, from a common beginning."""
    texts = [list(range(known)) for _ in range(2)]
    history = History(np.arange(known), 2, window)

    for step in range(23):
        expected = [text[len(text) - min(window, len(text)) :] for text in texts]
        assert history.last.tolist() == expected
        for row, text in enumerate(texts):
            text.append(100 * row + step)
        history.add(torch.tensor([step, 100 + step]))


# Beam search

LENGTH = 4
TEXTS = list(itertools.product(range(V), repeat=LENGTH))


@pytest.fixture
def backend(make_model):
    return BatchedBackend(make_model(V, layers=2, seed=5))


@pytest.fixture
def prompt(backend):
    return read_prompt(backend, [PROMPT])


@pytest.fixture
def costs_of(make_model, read_slowly):
    """Nats of each character of a text after the prompt, by the equations."""
    model = make_model(V, layers=2, seed=5)
    with torch.no_grad():
        ids = torch.tensor([[*PROMPT.tolist(), *text] for text in TEXTS]).T
        logits, _ = read_slowly(model, ids[:-1], model.initial_state(len(TEXTS)))
    nats = -logits[len(PROMPT) - 1 :].log_softmax(-1)  # (T, N, V)
    rows = {text: row for row, text in enumerate(TEXTS)}

    def costs(text):
        """Of any text up to the length, padded to one of `TEXTS`."""
        row = rows[*text, *[0] * (LENGTH - len(text))]
        return [nats[place, row, id].item() for place, id in enumerate(text)]

    return costs


@pytest.mark.parametrize("width", [1, 2, 3, 10, len(TEXTS)])
def test_a_beam_keeps_the_most_likely_beginnings(width, backend, prompt, costs_of):
    """As a slow search does; with room for all texts it is exhaustive."""
    beam = [()]
    for _ in range(LENGTH):
        grown = [(*text, id) for text in beam for id in range(V)]
        beam = sorted(grown, key=lambda text: sum(costs_of(text)))[:width]

    best = beam_search(backend, prompt, width=width, length=LENGTH)

    assert best.ids == beam[0]
    assert list(best.costs) == pytest.approx(costs_of(beam[0]), abs=1e-9)


def test_a_beam_of_one_is_greedy(backend, prompt):
    """The same text as temperature 0 draws."""
    greedy = generate(backend, prompt, SampleConfig(temperature=0.0))

    best = beam_search(backend, prompt, width=1, length=20)

    assert list(best.ids) == [row[0].id for row in islice(greedy, 20)]


@pytest.mark.parametrize("power", [0.0, 0.7, 1.0, 2.0])
def test_texts_of_different_lengths_compare_by_the_power(
    power, backend, prompt, costs_of
):
    """A text ends at its first 3; of all such texts the one with the best score."""
    whole = {text[: text.index(3) + 1] if 3 in text else text for text in TEXTS}
    expected = min(whole, key=lambda text: sum(costs_of(text)) / len(text) ** power)

    best = beam_search(
        backend,
        prompt,
        width=len(TEXTS),
        length=LENGTH,
        power=power,
        is_whole=lambda ids: ids[-1] == 3,
    )

    assert best.ids == expected


def test_only_what_is_allowed_is_searched(backend, prompt, costs_of):
    """The best of the texts made of two characters."""
    texts = [text for text in TEXTS if set(text) <= {1, 3}]
    allowed = any_text(np.array([False, True, False, True, False]))

    best = beam_search(
        backend, prompt, width=len(TEXTS), length=LENGTH, automaton=allowed
    )

    assert best.ids == min(texts, key=lambda text: sum(costs_of(text)))


def test_a_pattern_may_end_a_text_early(backend, prompt, costs_of):
    """The most likely of all texts that match, short or long."""
    pytest.importorskip("greenery")
    texts = [
        tuple("abcde".index(char) for char in text) for text in ("a", "ab", "bc", "ddd")
    ]
    pattern = from_pattern("a|ab|bc|ddd", list("abcde"), np.ones(V, bool))

    best = beam_search(backend, prompt, width=50, length=LENGTH, automaton=pattern)

    assert best.ids == min(texts, key=lambda text: sum(costs_of(text)) / len(text))


def test_the_score_of_an_empty_text_is_zero():
    """It does not divide by zero."""
    assert Hypothesis().score(1.0) == 0.0
