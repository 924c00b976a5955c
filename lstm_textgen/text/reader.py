"""
Read files as text in pieces: decoded, newlines normalized, never whole in memory.

What is not text is refused with the offset of the first invalid byte.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path

from lstm_textgen.errors import ConfigError, CorpusError, MissingError, StorageError
from lstm_textgen.text.source import Source

BINARY = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF-": "a PDF document",
}
"""First bytes of files that are often mistaken for text, and what these are."""

HEAD_BYTES = 4096
"""Bytes of a file from which its encoding is guessed."""


class TextReader:
    """
    The text of *source*, in pieces; each iteration starts over.

    A byte order mark is dropped, "\\r\\n" and a lone "\\r" become "\\n". Where a
    file does not end in a newline, one stands between it and the next file.

    Args:
        source: The files, read in their order.
        encoding: How their bytes become characters.
        chunk_bytes: Bytes read at a time, 1 or more.

    Raises:
        ConfigError: The encoding does not exist.
        MissingError: While iterating: a file is gone or may not be read.
        CorpusError: While iterating: bytes that the encoding does not allow,
            a binary file, or no text at all.
        StorageError: While iterating: the disk fails.
    """

    def __init__(
        self, source: Source, encoding: str = "utf-8", chunk_bytes: int = 4 << 20
    ) -> None:
        self.source = source
        self.encoding = _canonical(encoding)
        self.chunk_bytes = chunk_bytes
        self._reset()

    def _reset(self) -> None:
        self.boms = 0  # byte order marks dropped
        self.newlines_changed = 0  # "\r\n" and "\r" that became "\n"
        self.bytes_read = 0

    def __iter__(self) -> Iterator[str]:
        self._reset()
        last = ""
        for path in self.source.paths:
            begins = True
            for text in self._normalized(path):
                if begins and last not in ("", "\n"):
                    yield "\n"
                begins, last = False, text[-1]
                yield text
        if not last:
            raise CorpusError(f"The text {self.source.name} is empty.", "Name another.")

    def _normalized(self, path: Path) -> Iterator[str]:
        """Pieces of one file, never empty, in which every line ends in a newline."""
        held = ""
        for decoded in self._decoded(path):
            text = held + decoded
            held = "\r" if decoded and text.endswith("\r") else ""  # "\n" may follow
            text = text[: len(text) - len(held)]
            if "\r" in text:
                self.newlines_changed += text.count("\r")
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            if text:
                yield text

    def _decoded(self, path: Path) -> Iterator[str]:
        """Characters of one file, read by read; the last piece is empty."""
        decoder = codecs.getincrementaldecoder(self.encoding)()
        head = b""
        read_bytes = 0
        begins = True
        for chunk in self._raw(path):
            read_bytes += len(chunk)
            if not head:
                head = chunk[:HEAD_BYTES]
                if not self.encoding.startswith(("utf-16", "utf-32")):
                    _refuse_binary(path, head)
            try:
                text = decoder.decode(chunk, not chunk)
            except UnicodeError as error:
                raise self._undecodable(path, error, read_bytes, head) from error
            if "\0" in text:
                raise _holds_nul(path, head)
            if begins and text:
                self.boms += text.startswith("\ufeff")
                text, begins = text.removeprefix("\ufeff"), False
            if text:
                yield text
        yield ""

    def _raw(self, path: Path) -> Iterator[bytes]:
        """Bytes of one file; the last piece is empty."""
        try:
            with path.open("rb", buffering=0) as file:
                while chunk := file.read(self.chunk_bytes):
                    self.bytes_read += len(chunk)
                    yield chunk
            yield b""
        except (FileNotFoundError, PermissionError) as error:
            raise MissingError(
                f"{path} cannot be opened ({error.strerror}).",
                "Check that the file is there and may be read.",
            ) from error
        except OSError as error:
            raise StorageError(
                f"Reading {path} failed ({error.strerror}).",
                "Check the disk, or copy the file to another one.",
            ) from error

    def _undecodable(
        self, path: Path, error: UnicodeError, read_bytes: int, head: bytes
    ) -> CorpusError:
        others = ["cp1252"] if self.encoding == "utf-8" else ["utf-8", "cp1252"]
        guesses = [_wide_encoding(head), *others]
        guess = next(name for name in guesses if name not in (None, self.encoding))
        if isinstance(error, UnicodeDecodeError):
            # the decoder was given what it held back and then the last chunk
            offset = read_bytes - len(error.object) + error.start
            found = f"byte 0x{error.object[error.start]:02X} at offset {offset}"
        else:
            found = "no byte order mark"  # utf-16 and utf-32 ask for one
        return CorpusError(
            f"{path} is not {self.encoding} text: {found}.",
            f"Name its encoding, perhaps --encoding {guess}.",
        )


def _canonical(encoding: str) -> str:
    try:
        " ".encode(encoding)  # base64 and the like are codecs, but not of text
        codecs.getincrementaldecoder(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise ConfigError(
            f"encoding is {encoding!r}, which is not known.",
            "Set encoding to a name such as utf-8, utf-16 or cp1252.",
        ) from error


def _refuse_binary(path: Path, head: bytes) -> None:
    for beginning, kind in BINARY.items():
        if head.startswith(beginning):
            raise CorpusError(
                f"{path} looks like a binary file: {kind}.",
                "Name a plain text file; take the text out of this one first.",
            )


def _holds_nul(path: Path, head: bytes) -> CorpusError:
    guess = _wide_encoding(head)
    return CorpusError(
        f"{path} looks like a binary file: it holds NUL characters.",
        f"Name its encoding, perhaps --encoding {guess}."
        if guess
        else "Name a plain text file.",
    )


def _wide_encoding(head: bytes) -> str | None:
    """The UTF-16 or UTF-32 that *head* looks like, if any."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head[1::2].count(0) > len(head) // 4 and not head[::2].count(0):
        return "utf-16-le"
    if head[::2].count(0) > len(head) // 4 and not head[1::2].count(0):
        return "utf-16-be"
    return None
