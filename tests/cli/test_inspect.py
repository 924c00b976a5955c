"""`textgen inspect`: what happens inside, for people, for programs, and changed."""

import re

import numpy as np
import pytest
import torch

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.inspect.inspection import inspect_text
from lstm_textgen.model.weights import build_model

LINE = "Said the crow to the fox, \"It's 7 o'clock,\" and slept.\n"


@pytest.fixture
def inspect(textgen, trained):
    """`textgen inspect` with the trained model."""
    return lambda *arguments, **streams: textgen(
        "inspect", trained.run, *arguments, **streams
    )


def test_json_has_the_arrays_of_the_equations(inspect, trained):
    """The arrays of a trace in float64, to six decimals."""
    result = inspect("--text", LINE, "--json").json

    checkpoint = load_checkpoint(trained.model)
    model = build_model(checkpoint, dtype=torch.float64)
    trace = inspect_text(model, checkpoint.tokenizer, LINE, dtype=np.float64).trace
    for name, values in trace.layers[0].items():
        np.testing.assert_allclose(result[name], values.T, rtol=0, atol=2e-6)
    np.testing.assert_allclose(result["bits"][1:], trace.bits[1:], atol=2e-5)
    assert result["bits"][0] is None
    assert result["units"] == [f"0:{unit}" for unit in range(8)]
    assert result["text"] == LINE
    assert (len(result["guesses"]), len(result["half_life"])) == (len(LINE), 8)


def test_the_bits_are_those_of_evaluate(inspect, textgen, trained):
    """Over the whole text; both read it once from its first character."""
    bits = inspect("--file", trained.text, "--json", "--unit", "0:1").json["bits"]
    result = textgen("evaluate", trained.run, trained.text, "--json").json

    assert sum(bits[1:]) / len(bits[1:]) == pytest.approx(
        result["bits_per_char"], abs=1e-5
    )


def test_the_held_out_part_is_found_again(inspect, trained):
    """As `evaluate --split` does, with the character before it."""
    result = inspect("--file", trained.text, "--split", "validation", "--json").json

    assert result["text"] == trained.text.read_text(encoding="utf-8")[-400:]


def test_npz_is_for_numpy(inspect, textgen):
    """The same numbers, all units or those that are named, without a pickle."""
    outcome = inspect("--text", LINE, "--npz", "all.npz")
    inspect("--text", LINE, "--npz", "two.npz", "--unit", "0:3", "--unit", "0:1")
    result = inspect("--text", LINE, "--json").json
    with np.load(textgen.folder / "all.npz", allow_pickle=False) as file:
        whole = dict(file)
    with np.load(textgen.folder / "two.npz", allow_pickle=False) as file:
        two = dict(file)

    assert outcome.stdout == "all.npz\n"
    assert whole["forget"].shape == (8, len(LINE))
    np.testing.assert_allclose(whole["memory"], result["memory"], atol=1e-6)
    np.testing.assert_array_equal(two["memory"], whole["memory"][[3, 1]])
    assert two["units"].tolist() == [[0, 3], [0, 1]]
    assert "".join(whole["text"]) == LINE


def test_people_see_text_and_heat(inspect):
    """In characters where there is no colour, each line as long as the text."""
    outcome = inspect("--text", "Said the crow", "--unit", "0:3")
    rows = dict(re.findall(r"^([a-z0-9: ]+?)  +(\S.*)$", outcome.stdout, re.MULTILINE))

    assert outcome.code == 0
    assert rows["text"] == "Said the crow"
    for name in ("forget", "input", "output"):
        assert re.fullmatch(r"\d{13}", rows[f"0:3 {name}"])
    for name in ("candidate", "memory", "hidden"):
        assert re.fullmatch(r"[a-i.1-9]{13}", rows[f"0:3 {name}"])
    assert "too short" in outcome.stdout
    assert "gates: digits" in outcome.stderr


def test_a_terminal_shows_colors_unless_told_not_to(inspect, textgen):
    """And nothing that steers it but ours."""
    shown = {}
    for env in ({}, {"NO_COLOR": "1"}):
        with textgen.screen() as screen:
            inspect("--text", "Said the crow", stdout=screen, env=env)
        shown[len(env)] = screen.text

    assert re.search(r"\x1b\[48;5;\d+m +\x1b\[0m", shown[0])
    assert not re.search(r"\x1b\[48", shown[1])
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown[1])  # tables have bold headings
    assert all(len(line) <= 100 for line in plain.splitlines())


def test_a_hostile_text_steers_no_terminal(textgen, trained_on_bytes):
    """A model of bytes reads and writes what clears a screen; it is not let through."""
    with textgen.screen() as screen:
        command = ("inspect", trained_on_bytes.run)
        read = ("--file", trained_on_bytes.text, "--first", "50")
        textgen(*command, *read, stdout=screen)
        textgen(*command, "--sample", "40", stdout=screen)
    ours = re.sub(r"\x1b\[[\d;]*m", "", screen.text)

    assert "é" in ours
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", ours)


def test_long_texts_tell_which_units_follow_what(inspect, trained):
    """With chance beside it, and of each layer how its gates stand."""
    outcome = inspect("--file", trained.text)

    assert re.search(
        r"^inside quotes +\d+\.\d% +0\.\d{3} +0\.\d\d", outcome.stdout, re.M
    )
    assert re.search(r"^ +0 +forget +\d+\.\d% +\d+\.\d%", outcome.stdout, re.M)
    assert "half-life of a memory" in outcome.stdout
    assert "--html FILE draws them all" in outcome.stderr


def test_a_page_is_one_file(inspect, textgen, trained):
    """With the text in it; what is there already stays, unless it is told to go."""
    first = inspect("--file", trained.text, "--html", "page.html")
    page = (textgen.folder / "page.html").read_text(encoding="utf-8")
    again = inspect("--text", "Said", "--html", "page.html")

    assert first.stdout == "page.html\n"
    assert "Said the crow" in page
    assert "All 8 units travel with every character" in page
    again.assert_refused(73, "page.html", "--force")
    assert inspect("--text", "Said", "--html", "page.html", "--force").code == 0
    assert (textgen.folder / "page.html").read_text(encoding="utf-8") != page
    inspect("--text", "Said", "--npz", "no/where.npz").assert_refused(73, "no")


def test_a_sample_is_the_one_that_sample_writes(inspect, textgen, trained):
    """The same seed, the same text, after the same prompt."""
    options = ("-n", "60", "--seed", "4", "-q")
    written = textgen("sample", trained.run, "-p", "Said", *options)
    result = inspect("--sample", "60", "-p", "Said", "--seed", "4", "--json").json
    alone = textgen("sample", trained.run, *options)
    opened = inspect("--sample", "60", "--seed", "4", "--json").json

    assert result["text"] + "\n" == written.stdout
    assert opened["text"] + "\n" == alone.stdout
    assert opened["bits"][0] is not None


def test_a_clamp_changes_what_is_written(inspect):
    """Both texts are shown, of one seed, and what was held is held in the arrays."""
    words = ("--sample", "80", "--seed", "4")
    free = inspect(*words, "--json").json
    held = inspect(*words, "--clamp", "0:2=3", "--clamp", "forget=1", "--json").json
    shown = inspect(*words, "--clamp", "0:2=3", "--clamp", "forget=1")

    assert held["unclamped"] == free["text"] != held["text"]
    assert set(held["memory"][2]) == {3.0}
    assert {n for unit in held["forget"] for n in unit} == {1.0}
    assert f"-- as it is\n{free['text']}\n" in shown.stdout
    assert f"-- with 0:2=3, forget=1\n{held['text']}\n" in shown.stdout


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_the_other_cells_are_shown_too(textgen, trained, cell):
    """With their own gates, or none, on the screen, as JSON and as a page."""
    textgen.train(trained.text, "--cell", cell, "-o", cell)
    result = textgen("inspect", cell, "--text", LINE, "--json").json
    shown = textgen("inspect", cell, "--file", trained.text)
    page = textgen("inspect", cell, "--file", trained.text, "--html", "page.html")

    assert {"reset", "update", "hidden"} <= result.keys() or cell == "rnn"
    assert "forget" not in result
    assert (result["half_life"] is None) == (cell == "rnn")
    assert ("An RNN has no gates" in shown.stdout) == (cell == "rnn")
    assert page.code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "values"),
    [
        ((), 2, ["--text", "--file", "--sample"]),
        (("--text", "a", "--sample", "3"), 2, ["--text", "--sample"]),
        (("--text", ""), 65, []),
        (("--text", "Said 漢"), 65, ["U+6F22"]),
        (("--text", "Said", "--on-unknown", "guess"), 2, ["guess", "replace"]),
        (("--text", "Said", "--unit", "0:8"), 2, ["8", "7"]),
        (("--text", "Said", "--unit", "x"), 2, ["'x'", "0:17"]),
        (("--text", "Said", "--layer", "1"), 2, ["1", "0"]),
        (("--text", "Said", "--clamp", "reset=1"), 2, ["reset", "forget"]),
        (("--text", "Said", "--split", "test"), 2, ["test", "--file"]),
        (("--sample", "0"), 2, ["0"]),
        (("--file", "nowhere.txt"), 66, ["nowhere.txt"]),
    ],
)
def test_what_cannot_be_done_is_refused(inspect, arguments, code, values):
    """In two lines, with the value and what to do."""
    inspect(*arguments).assert_refused(code, *values)


def test_too_much_for_json_is_known_before_it_is_read(textgen):
    """The numbers follow from text and units; nothing is read for nothing."""
    textgen.write("long.txt", "Said the crow to the fox. " * 30)

    outcome = textgen("inspect", "shakespeare", "--file", "long.txt", "--json")
    outcome.assert_refused(2, "1,024", "780", "--unit")
    one = textgen("inspect", "shakespeare", "--text", "ah", "--unit", "0:0", "--json")
    assert one.json["properties"] == []


def test_units_of_the_bundled_model_follow_the_text(textgen):
    """
    At least three beyond an AUC of 0.95 for a property, over what it writes itself.

    The figures on a text that it did not write are in `docs/inspect.md`.
    """
    words = ("--sample", "4000", "--seed", "1", "--unit", "0:0", "--json")
    findings = textgen("inspect", "shakespeare", *words).json["findings"]
    clear = {
        unit["unit"]
        for finding in findings
        for unit in finding["units"]
        if abs(unit["auc"] - 0.5) >= 0.45 and unit["p"] < 0.05
    }

    assert len(clear) >= 3
    assert all(abs(finding["null"] - 0.5) < 0.02 for finding in findings)
    assert all(0.5 < finding["chance"] < 0.9 for finding in findings)
