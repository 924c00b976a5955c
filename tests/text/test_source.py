"""Finding texts: files, folders, patterns, standard input, and what is refused."""

import io
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_textgen.errors import CorpusError, MissingError, StorageError
from lstm_textgen.text.source import find_source, safe_name


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with texts, things that are not, and a link that leads back up."""
    for name in ("b.txt", "a.md", "deep/er/c.TXT", "picture.png", ".hidden.txt"):
        path = tmp_path / "books" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "books/.git").mkdir()
    (tmp_path / "books/.git/config.txt").write_text("x")
    (tmp_path / "books/deep/loop").symlink_to(tmp_path / "books")
    (tmp_path / "books/broken.txt").symlink_to("nowhere")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Pipe(io.BytesIO):
    """Standard input that refuses to be read all at once."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert 0 < size <= 4 << 20
        return super().read(size)


def feed(monkeypatch, data: bytes) -> None:
    """Put *data* on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Pipe(data)))


def test_file_keeps_the_path_that_was_given(folder):
    """A file is found under the path as typed, and the stem names the source."""
    source = find_source(["books/b.txt"])

    assert source.paths == (Path("books/b.txt"),)
    assert source.name == "b"
    assert source.size_bytes == len("b.txt")


def test_folder_is_searched_through(folder):
    """
    A folder gives its texts, sorted, also from below.

    Hidden entries, other kinds of file and broken links are skipped, and a link
    that leads back up does not go round for ever.
    """
    source = find_source(["books"])

    names = [str(path) for path in source.paths]
    assert names == ["books/a.md", "books/b.txt", "books/deep/er/c.TXT"]
    assert source.name == "books"


def test_here_is_named_after_the_folder(folder, monkeypatch):
    """The folder `.` gives its real name to the source."""
    monkeypatch.chdir(folder / "books")

    assert find_source(["."]).name == "books"


def test_pattern_is_expanded_and_sorted(folder):
    """`**` goes through folders, and the files come sorted."""
    source = find_source(["books/*.[tm]*", "books/**/*.TXT"])

    names = [str(path) for path in source.paths]
    assert names == ["books/a.md", "books/b.txt", "books/deep/er/c.TXT"]


def test_a_home_is_not_named_after_its_owner(folder, monkeypatch):
    """The name of a text stands in models that are given away; a login must not."""
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)

    assert find_source(["."]).name == "text"
    assert find_source([str(folder)]).name == "text"


def test_file_whose_name_looks_like_a_pattern(folder):
    """A file that exists under a name with brackets is that file."""
    Path("a[1].txt").write_text("x")

    assert find_source(["a[1].txt"]).paths == (Path("a[1].txt"),)


def test_file_that_is_named_twice_counts_once(folder):
    """The same file through a folder, a pattern and its name is read once."""
    source = find_source(["books/b.txt", "books", "books/*.txt"])

    assert [path.name for path in source.paths] == ["b.txt", "a.md", "c.TXT"]


def test_stdin_is_copied_in_pieces(tmp_path, monkeypatch):
    """Standard input becomes a file of the same bytes among the temporary files."""
    data = b"to be\n" * 500_000
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    feed(monkeypatch, data)

    source = find_source(["-"])

    assert source.name == "stdin"
    assert source.paths[0].is_relative_to(tmp_path)
    assert source.paths[0].read_bytes() == data


def test_stdin_that_does_not_fit(monkeypatch, tmp_path):
    """A full disk is a StorageError, and the half copy is removed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    feed(monkeypatch, b"abc")

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(StorageError, match="No space left"):
        find_source(["-"])

    assert list(tmp_path.iterdir()) == []


def test_closed_stdin(monkeypatch):
    """A process without standard input gets an error and no traceback."""
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(MissingError, match="closed"):
        find_source(["-"])


@pytest.mark.parametrize(
    ("argument", "part"),
    [
        ("nowhere/b.txt", "there is no folder 'nowhere'"),
        ("books/zzzzzz", "give - to read"),
        ("books/*.doc", "Check the pattern"),
        ("books/b.tx", "the nearest there is 'books/b.txt'"),
        ("books/broken.txt", "the nearest there is 'books/b.txt'"),
        ("", "give - to read"),
        ("a\0b", "give - to read"),
    ],
)
def test_missing_input_has_a_remedy(folder, argument, part):
    """Whatever is missing, the remedy says what to look at."""
    with pytest.raises(MissingError) as caught:
        find_source([argument])

    assert part in caught.value.remedy


def test_nothing_named():
    """No argument at all is an error, too."""
    with pytest.raises(MissingError, match="No text is named"):
        find_source([])


def test_folder_without_text(tmp_path):
    """A folder in which nothing ends like a text is bad data, not missing."""
    (tmp_path / "a.png").write_bytes(b"x")

    with pytest.raises(CorpusError, match="holds no text"):
        find_source([str(tmp_path)])


def test_pipes_sockets_and_devices_are_never_opened(tmp_path, monkeypatch):
    """What is not a regular file is refused by its kind: it might never end."""
    os.mkfifo(tmp_path / "pipe.txt")
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")

        for name, kind in [
            ("pipe.txt", "a pipe"),
            ("socket", "a socket"),
            ("/dev/zero", "a device"),
        ]:
            with pytest.raises(MissingError, match=f"{name} is {kind}"):
                find_source([name])


def test_file_without_permission(folder, monkeypatch):
    """A file that may not be read is refused before training begins."""
    Path("books/b.txt").chmod(0)
    if os.geteuid() == 0:  # root may read everything
        monkeypatch.setattr(os, "access", lambda path, _mode: "b.txt" not in str(path))

    for argument in ("books/b.txt", "books", "books/*.txt"):
        with pytest.raises(MissingError, match=r"b\.txt may not be read"):
            find_source([argument])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("tiny shakespeare (1)", "tiny-shakespeare-1"),
        ("..", "text"),
        (".bashrc", "bashrc"),
        ("война и мир", "война-и-мир"),
        ("cafe\u0301", "caf\u00e9"),
        ("a/b\\c:d", "a-b-c-d"),
    ],
)
def test_safe_name_examples(given, expected):
    """What a person would have written for the name of a folder."""
    assert safe_name(given) == expected


@given(st.text())
def test_safe_name_always_names_a_folder(name):
    """Whatever the name, it stays inside its folder and is visible."""
    safe = safe_name(name)

    assert safe
    assert safe[0] not in ".-"
    assert all(char.isalnum() or char in "._-" for char in safe)
