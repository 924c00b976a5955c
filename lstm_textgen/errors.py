"""
Errors that a user can cause, each with the way out and an exit code.

TextgenError
├── ConfigError        2   a setting is outside its range
├── DivergedError      3   training diverged and was stopped
├── CorpusError       65   a text is empty, too short or not text
├── VocabularyError   65   a character was never seen in training
├── CheckpointError   65   a file is damaged, or not one of ours
├── SettingsFileError 65   a settings file cannot be understood
├── MissingError      66   an input is missing or unreadable
├── UnavailableError  69   the network or an optional package is not there
├── OutputError       73   an output exists already or cannot be created
├── StorageError      74   the disk is full or fails
├── BusyError         75   another run works in the same folder
└── AccessError       77   a hub wants a login, or refuses the one it has
"""


class TextgenError(Exception):
    """
    Something that the user can fix.

    Args:
        problem: What is wrong, with the value that is.
        remedy: What to do about it, as one instruction.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)  # both in args, so that it pickles
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n{self.remedy}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch raises a RuntimeError, worded by device."""
    message = str(error).lower()
    from_torch = isinstance(error, RuntimeError) and (
        "out of memory" in message or "can't allocate memory" in message
    )
    return isinstance(error, MemoryError) or from_torch


class ConfigError(TextgenError):
    """A setting is outside its range."""

    exit_code = 2


class DivergedError(TextgenError):
    """Training diverged: the loss or a gradient became NaN or infinite."""

    exit_code = 3


class CorpusError(TextgenError):
    """A text is empty, too short, or not text."""

    exit_code = 65


class VocabularyError(TextgenError):
    """A character was never seen in training."""

    exit_code = 65


class CheckpointError(TextgenError):
    """A file is damaged, or not one of ours."""

    exit_code = 65


class SettingsFileError(TextgenError):
    """A settings file cannot be understood."""

    exit_code = 65


class MissingError(TextgenError):
    """An input is missing or cannot be read."""

    exit_code = 66


class UnavailableError(TextgenError):
    """The network, a server or an optional package is not there."""

    exit_code = 69


class OutputError(TextgenError):
    """An output exists already, or cannot be created."""

    exit_code = 73


class StorageError(TextgenError):
    """The disk is full, or reading or writing fails."""

    exit_code = 74


class BusyError(TextgenError):
    """Another run works in the same folder."""

    exit_code = 75


class AccessError(TextgenError):
    """A hub requires a login, or does not accept this one."""

    exit_code = 77
