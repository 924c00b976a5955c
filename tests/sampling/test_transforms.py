"""Transforms of logits, held to exhaustive search and to pen and paper."""

import math
from itertools import combinations, compress

import pytest
import torch

from lstm_textgen.sampling.transforms import (
    divide_by_temperature,
    keep_top_k,
    keep_top_p,
)

V = 6
every_batch = pytest.mark.parametrize("batch", [(), (3,), (3, 1), (2, 2)])


def random_logits(batch, seed=7):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*batch, V, dtype=torch.float64, generator=generator)


def kept_ids(logits):
    """Which ids of each row are left, rows in order."""
    rows = logits.isfinite().reshape(-1, logits.shape[-1]).tolist()
    return [set(compress(range(len(row)), row)) for row in rows]


def smallest_set_reaching(probs: list[float], mass: float) -> set[int]:
    """Try every subset, smallest first; of those that suffice, take the likeliest."""
    total = lambda ids: math.fsum(probs[i] for i in ids)  # noqa: E731
    for size in range(1, len(probs)):
        enough = [s for s in combinations(range(len(probs)), size) if total(s) >= mass]
        if enough:
            return set(max(enough, key=total))
    return set(range(len(probs)))


def likeliest_set(logits: list[float], size: int) -> set[int]:
    """Try every subset; of equally good ones the first has the lowest ids."""
    total = lambda ids: math.fsum(logits[i] for i in ids)  # noqa: E731
    return set(max(combinations(range(len(logits)), size), key=total))


@pytest.mark.parametrize("top_p", [0.01, 0.3, 0.6, 0.95])
@every_batch
def test_keep_top_p_is_the_smallest_set_that_suffices(batch, top_p):
    """
    The nucleus equals the one found by trying every subset.

    0.01 is below the likeliest character and (3, 1) has a time axis: published
    samplers keep too much in both.
    """
    logits = random_logits(batch)

    changed = keep_top_p(logits, top_p)

    probs = logits.softmax(dim=-1).reshape(-1, V).tolist()
    assert kept_ids(changed) == [smallest_set_reaching(p, top_p) for p in probs]
    assert changed.shape == logits.shape


@pytest.mark.parametrize("top_k", range(1, V + 1))
@every_batch
def test_keep_top_k_is_the_likeliest_set(batch, top_k):
    """
    What is kept equals the best of all subsets of that size.

    Logits are small whole numbers, so most rows have ties; lower ids win them.
    """
    logits = random_logits(batch).round()

    changed = keep_top_k(logits, top_k)

    rows = logits.reshape(-1, V).tolist()
    assert kept_ids(changed) == [likeliest_set(row, top_k) for row in rows]
    assert changed.shape == logits.shape


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.1, {0}), (0.25, {0}), (0.3, {0, 1}), (0.76, {0, 1, 2, 3})]
)
def test_equal_characters_join_the_nucleus_by_id(top_p, kept):
    """Of four characters with a quarter each, those with lower ids go first."""
    logits = torch.zeros(4, dtype=torch.float64)

    assert kept_ids(keep_top_p(logits, top_p)) == [kept]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(
    "change",
    [
        lambda logits: keep_top_p(logits, 1.0),
        lambda logits: keep_top_k(logits, 0),
        lambda logits: keep_top_k(logits, V),
        lambda logits: keep_top_k(logits, 10**30),
    ],
)
def test_no_op_values_change_nothing(change, dtype):
    """Keeping everything gives every number back, as a new tensor."""
    logits = random_logits((3,)).to(dtype)
    logits[0, 0] = -200.0  # its probability vanishes beside the others

    changed = change(logits)

    assert torch.equal(changed, logits)
    assert changed.data_ptr() != logits.data_ptr()


@pytest.mark.parametrize(
    "change",
    [
        lambda logits: keep_top_p(logits, 0.5),
        lambda logits: keep_top_k(logits, 2),
        lambda logits: divide_by_temperature(logits, 0.5),
    ],
)
def test_transforms_are_pure(change):
    """What goes in is as it was afterwards."""
    logits = random_logits((2, 2))
    before = logits.clone()

    change(logits)

    assert torch.equal(logits, before)


@pytest.mark.parametrize(("change", "value"), [(keep_top_p, 0.5), (keep_top_k, 2)])
def test_what_is_kept_keeps_its_logit(change, value):
    """Masking takes characters out and moves no number."""
    logits = random_logits((2, 2))

    changed = change(logits, value)

    kept = changed.isfinite()
    assert 0 < kept.sum() < kept.numel()
    assert torch.equal(changed[kept], logits[kept])
    assert (changed[~kept] == -torch.inf).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("top_p", [5e-324, 1e-12])
def test_the_smallest_nucleus_is_one_character(top_p, dtype):
    """It is never empty, however small the mass; 5e-324 is 0 in float32."""
    logits = random_logits((3,)).to(dtype)

    kept = kept_ids(keep_top_p(logits, top_p))

    assert kept == [{best} for best in logits.argmax(-1).tolist()]


@pytest.mark.parametrize("change", [keep_top_k, keep_top_p])
def test_masked_characters_stay_masked(change):
    """After another transform has taken characters out, none comes back."""
    logits = torch.tensor([-torch.inf, 0.0, -torch.inf, -torch.inf])

    changed = change(logits, 3 if change is keep_top_k else 0.999)

    assert kept_ids(changed) == [{1}]


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (0.5, [256 / 273, 16 / 273, 1 / 273]),
        (1.0, [16 / 21, 4 / 21, 1 / 21]),
        (2.0, [4 / 7, 2 / 7, 1 / 7]),
    ],
)
def test_temperature_by_hand(temperature, expected):
    """Probabilities 16 : 4 : 1 become their squares at 1/2, and their roots at 2."""
    logits = torch.tensor([16.0, 4.0, 1.0], dtype=torch.float64).log() + 100

    probs = divide_by_temperature(logits, temperature).softmax(-1).tolist()

    assert probs == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-46, 1e-300, 5e-324])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_tiny_temperature_is_greedy(dtype, temperature):
    """
    Near zero all probability is on the likeliest, shared between equals.

    In float32 a temperature of 1e-46 is 0, and once gave 0 / 0 for the likeliest.
    """
    logits = torch.tensor([[-50.0, 33.0, 32.0], [80.0, -1e4, 80.0]], dtype=dtype)

    probs = divide_by_temperature(logits, temperature).softmax(-1)

    assert probs.tolist() == [[0, 1, 0], [0.5, 0, 0.5]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_great_temperature_is_noise(dtype):
    """The highest temperature of the settings, 100, makes all nearly equal."""
    logits = torch.tensor([1.0, 0.0, -1.0], dtype=dtype)

    probs = divide_by_temperature(logits, 100.0).softmax(-1).tolist()

    assert probs == pytest.approx([1 / 3] * 3, abs=0.005)
