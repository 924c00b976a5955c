"""The cache of ids: damage, full disks, folders that cannot be written, tidiness."""

import os
import resource
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest

from lstm_textgen.config import TextConfig
from lstm_textgen.errors import MissingError, StorageError
from lstm_textgen.text import encode as cache_module
from lstm_textgen.text.encode import EncodedText, encode_source
from lstm_textgen.text.source import Source

TEXT = "to be or not to be\n" * 100


@pytest.fixture
def cache(tmp_path) -> Path:
    """A cache that does not exist yet."""
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path) -> Source:
    """A source of one file."""
    return source_named(tmp_path, "corpus")


def source_named(folder: Path, name: str) -> Source:
    path = folder / f"{name}.txt"
    path.write_text(TEXT)
    return Source(name=name, paths=(path,))


def encoded(source: Source, cache: Path) -> EncodedText:
    """Encode *source*, and hold the result to the text."""
    text = encode_source(source, TextConfig(), cache=cache)
    assert text.tokenizer.decode(np.asarray(text.ids)) == TEXT
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
    path = tmp_path / "wide.txt"
    path.write_text(characters, encoding="utf-8")
    source = Source(name="wide", paths=(path,))

    for _ in range(2):
        text = encode_source(source, TextConfig(), cache=cache)

        assert text.ids.tolist() == list(range(300))
    assert only(cache, ".ids").read_bytes()[510:514] == b"\xff\x00\x00\x01"


def test_full_disk_is_an_error_and_leaves_nothing(source, cache):
    """
    When the ids cannot be written whole, nothing stays behind.

    A limit on the size of files stands in for the full disk.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(StorageError, match="could not be stored") as caught:
            encode_source(source, TextConfig(), cache=cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    assert caught.value.exit_code == 74
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
    sources = [source_named(tmp_path, name) for name in ("a", "b", "c")]
    for age, source in zip((30, 20), sources, strict=False):
        encoded(source, cache)
        newest = max((cache / "ids").glob("*.ids"), key=lambda p: p.stat().st_mtime_ns)
        os.utime(newest, (1e9 - age, 1e9 - age))
    encoded(sources[0], cache)  # using it makes it young again
    monkeypatch.setattr(cache_module, "CACHE_CAP_BYTES", 2 * len(TEXT))

    encoded(sources[2], cache)

    kept = {path.stem for path in (cache / "ids").glob("*.json")}
    assert kept == {path.stem for path in (cache / "ids").glob("*.ids")}
    slots = [
        cache_module.Slot.of(source, {"min_count": 1, "encoding": "utf-8"}, cache).key
        for source in sources
    ]
    assert kept == {slots[0], slots[2]}

    monkeypatch.setattr(cache_module, "CACHE_CAP_BYTES", 1)
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
