"""The page of an inspection in a real browser: seen, hovered, chosen, sorted."""

import re

import numpy as np
import pytest

from lstm_textgen.inspect.page import (
    PAGE_CAP_BYTES,
    make_page,
    share_levels,
    signed_levels,
)
from lstm_textgen.ui.terminal import sanitize

LINE = "It was the best of times, it was the worst of times;\n"
HOSTILE = "</script><script>hacked=1</script><img src=x onerror=hacked=2>{{data}}"
HOSTILE += "\u202e\x1b[2J&lt;b&gt;'\"`${hacked=3}<!--\u2028]]>"
AT = "document.querySelector('#here').dataset.at"
UNIT = "document.querySelector('#unit-name').dataset.unit"


def html_of(inspection, *, title="made up"):
    return make_page(inspection, title=title, ranked=inspection.ranked())


@pytest.fixture(scope="module")
def small(make_inspection):
    """Twelve units of an LSTM over some lines, and its page."""
    inspection = make_inspection(
        LINE * 40, layers=2, hidden=6, properties=("inside a word", "a capital letter")
    )
    return inspection, html_of(inspection)


@pytest.fixture(scope="module")
def large(make_inspection):
    """20,000 characters and 2 x 512 units, and its page."""
    text = (LINE * 400)[:20_000]
    inspection = make_inspection(
        text, layers=2, hidden=512, properties=("inside a word", "inside quotes")
    )
    return inspection, html_of(inspection)


def position_of(page, row, column):
    """Where the character in a row and a column of the text is on the screen."""
    x, y, _, _ = page.box("#text")
    cell, line, pad = (
        float(page.run(f"document.querySelector('#text').dataset.{name}"))
        for name in ("cell", "line", "pad")
    )
    return x + 1 + pad + (column + 0.5) * cell, y + 1 + pad + (row + 0.5) * line


def texts(page, selector):
    """What all elements say that a selector matches."""
    return page.run(
        f"[...document.querySelectorAll('{selector}')].map(e => e.innerText)"
    )


def test_hovering_shows_the_character_and_what_was_expected(small, open_page):
    """Its position, its surprise, the guesses before and after, the unit's signals."""
    inspection, html = small
    page, at = open_page(html), 2 * len(LINE) + 11

    page.move(*position_of(page, 2, 11))

    assert int(page.run(AT)) == at
    assert page.text("#here-char") == LINE[11]
    bits = inspection.trace.bits[at]
    assert float(page.text("#here-bits").split()[0]) == pytest.approx(bits, abs=0.1)
    for guesses, row in (("#before", at - 1), ("#after", at)):
        best = inspection.id_names[inspection.trace.guesses[row, 0]]
        assert page.text(f"{guesses} li span") == {" ": "␣", "\n": "↵"}.get(best, best)
        percent = page.text(f"{guesses} li span + span").split()[0]
        prob = inspection.trace.guess_probs[row, 0]
        assert float(percent) / 100 == pytest.approx(prob, abs=0.01)
    unit = inspection.ranked()[0]
    values = [float(t.replace("−", "-")) for t in texts(page, "#values dd")]
    names = ("forget", "input", "output", "candidate", "memory")
    signals = [float(inspection.signal(unit, name)[at]) for name in names]
    assert values[:5] == pytest.approx(signals, abs=0.03)
    assert values[5] == pytest.approx(signals[2] * np.tanh(signals[4]), abs=0.03)


def test_a_tile_is_chosen_and_shades_the_text(small, open_page):
    """By a click; the address then names it, and leads back to it."""
    inspection, html = small
    page = open_page(html)
    x, y, _, _ = page.box("#units")
    before, step = page.pixels("#text-canvas"), page.run("units.dataset.step")

    page.click(x + 1.5 * float(step), y + 30)

    chosen = "{}:{}".format(*inspection.ranked()[1])
    page.wait(f"{UNIT} === '{chosen}'")
    page.frame()
    assert page.pixels("#text-canvas") != before
    address = page.run("location.hash")
    assert f"unit={chosen}" in address
    again = open_page(html, hash=address)
    again.wait(UNIT)
    again.frame()
    assert again.text("#unit-name") == f"Unit {chosen}"
    assert again.pixels("#text-canvas") == page.pixels("#text-canvas")


def test_units_are_sorted(small, open_page):
    """By half-life, by saturation, by number, by what they follow."""
    inspection, html = small
    page = open_page(html)

    def first(sort):
        page.choose("#sort", sort)
        layer, unit = page.run("units.dataset.first").split(":")
        return inspection.index_of((int(layer), int(unit)))

    assert first("memory") == inspection.half_life.argmax()
    assert first("saturation") == inspection.saturation.argmax()
    assert first("number") == 0
    assert first("interest") == inspection.index_of(inspection.ranked()[0])
    strengths = np.abs(np.round(inspection.findings[1].auc * 254) - 127)
    assert strengths[first("follows-1")] == strengths.max()
    page.choose("#layer", "1")
    assert page.run("units.dataset.first").startswith("1:")


def test_the_tables_list_followers_and_gates(small, open_page):
    """A row for each property and for each gate; the link of a unit chooses it."""
    inspection, html = small
    page = open_page(html)
    finding = max(inspection.findings, key=lambda f: f.strength.max() - f.chance)
    best = finding.above_chance(1)[0]
    name = "{}:{}".format(*inspection.unit_at(best))

    rows = page.run(
        "[...document.querySelectorAll('#findings tr, #gates tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )

    assert [row[0] for row in rows[:2]] == ["property", finding.name]
    assert rows[1][1:4] == ["30.0%", "0.50", f"{finding.chance:.3f}"]
    assert rows[1][4].startswith(f"{name} {finding.auc[best]:.3f}")
    shut = inspection.trace.habits[1].shut["output"].mean()
    assert rows[-1][:3] == ["1", "output", f"{shut:.1%}"]
    page.run("document.querySelector('#findings a').click()")
    page.wait(f"{UNIT} === '{name}'")


def test_keys_move_choose_shade_and_sort(small, open_page):
    """Everything can be done without a pointer."""
    inspection, html = small
    page = open_page(html)
    ranked = ["{}:{}".format(*unit) for unit in inspection.ranked()]

    page.press("Home", "ArrowRight", "ArrowRight")
    assert page.run(AT) == "2"
    page.press("ArrowDown")
    assert page.run(AT) == str(len(LINE) + 2)
    page.press("ArrowUp", "ArrowLeft")
    assert page.run(AT) == "1"
    page.press("End")
    assert page.run(AT) == str(len(inspection.text) - 1)
    assert page.run("document.querySelector('#text').scrollTop") > 0
    assert page.text("#said").startswith("↵, ")

    page.press("]")
    page.wait(f"{UNIT} === '{ranked[1]}'")
    page.press("[")
    page.wait(f"{UNIT} === '{ranked[0]}'")
    shaded = page.pixels("#text-canvas")
    page.press("1")
    assert page.run("signal.value") == "forget"
    assert page.pixels("#text-canvas") != shaded
    page.press("s")
    assert page.run("sort.value") == "memory"
    page.run("document.querySelector('#units').focus()")
    chosen = page.run(UNIT)
    page.press("ArrowRight")
    page.wait(f"{UNIT} !== '{chosen}'")


def test_a_pinned_character_stays(small, open_page):
    """While the pointer goes elsewhere, until Escape."""
    page = open_page(small[1])

    page.click(*position_of(page, 1, 5))
    page.move(*position_of(page, 3, 9))
    pinned = page.run(AT)
    page.press("Escape")
    page.move(*position_of(page, 3, 10))

    assert pinned == str(len(LINE) + 5)
    assert page.run(AT) == str(3 * len(LINE) + 10)


@pytest.mark.parametrize(
    ("cell", "signals", "gates"),
    [
        ("gru", ["reset", "update", "candidate", "hidden"], ["reset", "update"]),
        ("rnn", ["hidden"], []),
    ],
)
def test_the_other_cells_have_a_page_too(
    make_inspection, open_page, cell, signals, gates
):
    """A GRU with two gates, an RNN with none, over too short a text for findings."""
    page = open_page(html_of(make_inspection(LINE * 3, cell=cell, hidden=3)))

    assert texts(page, "#values dt") == signals
    listed = page.run(
        "[...document.querySelectorAll('#gates td:nth-child(2)')]"
        ".map(cell => cell.textContent)"
    )
    assert listed == gates
    assert page.run("document.querySelector('#no-gates').hidden") == bool(gates)
    assert not page.run("document.querySelector('#no-findings').hidden")


def test_a_phone_and_dark_mode(small, open_page):
    """One column, nothing wider than the screen; other colors."""
    phone = open_page(small[1], width=390, height=800)
    dark, light = open_page(small[1], dark=True), open_page(small[1])

    assert phone.run("document.documentElement.scrollWidth") <= 390
    assert phone.box("aside")[2] > 350
    assert light.pixels("#text-canvas") != dark.pixels("#text-canvas")


def test_a_hostile_text_or_vocabulary_runs_nothing(make_inspection, open_page):
    """It is shown as it is, and steers neither the page nor the screen."""
    names = [HOSTILE, "<img src=x onerror=hacked=4>", "</script><b>"]
    inspection = make_inspection(HOSTILE * 20, id_names=names)
    html = html_of(inspection, title=HOSTILE)
    page = open_page(html)

    assert page.run("typeof hacked") == "undefined"
    assert page.run("document.querySelectorAll('script, img, b[id=\"\"]').length") == 2
    assert page.text("h1").startswith("</script><script>hacked=1</script><img")
    assert "\x1b" not in html
    page.press("Home")
    assert page.text("#after li span") in [sanitize(name) for name in names]


def test_levels_are_the_nearest():
    """A share in steps of 1/255, a signed number in steps of 1/127."""
    shares, signed = np.linspace(0, 1, 999), np.linspace(-1, 1, 999)

    assert abs(share_levels(shares) / 255 - shares).max() <= 0.5 / 255 + 1e-6
    levels = signed_levels(signed).astype(float)
    assert abs((levels - 127) / 127 - signed).max() <= 0.5 / 127 + 1e-6
    assert signed_levels(np.zeros(1))[0] == 127


@pytest.mark.slow
def test_the_largest_page_stays_small_and_says_what_it_lacks(large):
    """Below 5 MB at 20,000 characters of 2 x 512 units, and no address in it."""
    html = large[1]

    assert len(html.encode()) <= PAGE_CAP_BYTES < 5_000_000
    in_full = re.search(r"([\d,]+) of 1,024 units travel with every character", html)
    assert int(in_full[1]) >= 20
    assert "http" not in re.sub(r'"data" type.*', "", html).replace("http-equiv", "")


def test_hovering_the_largest_page_changes_what_is_shown(large, open_page):
    """Thirty places all over the window show thirty characters."""
    page, shown = open_page(large[1]), set()

    for place in range(30):
        page.move(*position_of(page, place % 20, 3 + place % 43))
        shown.add(page.run(AT))

    assert len(shown) == 30


def test_a_unit_without_its_own_trace_is_shown_coarsely(large, open_page):
    """The address chooses it, and the page says that it has only means."""
    inspection, html = large
    coarse = "{}:{}".format(*inspection.ranked()[-1])
    page = open_page(html)

    page.run(f"location.hash = '#unit={coarse}&at=15000'")
    page.wait(f"{UNIT} === '{coarse}'")
    page.frame()

    assert page.run(AT) == "15000"
    assert not page.run("document.querySelector('#coarse').hidden")
