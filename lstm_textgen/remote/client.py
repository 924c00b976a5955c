"""
The hub's own client: how it is set, what it may believe, and what its failures mean.

`huggingface_hub` is an extra and imported on first use. It keeps the login, the cache
and the retries. It does not look at what it fetches, and builds names of files from
what a server says, so both are checked here and in `pull`.

A file in the hub's cache, and when it may be taken out.

Other programs keep their models in this cache too. What the hub has is not ours to
remove, even where it is no model of ours; what came otherwise than the hub has it is.

What a hub means by the number with which it refuses.
"""

import contextlib
import functools
import hashlib
import logging
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
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
from lstm_textgen.remote.repository import (
    CARD_FILE,
    MODEL_FILE,
    SETTINGS_FILE,
    Repository,
)
from lstm_textgen.strict_json import parse

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
def hub_library() -> Any:
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


@dataclass(frozen=True, kw_only=True, slots=True)
class CachedFile:
    """A file that lies in the cache."""

    path: Path

    is_new: bool
    """It came just now; if not, other programs may need it."""

    @property
    def commit(self) -> str:
        """The full name of its commit, for which the cache has a folder."""
        return self.path.parent.name

    def is_damaged(self) -> bool:
        """Whether its bytes are not those of the hub, where the cache can tell."""
        name = _stored(self.path).name
        if re.fullmatch("[0-9a-f]{64}", name):
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() != name
        if re.fullmatch("[0-9a-f]{40}", name):  # a small file, named as git does
            data = self.path.read_bytes()
            return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() != name
        return False

    def drop(self) -> None:
        """Take it out of the cache."""
        for each in (_stored(self.path), self.path):
            with contextlib.suppress(OSError):
                each.unlink()


def fetch_file(repository: Repository, name: str, *, cap: int) -> CachedFile:
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
    hub = hub_library()
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
    return CachedFile(path=path, is_new=not found.is_cached)


def _stopping_at(size: int, file: str) -> type:
    """
    A bar of progress that shows nothing and ends a file which does not end itself.

    The client would write to the disk whatever comes, and compare the length then.
    """

    class Stop(hub_library().utils.tqdm):  # type: ignore[misc]
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


def hub_host() -> str:
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
            return refused(cause, repository, hub_host())
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
    return UnavailableError(f"The connection to {hub_host()} failed: {reason}.", remedy)


def _not_in_cache(repository: Repository) -> UnavailableError:
    return UnavailableError(
        f"{repository} is not in the hub's cache, and the network is off.",
        "Unset HF_HUB_OFFLINE, or take a model that is here.",
    )


def _nonsense(what: str) -> UnavailableError:
    return UnavailableError(
        f"{hub_host()} does not answer as a hub does ({' '.join(what.split())}).",
        f"Check HF_ENDPOINT, and whether this network wants a login. {LATER}",
    )


def _card_refused(said: str) -> CheckpointError:
    return CheckpointError(
        f"{hub_host()} does not take the head of the page ({' '.join(said.split())}).",
        "Check --language and --licence; --dry-run shows the page.",
    )


def _full(error: OSError) -> StorageError:
    return StorageError(
        f"The hub's cache cannot be written ({error.strerror}).",
        "Make room, or set HF_HOME to a folder that may be written.",
    )


def _stored(path: Path) -> Path:
    """
    Where the bytes are: the cache calls them by what the hub says of them.

    One step only. What is shared among caches lies behind another link, and stays.
    """
    try:
        return path.parent / os.readlink(path)
    except OSError:  # no link: a file system that knows none
        return path


LATER = "Run the same command again later."


def refused(error: Any, repository: Repository, host: str) -> TextgenError:
    """
    The error to show for an answer of 400 or above.

    Args:
        error: A `huggingface_hub.errors.HfHubHTTPError`.
        repository: What was asked for.
        host: Who was asked.
    """
    status = error.response.status_code
    answer = f"{host} answered {status} {_phrase(status)}"
    said = f": {error.server_message}" if error.server_message else ""
    if status == 401:
        return AccessError(
            f"{repository} is private, or not there, or the login is wrong ({answer}).",
            "Log in with hf auth login, or set HF_TOKEN; and check the name.",
        )
    if status == 403:
        return AccessError(
            f"This login may not do that with {repository} ({answer}).",
            "Take a name of your own, a token that may write, or ask its owner.",
        )
    if status == 404:
        return _missing(error, repository, answer)
    if status == 429:
        return UnavailableError(
            f"{host} takes no more requests for now ({answer}).",
            "Wait some minutes, and run the same command again.",
        )
    if status >= 500:
        return UnavailableError(f"{host} fails ({answer}).", LATER)
    return UnavailableError(
        f"{host} does not take it ({answer}{said}).", "Check the name and the options."
    )


def _missing(error: Any, repository: Repository, answer: str) -> MissingError:
    """Whether the file, the revision or all of it is not there."""
    from huggingface_hub import errors

    if isinstance(error, errors.RemoteEntryNotFoundError):
        return MissingError(
            f"{repository} holds no {MODEL_FILE} ({answer}).",
            "Name a repository with a model of textgen.",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return MissingError(
            f"{repository.name} has no revision {repository.revision} ({answer}).",
            "Leave the revision out for the newest, or name one that is there.",
        )
    return MissingError(
        f"There is no {repository} that this login may see ({answer}).",
        "Check the name.",
    )


def _phrase(status: int) -> str:
    """The usual words for a number."""
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""


TEXTS = (CARD_FILE, SETTINGS_FILE)
"""What a repository may lack."""

TEXT_CAP = 2**20
"""Bytes of the largest card, and of the largest file of settings."""

AGAIN = "Run the same command again to fetch it anew, or take another model."

ANOTHER = "Take another model, or another revision of it: the hub has this one so."


@dataclass(frozen=True, kw_only=True, slots=True)
class CachedModel:
    """A model in the hub's cache that was read and found whole."""

    path: Path
    commit: str
    """The commit that it belongs to, in full."""


def download_model(repository: Repository) -> CachedModel:
    """
    Bring a model to the hub's cache, or find it there, and read all of it.

    Without a network, or with HF_HUB_OFFLINE, a model that is in the cache is found.

    Raises:
        CheckpointError: What arrived is not a model of ours, or damaged.
        MissingError: There is no such repository, revision or file.
        AccessError: The hub wants a login, or refuses the one it has.
        UnavailableError: No connection, no client, or a server that fails.
        StorageError: The disk is full or fails.
    """
    there = fetch_file(repository, MODEL_FILE, cap=SIZE_CAP)
    try:
        load_checkpoint(there.path)
    except CheckpointError as error:
        named = f"{MODEL_FILE} of {repository} (commit {there.commit[:12]})"
        problem = error.problem.replace(str(there.path), named)
        remedy = ANOTHER if error.remedy == COPY_AGAIN else error.remedy
        raise _refused(there, problem, remedy) from error
    return CachedModel(path=there.path, commit=there.commit)


def _text(repository: Repository, name: str) -> bytes | None:
    """The settings or the card, if there are any and they are what they should be."""
    try:
        there = fetch_file(repository, name, cap=TEXT_CAP)
    except MissingError:
        return None
    data = there.path.read_bytes()
    try:
        text = data.decode("utf-8")
        if name == SETTINGS_FILE and not isinstance(parse(text), dict):
            raise ValueError("not an object of settings")
    except ValueError as error:
        problem = f"{name} of {repository} is damaged ({error})."
        raise _refused(there, problem, ANOTHER) from error
    return data


def _refused(there: CachedFile, problem: str, remedy: str) -> CheckpointError:
    """The error about a file that is no good; *remedy* if the hub has it so."""
    is_damaged = there.is_damaged()
    if is_damaged or there.is_new:
        there.drop()
    return CheckpointError(problem, AGAIN if is_damaged else remedy)
