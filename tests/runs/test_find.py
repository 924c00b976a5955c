"""Finding the checkpoint that the user means."""

import os
from pathlib import Path

import pytest

from lstm_textgen.errors import MissingError
from lstm_textgen.paths import bundled_folder
from lstm_textgen.runs import find as finding
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.runs.find import (
    free_name,
    is_bundled,
    model_name,
    newest_run,
    resolve_checkpoint,
    runs_in,
)


@pytest.fixture
def runs(tmp_path):
    """Two runs with a model, one without, and what else may lie about."""
    folder = tmp_path / "checkpoints"
    for name, at in (("old", 1000), ("new", 2000), ("empty", None)):
        run = RunDirectory(folder / name)
        with run.lock():
            run.begin({})
        if at is not None:
            run.model_path.touch()
            os.utime(run.model_path, (at, at))
    (folder / "file").touch()
    (folder / "other" / "model.safetensors").mkdir(parents=True)
    return folder


def test_the_newest_run_is_that_of_the_newest_model(runs):
    """The time of the model decides; a run without one does not count."""
    assert runs_in(runs) == [runs / "new", runs / "old"]
    assert newest_run(runs) == runs / "new"

    os.utime(runs / "old" / "model.safetensors", (3000, 3000))
    assert newest_run(runs) == runs / "old"


def test_what_is_still_arriving_is_no_run(runs):
    """It has a hidden name until all of it is there; it was once the newest model."""
    hidden = runs / ".0123456789abcdef.part"
    hidden.mkdir()
    (hidden / "model.safetensors").touch()

    assert runs_in(runs) == [runs / "new", runs / "old"]


def test_no_runs_in_no_folder(tmp_path, runs):
    """A folder that is missing, a file, or empty has no runs."""
    (tmp_path / "bare").mkdir()

    for folder in (tmp_path / "none", runs / "file", tmp_path / "bare"):
        assert newest_run(folder) is None


def test_a_free_name_is_the_first_that_nothing_has(tmp_path):
    """Folders, files and dangling links take a name; the folder may be missing."""
    assert free_name(tmp_path / "none", "fables") == tmp_path / "none" / "fables"
    (tmp_path / "fables").mkdir()
    (tmp_path / "fables-2").touch()
    (tmp_path / "fables-3").symlink_to("nowhere")

    assert free_name(tmp_path, "fables") == tmp_path / "fables-4"


def test_what_names_a_model(runs):
    """A file is itself, a run is its model, nothing is the newest run."""
    model = runs / "old" / "model.safetensors"

    assert resolve_checkpoint(str(model), folder=runs) == model
    assert resolve_checkpoint(str(runs / "old"), folder=runs) == model
    newest = resolve_checkpoint(None, folder=runs)
    assert newest == runs / "new" / "model.safetensors"


@pytest.mark.parametrize(
    ("argument", "problem", "remedy"),
    [
        ("{runs}/none", "does not exist", "textgen train fables"),
        ("{runs}/a\0b", "does not exist", "textgen train"),
        ("old", "does not exist", "Did you mean {runs}/old?"),
        ("shakespear", "does not exist", "Did you mean shakespeare?"),
        ("{runs}", "not one of a run", "such as {runs}/new"),
        ("{runs}/empty", "has not saved a model yet", "--resume -o {runs}/empty"),
        ("{runs}/other", "not one of a run", "Name a"),
        ("x" * 300, "does not exist", "Name a"),
    ],
)
def test_what_names_none(runs, argument, problem, remedy):
    """Each wrong turn has its own way out."""
    with pytest.raises(MissingError) as caught:
        resolve_checkpoint(argument.format(runs=runs), folder=runs)

    assert problem in caught.value.problem
    assert remedy.format(runs=runs) in caught.value.remedy


def test_where_nothing_was_trained_the_bundled_model_is_meant(tmp_path):
    """So that the first command after installation writes."""
    path = resolve_checkpoint(None, folder=tmp_path / "checkpoints")

    assert path == bundled_folder("checkpoints") / "shakespeare.safetensors"
    assert is_bundled(path)


def test_a_bundled_model_has_a_name_that_files_and_folders_take_first(
    tmp_path, monkeypatch, runs
):
    """What lies here under that name goes first, a run in `checkpoints/` does not."""
    monkeypatch.chdir(tmp_path)
    model = runs / "fables" / "model.safetensors"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"")
    assert is_bundled(resolve_checkpoint("fables", folder=runs))

    (tmp_path / "fables").write_bytes(b"")
    assert resolve_checkpoint("fables", folder=runs) == Path("fables")


def test_a_broken_installation_is_told(tmp_path, monkeypatch):
    """The file is not there: install again."""
    monkeypatch.setattr(finding, "bundled_folder", lambda kind: tmp_path / kind)

    with pytest.raises(MissingError, match="Install lstm-textgen again"):
        resolve_checkpoint(None, folder=tmp_path / "none")


def test_a_model_is_called_by_its_repository_its_run_or_its_file(tmp_path, monkeypatch):
    """Also inside the folder of a run, whose name no path shows, and from a cache."""
    run = tmp_path / "notes"
    run.mkdir()
    monkeypatch.chdir(run)
    inside = Path("model.safetensors")
    cached = tmp_path / "0123abcd" / "model.safetensors"

    assert model_name("model.safetensors", inside) == "notes"
    assert model_name(None, run / "model.safetensors") == "notes"
    assert model_name("hf://someone/fables@v2", cached) == "fables"
    assert model_name("fables", tmp_path / "fables.safetensors") == "fables"
