"""
An inspection as one self-contained page: it fetches nothing, and no text runs in it.

The text is data in JSON without any `<`, and reaches the screen as text only, on a
canvas or as `textContent`. A policy in the page names the one script that may run by
its digest.

The arrays of an inspection in a byte a number, compressed, as a page carries them.

A share from 0 to 1 becomes 0 to 255; a number with a sign becomes 0 to 254 with 127 for
nothing, a memory as a part of the largest of its unit.

Shapes: T characters, U units of all layers, K guesses, P properties.

The tables of an inspection's page, as HTML.
"""

import base64
import html
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from numpy.typing import NDArray

from lstm_textgen.inspect import arrays
from lstm_textgen.inspect import probes as finder
from lstm_textgen.inspect.gates import GATED, KEEPER, MEMORY, SIGNALS, Unit
from lstm_textgen.inspect.inspection import Inspection
from lstm_textgen.ui.html import (
    asset,
    csp_digest,
    escape_text,
    fill_template,
    json_in_html,
)
from lstm_textgen.ui.terminal import sanitize

SCRIPTS = ("data.js", "colours.js", "text.js", "detail.js", "units.js", "main.js")

LIMIT_BYTES = 4_900_000
"""A page is never larger, so that it opens on a phone and goes by mail."""


def make_page(
    inspection: Inspection, *, title: str, facts: str, ranked: list[Unit]
) -> str:
    """
    The page as HTML.

    Args:
        inspection: What is shown; of a very long text the beginning.
        title: What the text is, and the model.
        facts: A line about the model.
        ranked: All units. The first ones travel with every character, as many as
            there is room for; the others in coarse steps.
    """
    style = _asset("style.css")
    script = "(() => {\n'use strict';\n" + "".join(map(_asset, SCRIPTS)) + "})();\n"
    parts = {
        "title": escape_text(title),
        "facts": escape_text(facts),
        "style": style,
        "script": script,
        "style_digest": csp_digest(style),
        "script_digest": csp_digest(script),
        "signals": str(len(SIGNALS[inspection.model.cell])),
        "findings": findings_table(inspection),
        "saturation": saturation_table(inspection),
    }
    used = sum(len(part.encode()) for part in parts.values())
    packed = page_arrays(inspection, ranked, room_bytes=LIMIT_BYTES - used - 10_000)
    parts["data"] = json_in_html(packed.data)
    parts["opening"] = f"{packed.opening:,}"
    parts["points"] = str(packed.points)
    parts["shipped"] = html.escape(_shipped(inspection, packed))
    return fill_template(_asset("page.html"), parts)


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


def _shipped(inspection: Inspection, packed: Packed) -> str:
    """Which units travel in full."""
    total, count = inspection.units, packed.in_full
    words = [
        f"All {total:,} units travel with every character."
        if count == total
        else f"{count:,} of {total:,} units travel with every character, those that "
        "were named and then the most interesting ones; the others, in grey, only in "
        "these two ways, because a page stays below 5 MB."
    ]
    if packed.characters < len(inspection.text):
        words.append(
            f"The page holds the first {packed.characters:,} of "
            f"{len(inspection.text):,} characters."
        )
    return " ".join(words)


def _asset(name: str) -> str:
    return asset("inspect", f"page/{name}")


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


def page_arrays(
    inspection: Inspection, ranked: Sequence[Unit], *, room_bytes: int
) -> Packed:
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
    room = room_bytes - len(json_in_html(data))
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


def _common(inspection: Inspection, count: int) -> dict[str, Any]:
    """What does not depend on the units that travel."""
    trace, model, lives = inspection.trace, inspection.model, inspection.half_life
    bits = np.nan_to_num(np.round(trace.bits[:count] * BITS_SCALE), nan=NO_BITS)
    bits = np.where(np.isnan(trace.bits[:count]), NO_BITS, bits.clip(0, NO_BITS - 1))
    saturation = inspection.saturation
    known, places = np.unique(trace.guesses[:count], return_inverse=True)
    return {
        "text": sanitize(inspection.text[:count]),
        "cell": model.cell,
        "layers": model.layers,
        "hidden": model.hidden,
        "memory": MEMORY[model.cell],
        "signals": [
            {"name": name, "title": TITLES[name], "kind": _kind(name, inspection)}
            for name in SIGNALS[model.cell]
        ],
        "shipped": list(shipped(inspection)),
        "names": [sanitize(inspection.names[id]) for id in known],
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


def findings_table(inspection: Inspection) -> str:
    """Which units follow which property, with chance beside it."""
    if not inspection.findings:
        return _paragraph(
            f"The text is shorter than {finder.LEAST_TEXT:,} characters, or has none "
            "of the properties that units are held to."
        )
    rows = []
    for told in arrays.probe_findings(inspection):
        units = ", ".join(_unit(each) for each in told["units"]) or "none"
        rows.append(
            [
                html.escape(told["property"]),
                f"{told['share']:.1%}",
                f"{told['null']:.2f}",
                f"{told['chance']:.3f}",
                units,
            ]
        )
    headings = ("property", "of the text", "null", "chance", "units above chance: AUC")
    return _paragraph(
        "AUC: how often a unit's memory is higher where the property holds than where "
        "it does not. 0.5 is no relation, 1 a perfect one, 0 a perfect one upside "
        "down. Null and chance come from the same text with the property shifted "
        f"along it {finder.SHIFTS} times: null is the mean over all units, chance what "
        "the best of all units reaches, on any property, one time in twenty."
    ) + _table(headings, rows)


def saturation_table(inspection: Inspection) -> str:
    """How often the gates of each layer are shut or open."""
    cell = inspection.model.cell
    if cell not in KEEPER:
        return _paragraph("An RNN has no gates.")
    rows = [
        [
            str(told["layer"]),
            told["gate"],
            f"{told['shut']:.1%}",
            f"{told['open']:.1%}",
        ]
        for told in arrays.saturation(inspection)
    ]
    words = _paragraph(
        "Shut is below 0.1, open above 0.9: shares of all characters and units. The "
        f"half-life of a memory is ln 2 / -mean(ln f), with f the {KEEPER[cell]} gate: "
        "after so many characters half of it would be left if f were always the same."
    )
    return words + _table(("layer", "gate", "shut", "open"), rows)


def _unit(told: dict[str, object]) -> str:
    """A unit as a link that chooses it."""
    name = html.escape(str(told["unit"]))
    return f'<a href="#unit={name}">{name}</a> {told["auc"]:.3f}'


def _paragraph(text: str) -> str:
    return f'<p class="note">{html.escape(text)}</p>'


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of HTML; cells that begin with a digit stand to the right."""
    lines = ["<tr>", *(f"<th>{html.escape(each)}</th>" for each in headings), "</tr>"]
    for row in rows:
        cells = [
            f'<td class="number">{cell}</td>'
            if cell[:1].isdigit()
            else f"<td>{cell}</td>"
            for cell in row
        ]
        lines += ["<tr>", *cells, "</tr>"]
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'
