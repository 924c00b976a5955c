"""The names of texts, and where they lie."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lstm_textgen import paths as bundled
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

EVERY = (*BUNDLED, *REGISTERED)


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGEN_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_names_are_unique_and_easy_to_type():
    """Lower case, letters, digits and hyphens: they are file names too."""
    names = [corpus.name for corpus in EVERY]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", name) for name in names)


@pytest.mark.parametrize("corpus", EVERY, ids=lambda corpus: corpus.name)
def test_every_corpus_says_what_it_is(corpus):
    """Language, licence and one line for all; a digest is complete or absent."""
    zipped = corpus.zipped

    assert corpus.language
    assert corpus.licence
    assert "\n" not in corpus.about
    assert corpus.bundled or urlsplit(corpus.address).scheme == "https"
    assert corpus.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", corpus.sha256)
    assert (corpus.sha256 is None) == (corpus.size_bytes is None)
    assert zipped is None or re.fullmatch(r"[0-9a-f]{64}", zipped.sha256)


def test_a_name_is_known_as_it_is_spelt():
    """Anything else is not, but the nearest names are offered."""
    assert corpus_named("text8") in REGISTERED
    assert corpus_named("Text8") is None
    assert corpus_named("../text8") is None
    assert similar_names("Tinyshakespear") == ["tinyshakespeare"]
    assert similar_names("fable")[0] == "fables"
    assert similar_names("xyzzy") == []


def test_a_registered_corpus_has_a_path_once_it_is_there(data):
    """Below TEXTGEN_DATA, where the environment sets it."""
    assert corpus_path("text8") is None
    assert corpus_path("unheard-of") is None

    data_folder().mkdir(parents=True)
    (data_folder() / "text8.txt").write_text("anarchism")
    (data_folder() / "unheard-of.txt").write_text("anarchism")

    assert corpus_path("text8") == data / "corpora" / "text8.txt"
    assert corpus_path("unheard-of") is None


def test_without_the_environment_the_users_own_folder_is_taken(monkeypatch):
    """An empty TEXTGEN_DATA is none."""
    monkeypatch.setenv("TEXTGEN_DATA", "")

    assert data_folder().name == "corpora"
    assert "lstm_textgen" in data_folder().parts


def test_bundled_texts_lie_in_the_wheel_or_in_the_checkout(tmp_path, monkeypatch):
    """What the package itself holds goes first: `corpora` beside it may be foreign."""
    module = tmp_path / "site" / "lstm_textgen" / "bundled.py"
    monkeypatch.setattr(bundled, "__file__", str(module))
    beside = tmp_path / "site" / "corpora"
    inside = tmp_path / "site" / "lstm_textgen" / "_bundled" / "corpora"

    assert bundled_folder("corpora") == beside

    inside.mkdir(parents=True)

    assert bundled_folder("corpora") == inside
    assert corpus_path("fables") is None

    (inside / "fables.txt").write_text("A fox.")

    assert corpus_path("fables") == inside / "fables.txt"


def test_in_this_checkout_the_folder_is_at_the_top():
    """Beside the package, where the wheel is built from."""
    assert bundled_folder("corpora") == Path(bundled.__file__).parents[1] / "corpora"


def test_the_list_tells_what_is_here(data):
    """All of them in their order, and the path of those that are on this machine."""
    data_folder().mkdir(parents=True)
    (data_folder() / "nottingham.txt").write_text("X: 1")
    listed = all_corpora()
    here = {entry.corpus.name for entry in listed if entry.path is not None}

    assert [entry.corpus for entry in listed] == list(EVERY)
    assert here - {corpus.name for corpus in BUNDLED} == {"nottingham"}


def test_a_corpus_that_is_not_here_comes_with_the_command_to_get_it(monkeypatch):
    """Exit code 66 for both kinds, and a remedy that can be typed."""
    absent = missing_corpus(corpus_named("enwik8"))
    broken = missing_corpus(corpus_named("fables"))

    assert (absent.exit_code, broken.exit_code) == (66, 66)
    assert "enwik8 (100,000,000 bytes)" in absent.problem
    assert absent.remedy.endswith("textgen corpora get enwik8")
    assert "Install" in broken.remedy
