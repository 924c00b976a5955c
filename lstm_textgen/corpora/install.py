"""
Get a registered corpus: fetch it, unpack or join it, and keep it checked.

Unpack the one text of a zip, checked like everything that is fetched.
"""

import contextlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock

from lstm_textgen.corpora.download import (
    ANEW,
    PAUSES_S,
    DownloadProgress,
    check_bytes,
    download,
    settle,
    writing,
)
from lstm_textgen.errors import BusyError, CorpusError
from lstm_textgen.files import digest_of
from lstm_textgen.paths import data_folder
from lstm_textgen.text.registry import Corpus, corpus_path, not_fetched

WAIT_S = 600.0
"""How long to wait for another process that fetches the same corpus."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalledCorpus:
    """A corpus that is here now, and what the user should know about it."""

    path: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Order:
    corpus: Corpus
    address: str
    target: Path
    sha256: str | None
    progress: DownloadProgress | None
    pauses_s: Sequence[float]


def install_corpus(
    corpus: Corpus,
    *,
    folder: Path | None = None,
    address: str | None = None,
    progress: DownloadProgress | None = None,
    pauses_s: Sequence[float] = PAUSES_S,
) -> InstalledCorpus:
    """
    Bring a corpus to this machine, or find that it is here and unchanged.

    Where no digest is published, the one of the first fetch is kept beside the
    text, and later fetches must equal it. Calls at the same time wait for each
    other.

    Args:
        folder: Where to keep it. None: `data_folder()`.
        address: Where to fetch it instead. None: the published address, or
            `NAME` below the environment's TEXTGEN_CORPORA_ADDRESS.
        progress, pauses_s: As for `fetch`.

    Raises:
        BusyError: Another process has been fetching it for WAIT_S.
        CorpusError, UnavailableError, OutputError, StorageError: As `fetch`.
    """
    if corpus.bundled:
        return _bundled(corpus)
    folder = data_folder() if folder is None else folder
    target = folder / corpus.file_name
    first = folder / f"{corpus.name}.sha256"
    with _alone(folder, corpus.name):
        digest = corpus.sha256 or _first_digest(first)
        where = _address(corpus, address)
        order = _Order(corpus, where, target, digest, progress, pauses_s)
        if corpus.sha256 is None:
            return _install_unpublished(order, first)
        return InstalledCorpus(path=target, notes=_install(order)[1])


def _bundled(corpus: Corpus) -> InstalledCorpus:
    path = corpus_path(corpus.name)
    if path is None:
        raise not_fetched(corpus)
    return InstalledCorpus(
        path=path, notes=(f"{corpus.name} is bundled; nothing was fetched.",)
    )


def _address(corpus: Corpus, chosen: str | None) -> str:
    base = os.environ.get("TEXTGEN_CORPORA_ADDRESS")
    if chosen is not None:
        return chosen
    return f"{base.rstrip('/')}/{corpus.name}" if base else str(corpus.address)


@contextlib.contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    lock = filelock.FileLock(folder / f"{name}.lock")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=WAIT_S)
        except filelock.Timeout as error:
            raise BusyError(
                f"Another process has been fetching {name} for {WAIT_S:.0f} seconds.",
                "Wait until it ends, or stop it.",
            ) from error
    try:
        yield
    finally:
        lock.release()


def _install_unpublished(order: _Order, first: Path) -> InstalledCorpus:
    """Bring a text whose only known digest is that of its first fetch here."""
    name = order.corpus.name
    try:
        digest, notes = _install(order)
    except CorpusError as error:
        if order.sha256 is None:
            raise
        remedy = f"If the publisher has renewed the text, remove {first} and try again."
        raise CorpusError(error.problem, remedy) from error
    if order.sha256 is not None:
        told = f"No digest of {name} is published; it equals that of the first fetch."
        return InstalledCorpus(path=order.target, notes=(*notes, told))
    with writing(first):
        loose = first.with_name(first.name + ".new")
        loose.write_text(f"{digest}  {order.target.name}\n", "ascii")
        os.replace(loose, first)
    told = (
        f"No digest of {name} is published, so nobody vouches for these bytes. "
        f"Their sha256 {digest} is kept, and later fetches must equal it."
    )
    return InstalledCorpus(path=order.target, notes=(*notes, told))


def _first_digest(first: Path) -> str | None:
    """The digest kept on the first fetch; None before it, or if it is damaged."""
    with writing(first):
        words = first.read_text("ascii", "replace").split() if first.is_file() else []
    return words[0] if words and len(words[0]) == 64 else None


def _install(order: _Order) -> tuple[str, tuple[str, ...]]:
    """Make the target right, whatever it was; its digest, and what to tell."""
    corpus, target = order.corpus, order.target
    notes: tuple[str, ...] = ()
    with writing(target):
        if order.sha256 is not None and target.is_file():
            if digest_of(target) == order.sha256:
                return order.sha256, (f"{corpus.name} was here already.",)
            notes = (f"The {corpus.name} that was here had changed; it is new now.",)
    if corpus.parts:
        return _join(order), notes
    if corpus.zipped is None:
        size = corpus.size_bytes
        return _download(order, order.address, target, size, order.sha256), notes
    packed, archive = corpus.zipped, target.with_suffix(".zip")
    _download(order, order.address, archive, packed.size_bytes, packed.sha256)
    size = corpus.size_bytes
    digest = unpack_member(
        archive, packed.member, target, size=size, sha256=order.sha256
    )
    return digest, notes


def _download(
    order: _Order, address: str, target: Path, size: int | None, sha256: str | None
) -> str:
    return download(
        address,
        target,
        size=size,
        sha256=sha256,
        progress=order.progress,
        pauses_s=order.pauses_s,
    ).sha256


def _join(order: _Order) -> str:
    """Fetch the parts and write them one after the other; only the whole is checked."""
    corpus, target = order.corpus, order.target
    folder = target.with_name(f"{corpus.name}.parts")
    whole = folder / "whole"
    total = corpus.size_bytes
    done = 0
    for part in corpus.parts:
        piece = folder / part
        if not piece.is_file():  # it got its name when it was complete
            download(
                f"{order.address}/{part}",
                piece,
                size=None,
                sha256=None,
                pauses_s=order.pauses_s,
            )
        done += piece.stat().st_size
        if order.progress is not None:
            order.progress(done, total)
    with writing(target):
        with open(whole, "wb") as file:
            for part in corpus.parts:
                with open(folder / part, "rb") as piece_file:
                    shutil.copyfileobj(piece_file, file)
        try:
            return settle(whole, target, size=total, sha256=order.sha256)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,  # no such member
    EOFError,
    RuntimeError,  # encrypted, or packed by a method that Python lacks
)


def unpack_member(
    zip_path: Path, member: str, target: Path, *, size: int | None, sha256: str | None
) -> str:
    """
    Unpack one file of a zip to *target*, checked, and remove the zip.

    Returns:
        The sha256 of the file.

    Raises:
        CorpusError: It is no zip, lacks the member, or holds something else.
            The zip is removed then too, as nothing better can come of it.
        OutputError, StorageError: The zip is kept.
    """
    loose = target.with_name(target.name + ".unpacking")
    with writing(target):
        try:
            with zipfile.ZipFile(zip_path) as archive:
                check_bytes(target, archive.getinfo(member).file_size, size)
                with archive.open(member) as packed, open(loose, "wb") as file:
                    shutil.copyfileobj(packed, file)  # ends at the stated size
            digest = settle(loose, target, size=size, sha256=sha256)
        except _UNREADABLE as error:
            zip_path.unlink(missing_ok=True)
            raise CorpusError(
                f"{zip_path.name} does not hold a readable {member!r}: {error}.", ANEW
            ) from error
        except CorpusError:
            zip_path.unlink(missing_ok=True)
            raise
        finally:
            loose.unlink(missing_ok=True)
        zip_path.unlink(missing_ok=True)
    return digest
