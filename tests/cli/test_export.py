"""`textgen export`: a model for other programs."""

import importlib.util
import io
import json

import numpy as np
import pytest


@pytest.mark.parametrize("format", ["html", "npz", "onnx"])
def test_a_run_becomes_a_file_of_its_name(textgen, trained, needs, format):
    """The path goes to stdout; it is for giving away, so no path of ours is in it."""
    if format == "onnx":
        needs(importlib.util.find_spec("onnx"), "needs onnx: pip install onnx")

    outcome = textgen("export", trained.run, "--format", format)

    assert (outcome.code, outcome.stdout) == (0, f"book.{format}\n")
    assert "MB." in outcome.stderr
    assert textgen.left() == [f"book.{format}"]
    data = (textgen.folder / f"book.{format}").read_bytes()
    assert str(trained.run.parent).encode() not in data


def test_json_says_what_was_written(textgen, trained):
    """Where it is, what it is, and how large."""
    target = textgen.folder / "page.html"
    outcome = textgen(*("export", trained.model, "-f", "html", "-o", target, "--json"))

    assert outcome.json == {
        "path": str(target),
        "format": "html",
        "size_bytes": target.stat().st_size,
    }
    assert outcome.stderr == ""


def test_bundled_models_have_names(textgen):
    """`shakespeare` is as good as a path."""
    outcome = textgen("export", "fables", "--format", "npz")

    assert outcome.stdout == "fables.npz\n"
    with np.load(io.BytesIO((textgen.folder / "fables.npz").read_bytes())) as file:
        about = json.loads(file["metadata"].tobytes())
    assert about["training"]["corpus"] == "fables"


def test_nothing_is_overwritten(textgen, trained):
    """A file or a folder of that name stays as it is; no folder is made either."""
    textgen.write("book.html", "mine")
    (textgen.folder / "folder").mkdir()
    command = ("export", trained.run, "--format", "html")

    textgen(*command).assert_refused(73, "book.html", "-o")
    textgen(*command, "-o", "folder").assert_refused(73, "folder", "-o")
    textgen(*command, "-o", "none/book.html").assert_refused(73, "none/book.html")
    assert (textgen.folder / "book.html").read_text() == "mine"


def test_an_unknown_format_is_named_beside_the_known(textgen, trained):
    """The choices stand in the second line."""
    outcome = textgen("export", trained.run, "--format", "pickle")

    outcome.assert_refused(2, "'pickle'", "onnx, npz, html")


def test_without_the_package_the_line_to_install_it_is_told(textgen, trained):
    """Only the format that needs it is out of reach."""
    textgen.write("onnx.py", "raise ImportError('it is not here')")

    outcome = textgen.run("export", trained.run, "--format", "onnx")

    outcome.assert_refused(69, "it is not here", 'pip install "lstm-textgen[onnx]"')
    assert "book.onnx" not in textgen.left()
