"""
An inspection as named arrays for NumPy, and as JSON.

Shapes: T characters, N units that are asked for, P properties, K guesses.
"""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_textgen.config import Cell
from lstm_textgen.errors import ConfigError
from lstm_textgen.inspect.gates import CELL_SIGNALS, Unit, unit_name
from lstm_textgen.inspect.inspection import Inspection

MAX_JSON_NUMBERS = 4_000_000
"""Signal values that JSON takes: about 40 MB."""

UNITS_PER_FINDING = 5


def inspection_arrays(
    inspection: Inspection, units: Sequence[Unit]
) -> dict[str, NDArray[Any]]:
    """
    Everything as arrays, for `numpy.savez`.

    `text` (T,), `bits` (T,), `guesses` (T, K) with `guess_probabilities` (T, K),
    `units` (N, 2) as layer and unit, each signal (N, T), `half_life` (N,) in
    characters, `properties` (P,) with `auc` (P, N), `auc_null` (P, N) and
    `auc_chance` (P,).
    """
    trace, findings = inspection.trace, inspection.findings
    indices = [inspection.index_of(unit) for unit in units]
    arrays = {
        "text": np.array(list(inspection.text)),
        "bits": trace.bits,
        "guesses": np.array(inspection.id_names)[trace.guesses],
        "guess_probabilities": trace.guess_probs,
        "units": np.array(units, np.int64).reshape(-1, 2),
    }
    for name in CELL_SIGNALS[trace.cell].names:
        arrays[name] = np.stack([inspection.signal(unit, name) for unit in units])
    if inspection.half_life is not None:
        arrays["half_life"] = inspection.half_life[indices]
    if findings:
        arrays["properties"] = np.array([finding.name for finding in findings])
        arrays["auc"] = np.stack([finding.auc[indices] for finding in findings])
        arrays["auc_null"] = np.stack([finding.null[indices] for finding in findings])
        arrays["auc_chance"] = np.array([finding.chance for finding in findings])
    return arrays


def inspection_npz(inspection: Inspection, units: Sequence[Unit]) -> bytes:
    """The file that `numpy.load` opens, with `inspection_arrays`."""
    file = io.BytesIO()
    arrays: dict[str, Any] = inspection_arrays(inspection, units)
    np.savez(file, **arrays)
    return file.getvalue()


def inspection_json(inspection: Inspection, units: Sequence[Unit]) -> dict[str, Any]:
    """
    The same as one object: numbers to six decimals, null for NaN and infinity.

    Raises:
        ConfigError: It would be too large for JSON.
    """
    trace, lives = inspection.trace, inspection.half_life
    check_json_size(len(inspection.text), len(units), trace.cell)
    indices = [inspection.index_of(unit) for unit in units]
    guesses = [
        [[inspection.id_names[id], prob] for id, prob in zip(ids, probs, strict=True)]
        for ids, probs in zip(
            trace.guesses.tolist(), _json_numbers(trace.guess_probs), strict=True
        )
    ]
    return {
        "text": inspection.text,
        "cell": inspection.model.cell,
        "layers": inspection.model.layers,
        "hidden": inspection.model.hidden,
        "bits": _json_numbers(trace.bits),
        "guesses": guesses,
        "units": [unit_name(unit) for unit in units],
        **{
            name: [_json_numbers(inspection.signal(unit, name)) for unit in units]
            for name in CELL_SIGNALS[trace.cell].names
        },
        "half_life": None if lives is None else _json_numbers(lives[indices]),
        "saturation": gate_saturation(inspection),
        "findings": units_above_chance(inspection),
        "properties": [
            {
                "property": finding.name,
                "chance": finding.chance,
                "auc": _json_numbers(finding.auc[indices]),
                "null": _json_numbers(finding.null[indices]),
            }
            for finding in inspection.findings
        ],
    }


def check_json_size(characters: int, units: int, cell: Cell) -> None:
    """
    Check that an inspection fits into JSON, before it is made.

    Raises:
        ConfigError: It would be too large.
    """
    size = units * characters * len(CELL_SIGNALS[cell].names)
    if size > MAX_JSON_NUMBERS:
        raise ConfigError(
            f"{units:,} units over {characters:,} characters are {size:,} numbers, "
            "too many for JSON.",
            "Name some units with --unit 0:17, or take --npz FILE.",
        )


def gate_saturation(inspection: Inspection) -> list[dict[str, Any]]:
    """For each layer and gate, the share of characters and units, shut and open."""
    return [
        {
            "layer": layer,
            "gate": gate,
            "shut": float(habits.shut[gate].mean()),
            "open": float(habits.open[gate].mean()),
        }
        for layer, habits in enumerate(inspection.trace.habits)
        for gate in habits.shut
    ]


def units_above_chance(inspection: Inspection) -> list[dict[str, Any]]:
    """For each property, clearest first, the units that follow it above chance."""
    rows = [
        {
            "property": finding.name,
            "share": finding.share,
            "chance": finding.chance,
            "null": float(finding.null.mean()),
            "units": [
                {
                    "unit": unit_name(inspection.unit_at(index)),
                    "auc": float(finding.auc[index]),
                    "null": float(finding.null[index]),
                    "p": finding.p_value(index),
                }
                for index in finding.above_chance(UNITS_PER_FINDING)
            ],
        }
        for finding in inspection.findings
    ]
    return sorted(rows, key=_margin, reverse=True)


def _margin(row: dict[str, Any]) -> float:
    """How far the best unit is above chance."""
    auc = row["units"][0]["auc"] if row["units"] else 0.5
    return float(max(auc, 1 - auc) - row["chance"])


def _json_numbers(values: NDArray[Any]) -> list[Any]:
    """Nested lists of rounded numbers; None for NaN and infinity."""
    rounded = np.round(values.astype(np.float64), 6)
    if np.isfinite(rounded).all():
        return list(rounded.tolist())
    return [value if math.isfinite(value) else None for value in rounded.tolist()]
