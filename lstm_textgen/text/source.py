"""
Find the texts that the user named: files, folders, glob patterns, standard input.

Files are only looked at here, never opened; `reader.py` opens them.
"""

import atexit
import difflib
import errno
import glob
import os
import re
import shutil
import stat
import sys
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from lstm_textgen.errors import CorpusError, MissingError, StorageError

STDIN = "-"

SUFFIXES = (
    ".txt .text .md .markdown .rst .adoc .org .tex .bib .abc .ly .pgn .srt .vtt .po "
    ".csv .tsv .json .jsonl .ndjson .xml .html .htm .yaml .yml .toml .ini .cfg .log "
    ".py .pyi .c .h .cc .cpp .hpp .rs .go .java .js .ts .sh .sql .rb .pl .lua .hs "
    ".ml .smi .fasta .fa"
)
"""File name suffixes that are taken from a folder, in lower case."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A text as a list of files that are read one after the other."""

    name: str
    """Safe as the name of a folder: never empty, never begins with a dot."""

    paths: tuple[Path, ...]
    """Regular files, as the user named them."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(path.stat().st_size for path in self.paths)


def find_source(arguments: Sequence[str]) -> Source:
    """
    Find every file that *arguments* name, in their order.

    A file that is reached twice counts once, because text that is both in the
    training part and in the held-out part would make the model look too good.

    Args:
        arguments: Each a file, a folder (searched through, hidden entries
            skipped, only names that end like text), a glob pattern (`**` goes
            through folders), or `-` for standard input, which is copied to a temporary
            folder until the process ends.

    Raises:
        MissingError: Nothing is there, it may not be read, or it is no regular
            file. Pipes and devices are never opened: they may have no end.
        CorpusError: A folder holds no text.
        StorageError: Standard input does not fit on the disk.
    """
    paths: dict[Path, Path] = {}
    for argument in dict.fromkeys(arguments):
        for path in _expand(argument):
            paths.setdefault(path.resolve(), path)
    if not paths:
        raise MissingError(
            "No text is named.", "Name a file, a folder, or - for stdin."
        )
    files = tuple(paths.values())
    if len(arguments) == 1 and os.path.isdir(arguments[0]):
        return Source(name=_folder_name(Path(arguments[0]).resolve()), paths=files)
    return Source(name=safe_name(files[0].stem), paths=files)


def _folder_name(folder: Path) -> str:
    """The name of a folder; not that of a home, which is a login name."""
    home = Path(os.path.expanduser("~")).resolve()
    return "text" if folder == home else safe_name(folder.name)


def safe_name(name: str) -> str:
    """*name* with letters, digits, `.`, `_` and `-` only, fit to name a folder."""
    composed = unicodedata.normalize("NFC", name)  # macOS takes accents apart
    return re.sub(r"[^\w.-]+", "-", composed).strip("-.")[:80] or "text"


def _expand(argument: str) -> list[Path]:
    if argument == STDIN:
        return [_copy_stdin()]
    if glob.has_magic(argument) and not os.path.lexists(argument):
        return _matching(argument)
    if stat.S_ISDIR(_mode(argument)):
        return _files_in(argument)
    return [_regular(argument)]


def _matching(pattern: str) -> list[Path]:
    try:
        names = sorted(glob.glob(pattern, recursive=True))
    except ValueError:  # a NUL in it, or half a character: no file has such a name
        names = []
    existing = [name for name in names if os.path.exists(name)]  # no broken links
    files = [_regular(name) for name in existing if not os.path.isdir(name)]
    if not files:
        raise MissingError(
            f"No file matches {pattern}.", "Check the pattern, or name the files."
        )
    return files


def _files_in(folder: str) -> list[Path]:
    texts: list[Path] = []
    seen = set()
    for here, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in seen:  # a link that leads back up
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        if "run.json" in names:  # a training run: its log is nobody's text
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [os.path.join(here, name) for name in names if _looks_like_text(name)]
        texts += [_regular(path) for path in paths if os.path.isfile(path)]
    if not texts:
        raise CorpusError(
            f"The folder {folder} holds no text.",
            "Put files there that end in .txt, .md or the like, or name the files.",
        )
    return sorted(texts)


def _looks_like_text(name: str) -> bool:
    ending = os.path.splitext(name)[1].lower()
    return not name.startswith(".") and ending in SUFFIXES.split()


def _regular(name: str) -> Path:
    mode = _mode(name)
    if not stat.S_ISREG(mode):
        raise MissingError(
            f"{name} is {_kind(mode)}, not a file.",
            "Name a regular file, or pipe the text in and name it -.",
        )
    if not os.access(name, os.R_OK):
        _unreadable(PermissionError(0, "", name))
    return Path(name)


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a folder" if stat.S_ISDIR(mode) else "a device"


def _mode(name: str) -> int:
    try:
        return os.stat(name).st_mode
    except PermissionError as error:
        _unreadable(error)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if getattr(error, "errno", None) == errno.ELOOP:
            problem = f"{name!r} is a link that leads back to itself."
            raise MissingError(problem, "Name the file itself.") from error
        raise MissingError(f"{name!r} does not exist.", _way_to(name)) from error


def _unreadable(error: OSError) -> NoReturn:
    raise MissingError(
        f"{error.filename} may not be read.",
        "Give yourself the right to read it, or name another text.",
    ) from error


def _way_to(name: str) -> str:
    """The remedy for a file that does not exist, with the closest name that does."""
    folder = Path(name).parent
    try:
        others = sorted(set(os.listdir(folder)) - {Path(name).name})
    except (OSError, ValueError):
        return f"Check the path: there is no folder {str(folder)!r}."
    names = {entry.casefold(): entry for entry in others}
    near = difflib.get_close_matches(Path(name).name.casefold(), names, n=1)
    if near:
        return f"Check the name: the nearest there is {str(folder / names[near[0]])!r}."
    return "Check the name, or give - to read the text from standard input."


def _copy_stdin() -> Path:
    """Standard input as a file, because a text is read more than once."""
    if sys.stdin is None:
        raise MissingError("Standard input is closed.", "Pipe a text in.")
    try:
        folder = Path(tempfile.mkdtemp(prefix="textgen-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = folder / "stdin"
        try:
            with path.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        except BaseException:  # an interrupt, too, leaves nothing behind
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise StorageError(
            f"Standard input could not be copied to a file ({error.strerror}).",
            "Free some space, or set TMPDIR to a folder on another disk.",
        ) from error
    return path
