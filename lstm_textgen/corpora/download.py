"""
Download one file: resume after a break, and keep the file only if it is the right one.

The bytes gather in `NAME.part`, and only a checked file gets its name. A wrong file is
removed; an incomplete one stays for the next try.
"""

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lstm_textgen.errors import ConfigError, CorpusError, UnavailableError
from lstm_textgen.files import digest_of, replace_durably, translated_errors

DownloadProgress = Callable[[int, int | None], None]
"""Called with the bytes that have arrived and the bytes in all, if they are known."""

BLOCK_BYTES = 1 << 16

MAX_DOWNLOAD_BYTES = 1 << 30
"""Size limit of a file whose size is not known beforehand."""

RETRY_PAUSES_S = (0.5, 2.0, 5.0)
"""Pauses before an interrupted transfer is resumed; one retry for each."""

TIMEOUT_S = 30.0
"""Longest silence of the server."""

DOWNLOAD_AGAIN = "Run the same command again to fetch it anew."


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What a file must be."""

    size_bytes: int | None = None
    """None: any size up to MAX_DOWNLOAD_BYTES."""

    sha256: str | None = None
    """In hexadecimal. None: any content."""

    @property
    def cap_bytes(self) -> int:
        """The largest size that is accepted."""
        return MAX_DOWNLOAD_BYTES if self.size_bytes is None else self.size_bytes

    def check_size(self, name: str, size_bytes: int) -> None:
        """
        Refuse a file of another size.

        Args:
            name: What the error calls the file.

        Raises:
            CorpusError: The size is known and different.
        """
        if self.size_bytes is not None and size_bytes != self.size_bytes:
            raise CorpusError(
                f"{name} has {size_bytes:,} bytes, but {self.size_bytes:,} "
                "are expected.",
                DOWNLOAD_AGAIN,
            )


def download(
    address: str,
    target: Path,
    expected: Expected,
    *,
    progress: DownloadProgress | None = None,
) -> str:
    """
    Download the file at *address* to *target*, whole and checked, or not at all.

    A file that is there already and has the expected digest is not downloaded again.
    Two calls with the same target must not run at once: the caller holds a lock.

    Args:
        address: An http or https URL.

    Returns:
        The sha256 of the file.

    Raises:
        ConfigError: The address is not http or https.
        CorpusError: Something else arrived; nothing of it is kept.
        UnavailableError: The server refused or broke off; the .part is kept.
        OutputError, StorageError: The file cannot be written.
    """
    if not _is_web(address):
        raise ConfigError(
            f"The address is {address!r}.", "Give one with http or https."
        )
    transfer = _Transfer(address, target, expected, progress)
    with translated_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        sha256 = expected.sha256
        if sha256 is None or not target.is_file() or digest_of(target) != sha256:
            try:
                transfer.run()
                sha256 = check_and_rename(transfer.part, target, expected)
            except CorpusError:
                transfer.discard()
                raise
        transfer.discard()
        return sha256


def check_and_rename(part: Path, target: Path, expected: Expected) -> str:
    """
    Check a complete file, and give it its name durably.

    Args:
        part: The file under its temporary name, in the folder of *target*.

    Returns:
        The sha256 of the file.

    Raises:
        CorpusError: Its size or digest is wrong. *part* is left to the caller.
    """
    expected.check_size(target.name, part.stat().st_size)
    sha256 = digest_of(part)
    if expected.sha256 is not None and sha256 != expected.sha256:
        raise CorpusError(
            f"{target.name} has the sha256 {sha256}, but {expected.sha256} "
            "is expected.",
            DOWNLOAD_AGAIN,
        )
    replace_durably(part, target)
    return sha256


class _Interrupted(Exception):
    """The connection failed; *midway* if the server had begun to send the file."""

    def __init__(self, reason: object, *, midway: bool) -> None:
        super().__init__(" ".join(str(reason).split()) or type(reason).__name__)
        self.midway = midway


@dataclass(frozen=True, slots=True)
class _Transfer:
    """A download in progress; what has arrived lies in the .part."""

    address: str
    target: Path
    expected: Expected
    progress: DownloadProgress | None

    @property
    def part(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def tag(self) -> Path:
        """Holds the server's ETag, which says whether the .part is still current."""
        return self.target.with_name(self.target.name + ".part.etag")

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)

    def run(self) -> None:
        """Fill the .part, with one retry for each pause once bytes have arrived."""
        pauses = iter(RETRY_PAUSES_S)
        begun = False
        while True:
            try:
                return self._attempt()
            except _Interrupted as interruption:
                begun = begun or interruption.midway
                pause_s = next(pauses, None) if begun else None
                if pause_s is None:
                    raise self._gave_up(interruption, begun=begun) from interruption
                time.sleep(pause_s)

    def _gave_up(self, reason: _Interrupted, *, begun: bool) -> UnavailableError:
        host = urlsplit(self.address).netloc
        if not begun:
            return UnavailableError(
                f"{host} cannot be reached: {reason}.",
                "Check the network, and run the same command again.",
            )
        size_bytes = self.expected.size_bytes
        of_total = "" if size_bytes is None else f" of {size_bytes:,}"
        return UnavailableError(
            f"The connection to {host} broke after {self._arrived_bytes():,}{of_total} "
            f"bytes: {reason}.",
            "Run the same command again: it goes on from there.",
        )

    def _attempt(self) -> None:
        """Request the missing bytes and append them to the .part."""
        start = self._resume_point()
        if start and start == self.expected.size_bytes:
            return
        with self._request(start) as response:
            first, total = _content_range(response)
            if response.status == 416 and total == start:  # nothing is missing
                return
            if response.status == 200:  # the whole file, whatever was requested
                return self._append(response, 0)
            if first == start or start == 0:
                return self._append(response, start)
        self.discard()
        self._attempt()  # from the start, so it cannot happen a third time

    def _arrived_bytes(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _resume_point(self) -> int:
        """How much of the .part to keep: none if two versions could be mixed."""
        arrived = self._arrived_bytes()
        is_verifiable = self.expected.sha256 is not None or self.tag.is_file()
        return arrived if is_verifiable and arrived <= self.expected.cap_bytes else 0

    def _request(self, start: int) -> Any:
        """Request the file from byte *start*: a response 200 or 206, or a 416."""
        headers = {"User-Agent": "lstm-textgen", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if self.tag.is_file():
                headers["If-Range"] = self.tag.read_text("latin-1")
        try:
            opener = urllib.request.build_opener(_WebRedirects)
            request = urllib.request.Request(self.address, headers=headers)
            return opener.open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            if error.code == 416 and start:
                return error
            with error:
                reason = " ".join(str(error.reason).split())
            raise UnavailableError(
                f"{self.address} answered {error.code} {reason}.",
                "Run the same command again later; what has arrived is kept.",
            ) from error
        except urllib.error.URLError as error:
            raise _Interrupted(error.reason, midway=False) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _Interrupted(error, midway=False) from error

    def _append(self, response: Any, start: int) -> None:
        """Write the body of a response after the first *start* bytes of the .part."""
        end = None if response.length is None else start + response.length
        self._check_response(response, end)
        cap, size_bytes = self.expected.cap_bytes, self.expected.size_bytes
        arrived = start
        with open(self.part, "ab" if start else "wb") as file:
            if start == 0:
                self._keep_tag(response)
            while block := _read_block(response):
                arrived += len(block)
                if arrived > cap:
                    problem = f"{self.address} sends over {cap:,} bytes."
                    raise CorpusError(problem, DOWNLOAD_AGAIN)
                file.write(block)
                if self.progress is not None:
                    self.progress(arrived, end if size_bytes is None else size_bytes)
        if end is None and not response.chunked:  # then only our size marks the end
            end = size_bytes
        if end is not None and arrived < end:
            raise _Interrupted("the server closed it", midway=True)

    def _check_response(self, response: Any, end: int | None) -> None:
        """Refuse before the first byte what cannot be the file."""
        is_page = response.headers.get_content_type() == "text/html"
        if is_page and self.expected == Expected():
            problem = f"{self.address} sends a web page instead of a file."
            raise CorpusError(problem, DOWNLOAD_AGAIN)
        if end is not None:
            self.expected.check_size(self.target.name, end)

    def _keep_tag(self, response: Any) -> None:
        """Remember the version; a weak tag does not promise equal bytes."""
        tag = response.headers.get("ETag", "")
        if tag.startswith('"'):
            self.tag.write_text(tag, "latin-1")
        else:
            self.tag.unlink(missing_ok=True)


def _is_web(address: str) -> bool:
    return urlsplit(address).scheme in ("http", "https")


class _WebRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only; urllib would follow them to ftp."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not _is_web(newurl):
            msg = f"{msg} to {newurl}, which is not http or https"
            raise urllib.error.HTTPError(req.full_url, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _content_range(response: Any) -> tuple[int | None, int | None]:
    """The first byte and the bytes in all, as far as the server names them."""
    header = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", header.strip())
    first, total = match.groups() if match else (None, None)
    return int(first) if first else None, int(total) if total else None


def _read_block(response: Any) -> bytes:
    try:
        block: bytes = response.read1(BLOCK_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Interrupted(error, midway=True) from error
    return block
