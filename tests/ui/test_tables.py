"""Tables on streams that cannot hold every character."""

import os
import sys

import pytest

from lstm_textgen.ui.table import Column, bold, print_table

HOSTILE = "a\x1b[2J[red]"


@pytest.fixture
def printed(monkeypatch, tmp_path):
    """What a stream of some encoding receives of a table."""

    def write(rows, columns=(), *, encoding="utf-8"):
        path = tmp_path / "stdout"
        with open(path, "w", encoding=encoding, newline="") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            print_table(rows, columns)
        return path.read_bytes().decode(encoding)

    return write


def test_figures_stand_to_the_right_below_their_heading(printed):
    """Words stand to the left; without headings there is only the rows."""
    columns = [Column("name"), Column("bytes", figures=True)]
    rows = [("book", "7"), ("fables", "12")]

    lines = printed(rows, columns).splitlines()

    assert [line.rstrip() for line in lines] == [
        "name    bytes",
        "book        7",
        "fables     12",
    ]
    assert len(printed(rows).splitlines()) == 2


def test_no_cell_is_broken_or_read_as_markup_in_a_pipe(printed):
    """Cells and headings are shown as they are, but for what steers a terminal."""
    shown = printed([(bold(HOSTILE), "x" * 5000)], [Column(HOSTILE), Column("long")])

    assert shown.count("a\ufffd[2J[red]") == 2
    assert "x" * 5000 in shown


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_what_a_stream_cannot_hold_becomes_a_question_mark(printed, encoding):
    """A note in another script than the terminal knows ended the program once."""
    note = "Fuchs → 狐 é"
    expected = note.encode(encoding, "replace").decode(encoding)

    assert f"  {expected}" in printed([("note", note)], encoding=encoding)


def test_a_file_name_that_is_no_text_becomes_one(printed):
    """Bytes that are no UTF-8 come as halves of characters, which nothing can hold."""
    assert "a??.safetensors" in printed([[os.fsdecode(b"a\xff\x9b.safetensors")]])
