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
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped

from lstm_textgen.insight.properties import PROPERTIES, Property

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
