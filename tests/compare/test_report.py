"""The page: complete, self-contained, and safe from hostile names."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from lstm_textgen.compare.charts import all_charts
from lstm_textgen.compare.report import report_page

VOID = {"meta", "!doctype"}


class Reader(HTMLParser):
    """Records tags, text and attributes; checks that everything is closed."""

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


def test_the_page_is_well_formed(result):
    """With a drawing for every chart, and twice the note on capacity."""
    page = Reader(report_page(result))

    assert page.open == []
    assert page.tags.count("svg") == len(all_charts(result)) == 6
    assert page.text.count("Collins, Sohl-Dickstein and\nSussillo (2017)") == 2


def test_without_tasks_there_is_no_recall_section(result):
    """And no caution where there is nothing to warn of."""
    page = Reader(report_page(replace(result, tasks=())))

    assert page.tags.count("svg") == 5
    assert page.tags.count("ul") == 1


def test_the_page_needs_nothing_from_elsewhere(result):
    """No script; the one address is a link to the paper."""
    text = report_page(result)
    page = Reader(text)
    addresses = {v for k, v in page.attributes if k in ("src", "href", "action")}

    assert addresses == {"https://arxiv.org/abs/1611.09913"}
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text


def test_a_hostile_name_stays_text(result):
    """A corpus may be called anything."""
    name = "<script>alert(\"1\")</script>&<b title='x'>{{style}}"
    page = Reader(report_page(replace(result, corpus=name)))

    assert not {"script", "b"} & set(page.tags)
    assert name in page.text


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_the_page(result, open_page, tmp_path, width, dark):
    """Nothing sticks out, nothing is refused, and every chart is drawn."""
    path = tmp_path / "report.html"
    path.write_text(report_page(result), encoding="utf-8")
    opened = open_page(path, width=width, dark=dark)

    assert opened.run("document.documentElement.scrollWidth") <= width
    heights = opened.run(
        "[...document.querySelectorAll('svg')].map(svg => svg.clientHeight)"
    )
    assert len(heights) == 6
    assert min(heights) > 150
    background = opened.run("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(22, 23, 26)" if dark else "rgb(255, 255, 255)")
