"""Reading text in pieces: borders of pieces, newlines, encodings, what is refused."""
# ruff: noqa: RUF001 - curly quotes and dashes are the matter of this file

import codecs
import gzip
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_textgen.errors import ConfigError, CorpusError, MissingError
from lstm_textgen.text.reader import TextReader
from lstm_textgen.text.source import Source

TEXT = st.text(
    st.one_of(
        st.sampled_from("\r\n\ufeffaé€𝄞"),
        st.characters(codec="utf-8", exclude_characters="\0"),
    ),
    max_size=30,
)


def reader_of(folder: Path, *files: bytes, **settings) -> TextReader:
    """A reader over files with these contents."""
    paths = tuple(folder / f"{number}.txt" for number in range(len(files)))
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    return TextReader(Source(name="test", paths=paths), **settings)


def normalised(data: bytes, encoding: str) -> str:
    """The whole file at once: what Python's universal newlines would give."""
    text = data.decode(encoding).removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n")


@given(texts=st.lists(TEXT, min_size=1, max_size=3), size=st.integers(1, 9))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32-be"])
def test_pieces_make_up_the_whole(tmp_path_factory, texts, size, encoding):
    """
    Wherever the pieces are cut, they join to the files decoded at once.

    A cut may fall inside a character, a byte order mark or "\\r\\n".
    """
    files = [text.encode(encoding) for text in texts]
    folder = tmp_path_factory.getbasetemp()
    reader = reader_of(folder, *files, encoding=encoding, chunk_bytes=size)
    whole = ""
    for data in files:
        text = normalised(data, encoding)
        joint = "\n" if text and whole and not whole.endswith("\n") else ""
        whole += joint + text
    if not whole:
        return

    pieces = list(reader)

    assert "".join(pieces) == whole
    assert all(pieces)
    assert list(reader) == pieces  # it starts over
    assert reader.bytes_read == sum(map(len, files))
    assert reader.boms == sum(text.startswith("\ufeff") for text in texts)
    assert reader.newlines_changed == sum(text.count("\r") for text in texts)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([b"a", b"b"], "a\nb"),
        ([b"a\n", b"b"], "a\nb"),
        ([b"a\r", b"\nb"], "a\n\nb"),
        ([b"a", b"", b"b"], "a\nb"),
        ([b"", b"b"], "b"),
        ([b"a", b""], "a"),
        ([b"\xef\xbb\xbfa", b"\xef\xbb\xbfb"], "a\nb"),
    ],
)
def test_files_are_joined_by_one_newline(tmp_path, files, expected):
    """A newline stands between two files that have none, and nowhere else."""
    assert "".join(reader_of(tmp_path, *files)) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("data", "byte", "offset"),
    [
        (b"caf\xe9 au lait", "0xE9", 3),
        (b"good \xe2\x82\xac then \x93", "0x93", 14),
        (b"cut short \xe2\x82", "0xE2", 10),
    ],
)
def test_invalid_byte_is_named_with_its_place(tmp_path, data, byte, offset, size):
    """The byte and its offset in the file are exact, wherever the pieces are cut."""
    reader = reader_of(tmp_path, b"fine\n", data, chunk_bytes=size)

    with pytest.raises(CorpusError) as caught:
        list(reader)

    assert f"1.txt is not utf-8 text: byte {byte} at offset {offset}." in str(
        caught.value
    )
    assert "--encoding cp1252" in caught.value.remedy


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_wide_encodings_are_recognised(tmp_path, encoding):
    """The remedy names the encoding, and with it the text can be read."""
    data = "Wide text.\n".encode(encoding)

    with pytest.raises(CorpusError, match=f"--encoding {encoding}"):
        list(reader_of(tmp_path, data))

    assert "".join(reader_of(tmp_path, data, encoding=encoding)) == "Wide text.\n"


def test_wrong_wide_encoding_points_back(tmp_path):
    """UTF-8 read as UTF-16 is told that it is UTF-8."""
    with pytest.raises(CorpusError, match="no byte order mark") as caught:
        list(reader_of(tmp_path, b"plain text", encoding="utf-16"))

    assert "--encoding utf-8" in caught.value.remedy


def test_cp1252_round_trip(tmp_path):
    """The encoding that the remedy proposes reads curly quotes as they are."""
    data = "“naïve” – €5".encode("cp1252")

    assert "".join(reader_of(tmp_path, data, encoding="cp1252")) == "“naïve” – €5"


def test_binary_files_are_refused(tmp_path):
    """Files often taken for text are refused by kind, others for their NULs."""
    with zipfile.ZipFile(tmp_path / "z", "w") as archive:
        archive.writestr("a", "b")
    cases = {
        "ZIP": (tmp_path / "z").read_bytes(),
        "gzip": gzip.compress(b"abc"),
        "PNG": b"\x89PNG\r\n\x1a\n",
        "PDF": b"%PDF-1.7",
        "NUL": b"text and a \0 in it",
    }

    for part, data in cases.items():
        with pytest.raises(CorpusError, match=f"looks like a binary file.*{part}"):
            list(reader_of(tmp_path, data))


def test_wide_text_may_begin_like_an_archive(tmp_path):
    """U+8B1F in UTF-16 has the bytes with which gzip begins, and is text."""
    data = "\u8b1f".encode("utf-16-le")
    assert data == b"\x1f\x8b"

    assert "".join(reader_of(tmp_path, data, encoding="utf-16-le")) == "\u8b1f"


@pytest.mark.parametrize("data", [b"", codecs.BOM_UTF8])
def test_empty_text(tmp_path, data):
    """A text without a character is bad data."""
    with pytest.raises(CorpusError, match="The text test is empty"):
        list(reader_of(tmp_path, data))


@pytest.mark.parametrize("name", ["utf8-ish", "base64", "undefined", "", "a\0b"])
def test_unknown_encoding(tmp_path, name):
    """What is no encoding of text is a setting out of range, before any reading."""
    with pytest.raises(ConfigError, match="encoding is"):
        reader_of(tmp_path, b"a", encoding=name)


def test_file_that_went_away(tmp_path):
    """A file that is gone between finding and reading is missing."""
    reader = reader_of(tmp_path, b"a")
    (tmp_path / "0.txt").unlink()

    with pytest.raises(MissingError, match=r"0\.txt cannot be opened"):
        list(reader)
