"""Characters that a vocabulary lacks: their names, and what may stand for them."""

import unicodedata
from collections.abc import Container

from lstm_textgen.errors import VocabularyError

FAMILIES = (
    "'\u2019\u2018\u201a\u201b\u2032`\u00b4\u02bc",  # apostrophes, single quotes
    '"\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb',  # double quotes
    "-\u2013\u2014\u2010\u2011\u2012\u2015\u2212\u00ad",  # hyphens, dashes, minus
    " \u00a0\u2002\u2003\u2009\u202f\u3000\t",  # spaces
    "\n\r\x0b\x0c\x85\u2028\u2029",  # ends of lines
    "*\u2022\u00b7\u2217",  # bullets
    "/\u2044\u2215",  # slashes
)
"""Characters that look or act alike, the plainest first."""

SPELLED = {
    "\u2014": "--",  # em dash
    "\u2015": "--",
    "\u00df": "ss",
    "\u00e6": "ae",
    "\u00c6": "Ae",
    "\u0153": "oe",
    "\u0152": "Oe",
    "\u00f8": "o",
    "\u00d8": "O",
    "\u0142": "l",
    "\u0141": "L",
    "\u0131": "i",
}
"""Spellings that Unicode itself does not give."""


def describe(char: str) -> str:
    """Name *char* three ways, because many look alike or print as nothing."""
    name = unicodedata.name(char, "")
    return f"{char!r} (U+{ord(char):04X}{name and ' ' + name})"


def unknown_character(char: str, offset: int, known: Container[str]) -> VocabularyError:
    """
    The error for a character that a vocabulary lacks.

    Args:
        char: The character.
        offset: Characters before it in the text.
        known: The vocabulary, searched for something to write instead.
    """
    problem = f"Character {describe(char)} at offset {offset} is not in the vocabulary."
    if "\ud800" <= char <= "\udfff":
        return VocabularyError(problem, "Remove it: it stands for a byte of no text.")
    near = close_replacements(char, known)
    instead = " or ".join(repr(each) for each in near[:3])
    instead = f"Write {instead} instead" if near else "Remove it"
    return VocabularyError(
        problem,
        f"{instead}; sample can also go on with --on-unknown replace. A model trained "
        "with --tokenizer byte knows every character.",
    )


def close_replacements(char: str, known: Container[str]) -> list[str]:
    """
    What *known* has to stand for *char*, the closest first.

    Args:
        char: One character.
        known: Holds single characters.

    Returns:
        Strings of one or more characters, all of them known, none of them
        *char* itself. Empty where nothing comes close.
    """
    plain = _without_marks(char)
    family = next((family for family in FAMILIES if char in family), "")
    candidates = [SPELLED.get(char, ""), *family, plain]
    candidates += [char.swapcase(), plain.swapcase(), SPELLED.get(char.lower(), "")]
    return [
        candidate
        for candidate in dict.fromkeys(candidates)
        if candidate not in ("", char) and all(c in known for c in candidate)
    ]


def _without_marks(char: str) -> str:
    """`é` as `e`, the ligature `ﬁ` as `fi`, an ellipsis as three dots."""
    parts = unicodedata.normalize("NFKD", char)
    return "".join(part for part in parts if not unicodedata.combining(part))
