"""
Download one model from a hub, checked, through the cache of the hub's own client.

`huggingface_hub` is an extra and imported on first use. It keeps the login, the cache
and the retries. It does not verify what it downloads, and derives file names from what
a server says, so both are checked here.

Other programs keep their models in this cache too. A file that is what the hub has is
not ours to remove, even if it is not a model of ours; a damaged one is.
"""

import contextlib
import functools
import hashlib
import http.client
import logging
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lstm_textgen.checkpoint.format import SIZE_CAP, load_checkpoint
from lstm_textgen.checkpoint.reader import AGAIN as COPY_AGAIN
from lstm_textgen.errors import (
    AccessError,
    CheckpointError,
    MissingError,
    StorageError,
    TextgenError,
    UnavailableError,
)
from lstm_textgen.files import digest_of
from lstm_textgen.remote.repository import MODEL_FILE, SETTINGS_FILE, Repository
from lstm_textgen.strict_json import parse

CLIENT_VARIABLES = {
    # plain HTTP, which every hub speaks; the client does not ask whether one has more
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
"""Environment variables of the client that are set unless the user has set them."""

TIMEOUT_S = 60.0
"""Longest silence of a server. The client's own default is to wait forever."""

SAFE_TAG = re.compile(r'(?:W/)?"?[A-Za-z0-9][A-Za-z0-9._+=:-]{0,199}"?')

SAFE_COMMIT = re.compile(r"[0-9a-f]{40}")

SAFE_HEADERS = {
    "ETag": SAFE_TAG,
    "X-Linked-Etag": SAFE_TAG,
    "X-Repo-Commit": SAFE_COMMIT,
}
"""Response headers that become names of files in the cache, and what they may be."""

TEXT_CAP_BYTES = 2**20
"""Size limit of a model card, and of a settings file."""

DOWNLOAD_AGAIN = "Run the same command again to fetch it anew."

TAKE_ANOTHER = "Take another model, or another revision of it: the hub has this one so."

TRY_LATER = "Run the same command again later."


@dataclass(frozen=True, kw_only=True, slots=True)
class CachedFile:
    """A file in the hub's cache."""

    path: Path

    is_new: bool
    """Downloaded just now. If not, other programs may need it."""

    @property
    def commit(self) -> str:
        """The full hash of its commit, for which the cache has a folder."""
        return self.path.parent.name

    def is_damaged(self) -> bool:
        """Whether its bytes are not those of the hub, as far as the cache can tell."""
        name = self.stored_path().name
        if re.fullmatch("[0-9a-f]{64}", name):
            return digest_of(self.path) != name
        if re.fullmatch("[0-9a-f]{40}", name):  # a small file, named as git does
            data = self.path.read_bytes()
            return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() != name
        return False

    def stored_path(self) -> Path:
        """
        Where the bytes are: the cache names that file by the hub's digest.

        One link only. What several caches share lies behind another link, and stays.
        """
        try:
            return self.path.parent / os.readlink(self.path)
        except OSError:  # no link: a file system that has none
            return self.path


def download_model(repository: Repository) -> CachedFile:
    """
    Download a model to the hub's cache, or find it there, and check all of it.

    Without a network, or with HF_HUB_OFFLINE, a model that is in the cache is found.

    Raises:
        CheckpointError: What arrived is not a model of ours, or damaged.
        MissingError: There is no such repository, revision or file.
        AccessError: The hub requires a login, or rejects this one.
        UnavailableError: No connection, no client, or a server that fails.
        StorageError: The disk is full or fails.
    """
    file = download_file(repository, MODEL_FILE, cap_bytes=SIZE_CAP)
    try:
        load_checkpoint(file.path)
    except CheckpointError as error:
        name = f"{MODEL_FILE} of {repository} (commit {file.commit[:12]})"
        problem = error.problem.replace(str(file.path), name)
        remedy = TAKE_ANOTHER if error.remedy == COPY_AGAIN else error.remedy
        raise _reject(file, problem, remedy) from error
    return file


def download_text(repository: Repository, name: str) -> bytes | None:
    """
    Download the settings or the model card, or find them in the hub's cache.

    Returns:
        The content, which is UTF-8 and, for the settings, a JSON object. None if the
        repository has no such file.

    Raises:
        CheckpointError: It is too large, or something else.
        AccessError, UnavailableError, StorageError: As `download_model`.
    """
    try:
        file = download_file(repository, name, cap_bytes=TEXT_CAP_BYTES)
    except MissingError:
        return None
    data = file.path.read_bytes()
    try:
        text = data.decode("utf-8")
        if name == SETTINGS_FILE and not isinstance(parse(text), dict):
            raise ValueError("not an object of settings")
    except ValueError as error:
        problem = f"{name} of {repository} is damaged ({error})."
        raise _reject(file, problem, TAKE_ANOTHER) from error
    return data


def _reject(file: CachedFile, problem: str, remedy: str) -> CheckpointError:
    """
    The error for an invalid file, which leaves the cache if it is damaged or new.

    Args:
        remedy: What to do if the hub has it like this.
    """
    is_damaged = file.is_damaged()
    if is_damaged or file.is_new:
        for path in (file.stored_path(), file.path):
            with contextlib.suppress(OSError):
                path.unlink()
    return CheckpointError(problem, DOWNLOAD_AGAIN if is_damaged else remedy)


def download_file(repository: Repository, name: str, *, cap_bytes: int) -> CachedFile:
    """
    Download one file to the hub's cache, or find it there.

    Args:
        name: One of `FILES`.
        cap_bytes: A larger file is not downloaded.

    Raises:
        CheckpointError: It is too large, or of another length than stated.
        MissingError, AccessError, UnavailableError, StorageError: As `download_model`.
    """
    hub = hub_library()
    with translated_hub_errors(repository):
        download = functools.partial(
            hub.hf_hub_download, repository.name, name, revision=repository.revision
        )
        preview = download(dry_run=True)
        size = preview.file_size
        if size is None or size > cap_bytes:
            stated = "an unknown number of" if size is None else f"{size:,}"
            raise CheckpointError(
                f"{name} of {repository} has {stated} bytes; at most {cap_bytes:,} "
                "are taken.",
                "Take another model.",
            )
        guard = None
        if hub.constants.HF_HUB_DISABLE_XET:  # Xet counts other bytes, and checks them
            guard = _length_guard(size, f"{name} of {repository}")
        path = Path(download(tqdm_class=guard))
    return CachedFile(path=path, is_new=not preview.is_cached)


def _length_guard(size: int, file: str) -> type:
    """
    A progress bar that shows nothing and stops a file longer than *size* bytes.

    The client would write all that arrives to the disk, and compare the length then.
    """

    class LengthGuard(hub_library().utils.tqdm):  # type: ignore[misc]
        arrived: float = 0

        def update(self, n: float | None = 1) -> bool | None:
            self.arrived += n or 0  # negative where the client starts over
            if self.arrived > size:
                raise CheckpointError(
                    f"{file} came with more than the {size:,} bytes that were said.",
                    DOWNLOAD_AGAIN,
                )
            return bool(super().update(n))

    return LengthGuard


@functools.cache
def hub_library() -> Any:
    """
    Import and configure the client.

    Raises:
        UnavailableError: It is not installed, or too old.
    """
    for name, value in CLIENT_VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise UnavailableError(
            f"A hub is reached by huggingface_hub, which does not load ({error}).",
            "Install it: pip install 'lstm-textgen[hub]'",
        ) from error
    try:
        hub.logging.set_verbosity(logging.CRITICAL)  # errors are reported here
        hub.set_client_factory(_http_client)
    except AttributeError as error:
        raise UnavailableError(
            f"huggingface_hub {hub.__version__} is too old to reach a hub with.",
            "Install a newer one: pip install 'lstm-textgen[hub]'",
        ) from error
    return hub


def _http_client() -> Any:
    """The client's own HTTP client, with a timeout and checked responses."""
    from huggingface_hub.utils import _http

    client = _http.default_client_factory()
    client.timeout = TIMEOUT_S
    client.event_hooks = {**client.event_hooks, "response": [_check_headers]}
    return client


def _check_headers(response: Any) -> None:
    """Refuse a response that leads out of the cache, before anything is written."""
    if response.request.method != "HEAD":  # only these name files
        return
    for name, safe in SAFE_HEADERS.items():
        value = response.headers.get(name)
        if value is not None and not safe.fullmatch(value):
            raise _not_a_hub(f"{name} is {value!r}")


@contextlib.contextmanager
def translated_hub_errors(repository: Repository) -> Iterator[None]:
    """
    Turn what the client raises into errors that say what to do.

    Raises:
        MissingError: There is no such repository, revision or file.
        AccessError: The hub requires a login, or rejects this one.
        UnavailableError: No connection, or a server that fails or is not a hub.
        CheckpointError: A file of another length than stated, or a model card that
            the hub does not accept.
        StorageError: The cache cannot be written.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some repeat the words of a server
            yield
    except TextgenError:
        raise
    except Exception as error:
        translated = _translate(error, repository)
        if translated is None:
            raise
        raise translated from error


BAD_CARD = "Invalid metadata in README.md."
"""How the client begins the error for a model card that the hub does not accept."""

SIZE_MISMATCH = re.compile(r"of size (\d+) but has size (\d+)")
"""How the client names the sizes of a file that is too short or too long."""


def _translate(error: Exception, repository: Repository) -> TextgenError | None:
    """The meaning of an error of the client; None if it is a defect."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case TextgenError():
                return cause
            case errors.HfHubHTTPError():
                return _refusal(cause, repository)
            case errors.OfflineModeIsEnabled():
                return UnavailableError(
                    f"{repository} is not in the hub's cache, and the network is off.",
                    "Unset HF_HUB_OFFLINE, or take a model that is here.",
                )
            case httpx.HTTPError() | ConnectionError():
                return _no_connection(cause)
            case ValueError() if str(cause).startswith(BAD_CARD):
                reason = _one_line(str(cause).removeprefix(BAD_CARD))
                return CheckpointError(
                    f"{_hub_host()} does not take the head of the page ({reason}).",
                    "Check --language and --licence; --dry-run shows the page.",
                )
            case errors.FileMetadataError() | ValueError() | KeyError():
                return _not_a_hub(cause)
        cause = cause.__cause__
    if isinstance(error, OSError) and error.errno is not None:
        return StorageError(
            f"The hub's cache cannot be written ({error.strerror}).",
            "Make room, or set HF_HOME to a folder that may be written.",
        )
    if sizes := SIZE_MISMATCH.search(str(error)):
        stated, actual = map(int, sizes.groups())
        return CheckpointError(
            f"A file of {repository} came with {actual:,} bytes instead of {stated:,}.",
            DOWNLOAD_AGAIN,
        )
    return None


def _no_connection(cause: BaseException) -> UnavailableError:
    hub = hub_library()
    reason = _one_line(cause) or type(cause).__name__
    remedy = "Check the network, and run the same command again."
    if not hub.constants.HF_HUB_DISABLE_XET:
        remedy = "Unset HF_HUB_DISABLE_XET: this hub may not know the Xet protocol."
    problem = f"The connection to {_hub_host()} failed: {reason}."
    return UnavailableError(problem, remedy)


def _not_a_hub(reason: object) -> UnavailableError:
    return UnavailableError(
        f"{_hub_host()} does not answer as a hub does ({_one_line(reason)}).",
        f"Check HF_ENDPOINT, and whether this network wants a login. {TRY_LATER}",
    )


def _refusal(error: Any, repository: Repository) -> TextgenError:
    """The error for an `HfHubHTTPError`, whose status is 400 or above."""
    from huggingface_hub import errors

    status, host = error.response.status_code, _hub_host()
    answer = f"{host} answered {status} {http.client.responses.get(status, '')}"
    match error, status:
        case errors.RemoteEntryNotFoundError(), _:
            return MissingError(
                f"{repository} holds no {MODEL_FILE} ({answer}).",
                "Name a repository with a model of textgen.",
            )
        case errors.RevisionNotFoundError(), _:
            name, revision = repository.name, repository.revision
            return MissingError(
                f"{name} has no revision {revision} ({answer}).",
                "Leave the revision out for the newest, or name one that is there.",
            )
        case _, 401:
            return AccessError(
                f"{repository} is private, or not there, or the login is wrong "
                f"({answer}).",
                "Log in with hf auth login, or set HF_TOKEN; and check the name.",
            )
        case _, 403:
            return AccessError(
                f"This login may not do that with {repository} ({answer}).",
                "Take a name of your own, a token that may write, or ask its owner.",
            )
        case _, 404:
            problem = f"There is no {repository} that this login may see ({answer})."
            return MissingError(problem, "Check the name.")
        case _, 429:
            return UnavailableError(
                f"{host} takes no more requests for now ({answer}).",
                "Wait some minutes, and run the same command again.",
            )
    if status >= 500:
        return UnavailableError(f"{host} fails ({answer}).", TRY_LATER)
    message = f": {error.server_message}" if error.server_message else ""
    return UnavailableError(
        f"{host} does not take it ({answer}{message}).",
        "Check the name and the options.",
    )


def _hub_host() -> str:
    endpoint: str = hub_library().constants.ENDPOINT
    return urlsplit(endpoint).netloc


def _one_line(reason: object) -> str:
    return " ".join(str(reason).split())
