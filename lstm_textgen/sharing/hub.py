"""
The hub's own client: how it is set, what it may believe, and what its failures mean.

`huggingface_hub` is an extra and imported on first use. It keeps the login, the cache
and the retries. It does not look at what it fetches, and builds names of files from
what a server says, so both are checked here and in `pull`.
"""

import contextlib
import functools
import logging
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lstm_textgen.errors import (
    CheckpointError,
    StorageError,
    TextgenError,
    UnavailableError,
)
from lstm_textgen.sharing.hub_cache import Fetched
from lstm_textgen.sharing.refusals import LATER, refused
from lstm_textgen.sharing.repository import Repository

SETTINGS = {
    # plain HTTP, which every hub speaks; the client does not ask whether one has more
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
"""Variables of the client's that are set unless the user has set them."""

SILENCE_S = 60.0
"""How long a server may say nothing. The client itself would wait for ever."""

SAFE_TAG = re.compile(r'(?:W/)?"?[A-Za-z0-9][A-Za-z0-9._+=:-]{0,199}"?')
SAFE_COMMIT = re.compile(r"[0-9a-f]{40}")
BELIEVED = {"ETag": SAFE_TAG, "X-Linked-Etag": SAFE_TAG, "X-Repo-Commit": SAFE_COMMIT}
"""Answers of a server that become names of files in the cache."""

BAD_CARD = "Invalid metadata in README.md."
"""How the client says that a hub does not take the head of a page."""

SIZES = re.compile(r"of size (\d+) but has size (\d+)")
"""How the client says that a file is too short or too long."""


@functools.cache
def library() -> Any:
    """
    The client, set up.

    Raises:
        UnavailableError: It is not installed, or too old.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise UnavailableError(
            f"A hub is reached by huggingface_hub, which does not load ({error}).",
            "Install it: pip install 'lstm-textgen[hub]'",
        ) from error
    try:
        hub.logging.set_verbosity(logging.CRITICAL)  # what went wrong is told here
        hub.set_client_factory(_connection)
    except AttributeError as error:
        raise UnavailableError(
            f"huggingface_hub {hub.__version__} is too old to reach a hub with.",
            "Install a newer one: pip install 'lstm-textgen[hub]'",
        ) from error
    return hub


def fetch_file(repository: Repository, name: str, *, cap: int) -> Fetched:
    """
    Bring one file to the client's cache, or find it there.

    Args:
        repository: Where it is.
        name: Its name there, one of ours.
        cap: Bytes of the largest file that is fetched.

    Raises:
        CheckpointError: It is too large, or not as long as was said.
        MissingError, AccessError, UnavailableError: As `translated`.
    """
    hub = library()
    with translated(repository):
        asked: dict[str, Any] = {
            "repo_id": repository.name,
            "filename": name,
            "revision": repository.revision,
        }
        found = hub.hf_hub_download(**asked, dry_run=True)
        size = found.file_size
        if size is None or size > cap:
            said = "an unknown number of" if size is None else f"{size:,}"
            raise CheckpointError(
                f"{name} of {repository} has {said} bytes; at most {cap:,} are taken.",
                "Take another model.",
            )
        if hub.constants.HF_HUB_DISABLE_XET:  # Xet counts other bytes, and checks them
            asked["tqdm_class"] = _stopping_at(size, f"{name} of {repository}")
        path = Path(hub.hf_hub_download(**asked))
    return Fetched(path=path, is_new=not found.is_cached)


def _stopping_at(size: int, file: str) -> type:
    """
    A bar of progress that shows nothing and ends a file which does not end itself.

    The client would write to the disk whatever comes, and compare the length then.
    """

    class Stop(library().utils.tqdm):  # type: ignore[misc]
        came: float = 0

        def update(self, n: float | None = 1) -> bool | None:
            self.came += n or 0  # less than nothing where it begins anew
            if self.came > size:
                raise CheckpointError(
                    f"{file} came with more than the {size:,} bytes that were said.",
                    "Run the same command again to fetch it anew.",
                )
            return bool(super().update(n))

    return Stop


@contextlib.contextmanager
def translated(repository: Repository) -> Iterator[None]:
    """
    Turn what the client raises into errors that say what to do.

    Raises:
        MissingError: There is no such repository, revision or file.
        AccessError: The hub wants a login, or refuses the one it has.
        UnavailableError: No connection, or a server that fails or talks nonsense.
        CheckpointError: A file of another length than was said, or a page that the
            hub does not take.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some hold the words of a server
            yield
    except TextgenError:
        raise
    except Exception as error:
        known = _understood(error, repository)
        if known is None:
            raise
        raise known from error


def host() -> str:
    """The hub that is asked."""
    import huggingface_hub

    return urlsplit(huggingface_hub.constants.ENDPOINT).netloc


def _connection() -> Any:
    """What the client talks through: its own, with an end to waiting, and checked."""
    from huggingface_hub.utils import _http

    made = _http.default_client_factory()
    made.timeout = SILENCE_S
    made.event_hooks = {**made.event_hooks, "response": [_check_answer]}
    return made


def _check_answer(response: Any) -> None:
    """Refuse an answer that would lead out of the cache, before anything is written."""
    if response.request.method != "HEAD":  # what is sent itself names no file
        return
    for name, safe in BELIEVED.items():
        value = response.headers.get(name)
        if value is not None and not safe.fullmatch(value):
            raise _nonsense(f"{name} is {value!r}")


def _understood(error: Exception, repository: Repository) -> TextgenError | None:
    """What is behind an error of the client; None if it is a defect."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    for cause in _chain(error):
        if isinstance(cause, TextgenError):
            return cause
        if isinstance(cause, errors.HfHubHTTPError):
            return refused(cause, repository, host())
        if isinstance(cause, errors.OfflineModeIsEnabled):
            return _not_in_cache(repository)
        if isinstance(cause, httpx.HTTPError | ConnectionError):
            return _broken(cause)
        if isinstance(cause, ValueError) and str(cause).startswith(BAD_CARD):
            return _card_refused(str(cause).removeprefix(BAD_CARD))
        if isinstance(cause, errors.FileMetadataError | ValueError | KeyError):
            return _nonsense(str(cause))
    if isinstance(error, OSError) and error.errno is not None:
        return _full(error)
    sizes = SIZES.search(str(error))
    if sizes is None:
        return None
    expected, found = map(int, sizes.groups())
    return CheckpointError(
        f"A file of {repository} came with {found:,} bytes instead of {expected:,}.",
        "Run the same command again to fetch it anew.",
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it came from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__


def _broken(cause: Exception) -> UnavailableError:
    from huggingface_hub import constants

    reason = " ".join(str(cause).split()) or type(cause).__name__
    remedy = "Check the network, and run the same command again."
    if not constants.HF_HUB_DISABLE_XET:
        remedy = "Unset HF_HUB_DISABLE_XET: this hub may not know the Xet protocol."
    return UnavailableError(f"The connection to {host()} failed: {reason}.", remedy)


def _not_in_cache(repository: Repository) -> UnavailableError:
    return UnavailableError(
        f"{repository} is not in the hub's cache, and the network is off.",
        "Unset HF_HUB_OFFLINE, or take a model that is here.",
    )


def _nonsense(what: str) -> UnavailableError:
    return UnavailableError(
        f"{host()} does not answer as a hub does ({' '.join(what.split())}).",
        f"Check HF_ENDPOINT, and whether this network wants a login. {LATER}",
    )


def _card_refused(said: str) -> CheckpointError:
    return CheckpointError(
        f"{host()} does not take the head of the page ({' '.join(said.split())}).",
        "Check --language and --licence; --dry-run shows the page.",
    )


def _full(error: OSError) -> StorageError:
    return StorageError(
        f"The hub's cache cannot be written ({error.strerror}).",
        "Make room, or set HF_HOME to a folder that may be written.",
    )
