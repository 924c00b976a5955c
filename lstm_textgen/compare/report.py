"""
A comparison as one HTML page: no network, no script, light and dark.

Everything that comes from outside is escaped on its way into the page.
"""

from html import escape

from lstm_textgen.compare import style
from lstm_textgen.compare.charts import (
    Chart,
    chart_svg,
    context_chart,
    learning_charts,
    reach_charts,
    task_chart,
)
from lstm_textgen.compare.design import TEXT_OPTIMIZER
from lstm_textgen.compare.findings import (
    CAPACITY,
    CAPACITY_LINK,
    cautions,
    finding_sentences,
    rows,
)
from lstm_textgen.compare.results import OnTask, StudyResult
from lstm_textgen.ui.model_facts import CELL_NAMES

RECALL = (
    "Short texts made on the spot. What decides the answer stands an exact number of "
    "characters before it, and nothing in between tells it. The dashed line is a "
    "reader without memory. Every network is taught at distances up to 256, short "
    "ones first, and every cell sees the same questions."
)

REACH = (
    "How strongly the loss on one character pulls at an input k characters before "
    "it. Where that is hardly anything, training hardly learns to use the input. A "
    "network that has learned not to need it has nothing there either, so this is what "
    "the network reaches for, not all that it could. Training itself follows a "
    f"gradient through the {TEXT_OPTIMIZER.window} characters of a window; what goes "
    "farther is memory that was carried over."
)

CONTEXT = (
    "The same held-out characters are predicted after reading only the last k "
    "before them, from an empty memory. Where the line is flat, more text does not "
    "help this network."
)

LEARNING = (
    "Loss on a sample of the held-out text during training. By characters, the cells "
    "are compared by what they make of the same text; by seconds, the speed of their "
    "kernels counts too. Seconds are those of training alone."
)


def page(found: StudyResult) -> str:
    """The whole page."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(_title(found))}</title>",
        f"<style>{style.COLOURS}{style.PAGE}{style.PLOT}</style></head><body><main>",
        f"<h1>{escape(_title(found))}</h1>",
        f"<p>{escape(_about(found))}</p>",
        _list(finding_sentences(found), "findings"),
        _list(cautions(found), "cautions"),
        *_recall(found),
        _section("How far the gradient reaches", REACH, reach_charts(found)),
        _capacity(),
        _section("How much context helps", CONTEXT, [context_chart(found)]),
        _section("What is learned from the text", LEARNING, learning_charts(found)),
        "<h2>The terms, and every figure</h2>",
        _table(found),
        f"<p class=small>{escape(_terms(found))}</p>",
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _title(found: StudyResult) -> str:
    *names, last = [CELL_NAMES[each.cell] for each in found.terms]
    named = f"{', '.join(names)} and {last}" if names else last
    return f"{named[0].upper()}{named[1:]} compared on {found.corpus}"


def _about(found: StudyResult) -> str:
    networks = "one network" if found.seeds == 1 else f"{found.seeds} networks"
    return (
        f"{found.characters:,} characters, {found.vocabulary} different; the last "
        f"{found.held_out:,} judge. Equal terms: as many recurrent parameters, "
        f"{found.characters_read:,} characters read by each, the learning rate chosen "
        f"for each cell in the same way, {networks} of each cell. Bands go from "
        "the lowest to the highest seed."
    )


def _list(sentences: list[str], kind: str) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="{kind}">{items}</ul>' if items else ""


def _section(title: str, words: str, charts: list[Chart]) -> str:
    return f"<h2>{escape(title)}</h2><p>{escape(words)}</p>{_figures(charts)}"


def _figures(charts: list[Chart]) -> str:
    figures = (
        f"<figure><figcaption>{escape(chart.title)}</figcaption>{chart_svg(chart)}</figure>"
        for chart in charts
    )
    return f'<div class="charts">{"".join(figures)}</div>'


def _recall(found: StudyResult) -> list[str]:
    if not found.tasks:
        return []
    figures = "".join(_task(task) for task in found.tasks)
    return [
        f"<h2>What is remembered over a distance</h2><p>{escape(RECALL)}</p>",
        f'<div class="charts">{figures}</div>',
        _capacity(),
    ]


def _task(task: OnTask) -> str:
    chart = task_chart(task)
    return (
        f"<figure><figcaption>{escape(chart.title)}</figcaption>{chart_svg(chart)}"
        f"<p class=small><code>{escape(task.example)}</code></p></figure>"
    )


def _capacity() -> str:
    return (
        f'<p class="honest">{escape(CAPACITY)} <a href="{CAPACITY_LINK}">Paper</a></p>'
    )


def _table(found: StudyResult) -> str:
    heads = "".join(f"<th>{escape(CELL_NAMES[each.cell])}</th>" for each in found.terms)
    lines = []
    for heading, cells in rows(found):
        if any(cells):
            figures = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            lines.append(f"<tr><th>{escape(heading.strip())}</th>{figures}</tr>")
        else:
            span = len(cells) + 1
            lines.append(
                f'<tr><th class="part" colspan={span}>{escape(heading)}</th></tr>'
            )
    body = "".join(lines)
    return f'<div class="scroll"><table><tr><th></th>{heads}</tr>{body}</table></div>'


def _terms(found: StudyResult) -> str:
    kernels = "; ".join(f"{CELL_NAMES[t.cell]}: {t.kernel}" for t in found.terms)
    units = "; ".join(
        f"{CELL_NAMES[t.cell]} {t.task_hidden} units, {t.task_parameters:,} parameters"
        for t in found.terms
    )
    return (
        "Nats, seconds and right answers are mean ± half the range over seeds; where "
        "a gradient, a context or an answer ends goes from the lowest to the highest "
        "seed. Gradient: from where on it "
        f"stays under 1 % of that at k = 1. Kernels: {kernels}. Tasks: {units}. "
        f"Machine: {found.machine}. Text: sha256 {found.text[:12]}."
    )
