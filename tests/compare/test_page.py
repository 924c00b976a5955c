"""The page: whole, on its own, and safe from hostile names."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from lstm_textgen.compare.charts import all_charts, chart_svg
from lstm_textgen.compare.report import page

VOID = {"meta", "!doctype"}


class Reader(HTMLParser):
    """Notes tags, text and attributes, and that everything is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_everything_that_is_opened_is_closed(found):
    """And there is a drawing for every chart."""
    read = Reader(page(found))

    assert read.open == []
    assert read.tags.count("svg") == len(all_charts(found)) == 6


def test_the_page_needs_nothing_from_elsewhere(found):
    """No script; the one address is a link to the paper."""
    read = Reader(page(found))
    addresses = {v for k, v in read.attributes if k in ("src", "href", "action")}

    assert addresses == {"https://arxiv.org/abs/1611.09913"}
    assert not {"script", "link", "img", "iframe"} & set(read.tags)
    assert "url(" not in page(found)
    assert "@import" not in page(found)


def test_a_hostile_name_stays_text(found):
    """A corpus may be called anything."""
    name = "<script>alert(\"1\")</script>&<b title='x'>"
    text = page(replace(found, corpus=name))
    read = Reader(text)

    assert "script" not in read.tags
    assert "b" not in read.tags
    assert name in read.text
    assert "<script" not in text


def test_the_honest_word_stands_by_the_plots(found):
    """Under the tasks and under the gradients: cells store about as much."""
    text = page(found)

    assert text.count("All three cells can store about as much") == 2
    assert "Collins, Sohl-Dickstein and Sussillo (2017)" in text


def test_both_light_and_dark_are_there(found):
    """And the width of a phone."""
    text = page(found)

    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_a_point_tells_its_figure(found):
    """The fourth distance of the RNN, with its spread."""
    [chart] = [each for each in all_charts(found) if each.name == "recall-agreement"]

    assert "<title>classic RNN, 64: 55.0% (55.0% to 55.0%)</title>" in chart_svg(chart)


def test_lines_end_where_the_axes_say(found):
    """All right is drawn near the top, at chance on the dashed line."""
    [chart] = [each for each in all_charts(found) if each.name == "recall-agreement"]
    svg = chart_svg(chart)
    [baseline] = [row for row in svg.splitlines() if 'class="baseline"' in row]
    height = baseline.split('y1="')[1].split('"')[0]
    [rnn] = [
        row for row in svg.splitlines() if 'class="line rnn"' in row and "poly" in row
    ]

    assert rnn.split('points="')[1].split('"')[0].endswith(f"446.0,{height}")


def test_without_figures_there_is_a_sentence(found):
    """Where every run ran away."""
    chart = all_charts(found)[0]
    nothing = replace(chart, lines=())

    assert chart_svg(nothing).startswith("<p>Nothing to draw")


def test_without_matplotlib_png_says_what_to_install(found, tmp_path, monkeypatch):
    """Exit code 69, and the line for pip."""
    from lstm_textgen.compare.png import save_png
    from lstm_textgen.errors import UnavailableError

    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(UnavailableError, match=r"pip install 'lstm-textgen\[plot\]'"):
        save_png(all_charts(found)[0], tmp_path)
    assert UnavailableError.exit_code == 69


def test_pictures_are_drawn_by_matplotlib(found, tmp_path):
    """A file for a chart, named by it."""
    pytest.importorskip("matplotlib")
    from lstm_textgen.compare.png import save_png

    for chart in all_charts(found)[:2]:  # a share, and a logarithmic axis
        path = save_png(chart, tmp_path)
        assert path.name == f"{chart.name}.png"
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_it_without_a_word(found, open_page, tmp_path, width, dark):
    """Nothing sticks out, nothing is fetched, and every plot has been drawn."""
    path = tmp_path / "report.html"
    path.write_text(page(found), encoding="utf-8")
    opened = open_page(path, width=width, dark=dark)

    assert opened.run("document.documentElement.scrollWidth") <= width
    plots = "[...document.querySelectorAll('svg')].map(s => s.clientHeight)"
    assert len(opened.run(plots)) == 6
    assert min(opened.run(plots)) > 150
    paper = opened.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(22, 23, 26)" if dark else "rgb(255, 255, 255)")
