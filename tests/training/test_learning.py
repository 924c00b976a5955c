"""A small run must learn: what no test of the parts can show."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lstm_textgen.evaluation.perplexity import exact_loss
from lstm_textgen.training.events import Evaluated, StepDone
from tests.builders import char_tokenizer
from tests.training.tiny import EVERY_STEP, tiny

FABLES = Path(__file__).parents[2] / "corpora" / "fables.txt"
RECIPE = {
    "layers": 1,
    "hidden": 64,
    "streams": 16,
    "window": 32,
    "learning_rate": 0.02,
    "warm_up": 0.05,
    "weight_decay": 0.01,
    "beta2": 0.99,
    "basis_every": 10,
    "clip": 1.0,
    "patience": 1.0,
    "sample": 512,
}
"""All that decides the result, whatever the defaults are."""


def unigram_entropy(ids):
    """What the characters cost on average whoever knows only how frequent each is."""
    counts = Counter(ids.tolist()).values()
    return -sum(n / len(ids) * math.log(n / len(ids)) for n in counts)


@pytest.fixture(scope="module")
def fables():
    """The first 80,000 characters as ids, and how many different ones there are."""
    text = FABLES.read_text(encoding="utf-8")[:80_000]
    tokenizer = char_tokenizer(text)
    return tokenizer.encode(text), tokenizer.size


def learned(ids, vocabulary, *, steps):
    """The loss of the last tenth after learning from the rest."""
    cut = len(ids) * 9 // 10
    run = tiny(
        ids=ids[:cut], held_out=ids[cut:], vocabulary=vocabulary, steps=steps, **RECIPE
    )
    loop = run.loop()
    list(loop.events())
    return exact_loss(loop.network, ids[cut:]).nats_per_char


def test_a_text_is_learned(fables):
    """
    In 150 steps the held-out loss falls well below what frequencies alone give.

    The margin that is asked for is 0.7 nats a character; it was 0.87 when this was
    written. The frequencies are those of the held-out part itself, the best that
    could be known.
    """
    ids, vocabulary = fables
    loss = learned(ids, vocabulary, steps=150)

    assert loss < unigram_entropy(ids[-len(ids) // 10 :]) - 0.7


def test_noise_is_not_learned(fables):
    """
    Shuffled, the same text has nothing but its frequencies, and no model beats them.

    By 0.02 nats at most: a lower loss would mean that characters are seen before
    they are predicted, or that too few are counted.
    """
    ids, vocabulary = fables
    shuffled = np.random.RandomState(5).permutation(ids)
    loss = learned(shuffled, vocabulary, steps=100)

    assert loss > unigram_entropy(shuffled[-len(ids) // 10 :]) - 0.02
    assert loss < math.log(vocabulary)


GOLDEN = {
    "lstm": [2.9038, 2.1131, 1.3553, 1.0213, 0.9349],
    "gru": [2.8121, 1.5120, 0.6528, 0.5973, 0.5230],
    "rnn": [3.3143, 1.2362, 0.7719, 0.6715, 0.5729],
}
"""Nats a character at steps 1, 15, 30 and 45, and of the held-out text at the end."""


@pytest.mark.parametrize("cell", GOLDEN)
def test_golden_losses(cell):
    """
    A short run with everything set loses what it lost when this was written.

    First weights, noise, the optimizer, the schedule and the order of reading all
    show here. Whoever changes one of them on purpose writes the new numbers
    down; a processor that rounds otherwise stays within the tolerance.
    """
    words = ["the", "fox", "and", "crow", "saw", "grapes", "said", "cheese"]
    text = " ".join(np.random.RandomState(1).choice(words, 2000))
    tokenizer = char_tokenizer(text)
    ids = tokenizer.encode(text)
    options = RECIPE | {"layers": 2, "hidden": 24, "dropout": 0.1, "weight_drop": 0.1}
    run = tiny(
        ids=ids[:-500], held_out=ids[-500:], vocabulary=tokenizer.size, cell=cell,
        steps=45, **options,
    )  # fmt: skip
    losses = [
        event.loss.nats_per_char
        for event in run.loop(cadence=EVERY_STEP).events()
        if (isinstance(event, StepDone) and event.step in (1, 15, 30, 45))
        or (isinstance(event, Evaluated) and event.step == 45)
    ]

    assert losses == pytest.approx(GOLDEN[cell], abs=2e-3)
