"""The names of corpora, and where their files are."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lstm_textgen import paths
from lstm_textgen.paths import bundled_folder, data_folder
from lstm_textgen.text.registry import (
    CORPORA,
    corpus_named,
    corpus_path,
    similar_name,
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where downloaded corpora are: below TEXTGEN_DATA."""
    monkeypatch.setenv("TEXTGEN_DATA", str(tmp_path / "data"))
    folder = tmp_path / "data" / "corpora"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda corpus: corpus.name)
def test_an_entry_is_complete(corpus):
    """A name that a file may have; size and digest are both published, or neither."""
    digests = [c.sha256 for c in (corpus, corpus.zipped) if c is not None and c.sha256]

    assert re.fullmatch(r"[a-z][a-z0-9-]*", corpus.name)
    assert corpus_named(corpus.name) is corpus  # no other one has this name
    assert "\n" not in corpus.about
    assert corpus.bundled or urlsplit(corpus.address).scheme == "https"
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests)
    assert (corpus.sha256 is None) == (corpus.size_bytes is None)


def test_a_corpus_is_found_by_its_exact_name():
    """For anything else there may be a similar name."""
    assert corpus_named("text8").name == "text8"
    assert corpus_named("Text8") is None
    assert corpus_named("../text8") is None
    assert similar_name("Tinyshakespear") == "tinyshakespeare"
    assert similar_name("xyzzy") is None


def test_a_registered_corpus_has_a_path_once_it_is_there(folder):
    """A bundled one always has."""
    assert [corpus.bundled for corpus in CORPORA if corpus_path(corpus)] == [True] * 3

    (folder / "text8.txt").write_text("anarchism")

    assert corpus_path(corpus_named("text8")) == folder / "text8.txt"


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
    assert corpus_path(corpus_named("fables")) is None
