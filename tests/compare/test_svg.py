"""Plots as files of their own."""

from xml.etree import ElementTree

from lstm_textgen.compare.charts import all_charts, chart_svg, save_svg

NAMESPACE = "{http://www.w3.org/2000/svg}"


def test_every_plot_is_a_file_that_needs_nothing_else(found, tmp_path):
    """Well-formed, styled, and the same drawing as in the page."""
    for chart in all_charts(found):
        path = save_svg(chart, tmp_path)
        root = ElementTree.parse(path).getroot()
        inside = ElementTree.fromstring(chart_svg(chart))

        assert path.name == f"{chart.name}.svg"
        assert root.tag == f"{NAMESPACE}svg"
        assert root.find(f"{NAMESPACE}style") is not None
        drawn = [each.get("points") for each in root.iter(f"{NAMESPACE}polyline")]
        assert drawn == [each.get("points") for each in inside.iter("polyline")]
        assert len(drawn) == 3


def test_a_file_asks_for_nothing_from_elsewhere(found, tmp_path):
    """No link, script or image; the only address is the name of the format."""
    text = save_svg(all_charts(found)[0], tmp_path).read_text()

    assert text.count("http") == 1
    assert not any(word in text for word in ("href", "<script", "<image", "@import"))
