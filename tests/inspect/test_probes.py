"""Properties of a text, and which units follow them above chance."""

from dataclasses import replace

import numpy as np
import pytest

from lstm_textgen.inspect import probes
from lstm_textgen.inspect.probes import MIN_TEXT, PROPERTIES, Property, probe_units

T = 4_000
"""Characters of a made-up text."""


def stretches(seed, mean=40):
    """True and false by turns, for some time each."""
    rng = np.random.default_rng(seed)
    lengths = 1 + rng.geometric(1 / mean, T)
    return np.repeat(np.arange(T) % 2 == 1, lengths)[:T]


def drifting(seed, units, slowness=0.98):
    """Memories that wander slowly and follow nothing."""
    steps = np.random.default_rng(seed).normal(size=(T, units))
    for t in range(1, T):
        steps[t] += slowness * steps[t - 1]
    return steps


def labelled(labels, name="made up", among=None):
    return Property(name, lambda text: labels, among)


def probe(labels, memory, **more):
    """The finding on one property."""
    [finding] = probe_units("a" * len(labels), memory, [labelled(labels, **more)])
    return finding


def auc_by_pairs(labels, values):
    """Every pair asked, ties counted half."""
    inside, outside = values[labels][:, None], values[~labels][None, :]
    return ((inside > outside) + 0.5 * (inside == outside)).mean()


def test_the_auc_is_the_share_of_pairs():
    """Ties too, which rounding makes many of."""
    labels, memory = stretches(1), np.round(drifting(2, 3), 0)

    finding = probe(labels, memory)

    expected = [auc_by_pairs(labels, column) for column in memory.T]
    assert finding.auc == pytest.approx(expected, abs=1e-5)
    assert finding.share == pytest.approx(labels.mean())


def test_a_unit_that_follows_is_found_upside_down_too():
    """Among wanderers, and with a null of about a half."""
    labels, memory = stretches(3), drifting(4, 50)
    noise = np.random.default_rng(5).normal(size=(T, 2))
    memory[:, [7, 30]] = noise + 3 * labels[:, None] * np.array([1, -1])

    finding = probe(labels, memory)

    assert set(finding.above_chance(2)) == {7, 30}
    assert finding.auc[7] > 0.95
    assert finding.auc[30] < 0.05
    assert finding.strength[30] > 0.95 > finding.chance
    assert finding.null.mean() == pytest.approx(0.5, abs=0.03)
    assert finding.p_value(7) < 0.001 < 0.9 < finding.p_value(0)


@pytest.mark.slow
def test_chance_is_called_a_discovery_one_time_in_twenty():
    """
    Forty texts, each with sixty wandering units that follow nothing.

    The best of sixty reaches an AUC of 0.6 and more on most of them.
    """
    findings = [probe(stretches(n), drifting(100 + n, 60)) for n in range(40)]

    assert np.median([finding.strength.max() for finding in findings]) > 0.6
    assert sum(bool(finding.above_chance(1)) for finding in findings) <= 6


@pytest.mark.slow
def test_many_properties_are_not_many_chances():
    """
    Ten properties at once, and still a discovery in one text of twenty or so.

    Each for itself would call one in every third text.
    """
    discoveries = uncorrected = 0
    for n in range(20):
        properties = [labelled(stretches(50 * n + k), str(k)) for k in range(10)]
        findings = probe_units("a" * T, drifting(200 + n, 30), properties)
        discoveries += any(finding.above_chance(1) for finding in findings)
        uncorrected += any(
            replace(finding, tested=1).above_chance(1) for finding in findings
        )

    assert {finding.tested for finding in findings} == {10}
    assert discoveries <= 2 < uncorrected


def test_shuffled_labels_would_call_it_one():
    """
    Why the labels are shifted and not shuffled.

    Against shuffled labels the best of sixty wanderers is far beyond chance.
    """
    labels, memory = stretches(0), drifting(100, 60)
    finding = probe(labels, memory)
    rng = np.random.default_rng(0)
    shuffled = [probe(rng.permutation(labels), memory).strength.max() for _ in range(5)]

    assert max(shuffled) < 0.55 < finding.strength.max() < finding.chance


def test_only_those_that_are_asked_count():
    """A vowel among letters: what a unit does at blanks is no matter."""
    labels, asked = stretches(6), stretches(7)
    memory = np.random.default_rng(8).normal(size=(T, 2))
    memory[asked, 0] = labels[asked]
    memory[~asked, 0] = 5 - 9 * labels[~asked]

    finding = probe(labels, memory, among=lambda text: asked)

    assert finding.auc[0] == pytest.approx(1.0)
    assert finding.share == pytest.approx(labels[asked].mean())


def test_what_is_too_rare_or_too_short_is_passed_over():
    """Two stretches prove nothing, nor does a line."""
    rare = np.zeros(T, bool)
    rare[100:300] = rare[900:1000] = True
    short = MIN_TEXT - 1

    assert probe_units("a" * T, drifting(1, 2), [labelled(rare)]) == []
    assert (
        probe_units("a" * short, drifting(1, 2)[:short], [labelled(stretches(1))]) == []
    )


CASES = [
    ("inside_quotes", 'He "said" so.', "...xxxxx....."),
    ("inside_quotes", "«Si» and “no”", "xxx......xxx."),
    ("inside_quotes", '"open\n\nnew "', "xxxxxx.....x"),
    ("inside_brackets", "a (b [c] d) e)", "..xxxxxxxx...."),
    ("inside_a_word", "Don't 'go' 2x", "xxxxx..xx...x"),
    ("far_in_a_word", "a word is longer", ".....x.......xxx"),
    ("in_capitals", "ROMEO: I am", "xxxxx......"),
    ("inside_a_name", "By Bob. So Ann\nMet A", "...xxx.....xxx.....x"),
    ("line_start", "abcde\nfghij", "xxx..xxxx.."),
    ("line_end", "abcd\nef", "..xx..."),
    ("sentence_over", "A. B c?  D", ".xx...xxx."),
    ("inside_a_number", "in 1984.", "...xxxx."),
    ("capitals", "Ab C", "x..x"),
    ("vowels", "Ángel yes", "x..x..xx."),
    ("letters", "a1 b!", "x..x."),
]


@pytest.mark.parametrize(("name", "text", "drawn"), CASES)
def test_a_property_holds_where_it_is_drawn(name, text, drawn):
    """An x stands below each character at which it is true once that was read."""
    mask = getattr(probes, name)(text)

    assert "".join(".x"[int(holds)] for holds in mask) == drawn


def test_far_into_a_sentence_or_a_paragraph_is_beyond_the_median():
    """Half of the characters, at most, are far from the last end."""
    text = "One. Two is much longer than one.\n\nThree. Four, and five.\n" * 3

    for name in ("late_in_sentence", "late_in_paragraph"):
        mask = getattr(probes, name)(text)
        assert 0.3 < mask.mean() <= 0.5


@pytest.mark.parametrize("text", ["a", "\n", "\x00\ud7ff😀", "((((", '""""'])
def test_no_text_is_too_short_or_odd(text):
    """Every property has as many answers as characters."""
    for property in PROPERTIES:
        assert len(property.holds(text)) == len(text)
