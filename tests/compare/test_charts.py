"""Axes with round figures, and charts as SVG files that need nothing else."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from lstm_textgen.compare.charts import (
    Axis,
    all_charts,
    chart_svg,
    save_svg,
    task_chart,
    tick_label,
    ticks,
)

NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("low", "high", "log", "expected"),
    [
        (0.0, 1.0, False, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (1.53, 2.11, False, [1.6, 1.7, 1.8, 1.9, 2.0, 2.1]),
        (0.0, 511.0, False, [0, 100, 200, 300, 400, 500]),
        (8.0, 256.0, True, [8, 16, 32, 64, 128, 256]),
        (1e-7, 10.0, True, [1e-7, 1e-5, 1e-3, 1e-1, 10]),
    ],
)
def test_ticks_are_round_figures(low, high, log, expected):
    """On a logarithmic axis powers of two, or of ten over many decades."""
    axis = Axis(low=low, high=high, log=log, start=0.0, end=100.0)

    assert ticks(axis) == pytest.approx(expected)


def test_an_axis_maps_its_ends_to_the_ends():
    """The middle to the middle, and what is beyond to the edge."""
    linear = Axis(low=0.0, high=10.0, log=False, start=100.0, end=0.0)
    log = Axis(low=1.0, high=100.0, log=True, start=0.0, end=100.0)

    assert [linear.at(value) for value in (0.0, 5.0, 10.0, 99.0)] == [100, 50, 0, 0]
    assert [log.at(value) for value in (1.0, 10.0, 100.0)] == pytest.approx(
        [0, 50, 100]
    )


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0.0, "0"),
        (1.5, "1.5"),
        (512.0, "512"),
        (1e5, "100k"),
        (2.5e6, "2.5M"),
        (1e-5, "1e-5"),
    ],
)
def test_tick_labels_are_short(value, label):
    """With a suffix or an exponent."""
    assert tick_label(value) == label


def test_a_mark_shows_its_figure(result):
    """The fourth distance of the RNN, with its spread."""
    svg = chart_svg(task_chart(result.tasks[0]))

    assert "<title>classic RNN, 64: 55.0% (55.0% to 55.0%)</title>" in svg


def test_a_line_at_chance_ends_on_the_baseline(result):
    """At the right edge of the drawing."""
    svg = ElementTree.fromstring(chart_svg(task_chart(result.tasks[0])))
    baseline = svg.find("line[@class='baseline']")
    line = svg.find("polyline[@class='line rnn']")
    x, y = line.get("points").split()[-1].split(",")

    assert (x, y) == (baseline.get("x2") + ".0", baseline.get("y1"))


def test_without_figures_there_is_a_sentence(result):
    """Where every run diverged."""
    nothing = replace(all_charts(result)[0], curves=())

    assert nothing.is_empty
    assert chart_svg(nothing).startswith("<p>")


def test_every_chart_is_a_file_that_needs_nothing_else(result, tmp_path):
    """Well-formed and styled; the drawing is that of the page."""
    for chart in all_charts(result):
        path = save_svg(chart, tmp_path)
        text = path.read_text()
        root = ElementTree.fromstring(text)
        inside = ElementTree.fromstring(chart_svg(chart))

        assert path.name == f"{chart.name}.svg"
        assert root.find(f"{NAMESPACE}style") is not None
        drawn = [line.get("points") for line in root.iter(f"{NAMESPACE}polyline")]
        assert drawn == [line.get("points") for line in inside.iter("polyline")]
        assert len(drawn) == 3
        assert text.count("http") == 1
        assert not any(
            word in text for word in ("href", "<script", "<image", "@import")
        )
