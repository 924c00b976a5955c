"""A model's place on a hub: its name, its revision, and its files."""

import re
from dataclasses import dataclass

from lstm_textgen.errors import ConfigError

PREFIX = "hf://"
"""What a name begins with where a file could be meant as well."""

MODEL_FILE = "model.safetensors"

SETTINGS_FILE = "config.json"

CARD_FILE = "README.md"

FILES = (MODEL_FILE, SETTINGS_FILE, CARD_FILE)
"""The only files that are ever sent or downloaded."""

PART_PATTERN = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"

NAME_PATTERN = re.compile(rf"{PART_PATTERN}/{PART_PATTERN}")

REVISION_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")


@dataclass(frozen=True, slots=True)
class Repository:
    """A place for one model on a hub. A value: no server is contacted."""

    name: str
    """As `user/repo`."""

    revision: str | None = None
    """A branch, a tag or a commit; None is the newest commit of the main branch."""

    @property
    def short_name(self) -> str:
        """The name without its user."""
        return self.name.partition("/")[2]

    def __str__(self) -> str:
        revision = "" if self.revision is None else f"@{self.revision}"
        return f"{PREFIX}{self.name}{revision}"


def is_on_hub(argument: str) -> bool:
    """Whether *argument* means a model on a hub, even if its name is invalid."""
    return argument.startswith(PREFIX)


def parse_repository(argument: str) -> Repository:
    """
    Parse `user/repo` or `user/repo@revision`, with or without `hf://`.

    Raises:
        ConfigError: It is neither.
    """
    name, at, revision = argument.removeprefix(PREFIX).partition("@")
    # hubs accept none of these
    is_odd = ".." in name or "--" in name or name.endswith(".git") or ".." in revision
    is_revision = not at or REVISION_PATTERN.fullmatch(revision)
    if is_odd or not NAME_PATTERN.fullmatch(name) or not is_revision:
        raise ConfigError(
            f"{argument!r} names no model on a hub.",
            "Write user/repo, or user/repo@revision for a branch, a tag or a commit.",
        )
    return Repository(name, revision or None)
