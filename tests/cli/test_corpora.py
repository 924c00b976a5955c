"""`textgen corpora`: the texts that have a name, and bringing them here."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

NAMES = (
    *("fables", "cuentos", "favole", "tinyshakespeare", "enwik8", "text8"),
    *("don-quijote", "divina-commedia", "nottingham"),
)
WINDMILLS = "En un lugar de la Mancha, de cuyo nombre no quiero acordarme.\n" * 40


class Mirror(BaseHTTPRequestHandler):
    """Has a don-quijote, and a divina-commedia of the right size only."""

    files = {  # noqa: RUF012  never changed
        "/don-quijote": WINDMILLS.encode(),
        "/divina-commedia": b"x" * 586_394,
        "/tinyshakespeare": b"To be, or not",
    }

    def do_GET(self):
        body = self.files[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def env(tmp_path):
    """Variables for an own data folder, and a mirror on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        yield {
            "TEXTGEN_DATA": str(tmp_path / "data"),
            "TEXTGEN_CORPORA_ADDRESS": f"http://127.0.0.1:{server.server_port}",
        }
        server.shutdown()
        thread.join()


def kept(env):
    """What lies in the data folder, but the locks."""
    files = Path(env["TEXTGEN_DATA"]).rglob("*.*")
    return sorted(path.name for path in files if path.suffix != ".lock")


def test_all_names_are_listed(textgen):
    """One a line, with the words about it uncut where no terminal is too narrow."""
    lines = textgen("corpora").stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["name", *NAMES]
    assert "Shakespeare's plays, the usual first corpus." in lines[4]


def test_json_lists_them_with_their_places(textgen):
    """The bundled ones are here, the others not yet."""
    listed = textgen("corpora", "--json").json["corpora"]

    assert [entry["name"] for entry in listed] == list(NAMES)
    assert [bool(entry["path"]) for entry in listed] == [True] * 3 + [False] * 6


def test_a_text_is_fetched_and_then_goes_by_its_name(textgen, env):
    """The path is on stdout; what is kept of its digest is told on stderr."""
    got = textgen("corpora", "get", "don-quijote", env=env)
    trained = textgen.train("don-quijote", "--dry-run", env=env)
    listed = textgen("corpora", "--json", env=env).json["corpora"]
    path = f"{env['TEXTGEN_DATA']}/corpora/don-quijote.txt"

    assert (got.code, got.stdout) == (0, f"{path}\n")
    assert hashlib.sha256(WINDMILLS.encode()).hexdigest() in got.stderr
    assert f"don-quijote: {len(WINDMILLS):,} characters" in trained.stderr
    assert {entry["name"]: entry["path"] for entry in listed}["don-quijote"] == path


@pytest.mark.parametrize("name", ["divina-commedia", "tinyshakespeare"])
def test_bytes_that_are_not_the_text_are_refused(textgen, env, name):
    """By size or by digest; nothing of them stays."""
    textgen("corpora", "get", name, env=env).assert_refused(65, name)
    assert kept(env) == []


def test_a_server_that_is_down(textgen, env):
    """It is named, and the words are for a person."""
    down = env | {"TEXTGEN_CORPORA_ADDRESS": "http://127.0.0.1:9"}
    outcome = textgen("corpora", "get", "don-quijote", env=down)

    outcome.assert_refused(69, "127.0.0.1:9", "cannot be reached")


def test_a_text_that_was_not_fetched_yet(textgen):
    """train says how to get it."""
    outcome = textgen("train", "tinyshakespeare")

    outcome.assert_refused(66, "textgen corpora get tinyshakespeare")


@pytest.mark.parametrize("command", [("train",), ("corpora", "get")])
def test_a_name_that_is_nearly_right(textgen, command):
    """The nearest name is offered."""
    outcome = textgen(*command, "tinyshakespear")

    outcome.assert_refused(66, "'tinyshakespear'", "Did you mean tinyshakespeare?")


def test_a_name_like_no_other(textgen):
    """Then the list is."""
    outcome = textgen("corpora", "get", "beowulf")

    outcome.assert_refused(66, "'beowulf'", "textgen corpora")


def test_a_bundled_text_is_here_already(textgen):
    """Getting it is no error, and its path is told."""
    outcome = textgen("corpora", "get", "fables", "--json")

    assert outcome.json["path"].endswith("corpora/fables.txt")
    assert outcome.stderr == "note: fables is bundled; nothing was fetched.\n"
