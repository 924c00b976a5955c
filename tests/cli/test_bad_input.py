"""
What users get wrong: two lines, a code, and nothing left behind.

Each case also shows the words without which the lines would be no help.
"""

import os
import time

import pytest

TEXT = b"The crow spoke, and the fox heard it. " * 100
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10

TEXTS = {
    "empty": (b"", 65, ["empty"]),
    "one character": (b"a", 65, ["'a'"]),
    "one character, often": (b"a" * 5000, 65, ["'a'", "5,000 times"]),
    "shorter than a window": (b"The crow and the fox", 65, ["18", "--window"]),
    "not UTF-8": (TEXT + b"caf\xe9" + TEXT, 65, ["0xE9", "3803", "--encoding cp1252"]),
    "a lone continuation byte": (b"\x80" + TEXT, 65, ["0x80", "offset 0"]),
    "half a character at the end": (TEXT + b"\xe2\x82", 65, ["0xE2", "offset 3800"]),
    "cp1252": ("café ".encode("cp1252") * 900, 65, ["0xE9", "offset 3", "cp1252"]),
    "UTF-16": (TEXT.decode().encode("utf-16"), 65, ["offset 0", "--encoding utf-16"]),
    "NUL": (TEXT + b"\0" + TEXT, 65, ["binary", "NUL"]),
    "300,000 different characters": (
        "".join(map(chr, range(0x10000, 0x10000 + 300_000))).encode(),
        65,
        ["300,000 different", "200,000", "--tokenizer byte"],
    ),
    "PNG": (PNG, 65, ["PNG image"]),
}
"""The content of book.txt, the code, and words of the two lines."""

OPTIONS = {
    "--lr nan": ["learning_rate is nan"],
    "--save-every nan": ["save_every is nan, which is no number of seconds"],
    "--hidden 8192 --layers 2": ["parameters", "hidden or layers lower"],
    "--hidden 0": ["hidden is 0", "8192"],
    "--hidden many": ["--hidden", "integer"],
    "--layers 17": ["layers is 17", "16"],
    "--steps 0": ["steps is 0", "above 0"],
    "--steps 2.5": ["--steps"],
    "--minutes -1": ["minutes is -1"],
    "--minutes inf": ["minutes is inf"],
    "--minutes 1 --steps 5": ["minutes 1.0 and steps 5", "exactly one"],
    "--dropout 1": ["dropout is 1"],
    "--validation 0.9": ["validation is 0.9"],
    "--seed -1": ["seed is -1"],
    "--threads 0": ["threads is 0"],
    "--preset huge": ["'huge'", "tiny, small, base, large"],
    "--cell lsmt": ["'lsmt'", "lstm, gru, rnn"],
    "--tokenizer word": ["'word'", "char, byte"],
    "--encoding klingon": ["'klingon'", "utf-8"],
    "--device gpu": ["'gpu'", "cpu"],
    "--device meta": ["'meta'", "cpu"],
    "--precision half": ["'half'", "bfloat16"],
    "--hiden 8": ["--hiden", "--hidden"],
}
"""Options of train that it refuses, and words of the two lines."""

SAMPLING = {
    "--top-p 0": ["top_p is 0"],
    "--top-p nan": ["top_p is nan"],
    "--top-k -1": ["top_k is -1"],
    "--temperature -1": ["temperature is -1"],
    "--temperature nan": ["temperature is nan"],
    "--seed -1": ["seed is -1"],
    "--length -1": ["length is -1"],
    "--on-unknown guess": ["'guess'", "skip"],
    "--precision half": ["precision is 'half'", "float32, bfloat16, int8"],
    "--int8": ["--int8"],
}
"""Options of sample that it refuses, and words of the two lines."""


@pytest.mark.parametrize(("content", "code", "words"), TEXTS.values(), ids=TEXTS)
def test_a_text_that_is_none(textgen, content, code, words):
    """It is refused for what is wrong with it, before a run is made."""
    textgen.write("book.txt", content)

    textgen("train", "book.txt").assert_refused(code, *words)
    assert textgen.left() == ["book.txt"]


@pytest.mark.parametrize("options", OPTIONS)
def test_an_option_of_train_out_of_range(textgen, options):
    """The value that was found is named, and what it may be."""
    textgen.write("book.txt", TEXT)
    outcome = textgen("train", "book.txt", *options.split())

    outcome.assert_refused(2, *OPTIONS[options])
    assert textgen.left() == ["book.txt"]


@pytest.mark.parametrize("options", SAMPLING)
def test_an_option_of_sample_out_of_range(textgen, trained, options):
    """As for train; no character is written before."""
    outcome = textgen("sample", trained.run, *options.split())

    outcome.assert_refused(2, *SAMPLING[options])


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["trian"], ["'trian'", "train"]),
        (["corpora", "fetch"], ["'fetch'", "corpora --help"]),
        (["train"], ["corpus", "textgen train --help"]),
        (["evaluate", "model"], ["text", "textgen evaluate --help"]),
        (["--verson"], ["--verson", "--version"]),
    ],
)
def test_words_that_are_no_command(textgen, command, words):
    """The nearest word is offered, or the help."""
    textgen(*command).assert_refused(2, *words)


def test_a_file_that_is_not_there(textgen):
    """The nearest name in the folder is offered, not a corpus of a similar name."""
    textgen.write("texts.txt", TEXT)

    textgen("train", "text.txt").assert_refused(66, "'text.txt'", "'texts.txt'")
    textgen("train", "no/book.txt").assert_refused(66, "no folder 'no'")
    textgen("train", "*.md").assert_refused(66, "*.md")


def test_a_folder_without_text(textgen):
    """What counts as text is told."""
    textgen.write("photos/one.png", PNG)

    textgen("train", "photos").assert_refused(65, "photos", ".txt")
    assert textgen.left() == ["photos"]


def test_a_text_in_the_place_of_its_name(textgen):
    """`textgen train "$(cat book.txt)"` once was a defect: the name is too long."""
    outcome = textgen("train", TEXT.decode())

    outcome.assert_refused(66, "does not exist", "standard input")
    assert len(outcome.stderr) < 1000


def test_what_may_never_end_is_not_opened(textgen):
    """A pipe without a writer would hang, /dev/zero would fill the disk."""
    os.mkfifo(textgen.folder / "pipe")

    textgen("train", "pipe").assert_refused(66, "a pipe")
    textgen("train", "/dev/zero").assert_refused(66, "a device")


def test_links_in_a_circle(textgen):
    """Neither a file nor a folder that leads back to itself is followed for ever."""
    (textgen.folder / "one").symlink_to("two")
    (textgen.folder / "two").symlink_to("one")
    textgen.write("texts/book.txt", TEXT)
    (textgen.folder / "texts" / "again").symlink_to(".")

    textgen("train", "one").assert_refused(66, "'one'", "leads back to itself")
    assert textgen.train("texts").code == 0


def test_a_text_that_may_not_be_read(textgen):
    """
    It is named; who is root may read every file but some that only take commands.
    """
    secret = textgen.write("secret.txt", TEXT)
    secret.chmod(0)
    if os.access(secret, os.R_OK):
        secret = "/proc/sysrq-trigger"

    textgen("train", secret).assert_refused(66, str(secret))


@pytest.mark.parametrize("change", ["grows", "shrinks"])
def test_a_file_that_changes_while_it_is_read(textgen, outcome_of, change):
    """It is told, nothing is left behind, and the next try will do."""
    size = 60 * 2**20
    book = textgen.write("book.txt", TEXT * (size // len(TEXT)))
    with textgen.running("train", book, *textgen.tiny) as process, book.open("ab") as f:
        while process.poll() is None:
            f.write(b"And more. ") if change == "grows" else f.truncate(size // 2)
            f.flush()
            size -= 1
            time.sleep(0.02)
        outcome = outcome_of(process)

    outcome.assert_refused(65, "changed while it was read")
    assert textgen.left() == ["book.txt"]


def test_a_hundred_thousand_different_characters(textgen):
    """They are a vocabulary like any other, with a word on what it costs."""
    characters = "".join(map(chr, range(0x10000, 0x10000 + 100_000)))
    textgen.write("book.txt", characters)
    outcome = textgen.train("book.txt")

    assert outcome.code == 0, outcome.stderr
    assert "of the parameters belong to the 100,000 different" in outcome.stderr
    assert textgen("sample", "-n", "3").code == 0


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("book.txt", ["book.txt exists already"]),
        ("book.txt/run", ["book.txt/run cannot be created", "not a folder"]),
        ("full", ["full exists already"]),
        ("a" * 300, ["aaa cannot be written", "shorter name"]),
        ("round/run", ["round", "Links lead in a circle"]),
    ],
)
@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_an_output_that_cannot_be(textgen, output, words, more):
    """It is refused before the text is read; --resume is no help without a run."""
    textgen.write("book.txt", TEXT)
    textgen.write("full/of.things", "")
    (textgen.folder / "round").symlink_to("round")
    outcome = textgen("train", "book.txt", "-o", output, *more)

    outcome.assert_refused(73, *words)
    assert "--resume" not in outcome.stderr
    assert textgen.left() == ["book.txt", "full", "round"]


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_an_output_with_a_nul(textgen, more):
    """A settings file can hold what no shell lets through."""
    textgen.write("book.txt", TEXT)
    textgen.write("run.toml", 'output = "a\\u0000b"')
    outcome = textgen("train", "book.txt", "--config", "run.toml", *more)

    outcome.assert_refused(2, "--output", "null byte")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("pipe", 66, ["pipe cannot be read", "not a regular file"]),
        ("/dev/zero", 66, ["/dev/zero", "not a regular file"]),
        (".", 66, ["not a regular file"]),
        ("large.toml", 65, ["large.toml", "more than 1,048,576 bytes"]),
    ],
)
def test_a_settings_file_that_may_never_end(textgen, name, code, words):
    """A pipe was waited for, and a device filled the memory."""
    textgen.write("book.txt", TEXT)
    textgen.write("large.toml", "#" * (2**20 + 1))
    os.mkfifo(textgen.folder / "pipe")
    outcome = textgen("train", "book.txt", "--config", name)

    outcome.assert_refused(code, *words)


def test_debug_shows_where(textgen):
    """And only then there is a traceback."""
    outcome = textgen("train", "nowhere.txt", "--debug")

    assert outcome.code == 66
    assert outcome.stderr.startswith("Traceback")
    assert "MissingError" in outcome.stderr
