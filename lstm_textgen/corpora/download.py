"""
Download one file: go on where it broke off, keep it only if it is the right one.

The bytes gather in `NAME.part`, and only a checked file gets its name. What is
wrong is removed, what is merely incomplete stays for the next try.

The last step of everything that is fetched: checked, made durable, then named.
"""

import contextlib
import errno
import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lstm_textgen.errors import (
    ConfigError,
    CorpusError,
    OutputError,
    StorageError,
    UnavailableError,
)
from lstm_textgen.files import digest_of

DownloadProgress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes in all, if they are known."""

BLOCK_BYTES = 1 << 16

MAX_DOWNLOAD_BYTES = 1 << 30
"""What is read at most where no size is declared."""

PAUSES_S = (0.5, 2.0, 5.0)
"""Pauses before a broken transfer goes on; as many as there are further tries."""

LATER = "Run the same command again later; what has arrived is kept."


@dataclass(frozen=True, kw_only=True, slots=True)
class Downloaded:
    """A file that has arrived and was checked."""

    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Job:
    address: str
    target: Path
    size: int | None
    sha256: str | None
    progress: DownloadProgress | None
    timeout_s: float

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def tag(self) -> Path:
        """Holds the server's ETag, which tells whether the .part is still current."""
        return self.target.with_name(self.target.name + ".part.etag")

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)


class _Broken(Exception):
    """The connection failed; *midway* if the server had begun to send."""

    def __init__(self, reason: object, *, midway: bool) -> None:
        super().__init__(" ".join(str(reason).split()) or type(reason).__name__)
        self.midway = midway


def download(
    address: str,
    target: Path,
    *,
    size: int | None,
    sha256: str | None,
    progress: DownloadProgress | None = None,
    timeout_s: float = 30.0,
    pauses_s: Sequence[float] = PAUSES_S,
) -> Downloaded:
    """
    Bring the file at *address* to *target*, whole and checked, or not at all.

    A file that is there and has the digest is not fetched again. Two calls with
    the same target must not run at once; `get_corpus` holds a lock.

    Args:
        size: Bytes that the file must have. None: any number up to MOST_BYTES.
        sha256: Digest that the file must have. None: any.
        timeout_s: Longest silence of the server.
        pauses_s: Seconds to wait before each further try after a break.

    Raises:
        ConfigError: The address is not http or https.
        CorpusError: Something else arrived; nothing of it is kept.
        UnavailableError: The server refused or broke off; the .part is kept.
        OutputError, StorageError: The folder or the disk refused.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise ConfigError(
            f"The address is {address!r}.", "Give one with http or https."
        )
    with writing(target):
        return _download(
            _Job(address, target, size, sha256, progress, timeout_s), pauses_s
        )


def _download(job: _Job, pauses_s: Sequence[float]) -> Downloaded:
    target, digest = job.target, job.sha256
    target.parent.mkdir(parents=True, exist_ok=True)
    if digest is None or not target.is_file() or digest_of(target) != digest:
        try:
            _receive(job, pauses_s)
            digest = settle(job.part, target, size=job.size, sha256=digest)
        except CorpusError:
            job.discard()
            raise
    job.discard()
    return Downloaded(path=target, size_bytes=target.stat().st_size, sha256=digest)


def _receive(job: _Job, pauses_s: Sequence[float]) -> None:
    """Fill the .part, going on after a break as often as there are pauses."""
    pauses = iter(pauses_s)
    begun = False
    while True:
        try:
            return _attempt(job)
        except _Broken as broken:
            begun = begun or broken.midway
            pause_s = next(pauses, None) if begun else None
            if pause_s is None:
                raise _given_up(job, str(broken), begun=begun) from broken
            time.sleep(pause_s)


def _given_up(job: _Job, reason: str, *, begun: bool) -> UnavailableError:
    host = urlsplit(job.address).netloc
    if not begun:
        remedy = "Check the network, and run the same command again."
        return UnavailableError(f"{host} cannot be reached: {reason}.", remedy)
    done = job.part.stat().st_size if job.part.is_file() else 0
    total = "" if job.size is None else f" of {job.size:,}"
    return UnavailableError(
        f"The connection to {host} broke after {done:,}{total} bytes: {reason}.",
        "Run the same command again: it goes on from there.",
    )


def _attempt(job: _Job) -> None:
    """Ask for what is missing and append it to the .part."""
    start = _resume_point(job)
    if start and start == job.size:
        return
    with _ask(job, start) as answer:
        whole = answer.status == 416 and _content_range(answer)[1] == start
        begin = 0 if answer.status == 200 else start
        fits = begin == 0 or _content_range(answer)[0] == start
        if whole:
            return
        if fits:
            return _append(job, answer, begin)
    job.discard()
    _attempt(job)  # from the very start, so there is no third time


def _resume_point(job: _Job) -> int:
    """Bytes of the .part to keep: none if a mixture of two versions could pass."""
    have = job.part.stat().st_size if job.part.is_file() else 0
    provable = job.sha256 is not None or job.tag.is_file()
    fits = have <= (MAX_DOWNLOAD_BYTES if job.size is None else job.size)
    return have if provable and fits else 0


def _ask(job: _Job, start: int) -> Any:
    """Open the address from byte *start* on: an answer 200 or 206, or a 416."""
    headers = {"User-Agent": "lstm-textgen", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if job.tag.is_file():
            headers["If-Range"] = job.tag.read_text("latin-1")
    try:
        opener = urllib.request.build_opener(_WebOnly)
        request = urllib.request.Request(job.address, headers=headers)
        return opener.open(request, timeout=job.timeout_s)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:
            return error
        with error:
            reason = " ".join(str(error.reason).split())
        problem = f"{job.address} answered {error.code} {reason}."
        raise UnavailableError(problem, LATER) from error
    except urllib.error.URLError as error:
        raise _Broken(error.reason, midway=False) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Broken(error, midway=False) from error


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https; urllib alone would go to ftp as well."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            msg = f"{msg} to {newurl}, which is not http or https"
            raise urllib.error.HTTPError(req.full_url, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _content_range(answer: Any) -> tuple[int | None, int | None]:
    """First byte and bytes in all, as far as the server names them."""
    header = answer.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", header.strip())
    first, total = found.groups() if found else (None, None)
    return (
        int(first) if first else None,
        int(total) if total and total != "*" else None,
    )


def _append(job: _Job, answer: Any, begin: int) -> None:
    """Write what the server sends behind the first *begin* bytes of the .part."""
    end = None if answer.length is None else begin + answer.length
    _check_answer(job, answer, end)
    most = MAX_DOWNLOAD_BYTES if job.size is None else job.size
    done = begin
    with open(job.part, "ab" if begin else "wb") as file:
        if begin == 0:
            _keep_tag(job, answer)
        while block := _read(answer):
            done += len(block)
            if done > most:
                raise CorpusError(f"{job.address} sends over {most:,} bytes.", ANEW)
            file.write(block)
            if job.progress is not None:
                job.progress(done, end if job.size is None else job.size)
    if end is None and not answer.chunked:  # then only our size tells where it ends
        end = job.size
    if end is not None and done < end:
        raise _Broken("the server closed it", midway=True)


def _read(answer: Any) -> bytes:
    try:
        block: bytes = answer.read1(BLOCK_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Broken(error, midway=True) from error
    return block


def _check_answer(job: _Job, answer: Any, end: int | None) -> None:
    """Refuse before the first byte what cannot be the file."""
    page = answer.headers.get_content_type() == "text/html"
    if page and job.size is None and job.sha256 is None:
        raise CorpusError(f"{job.address} sends a web page instead of a file.", ANEW)
    if end is not None:
        check_bytes(job.target, end, job.size)


def _keep_tag(job: _Job, answer: Any) -> None:
    """Remember the version; a weak tag does not promise equal bytes."""
    tag = answer.headers.get("ETag", "")
    if tag.startswith('"'):
        job.tag.write_text(tag, "latin-1")
    else:
        job.tag.unlink(missing_ok=True)


ANEW = "Run the same command again to fetch it anew."

_NO_PLACE = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR),
    *(errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG),
}


def settle(part: Path, target: Path, *, size: int | None, sha256: str | None) -> str:
    """
    Check *part*, make it durable and give it its name.

    Returns:
        The sha256 of the file.

    Raises:
        CorpusError: Size or digest is another one. *part* is left to the caller.
    """
    with open(part, "r+b") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        check_bytes(target, file.tell(), size)
        if sha256 is not None and found != sha256:
            raise CorpusError(
                f"{target.name} has the sha256 {found}, but {sha256} is expected.", ANEW
            )
        os.fsync(file.fileno())
    os.replace(part, target)
    if os.name == "posix":  # the new name is durable once its folder is
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return found


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what the disk refuses while *target* is written into our errors."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        problem = f"{target} cannot be written: {reason}."
        if error.errno in _NO_PLACE:
            raise OutputError(problem, "Choose a folder that you may write.") from error
        raise StorageError(problem, "Make room, and run it again.") from error


def check_bytes(target: Path, found: int, size: int | None) -> None:
    """Refuse another number of bytes than *size*; None allows any."""
    if size is not None and found != size:
        problem = f"{target.name} has {found:,} bytes, but {size:,} are expected."
        raise CorpusError(problem, ANEW)
