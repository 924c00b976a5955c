"""What a hub means by the number with which it refuses."""

from http import HTTPStatus
from typing import Any

from lstm_textgen.errors import (
    AccessError,
    MissingError,
    TextgenError,
    UnavailableError,
)
from lstm_textgen.sharing.repository import MODEL_FILE, Repository

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
