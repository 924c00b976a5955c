"""
Which units follow a property of the text, and which of that is chance.

How well a unit follows is the AUC: the probability that its memory is higher at a
character with the property than at one without. 0.5 is no relation, 1 a perfect one,
0 a perfect one upside down; `strength` turns that round, so it is 0.5 to 1.

Neighbouring characters are alike, in the text and in a memory, so shuffled labels
would make almost anything look like a discovery. The null therefore keeps both as they
are and moves them against each other: the labels are shifted along the text, around
its end, to `SHIFTS` evenly spread places. Among a thousand units some fit a shifted
text rather well, so a unit is told apart from chance by the best of all units at each
shift, not by its own; and among a dozen properties some would be followed by chance, so
each is asked to be a dozen times as unlikely.

Shapes: T characters, U units of all layers, S shifts.

Properties of a text that a unit may follow: true or false after each character.

Shapes: T characters.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped

SHIFTS = 100
"""How often the labels are shifted."""

FALSE = 0.05
"""Share of texts in which some unit is named that follows nothing, about."""

EULER = 0.5772156649
"""The mean of a Gumbel distribution above its location, in scales."""

MARGIN = 0.05
"""No shift is nearer to none than this share of the text."""

LEAST_TEXT = 1_000
"""Characters below which nothing is looked for."""

LEAST_RUNS = 8
"""Stretches with a property, and between them, below which it is passed over."""


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """How all units follow one property."""

    name: str
    share: float
    """Of the characters that are asked, how many have it."""

    auc: Float[np.ndarray, " U"]
    null: Float[np.ndarray, " U"]
    """The mean AUC of each unit over the shifts: about 0.5."""

    best_by_chance: Float[np.ndarray, " S"]
    """The greatest strength of any unit at each shift."""

    asked: int = 1
    """How many properties were looked for in the same text."""

    @property
    def strength(self) -> Float[np.ndarray, " U"]:
        """The AUC, turned round where it is below 0.5."""
        return np.asarray(np.maximum(self.auc, 1 - self.auc))

    @property
    def chance(self) -> float:
        """What the best of all units reaches, on any property, in 1 text of 20."""
        middle, scale = self._gumbel()
        rare = -math.log(-math.log1p(-FALSE / self.asked))
        return min(1.0, middle + scale * rare)

    def p(self, unit: int) -> float:
        """How often the best of all units does as well by chance on any property."""
        middle, scale = self._gumbel()
        above = (float(self.strength[unit]) - middle) / max(scale, 1e-12)
        return min(1.0, -self.asked * math.expm1(-math.exp(-above)))

    def _gumbel(self) -> tuple[float, float]:
        """
        Location and scale of the best by chance, from mean and deviation.

        A greatest of many is spread like that; the greatest of a hundred shifts alone
        would not tell what comes once in a thousand.

        Source:
            Gumbel (1958), Statistics of Extremes. Columbia University Press.
        """
        scale = float(self.best_by_chance.std()) * math.sqrt(6) / math.pi
        return float(self.best_by_chance.mean()) - EULER * scale, scale

    def best(self, count: int) -> list[int]:
        """The units that follow best and better than chance, the best first."""
        ranked = np.argsort(-self.strength, kind="stable")[:count]
        return [int(unit) for unit in ranked if self.strength[unit] > self.chance]


Mask = Bool[np.ndarray, " T"]


@dataclass(frozen=True, slots=True)
class Property:
    """Something that is true of some characters of a text."""

    name: str
    holds: Callable[[str], Mask]
    """Where it is true, once the character has been read."""
    among: Callable[[str], Mask] | None = None
    """Which characters are asked at all; None for every one."""


def inside_quotes(text: str) -> Mask:
    """From an opening quotation mark to before the closing one, or a blank line."""
    found, closes = np.zeros(len(text), np.bool_), ""
    for place, char in enumerate(text):
        if closes and (char == closes or text[place - 1 : place + 1] == "\n\n"):
            closes = ""
        elif not closes and char == '"':
            closes = '"'
        elif not closes:
            closes = QUOTES.get(char, "")
        found[place] = bool(closes)
    return found


def inside_brackets(text: str) -> Mask:
    """From an opening bracket of any kind to before its closing one."""
    found, depth = np.zeros(len(text), np.bool_), 0
    for place, char in enumerate(text):
        depth += (char in OPENING) - (char in CLOSING and depth > 0)
        found[place] = depth > 0
    return found


def letters(text: str) -> Mask:
    """Letters of any script."""
    return _each(text, str.isalpha)


def vowels(text: str) -> Mask:
    """Vowels of the Latin alphabet, with or without accents."""
    return _each(text, lambda char: char.lower() in VOWELS)


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
        opens = not before or before[-1] in SENTENCE_ENDS + "\n:"
        return word[0].isupper() and not word[1:].isupper() and not opens

    return _words(text, is_name)


def line_start(text: str) -> Mask:
    """The line end before a line, and its first three characters."""
    return np.asarray(_column(text) <= 3)


def line_end(text: str) -> Mask:
    """Farther from the start of the line than half of all characters."""
    return _late(_column(text))


def sentence_over(text: str) -> Mask:
    """After the mark that ends a sentence, until the next one begins."""
    marks, blanks = _each(text, lambda char: char in SENTENCE_ENDS), _blank(text)
    return np.asarray(marks | (blanks & (_since(marks) == _since(~blanks))))


def late_in_sentence(text: str) -> Mask:
    """Farther from the last end of a sentence than half of all characters."""
    return _late(_since(_each(text, lambda char: char in SENTENCE_ENDS)))


def late_in_paragraph(text: str) -> Mask:
    """Farther from the last blank line than half of all characters."""
    ends = _each(text, lambda char: char == "\n")
    blank_line = ends & np.append(False, ends[:-1])
    return _late(_since(blank_line))


def inside_a_number(text: str) -> Mask:
    """Digits."""
    return _each(text, str.isdigit)


def capitals(text: str) -> Mask:
    """Capital letters."""
    return _each(text, str.isupper)


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
"""What the unit finder looks for. A property that a text lacks is passed over."""


def find(
    text: str,
    memory: Shaped[np.ndarray, "T U"],
    properties: Sequence[Property] = PROPERTIES,
) -> list[Finding]:
    """
    Hold every unit to every property that the text has.

    Args:
        text: What was read. Below `LEAST_TEXT` characters nothing is looked for.
        memory: What each unit remembered after each character.
        properties: What to look for.
    """
    if len(text) < LEAST_TEXT:
        return []
    everywhere = _ranks(memory)
    findings = []
    for property in properties:
        labels, ranks = property.holds(text), everywhere
        if property.among is not None:
            asked = property.among(text)
            labels = labels[asked]
        if (labels[1:] != labels[:-1]).sum() < 2 * LEAST_RUNS:
            continue
        if property.among is not None:
            ranks = _ranks(memory[asked])
        findings.append(_held_to(property.name, labels, ranks))
    return [replace(finding, asked=len(findings)) for finding in findings]


def _held_to(
    name: str, labels: Bool[np.ndarray, " T"], ranks: Float32[np.ndarray, "T U"]
) -> Finding:
    auc = _auc(labels[None], ranks)[0]
    edge = int(len(labels) * MARGIN)
    shifts = np.linspace(edge, len(labels) - edge, SHIFTS).astype(np.int64)
    shifted = np.stack([np.roll(labels, shift) for shift in shifts])
    by_chance = _auc(shifted, ranks)
    return Finding(
        name=name,
        share=float(labels.mean()),
        auc=auc,
        null=by_chance.mean(axis=0),
        best_by_chance=np.maximum(by_chance, 1 - by_chance).max(axis=1),
    )


def _ranks(values: Shaped[np.ndarray, "T U"]) -> Float32[np.ndarray, "T U"]:
    """
    The place of each number among those of its unit, 1 to T; equal ones share theirs.

    As float32, in which a sum over a text errs by less than 1e-4 of an AUC; the middle
    is taken off, so that the numbers stay small.
    """
    ranks = np.empty(values.shape, np.float32)
    middle = (len(values) + 1) / 2
    for unit, column in enumerate(values.T):
        _, place, count = np.unique(column, return_inverse=True, return_counts=True)
        ranks[:, unit] = (count.cumsum() - (count - 1) / 2 - middle)[place]
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
    sums = (labels.astype(np.float32) @ ranks).astype(np.float64)
    # sum of ranks less its least, n (n + 1) / 2, over the pairs; the middle put back
    return np.asarray(0.5 + sums / (positives * (total - positives)))


WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")

OPENING, CLOSING = "([{", ")]}"

QUOTES = {"“": "”", "«": "»", "„": "“"}

SENTENCE_ENDS = ".!?…"

VOWELS = "aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿ"


def _each(text: str, is_so: Callable[[str], bool]) -> Mask:
    """Ask every different character once."""
    known = {char: is_so(char) for char in set(text)}
    return np.fromiter((known[char] for char in text), np.bool_, len(text))


def _words(text: str, is_so: Callable[[str, int], bool]) -> Mask:
    """All characters of the words that *is_so*, given with their place."""
    found = np.zeros(len(text), np.bool_)
    for word in WORD.finditer(text):
        found[word.start() : word.end()] = is_so(word[0], word.start())
    return found


def _blank(text: str) -> Mask:
    return _each(text, str.isspace)


def _since(mask: Mask) -> Int[np.ndarray, " T"]:
    """Characters since the last one in *mask*, 0 at one; before it, since the start."""
    places = np.arange(len(mask))
    last = np.maximum.accumulate(np.where(mask, places, -1))
    return np.asarray(places - last)


def _column(text: str) -> Int[np.ndarray, " T"]:
    """Characters since the line began, 0 at the line end before it."""
    return _since(_each(text, lambda char: char == "\n"))


def _late(distance: Int[np.ndarray, " T"]) -> Mask:
    return np.asarray(distance > np.median(distance))
