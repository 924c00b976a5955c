"""Where a model lies on a hub: its name, its revision, and its files."""

import re
from dataclasses import dataclass

from lstm_textgen.errors import ConfigError

PREFIX = "hf://"
"""What a name begins with where a file could be meant as well."""

MODEL_FILE = "model.safetensors"

SETTINGS_FILE = "config.json"

CARD_FILE = "README.md"

FILES = (MODEL_FILE, SETTINGS_FILE, CARD_FILE)
"""All that is ever sent, and all that is ever fetched."""

PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"

NAME = re.compile(rf"{PART}/{PART}")

REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")


@dataclass(frozen=True, slots=True)
class Repository:
    """A place for one model on a hub. A value: no server is asked."""

    name: str
    """As `user/repo`."""

    revision: str | None = None
    """A branch, a tag or a commit; None is the newest of the main branch."""

    @property
    def short_name(self) -> str:
        """The part that says what it is, not whose."""
        return self.name.partition("/")[2]

    def __str__(self) -> str:
        at = "" if self.revision is None else f"@{self.revision}"
        return f"{PREFIX}{self.name}{at}"


def is_on_hub(argument: str | None) -> bool:
    """Whether *argument* names a model on a hub, well or badly spelt."""
    return argument is not None and argument.startswith(PREFIX)


def parse_repository(argument: str) -> Repository:
    """
    Understand `user/repo` or `user/repo@revision`, with or without `hf://`.

    Raises:
        ConfigError: It is neither.
    """
    name, at, revision = argument.removeprefix(PREFIX).partition("@")
    odd = ".." in name or "--" in name or name.endswith(".git")  # hubs take none
    named = NAME.fullmatch(name) and not odd
    dated = not at or (REVISION.fullmatch(revision) and ".." not in revision)
    if not named or not dated:
        raise ConfigError(
            f"{argument!r} names no model on a hub.",
            "Write user/repo, or user/repo@revision for a branch, a tag or a commit.",
        )
    return Repository(name, revision or None)
