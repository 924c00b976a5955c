"""`textgen compare`: a tiny comparison from end to end."""

import json
import re
import signal

import pytest

WORDS = ("crow", "fox", "jay", "mule", "wren", "and", "the", "slept", "ran", "sang")
TEXT = " ".join(
    f"{WORDS[i * i % 10]} {WORDS[i % 7]}{'.,;'[i % 3]}" for i in range(1400)
)
TINY = (
    *("--cells", "rnn,lstm", "--tasks", "bracket", "--seeds", "1", "--hidden", "4"),
    *("--minutes", "0.001", "--threads", "1"),
)


@pytest.fixture(scope="module")
def compared(workshop):
    """The smallest comparison that is one, and its folder."""
    text = workshop.write("compared/book.txt", TEXT)
    folder = workshop.folder / "compared" / "out"
    outcome = workshop("compare", text, *TINY, "--svg", "-o", folder)
    assert outcome.code == 0, outcome.stderr
    return text, folder, outcome


def test_it_leaves_a_page_and_figures(compared):
    """The table on stdout, the plots in the folder, what it means on stderr."""
    _, folder, outcome = compared
    results = json.loads((folder / "results.json").read_text())

    assert outcome.stdout.split()[:3] == ["classic", "RNN", "LSTM"]
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    assert "about" in outcome.stderr
    assert "One seed only" in outcome.stderr
    assert [each["cell"] for each in results["terms"]] == ["rnn", "lstm"]
    assert len(results["texts"][0]["choice"]["tried"]) >= 3
    assert (folder / "report.html").read_text().count("<svg") == 6
    assert len(list(folder.glob("*.svg"))) == 6


def test_a_second_run_finds_everything(workshop, compared):
    """It takes no time, and says the same as JSON."""
    text, folder, _ = compared
    before = sorted(path.stat().st_mtime_ns for path in folder.glob("pieces/*"))
    outcome = workshop("compare", text, *TINY, "-o", folder, "--json", "-q")
    after = sorted(path.stat().st_mtime_ns for path in folder.glob("pieces/*"))

    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.json == json.loads((folder / "results.json").read_text())
    assert after == before


def test_ctrl_c_keeps_what_is_done(textgen):
    """It ends with 130, and the same command resumes."""
    text = textgen.write("book.txt", TEXT)
    with textgen.running("compare", text, *TINY, "--minutes", "0.15") as process:
        for line in process.stderr:
            if re.match(r" *\d+%", line):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        code = process.wait(60)
    kept = list(textgen.folder.glob("comparisons/book/pieces/*-rate*.json"))

    assert code == 130, rest
    assert "kept in comparisons/book" in rest
    assert kept
    assert not list(textgen.folder.glob("comparisons/book/results.json"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--cells", "elman"), 2, ["'elman'", "lstm, gru, rnn"]),
        (("--png",), 2, ["--png", "--svg"]),
        (("-o", "book.txt"), 73, ["book.txt"]),
        (("-o", "taken"), 73, ["taken", "other.txt", "-o"]),
    ],
)
def test_what_cannot_be_done_is_said_at_once(textgen, arguments, code, words):
    """Before anything is trained."""
    text = textgen.write("book.txt", TEXT)
    textgen.write("taken/other.txt", "x")

    textgen("compare", text, *arguments).assert_refused(code, *words)


def test_a_short_text_is_refused(textgen):
    """There must be enough to measure context in."""
    text = textgen.write("short.txt", TEXT[:2000])

    textgen("compare", text, *TINY).assert_refused(65, "201", "10,240")
