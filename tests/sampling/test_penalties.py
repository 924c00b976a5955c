"""Penalties on what was written lately, held to pen and paper and to slow loops."""

import pytest
import torch

from lstm_textgen.sampling.transforms import (
    DEAREST,
    ban_repeated_ngrams,
    penalize_continued_repeats,
    penalize_frequency,
    penalize_repetition,
    repeat_lengths,
)

V = 3


def written(*rows):
    """Histories as texts over a, b and c."""
    return torch.tensor([["abc".index(char) for char in row] for row in rows])


def logits_like(history, *values):
    row = torch.tensor(values or [0.0] * V, dtype=torch.float64)
    return row.expand(len(history), V).clone()


def banned(logits):
    return [
        "".join("abc"[i] for i in range(V) if row[i] == -torch.inf) for row in logits
    ]


def test_repetition_on_paper():
    """Positive logits are divided, negative ones multiplied, the rest stays."""
    history = written("aab", "ccc")
    changed = penalize_repetition(logits_like(history, 3.0, -1.0, 2.0), history, 2.0)

    assert changed.tolist() == [[1.5, -2.0, 2.0], [3.0, -1.0, 1.0]]


def test_frequency_and_presence_on_paper():
    """Half a nat for every time, a quarter for being there."""
    history = written("aab", "ccc")
    changed = penalize_frequency(logits_like(history), history, 0.5, 0.25)

    assert changed.tolist() == [[-1.25, -0.75, 0.0], [0.0, 0.0, -1.75]]


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("abcab", 3, "c"),  # abc was there
        ("abcab", 2, "c"),  # bc was there
        ("abcab", 1, ""),  # everything was there: nothing is left to choose from
        ("ab", 1, "ab"),
        ("aaa", 2, "a"),
        ("abacab", 3, "a"),
        ("abacab", 2, "a"),
        ("abc", 4, ""),
        ("ab", 3, ""),
        ("", 2, ""),
    ],
)
def test_repeated_runs_on_paper(text, size, expected):
    """What would complete a run for the second time is banned."""
    history = written(text).reshape(1, len(text)).long()

    assert banned(ban_repeated_ngrams(logits_like(history), history, size)) == [
        expected
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_repeated_runs_as_a_loop_finds_them(size):
    """Every row of a batch has its own history."""
    generator = torch.Generator().manual_seed(1)
    history = torch.randint(0, V, (40, 12), generator=generator)
    changed = ban_repeated_ngrams(logits_like(history), history, size)

    for row, found in zip(history.tolist(), banned(changed), strict=True):
        runs = {tuple(row[k : k + size]) for k in range(len(row) - size + 1)}
        ending = tuple(row[len(row) - size + 1 :])
        twice = "".join("abc"[c] for c in range(V) if (*ending, c) in runs)
        assert found == ("" if len(twice) == V else twice)


def test_lengths_of_repeats_as_a_loop_finds_them():
    """For each place, the longest common ending of the text up to it and of all."""
    generator = torch.Generator().manual_seed(2)
    history = torch.randint(0, 2, (40, 11), generator=generator)

    for row, lengths in zip(
        history.tolist(), repeat_lengths(history, longest=99), strict=True
    ):
        for place, length in enumerate(lengths.tolist()):
            upto, expected = row[: place + 1], 0
            while expected < len(upto) and (
                upto[len(upto) - 1 - expected] == row[len(row) - 1 - expected]
            ):
                expected += 1
            assert length == expected
    assert repeat_lengths(history[:, :1], longest=99).shape == (40, 0)
    assert repeat_lengths(history[:, :0], longest=99).shape == (40, 0)


@pytest.mark.parametrize(
    ("text", "costs"),
    [
        ("abcab", [0, 0, 1.0]),  # "ab" was followed by c: 2 characters, 1 * 2^0
        ("cabcab", [0, 0, 2.0]),  # "cab" too: 3 characters
        ("abcaba", [0, 0, 0]),  # "a" alone is allowed
        ("aaaa", [2.0, 0, 0]),  # the last three stand one place earlier
        ("a", [0, 0, 0]),
    ],
)
def test_going_on_with_a_repeat_on_paper(text, costs):
    """A nat from two characters on, twice as much with each further one."""
    history = written(text)
    changed = penalize_continued_repeats(
        logits_like(history), history, multiplier=1.0, base=2.0, allowed=2
    )

    assert (-changed[0]).tolist() == costs


def test_the_longest_repeat_counts():
    """The same character after a short and after a long repeat costs the long one."""
    history = written("bcabcxabc".replace("x", "a"))  # bc a, abc a ... abc
    changed = penalize_continued_repeats(
        logits_like(history), history, multiplier=1.0, base=2.0, allowed=1
    )

    assert (-changed[0]).tolist() == [4.0, 0, 0]


@pytest.mark.parametrize("base", [2.0, 10.0])
def test_an_endless_repeat_stays_a_number(base):
    """
    What has been repeated for thousands of characters is not infinitely unlikely.

    In float32 ten to the 64th was, and where nothing else may be written the draw
    then had nothing to draw from.
    """
    history = torch.zeros(1, 5000, dtype=torch.int64)
    changed = penalize_continued_repeats(
        logits_like(history).float(), history, multiplier=1.0, base=base, allowed=1
    )

    assert changed[0, 0] == -DEAREST
    assert changed[0, 1:].tolist() == [0, 0]
