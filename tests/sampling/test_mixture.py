"""Mixtures: averaged probabilities over the characters of all models."""

import numpy as np
import pytest
import torch

from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.sampling.batched import BatchedBackend
from lstm_textgen.sampling.generate import read_prompt
from lstm_textgen.sampling.mixture import MixtureBackend, merge_vocabularies
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
    """What one model expects after those characters of *text* that it knows."""
    known = [tokenizer.characters.index(char) for char in text if char in tokenizer]
    ids = torch.tensor(known or [0]).unsqueeze(1)
    logits, _ = read_slowly(model, ids, model.initial_state(1))
    row = logits[-1, 0].softmax(-1)
    return dict(zip(tokenizer.characters, row.tolist(), strict=True))


@pytest.mark.parametrize("text", ["b", "bcb", "abcdx", "a", "ad", "xyx", "aabbxxb"])
def test_probabilities_are_averaged(text, models, read_slowly):
    """
    Each model reads what it knows; then the weighted mean of their probabilities.

    A model that knows nothing of the text expects what it does after its own first
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

    read, state = mixed.read(tokens, mixed.initial())
    first, stepped = mixed.read(tokens[:1], mixed.initial())
    for token in tokens[1:]:
        first, stepped = mixed.step(token.unsqueeze(0), stepped)

    assert mixed.tokenizer.characters == "abcdxy"
    assert read[0].exp().tolist() == pytest.approx(expected, abs=1e-12)
    assert torch.allclose(stepped.logits[0], state.logits[0])
    assert first[0].exp().tolist() == pytest.approx(expected, abs=1e-12)


def test_a_mixture_of_one_is_that_model(models):
    """With any weight it writes what the model writes."""
    alone = Writer(models[0], ONE)
    mixed = mixture(models[:1], (3.0,), (ONE,))

    text = Writer(mixed, mixed.tokenizer).generate("abc", length=60, config=CONFIG)

    assert text == alone.generate("abc", length=60, config=CONFIG)


@pytest.mark.slow
def test_samples_are_independent(models):
    """Sample 2 of five is sample 2 alone, though some read what one model lacks."""
    mixed = mixture(models)
    writer = Writer(mixed, mixed.tokenizer)
    prompt = writer.read([mixed.tokenizer.encode("bc")])

    many = list(writer.samples(prompt, CONFIG, numbers=range(5)))
    (alone,) = writer.samples(prompt, CONFIG, numbers=[2])

    assert many[2].text == alone.text
    assert set("".join(sample.text for sample in many)) == set("abcdxy")


def test_states_are_chosen_in_every_part(models):
    """A mixture of mixtures reads as one mixture of all."""
    flat = mixture(models, (0.7, 0.3))
    nested = MixtureBackend([flat], [flat.tokenizer], [1.0])
    ids = torch.tensor([0, 5, 2])
    rows = torch.tensor([True, False, True])

    def after(backend):
        _, state = backend.read(torch.tensor([1, 2]), backend.initial())
        before = backend.select(state, torch.zeros(3, dtype=torch.int64))
        _, stepped = backend.step(ids, before)
        logits, _ = backend.step(ids, backend.where(rows, stepped, before))
        return logits

    torch.testing.assert_close(after(nested), after(flat))


def test_a_prompt_can_be_read_in_parts(models):
    """Reading in parts is reading at once."""
    mixed = mixture(models)
    ids = mixed.tokenizer.encode("abxcyd")

    parts = read_prompt(mixed, [ids[3:]], read_prompt(mixed, [ids[:3]]))

    torch.testing.assert_close(parts.logits, read_prompt(mixed, [ids]).logits)


def test_vocabularies_are_merged():
    """All characters once; bytes with bytes alone."""
    marked = CharTokenizer("a\ufffd", "\ufffd")

    assert merge_vocabularies([ONE, OTHER]).characters == "abcdxy"
    assert merge_vocabularies([ONE, marked]).unknown == "\ufffd"
    assert merge_vocabularies([ByteTokenizer(), ByteTokenizer()]).kind == "byte"
    with pytest.raises(ConfigError, match="--tokenizer"):
        merge_vocabularies([ONE, ByteTokenizer()])


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_is_above_zero(weight, models):
    """Nothing else makes an average."""
    with pytest.raises(ConfigError, match=f"{weight:g}"):
        mixture(models, (1.0, weight))
