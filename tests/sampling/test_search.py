"""Beam search, held to trying every text."""

import itertools

import numpy as np
import pytest
import torch

from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.sampling.batched import BatchedBackend
from lstm_textgen.sampling.constraints import any_text
from lstm_textgen.sampling.generate import Hypothesis, beam_search, read_prompt
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import CharTokenizer

V = 4
LENGTH = 4
PROMPT = np.array([2, 0, 1])


@pytest.fixture
def stepper(make_model):
    return BatchedBackend(make_model(V, layers=2, seed=5))


@pytest.fixture
def beginning(stepper):
    return read_prompt(stepper, [PROMPT])


@pytest.fixture
def costs_of(make_model, read_slowly):
    """Nats of each character of a text after the prompt, by the equations."""
    model = make_model(V, layers=2, seed=5)

    def costs(text):
        ids = torch.tensor([*PROMPT.tolist(), *text]).unsqueeze(1)
        logits, _ = read_slowly(model, ids[:-1], model.initial_state(1))
        logs = -logits[len(PROMPT) - 1 :, 0].log_softmax(-1)
        return logs[range(len(text)), list(text)].tolist()

    return costs


def texts(length=LENGTH, ids=range(V)):
    return itertools.product(ids, repeat=length)


def test_wide_enough_it_finds_the_likeliest_text(stepper, beginning, costs_of):
    """Of all 256 texts of four characters, at its price."""
    best = min(texts(), key=lambda text: sum(costs_of(text)))

    found = beam_search(stepper, beginning, width=V**LENGTH, length=LENGTH)

    assert found.ids == best
    assert list(found.costs) == pytest.approx(costs_of(best), abs=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3, 10])
def test_a_beam_keeps_the_likeliest_beginnings(width, stepper, beginning, costs_of):
    """As a slow search does that reads every text anew."""
    beam = [()]
    for _ in range(LENGTH):
        grown = [(*text, id) for text in beam for id in range(V)]
        beam = sorted(grown, key=lambda text: sum(costs_of(text)))[:width]

    found = beam_search(stepper, beginning, width=width, length=LENGTH)

    assert found.ids == beam[0]


def test_a_beam_of_one_is_greedy(make_model):
    """The same text as temperature 0 writes."""
    writer = Writer(make_model(V, layers=2), CharTokenizer("abcd"))
    greedy = writer.write("abc", length=20, config=SampleConfig(temperature=0.0))

    found = beam_search(
        writer.stepper,
        writer.begin([writer.tokenizer.encode("abc")]),
        width=1,
        length=20,
    )

    assert writer.tokenizer.decode(found.ids) == greedy


@pytest.mark.parametrize("power", [0.0, 0.7, 1.0, 2.0])
def test_texts_of_different_lengths_compare_by_the_power(
    power, stepper, beginning, costs_of
):
    """A text ends at its first 3; of all such texts the one with the best score."""
    whole = {text[: text.index(3) + 1] if 3 in text else text for text in texts()}
    best = min(whole, key=lambda text: sum(costs_of(text)) / len(text) ** power)

    found = beam_search(
        stepper,
        beginning,
        width=V**LENGTH,
        length=LENGTH,
        power=power,
        is_whole=lambda ids: ids[-1] == 3,
    )

    assert found.ids == best


def test_only_what_is_allowed_is_searched(stepper, beginning, costs_of):
    """The best of the texts made of two characters."""
    best = min(texts(ids=(1, 3)), key=lambda text: sum(costs_of(text)))
    allowed = any_text(np.array([False, True, False, True]))

    found = beam_search(
        stepper, beginning, width=V**LENGTH, length=LENGTH, automaton=allowed
    )

    assert found.ids == best


def test_a_pattern_may_end_a_text_early(make_model):
    """The likeliest of all texts that match, short or long."""
    pytest.importorskip("greenery")
    writer = Writer(make_model(V, layers=2, seed=5), CharTokenizer("abcd"))
    beginning = writer.begin([PROMPT])
    automaton = writer.automaton(FormConfig(match="a|ab|bc|ddd", length=4))

    found = beam_search(
        writer.stepper, beginning, width=50, length=4, power=1.0, automaton=automaton
    )

    by_hand = {}
    for text in ("a", "ab", "bc", "ddd"):
        ids = writer.tokenizer.encode(text)
        logits, state = beginning.logits, beginning.memory
        nats = 0.0
        for id in ids.tolist():
            nats -= logits.log_softmax(-1)[0, id].item()
            logits, state = writer.stepper.step(torch.tensor([id]), state)
        by_hand[text] = nats / len(text)
    assert writer.tokenizer.decode(found.ids) == min(by_hand, key=by_hand.get)


def test_the_score_of_nothing_is_nothing():
    """An empty text does not divide by zero."""
    assert Hypothesis((), ()).score(1.0) == 0.0
