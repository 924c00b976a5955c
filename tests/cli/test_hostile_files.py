"""
What a stranger may hand over as a checkpoint, through the real program.

Each file is refused in two lines, with a hundred megabytes at most, and the terminal is
as it was. More of their kind are in `tests/checkpoint/`.
"""

import functools
import os
import re
import resource
import sys
from dataclasses import replace

import pytest

from tests.emulator import plain, steers, terminal_after
from tests.forging import take_apart
from tests.hostile_files import ESCAPES, FILES

MEMORY_BYTES = 100 * 10**6
"""What a command may take beyond what it has at its start."""

EACH_KIND = ("pickle", "text", "flipped weight", "4 million characters", "NaN weights")
"""A file of another format, a damaged one, a large one and a useless one."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def good(trained):
    """A good model, taken apart."""
    return take_apart(trained.model.read_bytes())


@pytest.fixture
def on_screen(textgen):
    """Runs a command on a terminal; how it ended, and what was sent there."""

    def run(*words, **more):
        with textgen.screen() as screen:
            outcome = textgen(*words, stdout=screen, stderr=screen, **more)
        return replace(outcome, stderr=screen.text), screen.text

    return run


@pytest.fixture
def refused(on_screen):
    """A file is refused, within the limits and without a trace on the terminal."""

    def check(command, name, code, *words):
        outcome, sent = on_screen(command, name, memory_bytes=MEMORY_BYTES)

        outcome.assert_refused(code, *words)
        assert_plain(sent)
        assert sent.count("\n") == 2

    return check


def assert_plain(text):
    """A terminal shows *text*, and is otherwise as it was before."""
    after = terminal_after(text)

    assert not any(map(steers, text)), ascii(text)
    assert after.is_as_it_was
    assert after.cursor == (0, len(after.lines))
    assert after.looks == frozenset()


@pytest.mark.parametrize(
    ("command", "name"),
    [("info", name) for name in FILES] + [("sample", name) for name in EACH_KIND],
)
def test_a_file_that_is_no_good_checkpoint(textgen, good, refused, command, name):
    """It is called what it is, and nothing of it is run."""
    make, words = FILES[name]
    textgen.write("stranger.safetensors", make(good))

    refused(command, "stranger.safetensors", 65, "stranger.safetensors", *words)
    assert textgen.left() == ["stranger.safetensors"]


def test_what_is_no_file(textgen, trained, refused):
    """A folder, a pipe without a writer, a device without an end, a circle, nothing."""
    (textgen.folder / "folder").mkdir()
    os.mkfifo(textgen.folder / "pipe")
    (textgen.folder / "circle").symlink_to("circle")

    refused("info", "folder", 66, "folder")
    refused("info", "pipe", 65, "pipe")
    refused("info", "/dev/zero", 65, "/dev/zero")
    refused("info", "circle", 66, "circle")
    refused("info", "nowhere", 66, "nowhere")
    refused("info", trained.run / "state.safetensors", 65, "'lstm_textgen'")


@pytest.mark.parametrize("command", ["info", "sample"])
def test_a_good_file_keeps_to_the_same_limits(textgen, trained, command):
    """So that the limits measure the file, and not the program."""
    options = ["-n", "20", "-q"] if command == "sample" else []
    outcome = textgen(command, trained.model, *options, memory_bytes=MEMORY_BYTES)

    assert outcome.code == 0, outcome.stderr


def test_the_limit_is_one(textgen, good):
    """With a twentieth of it, the dearest file is refused by the system."""
    textgen.write("dear.safetensors", FILES["4 million characters"][0](good))
    outcome = textgen("info", "dear.safetensors", memory_bytes=MEMORY_BYTES // 20)

    outcome.assert_refused(2)


def dressed(good, text, hidden):
    """
    The good model with *text* wherever its maker may write what he likes.

    Args:
        hidden: Characters for its vocabulary that a table does not show. They stand
            before or after all letters, so that they leave no gap.
    """
    told = {key: text for key in ("corpus", "sha256", "encoding")}
    size = len(good.description["vocabulary"]["characters"])
    known = "".join(sorted({*hidden, *LETTERS[: size - len(hidden)]}))
    return good.changed(
        training={**good.description["training"], **told},
        made_by={"lstm_textgen": text, text: text},
        licence=text,
        note=f"{text}\n\t{text}",
        vocabulary={"kind": "char", "characters": known, "unknown": None},
    )


def test_escape_sequences_in_a_good_file_are_shown_as_text(textgen, good, on_screen):
    """The table leaves the terminal as that of a file with U+FFFD in their place."""
    commands = set(filter(steers, ESCAPES))
    private = {chr(0xE000 + place) for place in range(len(commands))}
    seen = []
    for text, hidden in ((ESCAPES, commands), (plain(ESCAPES), private)):
        name = f"{text}.safetensors"
        textgen.write(name, dressed(good, text, hidden).sealed())
        outcome, sent = on_screen("info", name)
        assert outcome.code == 0, sent
        # in the file an escape may take fewer bytes than what stands for it
        seen.append(terminal_after(re.sub(r"\(\d+ kB\)", "(? kB)", sent)))

    assert seen[0] == seen[1]
    assert seen[0].is_as_it_was
    assert seen[0].cursor == (0, len(seen[0].lines))


def test_escape_sequences_go_into_a_file_as_they_are(textgen, good):
    """What a model writes is exact where no terminal reads it."""
    commands = set(filter(steers, ESCAPES))
    textgen.write("evil.safetensors", dressed(good, ESCAPES, commands).sealed())
    words = ("sample", "evil.safetensors", "-n", "600", "-t", "3", "--seed", "1")

    assert set(filter(steers, textgen(*words).stdout)) == commands


EVIL = f"{ESCAPES}.safetensors"


@pytest.mark.parametrize(
    "words",
    [
        ("info", EVIL),
        ("sample", EVIL, "-n", "600", "-t", "3", "--seed", "1"),
        ("evaluate", EVIL, "book.txt"),
        ("inspect", EVIL, "--sample", "5"),
        ("export", EVIL, "--format", "npz"),
        ("push", EVIL, "alice/book", "--dry-run"),
        ("checkpoints", "--in", "."),
        ("checkpoints", "verify", EVIL),
        ("checkpoints", "diff", EVIL, "fables"),
        ("checkpoints", "average", EVIL, "fables", "-o", "mean.safetensors"),
        ("train", EVIL),
        ("info", f"{EVIL}.", "--debug"),
    ],
    ids=lambda words: " ".join(words[:2]).partition(EVIL)[0] + words[-1][:9],
)
def test_no_command_lets_a_stranger_steer_the_terminal(textgen, good, on_screen, words):
    """Neither a name, nor what stands in a model, nor what it writes, nor an error."""
    commands = set(filter(steers, ESCAPES))
    textgen.write(EVIL, dressed(good, ESCAPES, commands).sealed())
    textgen.write("book.txt", "A" * 99)
    outcome, sent = on_screen(*words)
    without_our_colors = re.sub(r"\x1b\[[\d;]*m", "", sent)

    assert outcome.code != 1, sent
    assert sent
    assert_plain(without_our_colors)


WATCHED = """
import os, sys
import lstm_textgen.cli.sample_run, lstm_textgen.ui.table
from lstm_textgen import cli

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
DEEDS = ("socket.", "subprocess.", "pickle.", "shutil.", "tempfile.", "urllib.",
         "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.rename", "os.remove",
         "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate")

def watch(event, arguments):
    writes = event == "open" and arguments[2] & WRITES
    if writes or event.startswith(DEEDS):
        os.write(2, f"{event} {arguments}\\n".encode())

sys.addaudithook(watch)
cli.run()
"""
"""Runs the program, and tells on stderr whatever it does to the world."""


@pytest.mark.parametrize("command", [["info"], ["sample", "-n", "20", "--seed", "1"]])
def test_loading_writes_nothing_and_connects_nowhere(textgen, good, command):
    """No file is written or moved, no process or socket made, nothing unpickled."""
    commands = set(filter(steers, ESCAPES))
    path = textgen.write("evil.safetensors", dressed(good, ESCAPES, commands).sealed())
    watched = (sys.executable, "-B", "-c", WATCHED)
    outcome = textgen.run(*command, path, program=watched)

    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout
    assert textgen.left() == ["evil.safetensors"]


@pytest.mark.parametrize("more", [[], ["--typical", "0.9"], ["--beam", "2"]], ids=str)
def test_the_largest_weights_write_a_text(textgen, good, more):
    """
    Finite weights whose products overflow were a defect once: no draw was possible.

    The largest that are accepted, of either sign, still give probabilities.
    """
    largest = b"\0\0\0\x5a\0\0\0\xda"  # 2^53 and -2^53
    pieces = {
        name: (dtype, shape, (largest * len(raw))[: len(raw)])
        for name, (dtype, shape, raw) in good.pieces().items()
    }
    textgen.write("huge.safetensors", good.laid_out(pieces).sealed())
    outcome = textgen("sample", "huge.safetensors", "-n", "20", "--seed", "1", *more)

    assert outcome.code == 0, outcome.stderr
    assert len(outcome.stdout) == 20 + len("\n")


MEASURED = """
import sys
from lstm_textgen import cli
try:
    cli.run()
finally:
    with open("/proc/self/status") as file:
        print(next(line for line in file if "VmPeak" in line), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def limit_bytes(workshop, trained):
    """What the real program takes for a good model, and a hundred megabytes."""
    measured = (sys.executable, "-c", MEASURED)
    outcome = workshop.run("info", trained.model, program=measured)
    peak_kb = int(re.search(r"VmPeak:\s*(\d+) kB", outcome.stderr)[1])
    return 1024 * peak_kb + MEMORY_BYTES


@pytest.mark.parametrize(
    "name",
    ["200,000 names", "a header of 50 MB", "4 million characters", "a huge network"],
)
def test_under_ulimit(textgen, good, limit_bytes, name):
    """The dearest ones again, from the start of the program and under `ulimit -v`."""
    make, words = FILES[name]
    path = textgen.write("stranger.safetensors", make(good))
    limits = resource.RLIMIT_AS, (limit_bytes, limit_bytes)
    limit = functools.partial(resource.setrlimit, *limits)

    textgen.run("info", path, preexec_fn=limit).assert_refused(65, *words)
