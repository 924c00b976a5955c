"""
Checkpoints that are wrong in one place only, with checksums that fit.

Written from `docs/format.md` with json and hashlib alone, so that the reader is held
to the format and not to itself.
"""

import copy
import hashlib
import json
from dataclasses import dataclass
from typing import Any


def compact(value: Any) -> str:
    """The one text of a value: sorted keys, no spaces, only ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def container(header: Any, body: bytes = b"") -> bytes:
    """
    A file with any header.

    Args:
        header: A value, or the bytes themselves.
        body: What follows.
    """
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + body


def entry(dtype="F32", shape=(1,), places=(0, 4)):
    """What a header says of one tensor."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(places)}


def tensors_sha256(entries: dict[str, Any], body: bytes) -> str:
    """The checksum of the tensors; any text where the entries make no sense."""
    digest = hashlib.sha256()
    try:
        for name in sorted(entries):
            spec = entries[name]
            start, stop = spec["data_offsets"]
            line = compact([name, spec["dtype"], spec["shape"]])
            digest.update(f"{line}\n".encode("ascii") + body[start:stop])
    except (KeyError, TypeError, ValueError):
        return "00" * 32
    return digest.hexdigest()


@dataclass
class Parts:
    """A checkpoint taken apart. Change anything, and put it together again."""

    entries: dict[str, Any]
    """What the header says of each tensor."""

    description: dict[str, Any]
    """The text about them, without its checksums."""

    body: bytes
    """The numbers, tensor after tensor."""

    key: str = "lstm_textgen"
    """Where the text stands in the header."""

    def changed(self, **changes: Any) -> "Parts":
        """A copy with another description; `...` takes a key out."""
        merged = copy.deepcopy({**self.description, **changes})
        kept = {key: value for key, value in merged.items() if value is not ...}
        return Parts(copy.deepcopy(self.entries), kept, self.body, self.key)

    def pieces(self) -> dict[str, tuple[str, list[int], bytes]]:
        """Type, shape and bytes of each tensor."""
        found = {}
        for name, spec in self.entries.items():
            start, stop = spec["data_offsets"]
            found[name] = (spec["dtype"], spec["shape"], self.body[start:stop])
        return found

    def laid_out(self, pieces: dict[str, tuple[str, list[int], bytes]]) -> "Parts":
        """A copy that holds these tensors, one after the other."""
        entries, body = {}, b""
        for name, (dtype, shape, raw) in pieces.items():
            places = (len(body), len(body) + len(raw))
            entries[name] = entry(dtype, shape, places)
            body += raw
        return Parts(entries, copy.deepcopy(self.description), body, self.key)

    def text(self) -> str:
        """The description with checksums that fit."""
        sums = {"tensors_sha256": tensors_sha256(self.entries, self.body)}
        described = {**self.description, **sums}
        return compact({**described, "metadata_sha256": sha256(compact(described))})

    def header(self, text: str | None = None) -> dict[str, Any]:
        """The header, with another *text* than the one that fits where it is given."""
        shown = self.text() if text is None else text
        return {"__metadata__": {self.key: shown}, **self.entries}

    def sealed(self) -> bytes:
        """The file, with checksums that fit whatever was changed."""
        return container(self.header(), self.body)


def take_apart(data: bytes) -> Parts:
    """The parts of a checkpoint that is well formed."""
    entries, body = _opened(data)
    ((key, text),) = entries.pop("__metadata__").items()
    description = json.loads(text)
    for name in ("tensors_sha256", "metadata_sha256"):
        description.pop(name)
    return Parts(entries, description, body, key)


def text_in(data: bytes) -> str:
    """The description of a checkpoint as it stands there, with its checksums."""
    (text,) = _opened(data)[0]["__metadata__"].values()
    return text


def _opened(data: bytes) -> tuple[dict[str, Any], bytes]:
    stop = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:stop]), data[stop:]
