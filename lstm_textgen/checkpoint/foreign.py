"""Say what a file is that is no checkpoint, from its first bytes."""

HEAD_BYTES = 64
"""How many bytes `recognise` wants to see."""

PICKLE = (
    "is a pickle, as PyTorch writes .pt and .pth files",
    "Take a .safetensors file: a pickle can run code, so textgen opens none.",
)
TEXT = (
    "is a text, not a checkpoint",
    "Name a .safetensors file; to learn from this text, run textgen train on it.",
)
MAGIC = {
    b"version https://git-lfs": (
        "is a pointer of Git LFS, which stands for the real file",
        "Fetch the real one with git lfs pull, or download it by itself.",
    ),
    b"PK\x03\x04": (
        "is a zip archive, as PyTorch writes .pt and .pth files",
        "Take a .safetensors file: a pickle can run code, so textgen opens none.",
    ),
    b"PK\x05\x06": ("is an empty zip archive", "Take a .safetensors file."),
    b"\x1f\x8b": ("is compressed with gzip", "Unpack it with gunzip first."),
    **{bytes([0x80, protocol]): PICKLE for protocol in range(2, 6)},
}
"""How files of other kinds begin, what they are, and what to do."""


def recognise(head: bytes) -> tuple[str, str]:
    """
    Name the kind of a file that is not a safetensors file.

    Args:
        head: Its first `HEAD_BYTES` bytes, fewer where it is shorter.

    Returns:
        What it is, to be put after its name, and what to do.
    """
    if not head:
        return "is empty", "Copy or download it again."
    for magic, answer in MAGIC.items():
        if head.startswith(magic):
            return answer
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        page = "is a web page, not a checkpoint"
        return page, "Download the file itself instead of the page about it."
    if _is_text(head):
        return TEXT
    return "is not a safetensors file", "Take a .safetensors file of textgen."


def _is_text(head: bytes) -> bool:
    """UTF-8 without control characters; the last character may be cut."""
    for cut in range(min(4, len(head))):
        try:
            text = head[: len(head) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return all(char.isprintable() or char in "\t\n\r\f\ufeff" for char in text)
    return False
