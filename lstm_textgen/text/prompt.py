"""Encode what a person typed, and say what the vocabulary had to leave out."""

from typing import Literal

import numpy as np
from jaxtyping import UInt

from lstm_textgen.text.replace import close_replacements, describe
from lstm_textgen.text.tokenizer import Tokenizer

OnUnknown = Literal["error", "skip", "replace"]


def encode_prompt(
    tokenizer: Tokenizer, text: str, on_unknown: OnUnknown, *, offset: int = 0
) -> tuple[UInt[np.ndarray, " N"], list[str]]:
    """
    The ids of *text*, and a note on each different character that is not in them.

    A tokenizer with an unknown mark takes every character: nothing is skipped or
    replaced then, and the notes say what is read as the mark.

    Args:
        tokenizer: The vocabulary of the model.
        text: The prompt.
        on_unknown: What to do with a character that is not known. `replace`
            writes what comes closest, and skips it where nothing does.
        offset: Characters of the prompt before *text*, for the error.

    Raises:
        VocabularyError: A character is not known, and *on_unknown* is `error`.
    """
    folded = tokenizer.folded(text)
    if folded or on_unknown == "error":
        notes = [f"{describe(char)} read as the unknown mark" for char in folded]
        return tokenizer.encode(text, offset=offset), notes
    stand_ins: dict[str, str | int | None] = {}
    notes = []
    for char in dict.fromkeys(text):
        if char in tokenizer:
            continue
        near = close_replacements(char, tokenizer) if on_unknown == "replace" else []
        stand_ins[char] = near[0] if near else ""
        fate = f"replaced by {near[0]!r}" if near else "skipped"
        notes.append(f"{describe(char)} {fate}")
    return tokenizer.encode(text.translate(str.maketrans(stand_ins))), notes
