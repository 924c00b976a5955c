"""The page of an inspection, in a real browser: seen, hovered, chosen, sorted."""

import re
import statistics

import numpy as np
import pytest

from lstm_textgen.inspect.page import (
    LIMIT_BYTES,
    make_page,
    share_levels,
    signed_levels,
)
from lstm_textgen.ui.terminal import sanitize

LINE = "It was the best of times, it was the worst of times;\n"
HOSTILE = "</script><script>hacked=1</script><img src=x onerror=hacked=2>{{data}}"
HOSTILE += "\u202e\x1b[2J&lt;b&gt;'\"`${hacked=3}<!--\u2028]]>"


def write(path, inspection, **more):
    named = {"title": "made up", "facts": "a test", "ranked": inspection.ranked()}
    path.write_text(make_page(inspection, **named | more), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def small(make_inspection, tmp_path_factory):
    """Twelve units of an LSTM over some lines, and its page."""
    inspection = make_inspection(
        LINE * 40, layers=2, hidden=6, properties=("inside a word", "a capital letter")
    )
    return inspection, write(tmp_path_factory.mktemp("page") / "small.html", inspection)


@pytest.fixture(scope="module")
def large(make_inspection, tmp_path_factory):
    """20,000 characters and 2 x 512 units."""
    text = (LINE * 400)[:20_000]
    inspection = make_inspection(
        text, layers=2, hidden=512, properties=("inside a word", "inside quotes")
    )
    return inspection, write(tmp_path_factory.mktemp("page") / "large.html", inspection)


def place_of(page, row, column):
    """Where the character in a row and a column of the text is on the screen."""
    x, y, _, _ = page.box("#text")
    cell, line, pad = (
        float(page.run(f"document.querySelector('#text').dataset.{name}"))
        for name in ("cell", "line", "pad")
    )
    return x + 1 + pad + (column + 0.5) * cell, y + 1 + pad + (row + 0.5) * line


def test_hovering_shows_the_character_and_what_was_expected(small, open_page):
    """Its place, its surprise, the guesses before and after, the gates of the unit."""
    inspection, path = small
    page, at = open_page(path), 2 * len(LINE) + 11

    page.move(*place_of(page, 2, 11))

    assert int(page.run("document.querySelector('#here').dataset.at")) == at
    assert page.text("#here-char") == LINE[11]
    bits = inspection.trace.bits[at]
    assert float(page.text("#here-bits").split()[0]) == pytest.approx(bits, abs=0.1)
    for name, row in (("#before", at - 1), ("#after", at)):
        best = inspection.names[inspection.trace.guesses[row, 0]]
        shown = {" ": "␣", "\n": "↵"}.get(best, best)
        assert page.text(f"{name} li span") == shown
        share = inspection.trace.chances[row, 0]
        told = page.text(f"{name} li span + span").split()[0]
        assert float(told) / 100 == pytest.approx(share, abs=0.01)
    unit = inspection.ranked()[0]
    shown = page.run(
        "[...document.querySelectorAll('#values dd')].map(d => d.innerText)"
    )
    names = ("forget", "input", "output", "candidate", "memory")
    for name, told in zip(names, shown, strict=False):
        value = float(inspection.signal(unit, name)[at])
        assert float(told.replace("−", "-")) == pytest.approx(value, abs=0.03)
    memory, output = (inspection.signal(unit, n)[at] for n in ("memory", "output"))
    given_out = float(output) * np.tanh(float(memory))
    assert float(shown[5].replace("−", "-")) == pytest.approx(given_out, abs=0.03)


def test_a_tile_is_chosen_and_shades_the_text(small, open_page):
    """By a click; the address then names it, and leads back to it."""
    inspection, path = small
    page = open_page(path)
    x, y, _, _ = page.box("#units")
    before, step = page.pixels("#text-canvas"), page.run("units.dataset.step")

    page.click(x + 1.5 * float(step), y + 30)

    chosen = "{}:{}".format(*inspection.ranked()[1])
    page.wait(f"document.querySelector('#unit-name').dataset.unit === '{chosen}'")
    page.frame()
    assert page.pixels("#text-canvas") != before
    address = page.run("location.hash")
    assert f"unit={chosen}" in address
    again = open_page(path, hash=address)
    again.wait("document.querySelector('#unit-name').dataset.unit")
    again.frame()
    assert again.text("#unit-name") == f"Unit {chosen}"
    assert again.pixels("#text-canvas") == page.pixels("#text-canvas")


def test_units_are_sorted(small, open_page):
    """By how long they remember, by saturation, by number, by what they follow."""
    inspection, path = small
    page = open_page(path)

    def first(sort):
        page.choose("#sort", sort)
        layer, unit = page.run("units.dataset.first").split(":")
        return inspection.number((int(layer), int(unit)))

    assert first("memory") == inspection.half_life.argmax()
    assert first("saturation") == inspection.saturation.argmax()
    assert first("number") == 0
    assert first("interest") == inspection.number(inspection.ranked()[0])
    follows = first("follows-1")
    strengths = np.round(inspection.findings[1].auc * 254)
    assert abs(strengths[follows] - 127) == abs(strengths - 127).max()
    page.choose("#layer", "1")
    assert page.run("units.dataset.first").startswith("1:")


def test_keys_move_choose_shade_and_sort(small, open_page):
    """Everything can be done without a pointer."""
    inspection, path = small
    page = open_page(path)
    ranked = ["{}:{}".format(*unit) for unit in inspection.ranked()]

    def at():
        return int(page.run("document.querySelector('#here').dataset.at"))

    page.press("Home", "ArrowRight", "ArrowRight")
    assert at() == 2
    page.press("ArrowDown")
    assert at() == len(LINE) + 2
    page.press("ArrowUp", "ArrowLeft")
    assert at() == 1
    page.press("End")
    assert at() == len(inspection.text) - 1
    assert page.run("document.querySelector('#text').scrollTop") > 0
    assert page.text("#said").startswith("↵, ")

    page.press("]")
    page.wait(f"document.querySelector('#unit-name').dataset.unit === '{ranked[1]}'")
    page.press("[")
    page.wait(f"document.querySelector('#unit-name').dataset.unit === '{ranked[0]}'")
    shaded = page.pixels("#text-canvas")
    page.press("1")
    assert page.run("signal.value") == "forget"
    assert page.pixels("#text-canvas") != shaded
    page.press("s")
    assert page.run("sort.value") == "memory"
    page.run("document.querySelector('#units').focus()")
    chosen = page.text("#unit-name")
    page.press("ArrowRight")
    page.wait(f"document.querySelector('#unit-name').textContent !== '{chosen}'")


def test_a_pinned_character_stays(small, open_page):
    """While the pointer goes elsewhere, until Escape."""
    _, path = small
    page = open_page(path)

    page.click(*place_of(page, 1, 5))
    page.move(*place_of(page, 3, 9))
    pinned = page.run("document.querySelector('#here').dataset.at")
    page.press("Escape")
    page.move(*place_of(page, 3, 10))

    assert pinned == str(len(LINE) + 5)
    assert page.run("document.querySelector('#here').dataset.at") == str(
        3 * len(LINE) + 10
    )


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_the_other_cells_have_a_page_too(make_inspection, open_page, tmp_path, cell):
    """A GRU with two gates, an RNN with none."""
    inspection = make_inspection(LINE * 3, cell=cell, hidden=3)
    page = open_page(write(tmp_path / "page.html", inspection))

    names = page.run(
        "[...document.querySelectorAll('#values dt')].map(d => d.innerText)"
    )
    expected = {"gru": ["reset", "update", "candidate", "hidden"], "rnn": ["hidden"]}
    assert names == expected[cell]


def test_a_phone_and_the_dark(small, open_page):
    """One column, nothing wider than the screen; other colours."""
    _, path = small
    phone, dark = open_page(path, width=390, height=800), open_page(path, dark=True)

    assert phone.run("document.documentElement.scrollWidth") <= 390
    assert phone.box("aside")[2] > 350
    light = open_page(path)
    assert light.pixels("#text-canvas") != dark.pixels("#text-canvas")


def test_a_hostile_text_or_vocabulary_runs_nothing(
    make_inspection, open_page, tmp_path
):
    """It is shown as it is, and steers neither the page nor the screen."""
    names = [HOSTILE, "<img src=x onerror=hacked=4>", "</script><b>"]
    inspection = make_inspection(HOSTILE * 20, names=names)
    path = write(tmp_path / "page.html", inspection, title=HOSTILE, facts=HOSTILE)
    page = open_page(path)

    assert page.run("typeof hacked") == "undefined"
    count = "document.querySelectorAll('script, img, b[id=\"\"]').length"
    assert page.run(count) == 2
    assert page.text("h1").startswith("</script><script>hacked=1</script><img")
    assert "\x1b" not in path.read_text(encoding="utf-8")
    page.press("Home")
    assert page.text("#after li span") in [sanitize(name) for name in names]


def test_levels_are_the_nearest():
    """A share in steps of 1/255, a number with a sign in steps of 1/127."""
    shares, signed = np.linspace(0, 1, 999), np.linspace(-1, 1, 999)

    assert abs(share_levels(shares) / 255 - shares).max() <= 0.5 / 255 + 1e-6
    levels = signed_levels(signed).astype(float)
    assert abs((levels - 127) / 127 - signed).max() <= 0.5 / 127 + 1e-6
    assert signed_levels(np.zeros(1))[0] == 127


def test_the_largest_page_stays_small_and_says_what_it_lacks(large):
    """Below 5 MB at 20,000 characters of 2 x 512 units."""
    path = large[1]
    page = path.read_text(encoding="utf-8")

    assert path.stat().st_size <= LIMIT_BYTES < 5_000_000
    told = re.search(r"([\d,]+) of 1,024 units travel with every character", page)
    assert int(told[1]) >= 20
    assert "fetch(" not in page
    assert "http" not in re.sub(r'"data" type.*', "", page).replace("http-equiv", "")


def test_hovering_the_largest_page_paints_within_a_frame(
    large, open_page, record_testsuite_property
):
    """
    From the pointer's event to the frame with the character painted: 16 ms.

    Thirty places all over the window, each of which changes what is shown. Half of them
    must be in time in one round of six: at other times some other program may have
    the core. The medians are recorded.
    """
    page = open_page(large[1])
    page.run(
        "window.times = [];"
        "document.querySelector('#text').addEventListener('pointermove', () => {"
        "  const begun = performance.now(), channel = new MessageChannel();"
        "  channel.port1.onmessage = () => times.push(performance.now() - begun);"
        "  requestAnimationFrame(() => channel.port2.postMessage(0));"
        "}, true)"
    )
    medians = []
    while len(medians) < 3 or (min(medians) > 16 and len(medians) < 6):
        page.run("times.length = 0")
        seen = set()
        for turn in range(30):
            place = 30 * len(medians) + turn
            page.move(*place_of(page, place % 20, 3 + place % 43))
            seen.add(page.run("document.querySelector('#here').dataset.at"))
        times = page.run("times")
        medians.append(statistics.median(times))
        assert len(seen) == 30 <= len(times)
    record_testsuite_property("hover_to_paint_ms", medians)

    assert min(medians) <= 16, medians


def test_the_largest_page_scrolls_and_chooses_smoothly(
    large, open_page, record_testsuite_property
):
    """A unit without its own trace is shown coarsely, and says so."""
    inspection, path = large
    page = open_page(path)
    coarse = "{}:{}".format(*inspection.ranked()[-1])

    page.run(f"location.hash = '#unit={coarse}&at=15000'")
    page.wait(f"document.querySelector('#unit-name').dataset.unit === '{coarse}'")
    page.frame()

    assert page.run("document.querySelector('#here').dataset.at") == "15000"
    assert not page.run("document.querySelector('#coarse').hidden")
    drawn = page.run(
        "(async () => { const box = document.querySelector('#text'), times = [];"
        "for (let i = 0; i < 20; i++) {"
        "  box.scrollTop += 200; const t = performance.now();"
        "  await new Promise(r => requestAnimationFrame(() => setTimeout(r)));"
        "  times.push(performance.now() - t);"
        "} return times.sort((a, b) => a - b)[10]; })()"
    )
    record_testsuite_property("scroll_ms", drawn)
    assert drawn <= 50
