"""The one text of a zip: checked, and the zip gone."""

import hashlib
import zipfile

import pytest

from lstm_textgen.corpora.install import unpack_member
from lstm_textgen.errors import CorpusError, OutputError

TEXT = b"aaaaaaaaab" * 5000
DIGEST = hashlib.sha256(TEXT).hexdigest()


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "text.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("readme", b"hello")
        file.writestr("text", TEXT)
    return path


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_member_is_unpacked_and_the_zip_removed(archive, tmp_path):
    """The other members stay packed."""
    target = tmp_path / "out.txt"
    digest = unpack_member(archive, "text", target, size=len(TEXT), sha256=DIGEST)

    assert target.read_bytes() == TEXT
    assert digest == DIGEST
    assert left(tmp_path) == ["out.txt"]


@pytest.mark.parametrize(
    ("member", "size", "sha256", "told"),
    [
        ("text", len(TEXT) - 1, DIGEST, "50,000 bytes, but 49,999"),
        ("text", len(TEXT), "0" * 64, DIGEST),
        ("tekst", None, None, "'tekst'"),
    ],
)
def test_what_is_not_the_text_is_removed(archive, tmp_path, member, size, sha256, told):
    """Another size or digest, or no such member: exit code 65, nothing stays."""
    with pytest.raises(CorpusError, match=told):
        unpack_member(archive, member, tmp_path / "out", size=size, sha256=sha256)

    assert left(tmp_path) == []


def test_a_damaged_zip_is_removed(archive, tmp_path):
    """A flipped byte is found by the checksum inside, no zip at all by its head."""
    content = bytearray(archive.read_bytes())
    content[content.index(b"text") + 4 + 10] ^= 0xFF
    for damaged in (bytes(content), b"not a zip"):
        archive.write_bytes(damaged)
        with pytest.raises(CorpusError, match="readable 'text'"):
            unpack_member(archive, "text", tmp_path / "out", size=None, sha256=None)

        assert left(tmp_path) == []


def test_a_member_longer_than_it_says_is_stopped(archive, tmp_path):
    """The size in the zip's table is a claim; unpacking holds it to that."""
    content = archive.read_bytes()
    honest, lie = len(TEXT).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    archive.write_bytes(content.replace(honest, lie))
    with pytest.raises(CorpusError):
        unpack_member(archive, "text", tmp_path / "out", size=1000, sha256=None)

    assert left(tmp_path) == []


def test_the_zip_stays_if_only_the_place_is_wrong(archive, tmp_path):
    """Unpacking can be tried again elsewhere without fetching again."""
    with pytest.raises(OutputError):
        unpack_member(archive, "text", tmp_path / "no" / "out", size=None, sha256=None)

    assert left(tmp_path) == ["text.zip"]
