"""
Which units follow a property of the text, and how much of that is chance.

How well a unit follows is the AUC: the probability that its memory is higher at a
character with the property than at one without. 0.5 is no relation, 1 a perfect one,
0 a perfect inverse one.

Neighboring characters are alike, in the text and in a memory, so against shuffled
labels almost anything would look like a discovery. The null distribution therefore
keeps both as they are and moves them against each other: the labels are shifted along
the text, around its end, to `SHIFTS` evenly spaced offsets. Among a thousand units some
fit a shifted text rather well, so a unit is compared with the best of all units at each
shift; and among a dozen properties some would be followed by chance, so the threshold
is corrected for how many were tested.

Shapes: T characters, U units of all layers, S shifts.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped

SHIFTS = 100
"""How often the labels are shifted."""

FALSE_POSITIVES = 0.05
"""Share of texts in which some unit is named that follows nothing, about."""

EULER = 0.5772156649
"""The mean of a Gumbel distribution above its location, in scales."""

MIN_SHIFT = 0.05
"""No shift is nearer to zero than this share of the text."""

MIN_TEXT = 1_000
"""Characters below which no property is tested."""

MIN_RUNS = 8
"""Stretches with a property, and between them, below which it is not tested."""

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")

OPENING, CLOSING = "([{", ")]}"

QUOTES = {"“": "”", "«": "»", "„": "“"}

SENTENCE_ENDS = ".!?…"

VOWELS = "aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿ"

Mask = Bool[np.ndarray, " T"]
"""True or false after each character."""


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """How all units follow one property."""

    name: str
    share: float
    """Of the characters that are tested, how many have it."""

    auc: Float[np.ndarray, " U"]
    null: Float[np.ndarray, " U"]
    """The mean AUC of each unit over the shifts: about 0.5."""

    best_by_shift: Float[np.ndarray, " S"]
    """The greatest strength of any unit at each shift."""

    tested: int = 1
    """How many properties were tested on the same text."""

    @property
    def strength(self) -> Float[np.ndarray, " U"]:
        """The AUC, or 1 less it where it is below 0.5."""
        return np.asarray(np.maximum(self.auc, 1 - self.auc))

    @property
    def chance(self) -> float:
        """What the best of all units reaches, on any property, in 1 text of 20."""
        location, scale = self._gumbel()
        quantile = -math.log(-math.log1p(-FALSE_POSITIVES / self.tested))
        return min(1.0, location + scale * quantile)

    def p_value(self, index: int) -> float:
        """How often the best of all units does as well by chance on any property."""
        location, scale = self._gumbel()
        score = (float(self.strength[index]) - location) / max(scale, 1e-12)
        return min(1.0, -self.tested * math.expm1(-math.exp(-score)))

    def _gumbel(self) -> tuple[float, float]:
        """
        Location and scale of `best_by_shift`, from its mean and deviation.

        The maximum of many values is distributed like that; the maximum of a hundred
        shifts alone cannot resolve a chance of one in a thousand.

        Source:
            Gumbel (1958), Statistics of Extremes. Columbia University Press.
        """
        scale = float(self.best_by_shift.std()) * math.sqrt(6) / math.pi
        return float(self.best_by_shift.mean()) - EULER * scale, scale

    def above_chance(self, count: int) -> list[int]:
        """Indices of at most *count* units that follow above chance, best first."""
        ranked = np.argsort(-self.strength, kind="stable")[:count]
        return [int(index) for index in ranked if self.strength[index] > self.chance]


@dataclass(frozen=True, slots=True)
class Property:
    """Something that is true of some characters of a text."""

    name: str
    holds: Callable[[str], Mask]
    """Where it is true, once the character has been read."""
    among: Callable[[str], Mask] | None = None
    """Which characters are tested at all; None for every one."""


def inside_quotes(text: str) -> Mask:
    """From an opening quotation mark to before the closing one, or a blank line."""
    mask, closing_mark = np.zeros(len(text), np.bool_), ""
    for t, char in enumerate(text):
        if closing_mark and (char == closing_mark or text[t - 1 : t + 1] == "\n\n"):
            closing_mark = ""
        elif not closing_mark and char == '"':
            closing_mark = '"'
        elif not closing_mark:
            closing_mark = QUOTES.get(char, "")
        mask[t] = bool(closing_mark)
    return mask


def inside_brackets(text: str) -> Mask:
    """From an opening bracket of any kind to before its closing one."""
    mask, depth = np.zeros(len(text), np.bool_), 0
    for t, char in enumerate(text):
        depth += (char in OPENING) - (char in CLOSING and depth > 0)
        mask[t] = depth > 0
    return mask


def letters(text: str) -> Mask:
    """Letters of any script."""
    return _characters(text, str.isalpha)


def vowels(text: str) -> Mask:
    """Vowels of the Latin alphabet, with or without accents."""
    return _characters(text, lambda char: char.lower() in VOWELS)


def inside_a_word(text: str) -> Mask:
    """Letters, and an apostrophe between two of them."""
    return _words(text, lambda word, start: True)


def far_in_a_word(text: str) -> Mask:
    """From the fourth letter of a word on."""
    inside = inside_a_word(text)
    return np.asarray(inside & (_since(~inside) >= 4))


def in_capitals(text: str) -> Mask:
    """Words of two letters or more that are all capitals."""
    return _words(text, lambda word, start: len(word) > 1 and word.isupper())


def inside_a_name(text: str) -> Mask:
    """Words with a capital that begin neither a line nor a sentence."""

    def is_name(word: str, start: int) -> bool:
        before = text[max(start - 40, 0) : start].rstrip(" \"'“«([-—")
        begins_one = not before or before[-1] in SENTENCE_ENDS + "\n:"
        return word[0].isupper() and not word[1:].isupper() and not begins_one

    return _words(text, is_name)


def line_start(text: str) -> Mask:
    """The line end before a line, and its first three characters."""
    return np.asarray(_column(text) <= 3)


def line_end(text: str) -> Mask:
    """Farther from the start of the line than half of all characters."""
    return _above_median(_column(text))


def sentence_over(text: str) -> Mask:
    """After the mark that ends a sentence, until the next one begins."""
    ends, blanks = _sentence_ends(text), _characters(text, str.isspace)
    return np.asarray(ends | (blanks & (_since(ends) == _since(~blanks))))


def late_in_sentence(text: str) -> Mask:
    """Farther from the last end of a sentence than half of all characters."""
    return _above_median(_since(_sentence_ends(text)))


def late_in_paragraph(text: str) -> Mask:
    """Farther from the last blank line than half of all characters."""
    line_ends = _characters(text, lambda char: char == "\n")
    return _above_median(_since(line_ends & np.append(False, line_ends[:-1])))


def inside_a_number(text: str) -> Mask:
    """Digits."""
    return _characters(text, str.isdigit)


def capitals(text: str) -> Mask:
    """Capital letters."""
    return _characters(text, str.isupper)


PROPERTIES = (
    Property("inside quotes", inside_quotes),
    Property("inside brackets", inside_brackets),
    Property("inside a word", inside_a_word),
    Property("fourth letter of a word or later", far_in_a_word),
    Property("inside a word in capitals", in_capitals),
    Property("inside a capitalised name", inside_a_name),
    Property("a capital letter", capitals),
    Property("a vowel, among letters", vowels, letters),
    Property("inside a number", inside_a_number),
    Property("at the start of a line", line_start),
    Property("far from the start of its line", line_end),
    Property("between two sentences", sentence_over),
    Property("far into a sentence", late_in_sentence),
    Property("far into a paragraph", late_in_paragraph),
)
"""What is tested, where the text has it."""


def _characters(text: str, is_so: Callable[[str], bool]) -> Mask:
    """The characters that *is_so*, which is called once for each different one."""
    known = {char: is_so(char) for char in set(text)}
    return np.fromiter((known[char] for char in text), np.bool_, len(text))


def _words(text: str, is_so: Callable[[str, int], bool]) -> Mask:
    """All characters of the words that *is_so*, called with each word's offset."""
    mask = np.zeros(len(text), np.bool_)
    for match in WORD.finditer(text):
        mask[match.start() : match.end()] = is_so(match[0], match.start())
    return mask


def _sentence_ends(text: str) -> Mask:
    return _characters(text, lambda char: char in SENTENCE_ENDS)


def _since(mask: Mask) -> Int[np.ndarray, " T"]:
    """Characters since the last one in *mask*, 0 at one; before it, since the start."""
    positions = np.arange(len(mask))
    last = np.maximum.accumulate(np.where(mask, positions, -1))
    return np.asarray(positions - last)


def _column(text: str) -> Int[np.ndarray, " T"]:
    """Characters since the line began, 0 at the line end before it."""
    return _since(_characters(text, lambda char: char == "\n"))


def _above_median(distance: Int[np.ndarray, " T"]) -> Mask:
    return np.asarray(distance > np.median(distance))


def probe_units(
    text: str,
    memory: Shaped[np.ndarray, "T U"],
    properties: Sequence[Property] = PROPERTIES,
) -> list[Finding]:
    """
    Test every unit against every property that occurs often enough.

    Args:
        text: What was read. Below `MIN_TEXT` characters nothing is tested.
        memory: Of each unit after each character.
        properties: What to test.
    """
    if len(text) < MIN_TEXT:
        return []
    all_ranks = _centered_ranks(memory)
    findings = []
    for property in properties:
        labels, ranks = property.holds(text), all_ranks
        among = None if property.among is None else property.among(text)
        if among is not None:
            labels = labels[among]
        if (labels[1:] != labels[:-1]).sum() < 2 * MIN_RUNS:
            continue
        if among is not None:
            ranks = _centered_ranks(memory[among])
        findings.append(_test(property.name, labels, ranks))
    return [replace(finding, tested=len(findings)) for finding in findings]


def _test(
    name: str, labels: Bool[np.ndarray, " T"], ranks: Float32[np.ndarray, "T U"]
) -> Finding:
    """One property against all units, and against the same units when shifted."""
    nearest = int(len(labels) * MIN_SHIFT)
    shifts = np.linspace(nearest, len(labels) - nearest, SHIFTS).astype(np.int64)
    shifted_labels = np.stack([np.roll(labels, shift) for shift in shifts])
    shifted_auc = _auc(shifted_labels, ranks)
    return Finding(
        name=name,
        share=float(labels.mean()),
        auc=_auc(labels[None], ranks)[0],
        null=shifted_auc.mean(axis=0),
        best_by_shift=np.maximum(shifted_auc, 1 - shifted_auc).max(axis=1),
    )


def _centered_ranks(values: Shaped[np.ndarray, "T U"]) -> Float32[np.ndarray, "T U"]:
    """
    The rank of each number among those of its unit, less the mean rank; ties share one.

    As float32, in which a sum over a text errs by less than 1e-4 of an AUC; centered,
    so that the numbers stay small.
    """
    ranks = np.empty(values.shape, np.float32)
    mean = (len(values) + 1) / 2
    for unit, column in enumerate(values.T):
        _, place, count = np.unique(column, return_inverse=True, return_counts=True)
        ranks[:, unit] = (count.cumsum() - (count - 1) / 2 - mean)[place]
    return ranks


def _auc(
    labels: Bool[np.ndarray, "S T"], ranks: Float32[np.ndarray, "T U"]
) -> Float[np.ndarray, "S U"]:
    """
    Of all pairs of a character with and one without, how many have the first higher.

    Source:
        Hanley and McNeil (1982), The Meaning and Use of the Area under a Receiver
        Operating Characteristic (ROC) Curve. Radiology 143(1).
    """
    total = labels.shape[1]
    positives = labels.sum(axis=1, keepdims=True).astype(np.float64)
    rank_sums = (labels.astype(np.float32) @ ranks).astype(np.float64)
    # Mann-Whitney U over the number of pairs; centered ranks put no relation at 0.5
    return np.asarray(0.5 + rank_sums / (positives * (total - positives)))
