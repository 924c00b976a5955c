"""
The files of a comparison: its results as JSON, one HTML page, and charts.

The page needs no network and no script. It is the package's `report.html` with its
gaps filled; everything from outside is escaped.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from lstm_textgen.compare.charts import (
    Chart,
    all_charts,
    chart_svg,
    context_chart,
    learning_charts,
    reach_charts,
    save_svg,
    task_chart,
)
from lstm_textgen.compare.design import TEXT_OPTIMIZER
from lstm_textgen.compare.findings import cautions, finding_sentences, table_sections
from lstm_textgen.compare.results import StudyResult
from lstm_textgen.files import write_durably
from lstm_textgen.ui.html import asset, csp_digest, escape_text, fill_template
from lstm_textgen.ui.model_facts import CELL_NAMES


def save_report(folder: Path, result: StudyResult, *, svg: bool) -> None:
    """
    Write `results.json` and `report.html`, and with *svg* every chart as a file.

    Raises:
        OutputError, StorageError: They cannot be written.
    """
    text = json.dumps(result.to_json(), indent=1, allow_nan=False)
    write_durably(folder / "results.json", text.encode("ascii") + b"\n")
    write_durably(folder / "report.html", report_page(result).encode("utf-8"))
    for chart in all_charts(result) if svg else ():
        if not chart.is_empty:
            save_svg(chart, folder)


def report_page(result: StudyResult) -> str:
    """The whole page."""
    style = asset("compare", "charts.css") + asset("compare", "report.css")
    values = {
        "style": style,
        "style_digest": csp_digest(style),
        "title": escape_text(_title(result)),
        "about": escape_text(_about(result)),
        "findings": _list(finding_sentences(result), "findings"),
        "cautions": _list(cautions(result), "cautions"),
        "recall": _recall_section(result),
        "capacity": asset("compare", "capacity.html"),
        "window": str(TEXT_OPTIMIZER.window),
        "reach_charts": _figures(reach_charts(result)),
        "context_chart": _figures([context_chart(result)]),
        "learning_charts": _figures(learning_charts(result)),
        "table": _table(result),
        "terms": escape_text(_terms(result)),
    }
    return fill_template(asset("compare", "report.html"), values)


def _title(result: StudyResult) -> str:
    *names, last = [CELL_NAMES[terms.cell] for terms in result.terms]
    cells = f"{', '.join(names)} and {last}" if names else last
    return f"{cells[0].upper()}{cells[1:]} compared on {result.corpus}"


def _about(result: StudyResult) -> str:
    networks = "one network" if result.seeds == 1 else f"{result.seeds} networks"
    return (
        f"{result.characters:,} characters, {result.vocabulary} different; the last "
        f"{result.held_out:,} judge. Equal terms: as many recurrent parameters, "
        f"{result.characters_read:,} characters read by each, the learning rate chosen "
        f"for each cell in the same way, {networks} of each cell. Bands go from "
        "the lowest to the highest seed."
    )


def _terms(result: StudyResult) -> str:
    kernels = "; ".join(f"{CELL_NAMES[t.cell]}: {t.kernel}" for t in result.terms)
    units = "; ".join(
        f"{CELL_NAMES[t.cell]} {t.task_hidden} units, {t.task_parameters:,} parameters"
        for t in result.terms
    )
    return (
        "Nats, seconds and right answers are mean ± half the range over seeds; where "
        "a gradient, a context or an answer ends goes from the lowest to the highest "
        "seed. Gradient: from where on it "
        f"stays under 1 % of that at k = 1. Kernels: {kernels}. Tasks: {units}. "
        f"Machine: {result.machine}. Text: sha256 {result.text[:12]}."
    )


def _list(sentences: list[str], kind: str) -> str:
    items = "".join(f"<li>{escape_text(sentence)}</li>" for sentence in sentences)
    return f'<ul class="{kind}">{items}</ul>' if items else ""


def _recall_section(result: StudyResult) -> str:
    if not result.tasks:
        return ""
    figures = (
        _figure(task_chart(task), f"<code>{escape_text(task.example)}</code>")
        for task in result.tasks
    )
    values = {
        "charts": _grid(figures),
        "capacity": asset("compare", "capacity.html"),
    }
    return fill_template(asset("compare", "recall.html"), values)


def _figures(charts: list[Chart]) -> str:
    return _grid(_figure(chart) for chart in charts)


def _grid(figures: Iterable[str]) -> str:
    return f'<div class="charts">{"".join(figures)}</div>'


def _figure(chart: Chart, note: str = "") -> str:
    small = f'<p class="small">{note}</p>' if note else ""
    caption = f"<figcaption>{escape_text(chart.title)}</figcaption>"
    return f"<figure>{caption}{chart_svg(chart)}{small}</figure>"


def _table(result: StudyResult) -> str:
    names = "".join(f"<th>{CELL_NAMES[terms.cell]}</th>" for terms in result.terms)
    lines = [f"<tr><th></th>{names}</tr>"]
    for section in table_sections(result):
        if section.title:
            title = escape_text(section.title)
            span = len(result.terms) + 1
            lines.append(f'<tr><th class="part" colspan="{span}">{title}</th></tr>')
        for name, figures in section.rows:
            cells = "".join(f"<td>{escape_text(figure)}</td>" for figure in figures)
            lines.append(f"<tr><th>{escape_text(name)}</th>{cells}</tr>")
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'
