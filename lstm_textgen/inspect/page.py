"""
An inspection as one self-contained page, which loads nothing and runs no foreign text.

The text is data, JSON without any `<`, and reaches the screen as text only, on a canvas
or as `textContent`. A policy in the page names the one script that may run by its
digest.

Signals travel in a byte a number, compressed: 0 to 1 as 0 to 255; -1 to 1 as 0 to 254
with 127 for zero; a memory as a part of the largest of its unit.

Shapes: T characters, U units of all layers, P properties.
"""

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from numpy.typing import NDArray

from lstm_textgen.config import Cell
from lstm_textgen.inspect.arrays import gate_saturation, units_above_chance
from lstm_textgen.inspect.gates import CELL_SIGNALS, Unit
from lstm_textgen.inspect.inspection import Inspection
from lstm_textgen.inspect.probes import MIN_TEXT, SHIFTS
from lstm_textgen.ui.html import (
    asset,
    csp_digest,
    escape_text,
    fill_template,
    json_in_html,
)
from lstm_textgen.ui.terminal import sanitize

SCRIPTS = (
    "data.js",
    "colors.js",
    "text.js",
    "detail.js",
    "units.js",
    "tables.js",
    "main.js",
)

PAGE_CAP_BYTES = 4_900_000
"""A page is never larger, so that it opens on a phone and can be mailed."""

MAX_CHARACTERS = 50_000
"""Characters of a text that a page holds: guesses alone are 15 bytes each."""

POINTS = 96
"""Means of a unit's memory over the whole text, for the lower half of its tile."""

OPENING = 160
"""Characters at the beginning that all units have, for the upper half of a tile."""

BITS_SCALE = 12
"""Levels for a bit of surprise: 21 bits at most."""

NO_BITS = 255
"""The level of a character that nothing came before."""

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


def make_page(inspection: Inspection, *, title: str, ranked: Sequence[Unit]) -> str:
    """
    The page as HTML.

    Args:
        inspection: What is shown; of a very long text the beginning.
        title: What the text is, and the model.
        ranked: All units. Of the first ones every character is included, as many as
            there is room for; the others have coarse steps.
    """
    cell, style = inspection.model.cell, _file("style.css")
    script = "(() => {\n'use strict';\n" + "".join(map(_file, SCRIPTS)) + "})();\n"
    values = {
        "title": escape_text(title),
        "facts": escape_text(_facts(inspection)),
        "style": style,
        "script": script,
        "style_digest": csp_digest(style),
        "script_digest": csp_digest(script),
        "signals": str(len(CELL_SIGNALS[cell].names)),
        "min_text": f"{MIN_TEXT:,}",
        "shifts": str(SHIFTS),
        "retention_gate": CELL_SIGNALS[cell].retention_gate or "",
    }
    used = sum(len(value.encode()) for value in values.values())
    data = page_arrays(inspection, ranked, room_bytes=PAGE_CAP_BYTES - used - 10_000)
    values |= {
        "data": json_in_html(data),
        "opening": f"{data['openingLength']:,}",
        "points": str(data["points"]),
        "shipped": escape_text(_shipped(inspection, len(data["traces"]))),
    }
    return fill_template(_file("page.html"), values)


def _file(name: str) -> str:
    return asset("inspect", f"page/{name}")


def _facts(inspection: Inspection) -> str:
    """The line below the title."""
    model = inspection.model
    return (
        f"{model.cell.upper()}, {model.layers} x {model.hidden} units; "
        f"{len(inspection.text):,} characters at {inspection.bits_per_char:.2f} bits "
        "each. Hover over a character, or go there with the arrow keys, to see what "
        "the model expected, what it notes, keeps and gives out."
    )


def _shipped(inspection: Inspection, in_full: int) -> str:
    """Which units, and how much of the text, the page holds."""
    total, characters = inspection.units, len(inspection.text)
    sentences = [
        f"All {total:,} units travel with every character."
        if in_full == total
        else f"{in_full:,} of {total:,} units travel with every character, those that "
        "were named and then the most interesting ones; the others, in grey, only in "
        "these two ways, because a page stays below 5 MB."
    ]
    if characters > MAX_CHARACTERS:
        sentences.append(
            f"The page holds the first {MAX_CHARACTERS:,} of {characters:,} characters."
        )
    return " ".join(sentences)


def page_arrays(
    inspection: Inspection, ranked: Sequence[Unit], *, room_bytes: int
) -> dict[str, Any]:
    """
    Everything that the page's scripts read, as much as fits.

    Args:
        inspection: The text and its trace.
        ranked: All units. As many of the first ones as fit have `traces`.
        room_bytes: What it may take as JSON; what every page needs is included even
            where it is more.
    """
    count = min(len(inspection.text), MAX_CHARACTERS)
    memory = inspection.memory[:count].astype(np.float32)
    scale = _largest(memory)
    points, opening = min(POINTS, count), min(OPENING, count)
    means = _means(memory, points)
    coarse_scale = _largest(means)
    data = _common(inspection, count) | {
        "scale": [_short(value) for value in scale],
        "coarseScale": [_short(value) for value in coarse_scale],
        "points": points,
        "means": _packed(signed_levels((means / coarse_scale).T)),
        "openingLength": opening,
        "opening": _packed(signed_levels((memory[:opening] / scale).T)),
        "ranked": [inspection.index_of(unit) for unit in ranked],
        "first": inspection.index_of(ranked[0]),
    }
    room = room_bytes - len(json_in_html(data))
    traces: dict[str, str] = {}
    for unit in ranked:
        index = inspection.index_of(unit)
        packed = _packed(_unit_levels(inspection, unit, count, scale[index]))
        room -= len(packed) + 16
        if room < 0:
            break
        traces[str(index)] = packed
    return data | {"traces": traces}


def _common(inspection: Inspection, count: int) -> dict[str, Any]:
    """What does not depend on the units that have traces."""
    trace, model, lives = inspection.trace, inspection.model, inspection.half_life
    saturation, bits = inspection.saturation, trace.bits[:count]
    bit_levels = np.round(bits * BITS_SCALE).clip(0, NO_BITS - 1)
    guessed_ids, guesses = np.unique(trace.guesses[:count], return_inverse=True)
    aucs = np.array([finding.auc for finding in inspection.findings])
    return {
        "text": sanitize(inspection.text[:count]),
        "cell": model.cell,
        "layers": model.layers,
        "hidden": model.hidden,
        "memory": CELL_SIGNALS[model.cell].memory,
        "signals": [
            {"name": name, "title": TITLES[name], "kind": _kind(name, model.cell)}
            for name in CELL_SIGNALS[model.cell].names
        ],
        "shipped": list(_shipped_signals(model.cell)),
        "names": [sanitize(inspection.id_names[id]) for id in guessed_ids],
        "guessCount": trace.guesses.shape[1],
        "guesses": _packed(guesses.astype("<u2")),
        "chances": _packed(share_levels(trace.guess_probs[:count])),
        "bits": _packed(np.where(np.isnan(bits), NO_BITS, bit_levels).astype(np.uint8)),
        "bitsScale": BITS_SCALE,
        "halfLife": None if lives is None else [_short(life) for life in lives],
        "saturation": None if saturation is None else [_short(s) for s in saturation],
        "properties": [
            {"name": finding.name, "chance": _short(finding.chance)}
            for finding in inspection.findings
        ],
        "auc": _packed(np.round(aucs * 254).astype(np.uint8)),
        "findings": units_above_chance(inspection),
        "gates": gate_saturation(inspection),
    }


def _shipped_signals(cell: Cell) -> tuple[str, ...]:
    """What a page includes; an LSTM's output follows from its gate and its memory."""
    names = CELL_SIGNALS[cell].names
    return names[:-1] if cell == "lstm" else names


def _kind(name: str, cell: Cell) -> str:
    """How its levels are meant: `share`, `signed`, or `memory`, scaled by the unit."""
    if name == CELL_SIGNALS[cell].memory:
        return "memory"
    return "share" if name in CELL_SIGNALS[cell].gates else "signed"


def _unit_levels(
    inspection: Inspection, unit: Unit, count: int, scale: float
) -> UInt8[np.ndarray, "signals T"]:
    """The signals of one unit that a page includes."""
    cell, rows = inspection.model.cell, []
    for name in _shipped_signals(cell):
        values, kind = inspection.signal(unit, name)[:count], _kind(name, cell)
        if kind == "memory":
            values = values.astype(np.float32) / scale
        rows.append((share_levels if kind == "share" else signed_levels)(values))
    return np.stack(rows)


def share_levels(values: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """0 to 1 as 0 to 255."""
    return np.round(values.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)


def signed_levels(values: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """-1 to 1 as 0 to 254, 0 as 127."""
    levels = np.round(values.astype(np.float32) * 127) + 127
    return levels.clip(0, 254).astype(np.uint8)


def _means(
    memory: Float[np.ndarray, "T U"], points: int
) -> Float[np.ndarray, "points U"]:
    """The mean of each stretch of the text, for every unit."""
    count = len(memory)
    starts = -(-np.arange(points) * count // points)  # as `coarse` in data.js has it
    lengths = np.diff(np.append(starts, count))
    return np.asarray(np.add.reduceat(memory, starts, axis=0) / lengths[:, None])


def _largest(memory: Float[np.ndarray, "rows U"]) -> Float[np.ndarray, " U"]:
    """The largest absolute value of each unit; 1 where all are zero."""
    largest = np.abs(memory).max(axis=0).astype(np.float64)
    return np.where(largest > 0, largest, 1.0)


def _packed(values: NDArray[Any]) -> str:
    """Bytes in row order, compressed, as base64."""
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode("ascii")


def _short(value: float) -> float | None:
    """Four digits; None for infinity and NaN."""
    return float(f"{value:.4g}") if np.isfinite(value) else None
