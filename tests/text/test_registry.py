"""The names of corpora, and where their files are."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lstm_textgen import paths
from lstm_textgen.paths import bundled_folder, data_folder
from lstm_textgen.text.registry import (
    BUNDLED,
    REGISTERED,
    all_corpora,
    corpus_named,
    corpus_path,
    missing_corpus,
    similar_names,
)

CORPORA = (*BUNDLED, *REGISTERED)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where downloaded corpora are: below TEXTGEN_DATA."""
    monkeypatch.setenv("TEXTGEN_DATA", str(tmp_path / "data"))
    folder = tmp_path / "data" / "corpora"
    folder.mkdir(parents=True)
    return folder


def test_names_are_unique_and_easy_to_type():
    """Lower case, letters, digits and hyphens: they are file names too."""
    names = [corpus.name for corpus in CORPORA]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", name) for name in names)


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda corpus: corpus.name)
def test_every_corpus_is_described(corpus):
    """Language, license and one line for all; a digest is complete or absent."""
    zipped = corpus.zipped

    assert corpus.language
    assert corpus.licence
    assert "\n" not in corpus.about
    assert corpus.bundled or urlsplit(corpus.address).scheme == "https"
    assert corpus.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", corpus.sha256)
    assert (corpus.sha256 is None) == (corpus.size_bytes is None)
    assert zipped is None or re.fullmatch(r"[0-9a-f]{64}", zipped.sha256)


def test_a_corpus_is_found_by_its_exact_name():
    """For anything else there are similar names."""
    assert corpus_named("text8") in REGISTERED
    assert corpus_named("Text8") is None
    assert corpus_named("../text8") is None
    assert similar_names("Tinyshakespear") == ["tinyshakespeare"]
    assert similar_names("fable")[0] == "fables"
    assert similar_names("xyzzy") == []


def test_a_registered_corpus_has_a_path_once_it_is_there(folder):
    """A file that is not a corpus has none, even in the same folder."""
    assert corpus_path("text8") is None

    (folder / "text8.txt").write_text("anarchism")
    (folder / "unheard-of.txt").write_text("anarchism")
    paths_by_name = {entry.corpus.name: entry.path for entry in all_corpora()}

    assert corpus_path("text8") == folder / "text8.txt"
    assert corpus_path("unheard-of") is None
    assert list(paths_by_name) == [corpus.name for corpus in CORPORA]
    assert [n for n, path in paths_by_name.items() if path] == [
        *(corpus.name for corpus in BUNDLED),
        "text8",
    ]


def test_without_the_environment_the_user_s_own_folder_is_used(monkeypatch):
    """An empty TEXTGEN_DATA counts as unset."""
    monkeypatch.setenv("TEXTGEN_DATA", "")

    assert data_folder().name == "corpora"
    assert "lstm_textgen" in data_folder().parts


def test_bundled_texts_are_in_the_wheel_or_in_the_checkout(tmp_path, monkeypatch):
    """What the package holds takes precedence: `corpora` beside it may be foreign."""
    assert bundled_folder("corpora") == Path(paths.__file__).parents[1] / "corpora"

    package = tmp_path / "site" / "lstm_textgen"
    monkeypatch.setattr(paths, "__file__", str(package / "paths.py"))

    assert bundled_folder("corpora") == package.parent / "corpora"

    inside = package / "_bundled" / "corpora"
    inside.mkdir(parents=True)

    assert bundled_folder("corpora") == inside
    assert corpus_path("fables") is None

    (inside / "fables.txt").write_text("A fox.")

    assert corpus_path("fables") == inside / "fables.txt"


def test_the_remedy_for_a_missing_corpus_is_a_command():
    """A bundled one needs a new installation instead."""
    registered = missing_corpus(corpus_named("enwik8"))
    bundled = missing_corpus(corpus_named("fables"))

    assert (registered.exit_code, bundled.exit_code) == (66, 66)
    assert "100,000,000 bytes" in registered.problem
    assert registered.remedy.endswith("textgen corpora get enwik8")
    assert "fables" in bundled.problem
