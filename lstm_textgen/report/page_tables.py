"""The tables of an inspection's page, as HTML."""

import html
from collections.abc import Sequence

from lstm_textgen.insight import arrays, finder
from lstm_textgen.insight.inspection import Inspection
from lstm_textgen.insight.signals import KEEPER


def findings_table(inspection: Inspection) -> str:
    """Which units follow which property, with chance beside it."""
    if not inspection.findings:
        return _paragraph(
            f"The text is shorter than {finder.LEAST_TEXT:,} characters, or has none "
            "of the properties that units are held to."
        )
    rows = []
    for told in arrays.findings(inspection):
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
