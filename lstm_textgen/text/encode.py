"""
Stream a text into a memory-mapped file of ids; a second time nothing is read.

The text passes by twice, once for the vocabulary and once for the ids, and is
never whole in memory.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import platformdirs

from lstm_textgen.config import TextConfig
from lstm_textgen.errors import VocabularyError
from lstm_textgen.text.cache import EncodedText, IdsWriter, Slot, changed_while_read
from lstm_textgen.text.reader import TextReader
from lstm_textgen.text.source import Source
from lstm_textgen.text.tokenizer import (
    ByteTokenizer,
    CharTokenizer,
    Tokenizer,
    count_characters,
)

__all__ = ["EncodedText", "default_cache", "encode_source", "encode_with"]

CHUNK_BYTES = 1 << 17  # small enough that all arrays of a piece stay in the cache

Progress = Callable[[int], None]


def default_cache() -> Path:
    """The folder TEXTGEN_CACHE, else the user's own for what can be made again."""
    given = os.environ.get("TEXTGEN_CACHE")
    return Path(given) if given else platformdirs.user_cache_path("lstm_textgen")


def encode_source(
    source: Source,
    config: TextConfig,
    *,
    cache: Path,
    progress: Progress | None = None,
) -> EncodedText:
    """
    Learn the vocabulary of *source*, and encode it.

    Args:
        source: The files.
        config: Tokenizer, `min_count` and encoding; the split plays no part.
        cache: Folder that keeps the ids for the next time. Where it cannot be
            written, a note says so and the ids last for this process only.
        progress: Called with the bytes read since the last call. They add up
            to twice the size of the source, once for the byte tokenizer.

    Raises:
        CorpusError: Not text, empty, or changed while it was read.
        ConfigError: The encoding does not exist, or *min_count* is too high.
        MissingError: A file is gone or may not be read.
        StorageError: The disk is full or fails.
    """
    if config.tokenizer == "byte":
        return encode_with(
            source, ByteTokenizer(), config.encoding, cache=cache, progress=progress
        )
    reader = TextReader(source, config.encoding, CHUNK_BYTES)
    settings = {"min_count": config.min_count, "encoding": reader.encoding}
    slot = Slot.of(source, settings, cache)
    if stored := slot.load():
        return stored
    counts = count_characters(_watched(reader, progress))
    slot.check_unchanged()  # before an odd vocabulary gets the blame
    tokenizer = CharTokenizer.from_counts(counts, config.min_count)
    try:
        return _encode(reader, tokenizer, slot, progress, expected=int(counts.sum()))
    except VocabularyError as error:  # the first pass saw every character
        raise changed_while_read(source.name) from error


def encode_with(
    source: Source,
    tokenizer: Tokenizer,
    config_encoding: str,
    *,
    cache: Path,
    progress: Progress | None = None,
) -> EncodedText:
    """
    Encode *source* with a vocabulary that exists already.

    Args:
        source: The files.
        tokenizer: The vocabulary.
        config_encoding: How the bytes of the files become characters.
        cache: As for `encode_source`.
        progress: Called with the bytes read since the last call.

    Raises:
        VocabularyError: A character is not known. The error names its offset
            in the whole text.
        TextgenError: As for `encode_source`.
    """
    reader = TextReader(source, config_encoding, CHUNK_BYTES)
    settings = {"tokenizer": tokenizer.to_json(), "encoding": reader.encoding}
    slot = Slot.of(source, settings, cache)
    return slot.load() or _encode(reader, tokenizer, slot, progress)


def _encode(
    reader: TextReader,
    tokenizer: Tokenizer,
    slot: Slot,
    progress: Progress | None,
    expected: int | None = None,
) -> EncodedText:
    digest = hashlib.sha256()
    characters = 0
    with IdsWriter(slot) as writer:
        for text in _watched(reader, progress):
            digest.update(text.encode("utf-8", "surrogatepass"))
            writer.write(tokenizer.encode(text, offset=characters))
            characters += len(text)
        slot.check_unchanged()
        if expected not in (None, characters):
            raise changed_while_read(slot.source.name)
        notes = _notes(reader)
        facts = {
            "tokenizer": tokenizer.to_json(),
            "characters": characters,
            "sha256": digest.hexdigest(),
            "notes": notes,
        }
        ids = writer.finish(facts, tokenizer.dtype)
    if not writer.kept:
        notes.append(f"the cache {slot.folder} cannot be written: not kept")
    return EncodedText(
        name=slot.source.name,
        ids=ids,
        tokenizer=tokenizer,
        characters=characters,
        sha256=digest.hexdigest(),
        notes=tuple(notes),
    )


def _watched(reader: TextReader, progress: Progress | None) -> Iterator[str]:
    """The pieces of *reader*, telling *progress* how far it is."""
    told = 0
    for text in chain(reader, [""]):  # the last, to tell of bytes that gave no text
        yield text
        if progress is not None and reader.bytes_read > told:
            progress(reader.bytes_read - told)
        told = reader.bytes_read


def _notes(reader: TextReader) -> list[str]:
    notes = []
    if reader.boms:
        notes.append(f"{_counted(reader.boms, 'byte order mark')} dropped")
    if reader.newlines_changed:
        count = reader.newlines_changed
        notes.append(f"{_counted(count, 'line end')} changed to newlines")
    return notes


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' if count != 1 else ''}"
