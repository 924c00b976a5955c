"""Tables on streams that cannot hold every character."""

import dataclasses
import io
import os
import sys

import pytest

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.cli.tables import show_checkpoint
from lstm_textgen.paths import bundled_folder

MODEL = bundled_folder("checkpoints") / "fables.safetensors"


@pytest.fixture
def shown(monkeypatch):
    """What a stream of some encoding receives of a model's table."""

    def show(encoding, *, note="", path=MODEL):
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding=encoding, newline="")
        monkeypatch.setattr(sys, "stdout", stream)
        show_checkpoint(path, dataclasses.replace(load_checkpoint(MODEL), note=note))
        return raw.getvalue().decode(encoding)

    return show


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_what_a_stream_cannot_hold_becomes_a_question_mark(shown, encoding):
    """A note in another script than the terminal knows ended the program once."""
    note = "Fuchs → 狐 é"
    expected = note.encode(encoding, "replace").decode(encoding)

    assert f"  {expected}" in shown(encoding, note=note)


def test_a_file_name_that_is_no_text_becomes_one(shown, tmp_path):
    """Bytes that are no UTF-8 come as halves of characters, which nothing can hold."""
    path = tmp_path / os.fsdecode(b"a\xff\x9b.safetensors")
    path.symlink_to(MODEL)

    assert "a??.safetensors" in shown("utf-8", path=path)
