"""Install a registered corpus: download, unpack or join it, and keep it checked."""

import os
import shutil
import zipfile
import zlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from lstm_textgen.corpora.download import (
    DOWNLOAD_AGAIN,
    DownloadProgress,
    Expected,
    check_and_rename,
    download,
)
from lstm_textgen.errors import BusyError, CorpusError
from lstm_textgen.files import (
    acquire_lock,
    digest_of,
    translated_errors,
    write_durably,
)
from lstm_textgen.paths import data_folder
from lstm_textgen.text.registry import Corpus, corpus_path, missing_corpus

LOCK_TIMEOUT_S = 600.0
"""How long to wait for another process that downloads the same corpus."""

UNREADABLE_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,  # no such member
    EOFError,
    RuntimeError,  # encrypted, or packed by a method that Python lacks
)
"""What `zipfile` raises for a zip that does not hold what it should."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalledCorpus:
    """A corpus on this machine, and what the user should know about it."""

    path: Path
    notes: tuple[str, ...] = ()


def install_corpus(
    corpus: Corpus, *, progress: DownloadProgress | None = None
) -> InstalledCorpus:
    """
    Download a corpus, or find that it is here and unchanged.

    Where no digest is published, the one of the first download is kept beside the
    text, and later downloads must equal it. Calls at the same time wait for each other.

    Raises:
        BusyError: Another process has been downloading it for LOCK_TIMEOUT_S.
        CorpusError, UnavailableError, OutputError, StorageError: As `download`.
    """
    if corpus.bundled:
        path = corpus_path(corpus)
        if path is None:
            raise missing_corpus(corpus)
        note = f"{corpus.name} is bundled; nothing was fetched."
        return InstalledCorpus(path=path, notes=(note,))
    target = data_folder() / corpus.file_name
    with _lock(target.parent, corpus.name):
        if corpus.sha256 is None:
            notes = _install_unpublished(corpus, target, progress)
        else:
            _, notes = _install(corpus, target, corpus.sha256, progress)
    return InstalledCorpus(path=target, notes=notes)


def _lock(folder: Path, name: str) -> AbstractContextManager[object]:
    """A lock that is held until the `with` block around it ends."""
    with translated_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = acquire_lock(folder / f"{name}.lock", timeout_s=LOCK_TIMEOUT_S)
    if lock is None:
        raise BusyError(
            f"Another process has been fetching {name} for {LOCK_TIMEOUT_S:.0f} "
            "seconds.",
            "Wait until it ends, or stop it.",
        )
    return lock


def _install_unpublished(
    corpus: Corpus, target: Path, progress: DownloadProgress | None
) -> tuple[str, ...]:
    """Install a text whose only known digest is that of its first download."""
    name, digest_file = corpus.name, target.with_suffix(".sha256")
    first_sha256 = _recorded_digest(digest_file)
    try:
        sha256, notes = _install(corpus, target, first_sha256, progress)
    except CorpusError as error:
        if first_sha256 is None:
            raise
        raise CorpusError(
            error.problem,
            f"If the publisher has renewed the text, remove {digest_file} and try "
            "again.",
        ) from error
    if first_sha256 is not None:
        note = f"No digest of {name} is published; it equals that of the first fetch."
    else:
        write_durably(digest_file, f"{sha256}  {target.name}\n".encode("ascii"))
        note = (
            f"No digest of {name} is published, so nobody vouches for these bytes. "
            f"Their sha256 {sha256} is kept, and later fetches must equal it."
        )
    return *notes, note


def _recorded_digest(digest_file: Path) -> str | None:
    """The digest of the first download; None before it, or if the file is damaged."""
    if not digest_file.is_file():
        return None
    with translated_errors(digest_file):
        words = digest_file.read_text("ascii", "replace").split()
    return words[0] if words and len(words[0]) == 64 else None


def _install(
    corpus: Corpus,
    target: Path,
    sha256: str | None,
    progress: DownloadProgress | None,
) -> tuple[str, tuple[str, ...]]:
    """
    Make *target* the right file, whatever it was.

    Returns:
        Its sha256, and notes for the user.
    """
    notes: tuple[str, ...] = ()
    expected = Expected(size_bytes=corpus.size_bytes, sha256=sha256)
    with translated_errors(target):
        if sha256 is not None and target.is_file():
            if digest_of(target) == sha256:
                return sha256, (f"{corpus.name} was here already.",)
            notes = (f"The {corpus.name} that was here had changed; it is new now.",)
    if corpus.parts:
        return _join(corpus, target, expected, progress), notes
    address, zipped = _address(corpus), corpus.zipped
    if zipped is None:
        return download(address, target, expected, progress=progress), notes
    archive = target.with_suffix(".zip")
    expected_zip = Expected(size_bytes=zipped.size_bytes, sha256=zipped.sha256)
    download(address, archive, expected_zip, progress=progress)
    return unpack_member(archive, zipped.member, target, expected), notes


def _address(corpus: Corpus) -> str:
    """The published address, or `NAME` below a mirror, TEXTGEN_CORPORA_ADDRESS."""
    mirror = os.environ.get("TEXTGEN_CORPORA_ADDRESS")
    return f"{mirror.rstrip('/')}/{corpus.name}" if mirror else str(corpus.address)


def _join(
    corpus: Corpus,
    target: Path,
    expected: Expected,
    progress: DownloadProgress | None,
) -> str:
    """Download the parts and join them in order; only the whole has a digest."""
    folder = target.with_name(f"{corpus.name}.parts")
    paths = [folder / name for name in corpus.parts]
    arrived_bytes = 0
    for path in paths:
        if not path.is_file():  # it got its name when it was complete
            download(f"{_address(corpus)}/{path.name}", path, Expected())
        arrived_bytes += path.stat().st_size
        if progress is not None:
            progress(arrived_bytes, corpus.size_bytes)
    joined = folder / "whole"
    with translated_errors(target):
        with open(joined, "wb") as file:
            for path in paths:
                with open(path, "rb") as part:
                    shutil.copyfileobj(part, file)
        try:
            return check_and_rename(joined, target, expected)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def unpack_member(zip_path: Path, member: str, target: Path, expected: Expected) -> str:
    """
    Unpack one file of a zip to *target*, checked, and remove the zip.

    Returns:
        The sha256 of the file.

    Raises:
        CorpusError: It is not a zip, lacks the member, or holds something else. The
            zip is removed: it is no use to the next try.
        OutputError, StorageError: The file cannot be written. The zip is kept.
    """
    unpacked = target.with_name(target.name + ".unpacking")
    with translated_errors(target):
        try:
            with zipfile.ZipFile(zip_path) as archive:
                expected.check_size(target.name, archive.getinfo(member).file_size)
                with archive.open(member) as source, open(unpacked, "wb") as file:
                    shutil.copyfileobj(source, file)  # ends at the stated size
            sha256 = check_and_rename(unpacked, target, expected)
        except UNREADABLE_ZIP as error:
            zip_path.unlink(missing_ok=True)
            raise CorpusError(
                f"{zip_path.name} does not hold a readable {member!r}: {error}.",
                DOWNLOAD_AGAIN,
            ) from error
        except CorpusError:
            zip_path.unlink(missing_ok=True)
            raise
        finally:
            unpacked.unlink(missing_ok=True)
        zip_path.unlink(missing_ok=True)
    return sha256
