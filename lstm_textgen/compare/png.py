"""Charts as PNG files, by the extra `plot`."""

from pathlib import Path
from typing import Any

from lstm_textgen.compare.charts import Chart
from lstm_textgen.errors import UnavailableError

COLOURS = {"lstm": "#0072b2", "gru": "#00835f", "rnn": "#c44e00"}

DASHES = {"lstm": "-", "gru": "--", "rnn": ":"}


def check_plot() -> None:
    """
    See that pictures can be drawn, before anything long begins.

    Raises:
        UnavailableError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            "PNG pictures need matplotlib, which is not installed.",
            "pip install 'lstm-textgen[plot]', or leave --png out.",
        ) from error


def save_png(chart: Chart, folder: Path) -> Path:
    """
    Draw a chart into `NAME.png`.

    Raises:
        UnavailableError: matplotlib is not installed.
        OutputError, StorageError: The file cannot be written.
    """
    check_plot()
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from lstm_textgen.files import write_durably

    figure = Figure(figsize=(6.4, 4.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    _draw(chart, figure.subplots())
    data = io.BytesIO()
    figure.savefig(data, format="png")
    path = folder / f"{chart.name}.png"
    write_durably(path, data.getvalue())
    return path


def _draw(chart: Chart, plot: Any) -> None:
    for line in chart.lines:
        if not line.x:
            continue
        colour, dash = COLOURS[line.cell], DASHES[line.cell]
        plot.plot(line.x, line.y, dash, color=colour, label=line.name)
        plot.fill_between(line.x, line.low, line.high, color=colour, alpha=0.16, lw=0)
    if chart.baseline is not None:
        plot.axhline(chart.baseline, color="grey", ls="--", lw=1)
    if chart.x_log:
        plot.set_xscale("log", base=2)
    if chart.y_log:
        plot.set_yscale("log")
    if chart.y_range:
        plot.set_ylim(*chart.y_range)
    plot.set(title=chart.title, xlabel=chart.x_label, ylabel=chart.y_label)
    plot.grid(alpha=0.3)
    if plot.get_legend_handles_labels()[0]:
        plot.legend()
