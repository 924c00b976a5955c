"""
The arrays of an inspection in a byte a number, compressed, as a page carries them.

A share from 0 to 1 becomes 0 to 255; a number with a sign becomes 0 to 254 with 127 for
nothing, a memory as a part of the largest of its unit.

Shapes: T characters, U units of all layers, K guesses, P properties.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from numpy.typing import NDArray

from lstm_textgen.insight.inspection import Inspection
from lstm_textgen.insight.signals import GATED, MEMORY, SIGNALS, Unit
from lstm_textgen.report.terminal import sanitise

MOST_CHARACTERS = 50_000
"""Characters of a text that a page holds: guesses alone are 15 bytes each."""

POINTS = 96
"""Means of a unit's memory over the whole text, for the lower half of its tile."""

OPENING = 160
"""Characters at the beginning of which all units are there, for the upper half."""

BITS_SCALE = 12
"""Levels for a bit of surprise: 21 bits at most."""

NO_BITS = 255

TITLES = {
    "forget": "forget gate: how much of the memory is kept",
    "input": "input gate: how much is noted",
    "output": "output gate: how much of the memory is given out",
    "reset": "reset gate: how much of the memory is looked at",
    "update": "update gate: how much of the memory is kept",
    "candidate": "candidate: what would be noted",
    "memory": "memory",
    "hidden": "output: what is given out",
}


@dataclass(frozen=True, slots=True)
class Packed:
    """What a page carries."""

    data: dict[str, Any]
    in_full: int
    """Units of which every character is there."""
    points: int
    """Means of each unit over the whole text."""
    opening: int
    """Characters of which every unit is there."""
    characters: int


def pack(inspection: Inspection, ranked: Sequence[Unit], *, room_bytes: int) -> Packed:
    """
    Everything that fits.

    Args:
        inspection: The text and its arrays.
        ranked: All units. As many of the first ones as fit travel in full.
        room_bytes: What the data may take; what every page needs is taken even where
            it is more.
    """
    count = min(len(inspection.text), MOST_CHARACTERS)
    memory = inspection.memory[:count].astype(np.float32)
    scale = _largest(memory)
    points, opening = min(POINTS, count), min(OPENING, count)
    means = _means(memory, points)
    coarse = _largest(means)
    data = _common(inspection, count) | {
        "scale": [_short(each) for each in scale],
        "coarseScale": [_short(each) for each in coarse],
        "points": points,
        "means": _packed(signed_levels((means / coarse).T)),
        "openingLength": opening,
        "opening": _packed(signed_levels((memory[:opening] / scale).T)),
        "ranked": [inspection.number(unit) for unit in ranked],
        "first": inspection.number(ranked[0]),
    }
    room = room_bytes - len(as_data(data))
    traces: dict[str, str] = {}
    for unit in ranked:
        number = inspection.number(unit)
        packed = _packed(_traced(inspection, unit, count, scale[number]))
        room -= len(packed) + 16
        if room < 0:
            break
        traces[str(number)] = packed
    return Packed(data | {"traces": traces}, len(traces), points, opening, count)


def shipped(inspection: Inspection) -> tuple[str, ...]:
    """The signals that travel; an LSTM's output follows from gate and memory."""
    names = SIGNALS[inspection.model.cell]
    return names[:-1] if "memory" in names else names


def share_levels(values: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """0 to 1 as 0 to 255."""
    return np.round(values.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)


def signed_levels(values: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """-1 to 1 as 0 to 254, 0 as 127."""
    levels = np.round(values.astype(np.float32) * 127) + 127
    return levels.clip(0, 254).astype(np.uint8)


def as_data(value: Any) -> str:
    """JSON in ASCII that ends no element and begins none, whatever is in it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _common(inspection: Inspection, count: int) -> dict[str, Any]:
    """What does not depend on the units that travel."""
    trace, model, lives = inspection.trace, inspection.model, inspection.half_life
    bits = np.nan_to_num(np.round(trace.bits[:count] * BITS_SCALE), nan=NO_BITS)
    bits = np.where(np.isnan(trace.bits[:count]), NO_BITS, bits.clip(0, NO_BITS - 1))
    saturation = inspection.saturation
    known, places = np.unique(trace.guesses[:count], return_inverse=True)
    return {
        "text": sanitise(inspection.text[:count]),
        "cell": model.cell,
        "layers": model.layers,
        "hidden": model.hidden,
        "memory": MEMORY[model.cell],
        "signals": [
            {"name": name, "title": TITLES[name], "kind": _kind(name, inspection)}
            for name in SIGNALS[model.cell]
        ],
        "shipped": list(shipped(inspection)),
        "names": [sanitise(inspection.names[id]) for id in known],
        "guessCount": trace.guesses.shape[1],
        "guesses": _packed(places.astype("<u2")),
        "chances": _packed(share_levels(trace.chances[:count])),
        "bits": _packed(bits.astype(np.uint8)),
        "bitsScale": BITS_SCALE,
        "halfLife": None if lives is None else [_short(each) for each in lives],
        "saturation": None if saturation is None else [_short(s) for s in saturation],
        "properties": [
            {"name": finding.name, "chance": _short(finding.chance)}
            for finding in inspection.findings
        ],
        "auc": _packed(_aucs(inspection)),
    }


def _kind(name: str, inspection: Inspection) -> str:
    """How its levels are meant: `share`, `signed`, or `memory`, scaled by the unit."""
    cell = inspection.model.cell
    if name == MEMORY[cell]:
        return "memory"
    return "share" if name in GATED[cell] else "signed"


def _traced(
    inspection: Inspection, unit: Unit, count: int, scale: float
) -> UInt8[np.ndarray, "signals T"]:
    """The signals of one unit as levels."""
    rows = []
    for name in shipped(inspection):
        values, kind = inspection.signal(unit, name)[:count], _kind(name, inspection)
        if kind == "memory":
            values = values.astype(np.float32) / scale
        rows.append((share_levels if kind == "share" else signed_levels)(values))
    return np.stack(rows)


def _means(
    memory: Float[np.ndarray, "T U"], points: int
) -> Float[np.ndarray, "points U"]:
    """The mean of each stretch of the text, for every unit."""
    count = len(memory)
    starts = -(-np.arange(points) * count // points)  # as the page finds a point
    lengths = np.diff(np.append(starts, count))
    return np.asarray(np.add.reduceat(memory, starts, axis=0) / lengths[:, None])


def _largest(memory: Float[np.ndarray, "rows U"]) -> Float[np.ndarray, " U"]:
    """The largest size of each unit; 1 for one that is always nothing."""
    found = np.abs(memory).max(axis=0).astype(np.float64)
    return np.where(found > 0, found, 1.0)


def _aucs(inspection: Inspection) -> UInt8[np.ndarray, "P U"]:
    aucs = [np.round(finding.auc * 254) for finding in inspection.findings]
    empty = np.empty((0, inspection.units))
    return np.stack(aucs).astype(np.uint8) if aucs else empty.astype(np.uint8)


def _packed(values: NDArray[Any]) -> str:
    """Bytes in row order, compressed, as base64."""
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode("ascii")


def _short(value: float) -> float | None:
    """Four digits; None for what is infinite."""
    return float(f"{value:.4g}") if np.isfinite(value) else None
