"""
The arrays of an inspection under plain names, for JSON and for NumPy.

Shapes: T characters, N units that are asked for, P properties, K guesses.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_textgen.config import Cell
from lstm_textgen.errors import ConfigError
from lstm_textgen.inspect.gates import SIGNALS, Unit, named
from lstm_textgen.inspect.inspection import Inspection

MOST_NUMBERS = 4_000_000
"""Numbers of signals that JSON takes: about 40 MB."""

BEST = 5
"""Units that are named for each property."""


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
    numbers = [inspection.number(unit) for unit in units]
    names = np.array(inspection.names)
    arrays = {
        "text": np.array(list(inspection.text)),
        "bits": trace.bits,
        "guesses": names[trace.guesses],
        "guess_probabilities": trace.chances,
        "units": np.array(units, np.int64).reshape(-1, 2),
    }
    for name in SIGNALS[trace.cell]:
        arrays[name] = np.stack([inspection.signal(unit, name) for unit in units])
    if inspection.half_life is not None:
        arrays["half_life"] = inspection.half_life[numbers]
    if findings:
        arrays["properties"] = np.array([finding.name for finding in findings])
        arrays["auc"] = np.stack([finding.auc[numbers] for finding in findings])
        arrays["auc_null"] = np.stack([finding.null[numbers] for finding in findings])
        arrays["auc_chance"] = np.array([finding.chance for finding in findings])
    return arrays


def inspection_json(inspection: Inspection, units: Sequence[Unit]) -> dict[str, Any]:
    """
    The same as one object; numbers to six places, null for what is none.

    Raises:
        ConfigError: It would be too large for JSON.
    """
    check_json(len(inspection.text), len(units), inspection.trace.cell)
    signals = SIGNALS[inspection.trace.cell]
    numbers, lives = [inspection.number(unit) for unit in units], inspection.half_life
    trace = inspection.trace
    return {
        "text": inspection.text,
        "cell": inspection.model.cell,
        "layers": inspection.model.layers,
        "hidden": inspection.model.hidden,
        "bits": _plain(trace.bits),
        "guesses": [
            [[inspection.names[id], p] for id, p in zip(ids, chances, strict=True)]
            for ids, chances in zip(
                trace.guesses.tolist(), _plain(trace.chances), strict=True
            )
        ],
        "units": [named(unit) for unit in units],
        **{
            name: [_plain(inspection.signal(unit, name)) for unit in units]
            for name in signals
        },
        "half_life": None if lives is None else _plain(lives[numbers]),
        "saturation": saturation(inspection),
        "findings": probe_findings(inspection),
        "properties": [
            {
                "property": finding.name,
                "chance": finding.chance,
                "auc": _plain(finding.auc[numbers]),
                "null": _plain(finding.null[numbers]),
            }
            for finding in inspection.findings
        ],
    }


def check_json(characters: int, units: int, cell: Cell) -> None:
    """
    See that an inspection fits into JSON, which is known before it is made.

    Raises:
        ConfigError: It would be too large.
    """
    size = units * characters * len(SIGNALS[cell])
    if size > MOST_NUMBERS:
        raise ConfigError(
            f"{units:,} units over {characters:,} characters are {size:,} numbers, "
            "too many for JSON.",
            "Name some units with --unit 0:17, or take --npz FILE.",
        )


def saturation(inspection: Inspection) -> list[dict[str, Any]]:
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


def probe_findings(inspection: Inspection) -> list[dict[str, Any]]:
    """For each property the units that follow it better than chance, at most 5."""
    told = []
    for finding in inspection.findings:
        units = [
            {
                "unit": named(inspection.place(number)),
                "auc": float(finding.auc[number]),
                "null": float(finding.null[number]),
                "p": finding.p(number),
            }
            for number in finding.best(BEST)
        ]
        told.append(
            {
                "property": finding.name,
                "share": finding.share,
                "chance": finding.chance,
                "null": float(finding.null.mean()),
                "units": units,
            }
        )
    return sorted(told, key=_margin, reverse=True)


def _margin(told: dict[str, Any]) -> float:
    """How far the best unit stands above chance."""
    best = told["units"][0]["auc"] if told["units"] else 0.5
    return float(max(best, 1 - best) - told["chance"])


def _plain(values: NDArray[Any]) -> list[Any]:
    """Lists of plain numbers, rounded; None for what is no number or infinite."""
    rounded = np.round(values.astype(np.float64), 6)
    if np.isfinite(rounded).all():
        return list(rounded.tolist())
    return [value if math.isfinite(value) else None for value in rounded.tolist()]
