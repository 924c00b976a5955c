"""Nats per character: a sum over every character, read once, in order."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.errors import CorpusError
from lstm_textgen.evaluation import perplexity
from lstm_textgen.evaluation.loss import Loss
from lstm_textgen.evaluation.perplexity import (
    evaluation_seconds,
    exact_loss,
    parallel_loss,
    summed_loss,
)
from lstm_textgen.text.streams import IGNORE
from lstm_textgen.text.tokenizer import ByteTokenizer

V = 5
CELLS = ["lstm", "gru", "rnn"]


def random_text(length, seed=3):
    return np.random.default_rng(seed).integers(0, V, length).astype(np.uint8)


@pytest.fixture(scope="session")
def nats_slowly(read_slowly):
    """What each character costs, by the equations: a list of one nat each."""

    def nats(model, ids, seen=0):
        """Read the first *seen* for memory only, then let each predict the next."""
        column = torch.from_numpy(ids.astype(np.int64)).unsqueeze(1)
        with torch.no_grad():
            logits, _ = read_slowly(model, column[:-1], model.initial_state(1))
        costs = []
        for row, target in zip(logits[:, 0].tolist(), ids[1:].tolist(), strict=True):
            total = math.fsum(math.exp(logit) for logit in row)
            costs.append(math.log(total) - row[target])
        return costs[seen:]

    return nats


@pytest.mark.parametrize("length", [2, 7, 8, 9, 30])
@pytest.mark.parametrize("cell", CELLS)
def test_evaluate_is_one_pass_by_the_equations(
    cell, length, make_model, nats_slowly, monkeypatch
):
    """
    The sum equals a loop over characters, with windows of 7 and carried memory.

    All but the first character are counted. Lengths lie around the window's end.
    """
    monkeypatch.setattr(perplexity, "MAX_WINDOW", 7)
    model, ids = make_model(V, cell=cell, layers=2), random_text(length)
    progress = []

    loss = exact_loss(model, ids, progress=progress.append)

    assert loss.characters == length - 1
    assert loss.nats == pytest.approx(math.fsum(nats_slowly(model, ids)), abs=1e-9)
    assert sum(progress) == length - 1
    assert max(progress) <= 7


@pytest.mark.parametrize("limit", [None, 1, 9, 10_000])
@pytest.mark.parametrize("window", [5, 1000])
def test_estimate_is_several_readers(
    window, limit, make_model, nats_slowly, monkeypatch
):
    """
    The sum equals that of readers who each begin 3 characters before their share.

    The first has nothing before it and begins with the initial state. A limit is
    shared out evenly, rounded up. The shares are 13 and 14 characters long.
    """
    monkeypatch.setattr(perplexity, "MAX_WINDOW", window)
    model, ids, warm_up = make_model(V, layers=2), random_text(55), 3
    costs = []
    for b in range(4):
        start, stop = 54 * b // 4, 54 * (b + 1) // 4
        seen = warm_up if start else 0
        mine = nats_slowly(model, ids[start - seen : stop + 1], seen)
        assert len(mine) == stop - start
        costs += mine if limit is None else mine[: math.ceil(limit / 4)]

    read = []
    how = {"streams": 4, "characters": limit, "warm_up": warm_up}
    loss = parallel_loss(model, ids, **how, progress=read.append)

    assert loss.characters == sum(read) == len(costs)
    assert loss.nats == pytest.approx(math.fsum(costs), abs=1e-9)


@pytest.mark.parametrize("length", [2, 3, 20])
@pytest.mark.parametrize(("streams", "warm_up"), [(1, 0), (1, 1), (1, 64), (32, 64)])
def test_estimate_of_a_short_text_is_exact(streams, length, warm_up, make_model):
    """
    One stream reads the text as `evaluate` does, from the initial state.

    A text too short for more streams is read by one. The warm-up of the first once
    read the first character over and over, and began with a memory of no text.
    """
    model, ids = make_model(V), random_text(length)

    loss = parallel_loss(model, ids, streams=streams, warm_up=warm_up)
    exact = exact_loss(model, ids)

    assert loss.characters == exact.characters
    assert loss.nats == pytest.approx(exact.nats, abs=1e-9)


@given(
    ids=st.lists(st.integers(0, V - 1), min_size=2, max_size=120),
    streams=st.integers(1, 20),
    warm_up=st.integers(0, 4),
    window=st.integers(1, 30),
)
@settings(max_examples=40, deadline=None)
def test_every_character_is_counted_once(make_model, ids, streams, warm_up, window):
    """
    A model that knows only how frequent characters are pays for exactly the text.

    Its nats are a sum over the characters after the first, each at its own price,
    so a character that is left out or counted twice would show.
    """
    model = make_model(V)
    model.head.weight.detach().zero_()
    prices = -model.head.bias.detach().log_softmax(-1)
    text = np.array(ids, np.uint8)
    expected = math.fsum(n * prices[i].item() for i, n in Counter(ids[1:]).items())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(perplexity, "MAX_WINDOW", window)
        found = [
            parallel_loss(model, text, streams=streams, warm_up=warm_up),
            exact_loss(model, text),
        ]

    for loss in found:
        assert loss.characters == len(ids) - 1
        assert loss.nats == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("read", [exact_loss, parallel_loss])
@pytest.mark.parametrize("length", [0, 1])
def test_a_text_needs_two_characters(read, length, make_model):
    """A text in which nothing can be predicted is refused, with its length."""
    with pytest.raises(CorpusError, match=f"has {length} characters") as caught:
        read(make_model(V), random_text(length))

    assert "at least 2" in caught.value.remedy


def test_losses_are_sums():
    """Parts add up; eight equally likely characters are 3 bits each, perplexity 8."""
    whole = Loss(2.0, 3) + Loss(4 * math.log(8) - 2, 1)

    assert (whole.nats, whole.characters) == (pytest.approx(4 * math.log(8)), 4)
    assert whole.nats_per_char == pytest.approx(math.log(8))
    assert whole.bits_per_char == pytest.approx(3)
    assert whole.perplexity == pytest.approx(8)


def test_a_loss_of_nothing_and_a_huge_one():
    """Nothing read has no mean, and a mean beyond all measure does not overflow."""
    assert math.isnan(Loss(0.0, 0).nats_per_char)
    assert math.isnan(Loss(0.0, 0).bits_per_char)
    assert math.isfinite(Loss(1e6, 1).perplexity)


def test_ignored_targets_cost_nothing():
    """The sum is over the other targets alone, and so is the gradient."""
    torch.manual_seed(7)
    logits = torch.randn(4, 3, V, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(V, (4, 3))
    targets[1:, 2] = IGNORE
    targets[0, 0] = IGNORE
    counted = targets != IGNORE

    loss = summed_loss(logits, targets)
    (slopes,) = torch.autograd.grad(loss, [logits])

    log_probs = logits.detach().log_softmax(-1)
    expected = -sum(
        log_probs[t, b, targets[t, b]].item() for t, b in counted.nonzero().tolist()
    )
    assert loss.item() == pytest.approx(expected)
    assert (slopes[~counted] == 0).all()
    assert (slopes[counted] != 0).any(-1).all()


def test_all_ignored_is_zero():
    """Where no target counts, the sum is 0 and not a number over nothing."""
    logits, targets = torch.ones(2, 1, V), torch.full((2, 1), IGNORE)

    assert summed_loss(logits, targets).item() == 0


def test_half_precision_is_summed_in_single():
    """Logits in bfloat16 are widened first: 4000 small numbers keep their digits."""
    torch.manual_seed(7)
    logits = torch.randn(2000, 2, V, dtype=torch.bfloat16)
    targets = torch.randint(V, (2000, 2))

    loss = summed_loss(logits, targets)

    assert loss.dtype == torch.float32
    exact = summed_loss(logits.double(), targets).item()
    assert loss.item() == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("read", [exact_loss, parallel_loss])
def test_bytes_are_counted_as_characters(read, make_model):
    """
    A loss per character is the same measure for bytes: two bytes make one `é`.

    Counted by bytes, an Italian text would look easier than it is.
    """
    tokenizer, model = ByteTokenizer(), make_model(256, cell="lstm", hidden=4)
    ids = tokenizer.encode("perché è così, città più città")
    by_ids = read(model, ids)
    by_characters = read(model, ids, begins=tokenizer.begins)

    assert by_characters.nats == by_ids.nats
    assert by_ids.characters == len(ids) - 1 == 35
    assert by_characters.characters == 29


@pytest.mark.parametrize("read", [exact_loss, parallel_loss])
def test_wide_steps_are_read_in_short_windows(read, make_model, monkeypatch):
    """A window may be of a single step, as with a huge vocabulary; nothing changes."""
    model, ids = make_model(V, cell="gru"), random_text(300)
    shares = {"streams": 3, "warm_up": 8} if read is parallel_loss else {}
    whole = read(model, ids, **shares)
    monkeypatch.setattr(perplexity, "MAX_ACTIVATIONS", 1)
    narrow = read(model, ids, **shares)

    assert narrow.characters == whole.characters
    assert narrow.nats == pytest.approx(whole.nats, rel=1e-12)


def test_how_long_an_evaluation_takes():
    """A text that is read in one pass takes its length; a longer one is shared."""
    assert evaluation_seconds(30_000, 10_000.0) == pytest.approx(4.0)
    assert evaluation_seconds(300_000, 10_000.0) == pytest.approx(20)
    assert evaluation_seconds(3_000_000, 10_000.0) == pytest.approx(200 / 3)
