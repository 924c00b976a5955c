"""From files to ids on disk: what is stored, found again, rebuilt and refused."""
# ruff: noqa: RUF001 - curly quotes and dashes are the matter of this file

import hashlib
import os
import tracemalloc
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from lstm_textgen.config import TextConfig
from lstm_textgen.errors import ConfigError, CorpusError, VocabularyError
from lstm_textgen.paths import default_cache
from lstm_textgen.text import encode
from lstm_textgen.text.encode import encode_source, encode_with
from lstm_textgen.text.reader import TextReader
from lstm_textgen.text.source import Source
from lstm_textgen.text.tokenizer import ByteTokenizer
from tests.builders import char_tokenizer

TEXT = "Ça va — ‘schön’ 漢字 𝄞\n" * 50


@pytest.fixture
def cache(tmp_path) -> Path:
    """A cache that does not exist yet."""
    return tmp_path / "cache"


def source_of(folder: Path, data: bytes, name: str = "corpus.txt") -> Source:
    """A source of one file."""
    path = folder / name
    path.write_bytes(data)
    return Source(name=path.stem, paths=(path,))


def forbid_reading(monkeypatch) -> None:
    """From now on reading any text fails."""

    def fail(_reader):
        raise AssertionError("the text was read")

    monkeypatch.setattr(TextReader, "__iter__", fail)


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_ids_and_facts_are_those_of_the_text(tmp_path, cache, kind, monkeypatch):
    """The ids decode to the text; the digest is what sha256sum prints."""
    monkeypatch.setattr(encode, "CHUNK_BYTES", 7)
    source = source_of(tmp_path, TEXT.encode())

    text = encode_source(source, TextConfig(tokenizer=kind), cache=cache)

    assert text.tokenizer.kind == kind
    assert text.tokenizer.decode(np.asarray(text.ids)) == TEXT
    assert text.characters == len(TEXT)
    assert len(text) == len(TEXT if kind == "char" else TEXT.encode())
    assert text.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert (text.name, text.notes) == ("corpus", ())
    assert not text.ids.flags.writeable


def test_what_was_normalised_is_noted(tmp_path, cache):
    """A text from Windows equals the clean one, and the notes say what changed."""
    dirty = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode() * 30
    source = source_of(tmp_path, dirty)

    for _ in range(2):  # the second comes from the cache
        text = encode_source(source, TextConfig(), cache=cache)

        assert text.sha256 == hashlib.sha256(TEXT.encode() * 30).hexdigest()
        assert text.notes == (
            "1 byte order mark dropped",
            "1,500 line ends changed to newlines",
        )


@pytest.mark.parametrize(
    "config", [TextConfig(min_count=60), TextConfig(tokenizer="byte")]
)
def test_second_time_nothing_is_read(tmp_path, cache, monkeypatch, config):
    """Everything comes back from the cache, without a look into the text."""
    source = source_of(tmp_path, TEXT.encode())
    first = encode_source(source, config, cache=cache)
    forbid_reading(monkeypatch)

    again = encode_source(source, config, cache=cache)

    np.testing.assert_array_equal(first.ids, again.ids)
    assert first.ids.dtype == again.ids.dtype
    for fact in ("name", "tokenizer", "characters", "sha256", "notes"):
        assert getattr(first, fact) == getattr(again, fact)


@pytest.mark.parametrize(
    "other",
    [
        TextConfig(min_count=60),
        TextConfig(tokenizer="byte"),
        TextConfig(encoding="cp437"),
    ],
)
def test_settings_that_decide_the_ids_are_told_apart(
    tmp_path, cache, monkeypatch, other
):
    """Another tokenizer, count or encoding is encoded anew; the split is not."""
    source = source_of(tmp_path, TEXT.encode())
    encode_source(source, TextConfig(), cache=cache)
    forbid_reading(monkeypatch)

    encode_source(source, TextConfig(validation=0.3, encoding="UTF8"), cache=cache)
    with pytest.raises(AssertionError, match="the text was read"):
        encode_source(source, other, cache=cache)


def test_changed_file_is_encoded_anew(tmp_path, cache):
    """A file with other contents gives other ids, even at the same size."""
    source = source_of(tmp_path, b"abc")
    encode_source(source, TextConfig(), cache=cache)
    source_of(tmp_path, b"xyz")
    os.utime(source.paths[0], ns=(1, 1))

    assert encode_source(source, TextConfig(), cache=cache).tokenizer.size == 3
    assert "x" in encode_source(source, TextConfig(), cache=cache).tokenizer


def test_existing_vocabulary(tmp_path, cache):
    """An unknown character is named by its offset in the whole text."""
    first = source_of(tmp_path, b"abc\r\n" * 60_000)
    second = source_of(tmp_path, b"abz", "more.txt")
    both = Source(name="both", paths=first.paths + second.paths)
    tokenizer = char_tokenizer("abc\n")

    text = encode_with(first, tokenizer, "utf-8", cache=cache)
    assert text.tokenizer == tokenizer
    assert tokenizer.decode(np.asarray(text.ids)) == "abc\n" * 60_000

    with pytest.raises(VocabularyError, match=r"'z' \(.*at offset 240002"):
        encode_with(both, tokenizer, "utf-8", cache=cache)
    assert list((cache / "ids").glob("*.tmp")) == []


def test_rare_characters_fold(tmp_path, cache):
    """With min_count the ids hold the unknown mark where a rare character stood."""
    source = source_of(tmp_path, "aaabbb漢".encode())

    text = encode_source(source, TextConfig(min_count=2), cache=cache)

    assert text.tokenizer.decode(np.asarray(text.ids)) == "aaabbb\ufffd"
    assert text.sha256 == hashlib.sha256("aaabbb漢".encode()).hexdigest()
    with pytest.raises(ConfigError, match="min_count is 4"):
        encode_source(source, TextConfig(min_count=4), cache=cache)


@pytest.mark.parametrize("late", [b"abd", b"abc and more", b"ab\xff"])
@pytest.mark.parametrize("passes", [1, 2])
def test_file_that_changes_while_it_is_read(tmp_path, cache, monkeypatch, late, passes):
    """Whatever the change and whichever pass meets it, the run asks for stillness."""
    source = source_of(tmp_path, b"abc")
    honest = TextReader.__iter__
    done = []

    def meddle(reader):
        done.append(1)
        if len(done) == passes:
            source.paths[0].write_bytes(late)
            os.utime(source.paths[0], ns=(1, 1))
        yield from honest(reader)

    monkeypatch.setattr(TextReader, "__iter__", meddle)
    with pytest.raises(CorpusError):
        encode_source(source, TextConfig(), cache=cache)

    assert list(cache.rglob("*.*")) == []


@pytest.mark.parametrize("late", ["aabb", "éé"])
def test_change_that_keeps_size_and_time(tmp_path, cache, monkeypatch, late):
    """A second pass that disagrees with the first is noticed by its characters."""
    source = source_of(tmp_path, "aaé".encode())
    status = source.paths[0].stat()
    learned = encode.count_code_points

    def count_then_change(chunks):
        counts = learned(chunks)
        source.paths[0].write_bytes(late.encode())
        os.utime(source.paths[0], ns=(status.st_atime_ns, status.st_mtime_ns))
        return counts

    monkeypatch.setattr(encode, "count_code_points", count_then_change)
    with pytest.raises(CorpusError, match="changed while it was read") as caught:
        encode_source(source, TextConfig(), cache=cache)

    assert caught.value.remedy == "Run again when it is still."


@pytest.mark.parametrize(("kind", "passes"), [("char", 2), ("byte", 1)])
def test_progress_adds_up(tmp_path, cache, monkeypatch, kind, passes):
    """Progress is told in bytes, pass by pass, down to the last one."""
    monkeypatch.setattr(encode, "CHUNK_BYTES", 100)
    data = TEXT.encode() + b"\r"
    told: list[int] = []

    config = TextConfig(tokenizer=kind)
    encode_source(source_of(tmp_path, data), config, cache=cache, progress=told.append)

    assert sum(told) == passes * len(data)
    assert max(told) <= 100
    assert min(told) > 0


def test_memory_does_not_grow_with_the_text(tmp_path, cache):
    """Eight times the text takes the same memory."""

    def peak_bytes(times: int) -> int:
        source = source_of(tmp_path, TEXT.encode() * times, f"{times}.txt")
        tracemalloc.start()
        try:
            encode_source(source, TextConfig(), cache=cache)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_bytes(600)
    small, large = peak_bytes(601), peak_bytes(4800)

    assert large < small * 1.05 + 100_000
    assert large < 30 << 20


def test_byte_vocabulary_shares_the_cache(tmp_path, cache, monkeypatch):
    """Encoding with a byte model finds what training with bytes left."""
    source = source_of(tmp_path, TEXT.encode())
    encode_source(source, TextConfig(tokenizer="byte"), cache=cache)
    forbid_reading(monkeypatch)

    text = encode_with(source, ByteTokenizer(), "utf-8", cache=cache)

    assert bytes(text.ids) == TEXT.encode()


def test_default_cache(monkeypatch, tmp_path):
    """TEXTGEN_CACHE decides, else the platform does."""
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path))
    assert default_cache() == tmp_path

    monkeypatch.delenv("TEXTGEN_CACHE")
    assert default_cache() == platformdirs.user_cache_path("lstm_textgen")
