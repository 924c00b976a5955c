"""A registered corpus comes to this machine, and stays what it was."""

import hashlib
import io
import threading
import zipfile
from dataclasses import replace

import filelock
import pytest

from lstm_textgen.corpora import install as get
from lstm_textgen.corpora.install import install_corpus
from lstm_textgen.errors import BusyError, CorpusError, MissingError, UnavailableError
from lstm_textgen.text import registry as corpora
from lstm_textgen.text.registry import Corpus, Zipped

TEXT = b"".join(b"%d green bottles\n" % n for n in range(600))
OTHER = TEXT[::-1]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def plain(server):
    """A corpus with a published digest, and its server."""
    server.files["/bottles"] = TEXT
    return Corpus(
        name="bottles",
        language="English",
        about="A song.",
        licence="public domain",
        address=f"{server.address}/bottles",
        size_bytes=len(TEXT),
        sha256=sha256(TEXT),
    )


@pytest.fixture
def unpublished(plain):
    return replace(plain, size_bytes=None, sha256=None)


def left(folder):
    """Names in the folder; the lock, which stays on some systems, left out."""
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


def test_a_corpus_is_fetched_once(plain, server, tmp_path):
    """The second time it is found to be here, by its digest."""
    first = install_corpus(plain, folder=tmp_path / "new")
    again = install_corpus(plain, folder=tmp_path / "new")

    assert first.path.read_bytes() == TEXT
    assert first.notes == ()
    assert again.path == first.path
    assert "here already" in again.notes[0]
    assert len(server.requests) == 1
    assert left(tmp_path / "new") == ["bottles.txt"]


def test_a_damaged_copy_is_replaced(plain, tmp_path):
    """And the user is told that it had changed."""
    (tmp_path / "bottles.txt").write_bytes(OTHER)
    got = install_corpus(plain, folder=tmp_path)

    assert got.path.read_bytes() == TEXT
    assert "had changed" in got.notes[0]


def test_the_address_can_be_moved(plain, server, tmp_path, monkeypatch):
    """By argument, or for all corpora by the environment: BASE/NAME."""
    server.files |= {"/here": TEXT, "/mirror/bottles": TEXT}
    monkeypatch.setenv("TEXTGEN_CORPORA_ADDRESS", f"{server.address}/mirror/")
    install_corpus(plain, folder=tmp_path / "a")
    install_corpus(plain, folder=tmp_path / "b", address=f"{server.address}/here")

    assert [path for path, _ in server.requests] == ["/mirror/bottles", "/here"]


def test_an_interrupted_corpus_goes_on(plain, server, tmp_path):
    """The error keeps what has arrived, and the next call fetches only the rest."""
    server.always = "cut"
    with pytest.raises(UnavailableError):
        install_corpus(plain, folder=tmp_path, pauses_s=())
    server.always = "fine"

    assert install_corpus(plain, folder=tmp_path).path.read_bytes() == TEXT
    assert server.sent == len(TEXT)


def test_without_a_published_digest_the_first_one_counts(unpublished, server, tmp_path):
    """It is kept beside the text in the form of sha256sum, and the user is told."""
    got = install_corpus(unpublished, folder=tmp_path)

    assert "nobody vouches" in got.notes[0]
    assert sha256(TEXT) in got.notes[0]
    line = (tmp_path / "bottles.sha256").read_text()
    assert line == f"{sha256(TEXT)}  bottles.txt\n"

    got.path.unlink()
    again = install_corpus(unpublished, folder=tmp_path)

    assert "equals that of the first fetch" in again.notes[0]
    assert len(server.requests) == 2


def test_a_renewed_text_without_a_published_digest_is_refused(
    unpublished, server, tmp_path
):
    """The remedy names the file whose removal accepts the new text."""
    install_corpus(unpublished, folder=tmp_path).path.unlink()
    server.files["/bottles"] = OTHER
    with pytest.raises(CorpusError) as caught:
        install_corpus(unpublished, folder=tmp_path)

    kept = tmp_path / "bottles.sha256"
    assert str(kept) in caught.value.remedy
    assert sha256(TEXT) in caught.value.problem
    assert left(tmp_path) == ["bottles.sha256"]

    kept.unlink()

    assert install_corpus(unpublished, folder=tmp_path).path.read_bytes() == OTHER


def test_a_zipped_corpus_is_unpacked(plain, server, tmp_path):
    """Both the zip and the text are checked, and only the text stays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("song", TEXT)
    packed = buffer.getvalue()
    server.files["/bottles"] = packed
    zipped = Zipped(member="song", size_bytes=len(packed), sha256=sha256(packed))
    corpus = replace(plain, zipped=zipped)

    assert install_corpus(corpus, folder=tmp_path).path.read_bytes() == TEXT
    assert left(tmp_path) == ["bottles.txt"]

    (tmp_path / "bottles.txt").unlink()
    with pytest.raises(CorpusError, match=sha256(TEXT)):
        install_corpus(replace(corpus, sha256="0" * 64), folder=tmp_path)

    assert left(tmp_path) == []


def test_a_corpus_in_parts_is_joined_in_order(plain, server, tmp_path):
    """Parts that have arrived are not fetched again after a failure."""
    server.files |= {"/bottles/b": TEXT[:100], "/bottles/a": TEXT[100:]}
    corpus = replace(plain, parts=("b", "a"))
    server.moods.extend(["fine", "503"])
    seen = []
    with pytest.raises(UnavailableError):
        install_corpus(corpus, folder=tmp_path)
    got = install_corpus(corpus, folder=tmp_path, progress=lambda *p: seen.append(p))

    assert got.path.read_bytes() == TEXT
    assert [path for path, _ in server.requests] == [
        "/bottles/b",
        "/bottles/a",
        "/bottles/a",
    ]
    assert seen == [(100, len(TEXT)), (len(TEXT), len(TEXT))]
    assert left(tmp_path) == ["bottles.txt"]


def test_wrong_parts_are_removed(plain, server, tmp_path):
    """Only the whole has a digest; if it is another one, all parts go."""
    server.files |= {"/bottles/b": TEXT[:100], "/bottles/a": OTHER[100:]}
    with pytest.raises(CorpusError, match=sha256(TEXT)):
        install_corpus(replace(plain, parts=("b", "a")), folder=tmp_path)

    assert left(tmp_path) == []


def test_two_at_once_fetch_once(plain, server, tmp_path):
    """The later one waits, and finds the text of the earlier one."""
    got = []
    threads = [
        threading.Thread(
            target=lambda: got.append(install_corpus(plain, folder=tmp_path).path)
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert got == [tmp_path / "bottles.txt"] * 4
    assert got[0].read_bytes() == TEXT
    assert len(server.requests) == 1


def test_waiting_for_another_process_ends(plain, server, tmp_path, monkeypatch):
    """Exit code 75 after WAIT_S, and no request."""
    monkeypatch.setattr(get, "WAIT_S", 0.05)
    with (
        filelock.FileLock(tmp_path / "bottles.lock"),
        pytest.raises(BusyError, match="fetching bottles") as caught,
    ):
        install_corpus(plain, folder=tmp_path)

    assert caught.value.exit_code == 75
    assert server.requests == []


def test_a_bundled_corpus_is_only_pointed_to(tmp_path, monkeypatch):
    """Its own file, never a copy; a broken installation is told."""
    monkeypatch.setattr(corpora, "bundled_folder", lambda kind: tmp_path)
    with pytest.raises(MissingError, match="fables"):
        install_corpus(corpora.BUNDLED[0])
    (tmp_path / "fables.txt").write_text("A fox.")

    got = install_corpus(corpora.BUNDLED[0])

    assert got.path == tmp_path / "fables.txt"
    assert "bundled" in got.notes[0]
