"""From files to ids on disk: what is stored, found again, rebuilt and refused."""
# ruff: noqa: RUF001 - curly quotes and dashes are the matter of this file

import hashlib
import os
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from lstm_textgen.config import TextConfig
from lstm_textgen.errors import (
    ConfigError,
    CorpusError,
    MissingError,
    StorageError,
    VocabularyError,
)
from lstm_textgen.paths import default_cache
from lstm_textgen.text import encode
from lstm_textgen.text.encode import EncodedText, encode_source, encode_with
from lstm_textgen.text.reader import TextReader
from lstm_textgen.text.source import Source
from lstm_textgen.text.tokenizer import ByteTokenizer
from tests.builders import char_tokenizer, file_size_limited

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
def test_settings_that_decide_the_ids_are_kept_apart(
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
    with pytest.raises(CorpusError, match="changed while it was read"):
        encode_source(source, TextConfig(), cache=cache)


@pytest.mark.parametrize(("kind", "passes"), [("char", 2), ("byte", 1)])
def test_progress_adds_up(tmp_path, cache, monkeypatch, kind, passes):
    """Progress is reported in bytes, pass by pass, down to the last one."""
    monkeypatch.setattr(encode, "CHUNK_BYTES", 100)
    data = TEXT.encode() + b"\r"
    reported: list[int] = []

    config = TextConfig(tokenizer=kind)
    encode_source(
        source_of(tmp_path, data), config, cache=cache, progress=reported.append
    )

    assert sum(reported) == passes * len(data)
    assert max(reported) <= 100
    assert min(reported) > 0


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


PLAIN = "to be or not to be\n" * 100


@pytest.fixture
def source(tmp_path) -> Source:
    """A source of one plain file."""
    return plain_source(tmp_path, "corpus")


def plain_source(folder: Path, name: str) -> Source:
    return source_of(folder, PLAIN.encode(), f"{name}.txt")


def encoded(source: Source, cache: Path) -> EncodedText:
    """Encode a plain source, and compare the result with the text."""
    text = encode_source(source, TextConfig(), cache=cache)
    assert text.tokenizer.decode(np.asarray(text.ids)) == PLAIN
    return text


def only(cache: Path, ending: str) -> Path:
    """The one file in the cache that ends so."""
    (path,) = (cache / "ids").glob(f"*{ending}")
    return path


def test_cache_holds_a_raw_file_and_its_sidecar(source, cache):
    """The ids lie there as raw bytes, and nothing temporary is left."""
    text = encoded(source, cache)

    assert only(cache, ".ids").read_bytes() == bytes(text.ids)
    assert only(cache, ".json").stem == only(cache, ".ids").stem
    assert len(list((cache / "ids").iterdir())) == 2


@pytest.mark.parametrize(
    "sidecar",
    [
        b"",
        b"[]",
        b"{}",
        b'{"tokenizer": {"kind": "word"}}',
        b'{"tokenizer": {"kind": "byte"}, "ids": "many"}',
        b'{"tokenizer": {"kind": "byte"}, "ids": 1900}',
        b"\xff",
        None,
    ],
)
def test_damaged_sidecar_is_rebuilt(source, cache, sidecar):
    """A sidecar that is broken or gone costs another reading, and no word."""
    first = encoded(source, cache)
    whole = only(cache, ".json").read_bytes()
    only(cache, ".json").unlink()
    if sidecar is not None:
        only(cache, ".ids").with_suffix(".json").write_bytes(sidecar)

    assert encoded(source, cache).sha256 == first.sha256
    assert only(cache, ".json").read_bytes() == whole


@pytest.mark.parametrize("keep", [None, 0, 1899])
def test_damaged_ids_are_rebuilt(source, cache, keep):
    """Ids that are cut short, empty or gone are made again."""
    encoded(source, cache)
    ids = only(cache, ".ids")
    data = ids.read_bytes()
    ids.unlink()
    if keep is not None:
        ids.write_bytes(data[:keep])

    encoded(source, cache)

    assert ids.read_bytes() == data


def test_wide_ids_are_little_endian(tmp_path, cache):
    """More than 256 characters take two bytes each, the low one first."""
    characters = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    source = source_of(tmp_path, characters.encode())

    for _ in range(2):
        text = encode_source(source, TextConfig(), cache=cache)

        assert text.ids.tolist() == list(range(300))
    assert only(cache, ".ids").read_bytes()[510:514] == b"\xff\x00\x00\x01"


def test_full_disk_is_an_error_and_leaves_nothing(source, cache):
    """When the ids cannot be written whole, nothing stays behind."""
    with pytest.raises(StorageError), file_size_limited(1000):
        encode_source(source, TextConfig(), cache=cache)

    assert list((cache / "ids").iterdir()) == []


def test_full_disk_at_the_sidecar(source, cache, monkeypatch):
    """A failure as late as the sidecar leaves nothing behind either."""

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="No space left"):
        encode_source(source, TextConfig(), cache=cache)

    assert list((cache / "ids").iterdir()) == []


def test_interrupt_leaves_nothing(source, cache):
    """Ctrl-C while encoding removes the half-written ids."""

    def interrupt(_count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_source(
            source, TextConfig(tokenizer="byte"), cache=cache, progress=interrupt
        )

    assert list((cache / "ids").iterdir()) == []


def test_cache_that_cannot_be_written(source, tmp_path, monkeypatch):
    """
    Where no folder can be made the ids still come, and a note says so.

    They lie in a file without a name that goes when they are let go.
    """
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the folder should be")
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spare))

    text = encoded(source, blocked)

    assert text.notes == (f"the cache {blocked / 'ids'} cannot be written: not kept",)
    assert isinstance(text.ids, np.memmap)
    assert list(spare.iterdir()) == []


def test_nowhere_to_write(source, tmp_path, monkeypatch):
    """Without a cache and without a temporary folder it is a storage error."""
    blocked = tmp_path / "cache"
    blocked.write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))

    with pytest.raises(StorageError, match="could not be stored"):
        encode_source(source, TextConfig(), cache=blocked)


def test_old_ids_make_room(tmp_path, cache, monkeypatch):
    """Beyond the limit the least recently used go first, never the newest."""
    sources = [plain_source(tmp_path, name) for name in ("a", "b", "c")]
    for age, source in zip((30, 20), sources, strict=False):
        encoded(source, cache)
        newest = max((cache / "ids").glob("*.ids"), key=lambda p: p.stat().st_mtime_ns)
        os.utime(newest, (1e9 - age, 1e9 - age))
    encoded(sources[0], cache)  # using it makes it young again
    monkeypatch.setattr(encode, "CACHE_CAP_BYTES", 2 * len(PLAIN))

    encoded(sources[2], cache)

    kept = {path.stem for path in (cache / "ids").glob("*.json")}
    assert kept == {path.stem for path in (cache / "ids").glob("*.ids")}
    slots = [
        encode.Slot.of(source, {"min_count": 1, "encoding": "utf-8"}, cache).key
        for source in sources
    ]
    assert kept == {slots[0], slots[2]}

    monkeypatch.setattr(encode, "CACHE_CAP_BYTES", 1)
    encoded(sources[1], cache)
    assert {path.stem for path in (cache / "ids").glob("*.ids")} == {slots[1]}


def test_leftovers_of_killed_runs_go(source, cache):
    """A temporary file of yesterday is removed; one of a run beside us is not."""
    folder = cache / "ids"
    folder.mkdir(parents=True)
    for name in ("old.tmp", "new.tmp"):
        (folder / name).write_text("x")
    os.utime(folder / "old.tmp", (1e9, 1e9))

    encoded(source, cache)

    assert [path.name for path in folder.glob("*.tmp")] == ["new.tmp"]


def test_file_that_is_gone(source, cache):
    """A source whose file has gone away is missing, also when ids are stored."""
    encoded(source, cache)
    source.paths[0].unlink()

    with pytest.raises(MissingError, match=r"corpus\.txt cannot be found"):
        encode_source(source, TextConfig(), cache=cache)
