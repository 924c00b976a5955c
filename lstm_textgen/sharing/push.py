"""Send a model to a hub: one commit with three files."""

import contextlib
from dataclasses import dataclass

from lstm_textgen.errors import ConfigError, OutputError
from lstm_textgen.sharing.hub import library, translated
from lstm_textgen.sharing.parcel import Parcel
from lstm_textgen.sharing.repository import Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """A model that is on the hub now."""

    repository: Repository
    """With the commit as its revision."""

    address: str
    """Where a browser shows it."""


def check_target(repository: Repository) -> None:
    """
    A push goes to the main branch, whose newest commit it becomes.

    Raises:
        ConfigError: A revision is named.
    """
    if repository.revision is not None:
        raise ConfigError(
            f"{repository} names a revision, and a push makes a new one.",
            f"Push to {repository.name}.",
        )


def push(parcel: Parcel) -> Pushed:
    """
    Make the repository if it is not there, and commit the files of *parcel*.

    When it breaks off, the same call finishes it: the repository is there then, and
    what has arrived of the model is not sent again.

    Raises:
        OutputError: It is to be private, and the repository is there and public.
        AccessError: The hub wants a login, or refuses the one it has.
        UnavailableError: No connection, no client, or a server that fails.
        CheckpointError: The hub does not take the head of the page.
    """
    hub = library()
    name = parcel.repository.name
    with translated(parcel.repository):
        api = hub.HfApi()
        # before there is a repository; by a name of the client's that may go one day
        with contextlib.suppress(AttributeError):
            api._validate_yaml(parcel.card())
        address = api.create_repo(name, private=parcel.private or None, exist_ok=True)
        if parcel.private and not api.model_info(name).private:
            raise OutputError(
                f"{name} is there already, and everybody can see it.",
                "Make it private on the hub first, or leave out --private.",
            )
        commit = api.create_commit(
            name,
            [
                hub.CommitOperationAdd(path_in_repo=file, path_or_fileobj=str(path))
                for file, path in parcel.paths.items()
            ],
            commit_message=parcel.message,
        )
    sent = Repository(name, commit.oid)
    return Pushed(repository=sent, address=str(address))
