"""
Unpack the one text of a zip, checked like everything that is fetched.
"""

import shutil
import zipfile
import zlib
from pathlib import Path

from lstm_textgen.errors import CorpusError
from lstm_textgen.sharing.settle import ANEW, check_size, settle, writing

_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,  # no such member
    EOFError,
    RuntimeError,  # encrypted, or packed by a method that Python lacks
)


def unpack_member(
    zip_path: Path, member: str, target: Path, *, size: int | None, sha256: str | None
) -> str:
    """
    Unpack one file of a zip to *target*, checked, and remove the zip.

    Returns:
        The sha256 of the file.

    Raises:
        CorpusError: It is no zip, lacks the member, or holds something else.
            The zip is removed then too, as nothing better can come of it.
        OutputError, StorageError: The zip is kept.
    """
    loose = target.with_name(target.name + ".unpacking")
    with writing(target):
        try:
            with zipfile.ZipFile(zip_path) as archive:
                check_size(target, archive.getinfo(member).file_size, size)
                with archive.open(member) as packed, open(loose, "wb") as file:
                    shutil.copyfileobj(packed, file)  # ends at the stated size
            digest = settle(loose, target, size=size, sha256=sha256)
        except _UNREADABLE as error:
            zip_path.unlink(missing_ok=True)
            raise CorpusError(
                f"{zip_path.name} does not hold a readable {member!r}: {error}.", ANEW
            ) from error
        except CorpusError:
            zip_path.unlink(missing_ok=True)
            raise
        finally:
            loose.unlink(missing_ok=True)
        zip_path.unlink(missing_ok=True)
    return digest
