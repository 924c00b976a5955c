"""Mixtures: averaged probabilities over the characters of all."""

import numpy as np
import pytest
import torch

from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.sampling.batched import BatchedBackend
from lstm_textgen.sampling.generate import read_prompt
from lstm_textgen.sampling.mixture import MixtureBackend, united
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer

ONE, OTHER = CharTokenizer("abcd"), CharTokenizer("bcxy")
CONFIG = SampleConfig(temperature=1.0, seed=4)


@pytest.fixture
def models(make_model):
    return make_model(4, layers=2, seed=1), make_model(4, cell="gru", seed=2)


def mixture(models, weights=(0.7, 0.3), tokenizers=(ONE, OTHER)):
    return MixtureBackend(
        [BatchedBackend(model) for model in models], tokenizers, weights
    )


def slow_probs(model, tokenizer, text, read_slowly):
    """What one model thinks after those characters of *text* that it knows."""
    known = [tokenizer.characters.index(char) for char in text if char in tokenizer]
    ids = torch.tensor(known or [0]).unsqueeze(1)
    logits, _ = read_slowly(model, ids, model.initial_state(1))
    row = logits[-1, 0].softmax(-1)
    return dict(zip(tokenizer.characters, row.tolist(), strict=True))


@pytest.mark.parametrize("text", ["b", "bcb", "abcdx", "a", "ad", "xyx", "aabbxxb"])
def test_probabilities_are_averaged(text, models, read_slowly):
    """
    Each model reads what it knows; the weighted mean of what they then think.

    A model that knows nothing of the text thinks what it does after its own first
    character.
    """
    mixed = mixture(models)
    tokens = torch.from_numpy(mixed.tokenizer.encode(text).astype(np.int64))
    one, other = (
        slow_probs(model, tokenizer, text, read_slowly)
        for model, tokenizer in zip(models, (ONE, OTHER), strict=True)
    )
    expected = [
        0.7 * one.get(char, 0.0) + 0.3 * other.get(char, 0.0)
        for char in mixed.tokenizer.characters
    ]

    read, memory = mixed.read(tokens, mixed.empty())
    first, stepped = mixed.read(tokens[:1], mixed.empty())
    for token in tokens[1:]:
        first, stepped = mixed.step(token.unsqueeze(0), stepped)

    assert mixed.tokenizer.characters == "abcdxy"
    assert read[0].exp().tolist() == pytest.approx(expected, abs=1e-12)
    assert torch.allclose(stepped.logits[0], memory.logits[0])
    assert first[0].exp().tolist() == pytest.approx(expected, abs=1e-12)


def test_a_mixture_of_one_is_that_model(models):
    """With any weight it writes what the model writes."""
    alone = Writer(models[0], ONE)
    mixed = mixture(models[:1], (3.0,), (ONE,))

    text = Writer(mixed, mixed.tokenizer).write("abc", length=60, config=CONFIG)

    assert text == alone.write("abc", length=60, config=CONFIG)


def test_several_samples_go_their_own_ways(models):
    """Sample 2 of five is sample 2 alone, though some read what one model lacks."""
    mixed = mixture(models)
    writer = Writer(mixed, mixed.tokenizer)
    beginning = writer.begin([mixed.tokenizer.encode("bc")])

    many = list(writer.samples(beginning, CONFIG, numbers=range(5)))
    (alone,) = writer.samples(beginning, CONFIG, numbers=[2])

    assert many[2].text == alone.text
    assert set("".join(each.text for each in many)) == set("abcdxy")


def test_beginnings_can_be_gone_on_with(models):
    """Reading in parts is reading at once."""
    mixed = mixture(models)
    ids = mixed.tokenizer.encode("abxcyd")

    parts = read_prompt(mixed, [ids[3:]], read_prompt(mixed, [ids[:3]]))

    whole = read_prompt(mixed, [ids])
    torch.testing.assert_close(parts.logits, whole.logits)


def test_vocabularies_unite():
    """All characters once; bytes with bytes alone."""
    assert united([ONE, OTHER]).characters == "abcdxy"
    assert united([ONE, CharTokenizer("a\ufffd", "\ufffd")]).unknown == "\ufffd"
    assert united([ByteTokenizer(), ByteTokenizer()]).kind == "byte"
    with pytest.raises(ConfigError, match="cannot be mixed"):
        united([ONE, ByteTokenizer()])


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_is_above_zero(weight, models):
    """Nothing else makes an average."""
    with pytest.raises(ConfigError, match="weight of the mixture"):
        mixture(models, (1.0, weight))
