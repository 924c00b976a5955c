"""`textgen corpora`: the texts that have a name, and how they are downloaded."""

from pathlib import Path

import pytest

from lstm_textgen.text.registry import CORPORA
from tests.loopback import loopback_server, names_in, sha256

NAMES = [corpus.name for corpus in CORPORA]

WINDMILLS = "En un lugar de la Mancha, de cuyo nombre no quiero acordarme.\n" * 40


@pytest.fixture
def env(tmp_path):
    """Variables for a data folder of our own, and a mirror on this machine."""
    with loopback_server() as server:
        server.files |= {
            "/don-quijote": WINDMILLS.encode(),
            "/divina-commedia": b"x" * 586_394,  # of the right size only
            "/tinyshakespeare": b"To be, or not",
        }
        yield {
            "TEXTGEN_DATA": str(tmp_path / "data"),
            "TEXTGEN_CORPORA_ADDRESS": server.address,
        }


def test_all_names_are_listed(textgen):
    """One a line, uncut where no terminal is too narrow; as JSON with their paths."""
    rows = textgen("corpora").stdout.splitlines()
    entries = textgen("corpora", "--json").json["corpora"]

    assert [row.split()[0] for row in rows] == ["name", *NAMES]
    assert [entry["name"] for entry in entries] == NAMES
    assert all(e["about"] in row for row, e in zip(rows[1:], entries, strict=True))
    assert [bool(entry["path"]) for entry in entries] == [True] * 3 + [False] * 6


def test_a_downloaded_text_goes_by_its_name(textgen, env):
    """Its path is on stdout, the digest that is kept on stderr."""
    installed = textgen("corpora", "get", "don-quijote", env=env)
    trained = textgen.train("don-quijote", "--dry-run", env=env)
    entries = textgen("corpora", "--json", env=env).json["corpora"]
    path = f"{env['TEXTGEN_DATA']}/corpora/don-quijote.txt"

    assert (installed.code, installed.stdout) == (0, f"{path}\n")
    assert sha256(WINDMILLS.encode()) in installed.stderr
    assert f"don-quijote: {len(WINDMILLS):,} characters" in trained.stderr
    assert {entry["name"]: entry["path"] for entry in entries}["don-quijote"] == path


@pytest.mark.parametrize("name", ["divina-commedia", "tinyshakespeare"])
def test_other_bytes_than_those_of_the_text_are_refused(textgen, env, name):
    """By size or by digest; nothing of them stays."""
    textgen("corpora", "get", name, env=env).assert_refused(65, name)

    assert names_in(Path(env["TEXTGEN_DATA"], "corpora")) == []


def test_a_server_that_is_down(textgen, env):
    """The error names it."""
    down = env | {"TEXTGEN_CORPORA_ADDRESS": "http://127.0.0.1:9"}

    textgen("corpora", "get", "text8", env=down).assert_refused(69, "127.0.0.1:9")


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("train tinyshakespeare", ["textgen corpora get tinyshakespeare"]),
        ("train tinyshakespear", ["'tinyshakespear'", "tinyshakespeare?"]),
        ("corpora get tinyshakespear", ["'tinyshakespear'", "tinyshakespeare?"]),
        ("corpora get beowulf", ["'beowulf'", "textgen corpora"]),
    ],
)
def test_a_text_that_is_not_here(textgen, command, values):
    """The remedy is the command that downloads it, a similar name, or the list."""
    textgen(*command.split()).assert_refused(66, *values)


def test_a_bundled_text_is_here_already(textgen):
    """To get it is not an error, and its path is on stdout."""
    outcome = textgen("corpora", "get", "fables", "--json")

    assert outcome.json["path"].endswith("corpora/fables.txt")
    assert outcome.stderr.startswith("note: ")
