"""What stays possible, held to pen and paper and to loops over the definition."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_textgen.sampling.transforms import keep_eta, keep_min_p, keep_typical

every_batch = pytest.mark.parametrize("batch", [(), (3,), (3, 1), (2, 2)])


def of(*probs):
    return torch.tensor([probs], dtype=torch.float64).log()


def kept(logits):
    return logits[0].isfinite().nonzero()[:, 0].tolist()


def random_logits(batch):
    generator = torch.Generator().manual_seed(7)
    return 2 * torch.randn(*batch, 6, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize(
    ("min_p", "ids"),
    [
        (0.0, [0, 1, 2, 3]),
        (0.1, [0, 1, 2, 3]),
        (0.25, [0, 1, 2]),
        (0.6, [0]),
        (1.0, [0]),
    ],
)
def test_min_p_on_paper(min_p, ids):
    """A share of the highest, which is 0.5: 0.3, 0.15 and 0.05 are the others."""
    assert kept(keep_min_p(of(0.5, 0.3, 0.15, 0.05), min_p)) == ids


def test_min_p_keeps_all_that_are_equally_likely():
    """None of them is less likely than the likeliest."""
    assert kept(keep_min_p(of(0.4, 0.4, 0.2), 1.0)) == [0, 1]


def test_typical_may_leave_out_the_likeliest():
    """
    On paper: 0.6, 0.2, 0.1, 0.1 have an entropy of 1.089 nats.

    The surprises are 0.511, 1.609, 2.303 and 2.303, at distances of 0.578, 0.520
    and 1.214: the second is nearest, then the first.
    """
    logits = of(0.6, 0.2, 0.1, 0.1)

    assert kept(keep_typical(logits, 0.15)) == [1]
    assert kept(keep_typical(logits, 0.5)) == [0, 1]
    assert kept(keep_typical(logits, 0.85)) == [0, 1, 2]  # of two the lower id
    assert kept(keep_typical(logits, 1.0)) == [0, 1, 2, 3]


@pytest.mark.parametrize("mass", [0.05, 0.4, 0.8, 0.99])
@every_batch
def test_typical_is_its_definition(batch, mass):
    """A loop that takes the nearest until the mass is reached keeps the same."""
    logits = random_logits(batch)
    changed = keep_typical(logits, mass).reshape(-1, 6)

    for row, probs in zip(changed, logits.softmax(-1).reshape(-1, 6), strict=True):
        entropy = -math.fsum(p * math.log(p) for p in probs.tolist())
        nearest = sorted(range(6), key=lambda i: abs(-math.log(probs[i]) - entropy))
        chosen, reached = set(), 0.0
        while reached < mass:
            chosen.add(nearest[len(chosen)])
            reached = math.fsum(float(probs[i]) for i in chosen)
        assert {i for i in range(6) if row[i].isfinite()} == chosen


@pytest.mark.parametrize("epsilon", [0.0, 0.01, 0.1, 0.5])
@every_batch
def test_eta_is_its_definition(batch, epsilon):
    """The threshold worked out for every row, and the likeliest always kept."""
    logits = random_logits(batch)
    changed = keep_eta(logits, epsilon).reshape(-1, 6)

    for row, probs in zip(changed, logits.softmax(-1).reshape(-1, 6), strict=True):
        entropy = -math.fsum(p * math.log(p) for p in probs.tolist())
        eta = min(epsilon, math.sqrt(epsilon) * math.exp(-entropy))
        chosen = {i for i in range(6) if probs[i] >= eta} | {int(probs.argmax())}
        assert {i for i in range(6) if row[i].isfinite()} == chosen


TRANSFORMS = [
    *[(keep_min_p, share) for share in (0.0, 0.3, 1.0)],
    *[(keep_typical, share) for share in (0.01, 0.7, 1.0)],
    *[(keep_eta, share) for share in (0.0, 0.3, 0.99)],
]


@pytest.mark.parametrize(("transform", "share"), TRANSFORMS)
@given(row=st.lists(st.floats(-1e4, 1e4) | st.just(-math.inf), min_size=1, max_size=6))
@settings(deadline=None, max_examples=50)
def test_something_is_left_and_unchanged(transform, share, row):
    """For any logits, masked ones too: no row is emptied, none revived or altered."""
    logits = torch.tensor([row], dtype=torch.float64)
    if not logits.isfinite().any():
        logits[0, 0] = 0.0
    before = logits.clone()
    changed = transform(logits, share)

    assert torch.equal(logits, before)
    assert changed.isfinite().any()
    assert torch.equal(changed[changed.isfinite()], logits[changed.isfinite()])
