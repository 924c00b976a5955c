"""A registered corpus is downloaded, and stays what it was."""

import threading
import zipfile
from dataclasses import replace

import filelock
import pytest

from lstm_textgen.corpora import install
from lstm_textgen.corpora.download import Expected
from lstm_textgen.corpora.install import install_corpus, unpack_member
from lstm_textgen.errors import (
    BusyError,
    CorpusError,
    MissingError,
    OutputError,
    UnavailableError,
)
from lstm_textgen.text import registry
from lstm_textgen.text.registry import Corpus, Zipped
from tests.loopback import OTHER, TEXT, names_in, sha256

ANY = Expected()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where corpora are installed."""
    monkeypatch.setenv("TEXTGEN_DATA", str(tmp_path))
    return tmp_path / "corpora"


@pytest.fixture
def published(server, folder):
    """A corpus with a published digest."""
    return Corpus(
        name="bottles",
        language="English",
        about="A song.",
        licence="public domain",
        address=f"{server.address}/text",
        size_bytes=len(TEXT),
        sha256=sha256(TEXT),
    )


@pytest.fixture
def archive(tmp_path):
    """A zip with the member `text` and another one."""
    path = tmp_path / "text.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("readme", b"hello")
        file.writestr("text", TEXT)
    return path


def test_a_corpus_is_downloaded_once(published, server, folder):
    """The second time it is found to be here, by its digest, and a note says so."""
    first = install_corpus(published)
    second = install_corpus(published)

    assert first.path == second.path == folder / "bottles.txt"
    assert first.path.read_bytes() == TEXT
    assert (len(first.notes), len(second.notes)) == (0, 1)
    assert len(server.requests) == 1
    assert names_in(folder) == ["bottles.txt"]


def test_a_damaged_copy_is_replaced(published):
    """A note says that it had changed."""
    install_corpus(published).path.write_bytes(OTHER)
    installed = install_corpus(published)

    assert installed.path.read_bytes() == TEXT
    assert len(installed.notes) == 1


def test_a_mirror_replaces_the_published_address(published, server, monkeypatch):
    """TEXTGEN_CORPORA_ADDRESS has every corpus below it by its name."""
    server.files["/mirror/bottles"] = TEXT
    monkeypatch.setenv("TEXTGEN_CORPORA_ADDRESS", f"{server.address}/mirror/")
    install_corpus(published)

    assert [path for path, _ in server.requests] == ["/mirror/bottles"]


def test_without_a_published_digest_the_first_one_counts(published, server, folder):
    """It is kept beside the text in the form of sha256sum, and a note names it."""
    unpublished = replace(published, size_bytes=None, sha256=None)
    installed = install_corpus(unpublished)

    assert sha256(TEXT) in installed.notes[0]
    line = (folder / "bottles.sha256").read_text()
    assert line == f"{sha256(TEXT)}  bottles.txt\n"

    installed.path.unlink()

    assert install_corpus(unpublished).path.read_bytes() == TEXT
    assert len(server.requests) == 2

    installed.path.unlink()
    server.files["/text"] = OTHER
    with pytest.raises(CorpusError) as caught:
        install_corpus(unpublished)

    assert str(folder / "bottles.sha256") in caught.value.remedy
    assert sha256(TEXT) in caught.value.problem
    assert names_in(folder) == ["bottles.sha256"]

    (folder / "bottles.sha256").unlink()  # as the remedy says

    assert install_corpus(unpublished).path.read_bytes() == OTHER


def test_a_zipped_corpus_is_unpacked(published, server, folder, archive):
    """Both the zip and the text are checked, and only the text stays."""
    packed = server.files["/text"] = archive.read_bytes()
    zipped = Zipped(member="text", size_bytes=len(packed), sha256=sha256(packed))

    assert install_corpus(replace(published, zipped=zipped)).path.read_bytes() == TEXT
    assert names_in(folder) == ["bottles.txt"]


def test_a_corpus_in_parts_is_joined_in_order(published, server, folder, pauses):
    """After a failure, parts that have arrived are not downloaded again."""
    server.files |= {"/text/b": TEXT[:100], "/text/a": TEXT[100:]}
    corpus = replace(published, parts=("b", "a"))
    server.moods.extend(["fine", "503"])
    seen = []
    with pytest.raises(UnavailableError):
        install_corpus(corpus)
    installed = install_corpus(corpus, progress=lambda *p: seen.append(p))

    assert installed.path.read_bytes() == TEXT
    assert [path for path, _ in server.requests] == ["/text/b", "/text/a", "/text/a"]
    assert seen == [(100, len(TEXT)), (len(TEXT), len(TEXT))]
    assert names_in(folder) == ["bottles.txt"]


def test_wrong_parts_are_removed(published, server, folder):
    """Only the whole has a digest; if that is wrong, all parts are removed."""
    server.files |= {"/text/b": TEXT[:100], "/text/a": OTHER[100:]}
    with pytest.raises(CorpusError, match=sha256(TEXT)):
        install_corpus(replace(published, parts=("b", "a")))

    assert names_in(folder) == []


def test_calls_at_the_same_time_download_once(published, server):
    """The later ones wait, and find the text of the first one."""
    paths = []
    threads = [
        threading.Thread(target=lambda: paths.append(install_corpus(published).path))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(paths) == 4
    assert {path.read_bytes() for path in paths} == {TEXT}
    assert len(server.requests) == 1


def test_waiting_for_another_process_ends(published, server, folder, monkeypatch):
    """After LOCK_TIMEOUT_S, and without a request."""
    monkeypatch.setattr(install, "LOCK_TIMEOUT_S", 0.05)
    folder.mkdir()
    with (
        filelock.FileLock(folder / "bottles.lock"),
        pytest.raises(BusyError, match="bottles"),
    ):
        install_corpus(published)

    assert server.requests == []


def test_a_bundled_corpus_is_used_where_it_is(tmp_path, monkeypatch):
    """Its own file, never a copy; a broken installation is an error."""
    fables = registry.corpus_named("fables")
    monkeypatch.setattr(registry, "bundled_folder", lambda kind: tmp_path)
    with pytest.raises(MissingError, match="fables"):
        install_corpus(fables)
    (tmp_path / "fables.txt").write_text("A fox.")

    assert install_corpus(fables).path == tmp_path / "fables.txt"


def flip_a_byte(zipped):
    at = zipped.index(b"text") + 4 + 10
    return zipped[:at] + bytes([zipped[at] ^ 0xFF]) + zipped[at + 1 :]


def understate(zipped):
    """State another size of the member, which is only a claim."""
    true, stated = (size.to_bytes(4, "little") for size in (len(TEXT), 1000))
    return zipped.replace(true, stated)


@pytest.mark.parametrize(
    ("change", "member", "expected", "value"),
    [
        (bytes, "text", Expected(size_bytes=len(TEXT) - 1), f"{len(TEXT):,} bytes"),
        (bytes, "text", Expected(sha256="0" * 64), sha256(TEXT)),
        (bytes, "absent", ANY, "'absent'"),
        (flip_a_byte, "text", ANY, "'text'"),
        (understate, "text", Expected(size_bytes=1000), "'text'"),
        (lambda zipped: b"not a zip", "text", ANY, "'text'"),
    ],
    ids=["size", "digest", "absent", "damaged", "longer than stated", "no zip"],
)
def test_a_zip_with_something_else_is_removed(
    archive, tmp_path, change, member, expected, value
):
    """It is no use to the next try, and nothing of it stays."""
    archive.write_bytes(change(archive.read_bytes()))
    with pytest.raises(CorpusError, match=value):
        unpack_member(archive, member, tmp_path / "out", expected)

    assert names_in(tmp_path) == []


def test_a_zip_stays_where_only_the_place_is_wrong(archive, tmp_path):
    """Unpacking can be tried again elsewhere without another download."""
    with pytest.raises(OutputError):
        unpack_member(archive, "text", tmp_path / "no" / "out", ANY)

    assert names_in(tmp_path) == ["text.zip"]
