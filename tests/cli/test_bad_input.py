"""What users get wrong: two lines that name it, a code, and nothing left behind."""

import os

import pytest

TEXT = b"The crow spoke, and the fox heard it. " * 100
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10

TEXTS = {
    "empty": (b"", ["book"]),
    "one character": (b"a", ["'a'"]),
    "one character, often": (b"a" * 5000, ["'a'", "5,000"]),
    "shorter than a window": (b"The crow and the fox", ["18", "--window"]),
    "not UTF-8": (TEXT + b"caf\xe9" + TEXT, ["0xE9", "3803", "--encoding cp1252"]),
    "a lone continuation byte": (b"\x80" + TEXT, ["0x80"]),
    "half a character at the end": (TEXT + b"\xe2\x82", ["0xE2", "3800"]),
    "cp1252": ("café ".encode("cp1252") * 900, ["0xE9", "cp1252"]),
    "UTF-16": (TEXT.decode().encode("utf-16"), ["--encoding utf-16"]),
    "NUL": (TEXT + b"\0" + TEXT, ["book.txt", "NUL"]),
    "300,000 different characters": (
        "".join(map(chr, range(0x10000, 0x10000 + 300_000))).encode(),
        ["300,000", "200,000", "--tokenizer byte"],
    ),
    "PNG": (PNG, ["PNG"]),
}
"""The content of book.txt, and values that the refusal names."""

OPTIONS = {
    "train book.txt --hidden 8192 --layers 2": ["536,870,912", "hidden", "layers"],
    "train book.txt --steps 2.5": ["--steps"],
    "train book.txt --minutes 1 --steps 5": ["minutes 1", "steps 5"],
    "train book.txt --preset huge": ["'huge'", "tiny, small, base, large"],
    "train book.txt --cell lsmt": ["'lsmt'", "lstm, gru, rnn"],
    "train book.txt --tokenizer word": ["'word'", "char, byte"],
    "train book.txt --encoding klingon": ["'klingon'", "utf-8"],
    "train book.txt --device gpu": ["'gpu'", "cpu"],
    "train book.txt --device meta": ["'meta'", "cpu"],
    "train book.txt --precision half": ["'half'", "bfloat16"],
    "train book.txt --hiden 8": ["--hiden", "--hidden"],
    "train": ["corpus", "textgen train --help"],
    "sample fables --on-unknown guess": ["'guess'", "skip"],
    "sample fables --precision half": ["'half'", "float32, bfloat16, int8"],
    "sample fables --int8": ["--int8"],
    "evaluate model": ["text", "textgen evaluate --help"],
    "corpora fetch": ["'fetch'", "corpora --help"],
    "trian": ["'trian'", "train"],
    "--verson": ["--verson", "--version"],
}
"""Commands that are refused with code 2, and values that the refusal names."""


@pytest.mark.parametrize(("content", "values"), TEXTS.values(), ids=TEXTS)
def test_a_text_that_is_none(textgen, content, values):
    """It is refused for what is wrong with it, before a run is made."""
    textgen.write("book.txt", content)

    textgen("train", "book.txt").assert_refused(65, *values)
    assert textgen.left() == ["book.txt"]


@pytest.mark.parametrize("command", OPTIONS)
def test_words_that_are_no_command(textgen, command):
    """
    What was given is named, and what there is instead; nothing is written.

    Numbers out of range: `test_bad_settings.py`.
    """
    textgen.write("book.txt", TEXT)
    outcome = textgen(*command.split())

    outcome.assert_refused(2, *OPTIONS[command])
    assert textgen.left() == ["book.txt"]


def test_a_file_that_is_not_there(textgen):
    """The nearest name in the folder is offered, not a corpus of a similar name."""
    textgen.write("texts.txt", TEXT)

    textgen("train", "text.txt").assert_refused(66, "'text.txt'", "'texts.txt'")
    textgen("train", "no/book.txt").assert_refused(66, "'no/book.txt'", "'no'")
    textgen("train", "*.md").assert_refused(66, "*.md")


def test_a_text_in_the_place_of_its_name(textgen):
    """`textgen train "$(cat book.txt)"` once was a defect: the name is too long."""
    outcome = textgen("train", TEXT.decode())

    outcome.assert_refused(66, "The crow spoke", " - ")
    assert len(outcome.stderr) < 1000


def test_what_is_missing_or_may_never_end_is_not_read(textgen):
    """A pipe without a writer would hang, /dev/zero would fill the disk or memory."""
    textgen.write("book.txt", TEXT)
    os.mkfifo(textgen.folder / "pipe")

    for name in ("pipe", "/dev/zero", "nowhere.toml"):
        textgen("train", name).assert_refused(66, name)
        textgen("train", "book.txt", "--config", name).assert_refused(66, name)


def test_links_in_a_circle(textgen):
    """Neither a file nor a folder that leads back to itself is followed for ever."""
    (textgen.folder / "one").symlink_to("two")
    (textgen.folder / "two").symlink_to("one")
    textgen.write("texts/book.txt", TEXT)
    (textgen.folder / "texts" / "again").symlink_to(".")

    textgen("train", "one").assert_refused(66, "'one'")
    assert textgen.train("texts").code == 0


def test_a_hundred_thousand_different_characters(textgen):
    """They are a vocabulary like any other, with a word on what it costs."""
    characters = "".join(map(chr, range(0x10000, 0x10000 + 100_000)))
    textgen.write("book.txt", characters)
    outcome = textgen.train("book.txt")

    assert outcome.code == 0, outcome.stderr
    assert any("100,000" in note for note in outcome.notes)
    assert textgen("sample", "-n", "3").code == 0


@pytest.mark.parametrize(
    "output", ["book.txt", "book.txt/run", "full", "a" * 300, "round/run"]
)
@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_an_output_that_cannot_be(textgen, output, more):
    """It is refused before the text is read; --resume is no help without a run."""
    textgen.write("book.txt", TEXT)
    textgen.write("full/of.things", "")
    (textgen.folder / "round").symlink_to("round")
    outcome = textgen("train", "book.txt", "-o", output, *more)

    outcome.assert_refused(73, output.removesuffix("/run"))
    assert "--resume" not in outcome.stderr
    assert textgen.left() == ["book.txt", "full", "round"]


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_an_output_with_a_nul(textgen, more):
    """A settings file can hold what no shell lets through."""
    textgen.write("book.txt", TEXT)
    textgen.write("run.toml", 'output = "a\\u0000b"')
    outcome = textgen("train", "book.txt", "--config", "run.toml", *more)

    outcome.assert_refused(2, "--output")


def test_debug_shows_where(textgen):
    """And only then there is a traceback."""
    outcome = textgen("train", "nowhere.txt", "--debug")

    assert outcome.code == 66
    assert outcome.stderr.startswith("Traceback")
    assert "MissingError" in outcome.stderr
