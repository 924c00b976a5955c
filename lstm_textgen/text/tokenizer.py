"""
Characters or bytes as ids, and back without loss; unknown characters and prompts.

Letters: N ids, V vocabulary.
"""

import codecs
import unicodedata
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int64, Integer, UInt, UInt32

from lstm_textgen.config import TokenizerKind, shown
from lstm_textgen.errors import ConfigError, VocabularyError

CODE_POINTS = 0x110000

UNKNOWN = "\ufffd"

Decoder = Callable[[int], str]
"""
Ids to text one by one, as a model generates them: from an id to the characters that it
completes, which are none, one, or more.
"""


@runtime_checkable
class Tokenizer(Protocol):
    """What every tokenizer can do; `in` says whether it knows a character."""

    @property
    def kind(self) -> TokenizerKind:
        """`char` or `byte`."""

    @property
    def size(self) -> int:
        """V, how many different ids there are."""

    @property
    def unknown(self) -> str | None:
        """The mark that stands for every unknown character; None without one."""

    @property
    def dtype(self) -> "np.dtype[Any]":
        """The smallest unsigned type that holds every id."""

    @property
    def begins(self) -> Bool[np.ndarray, " V"] | None:
        """Which ids begin a character; None where every id is one."""

    def __contains__(self, char: object) -> bool:
        """Whether `encode` takes *char*."""

    def folded(self, text: str) -> list[str]:
        """The distinct characters of *text* that `encode` maps to the unknown mark."""

    def encode(self, text: str, *, offset: int = 0) -> UInt[np.ndarray, " N"]:
        """
        The ids of *text*.

        Args:
            text: Any length.
            offset: Characters before *text* in a longer one, for the error.

        Raises:
            VocabularyError: A character is not known.
        """

    def decode(self, ids: Sequence[int] | Integer[np.ndarray, " N"]) -> str:
        """The text of *ids*, each of them from 0 to V - 1."""

    def id_name(self, id: int) -> str:
        """How to show a single id: its character, or the number of a byte: `\\xe2`."""

    def decoder(self) -> Decoder:
        """A decoder for a new text."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `tokenizer_from_json` is the inverse."""


@dataclass(frozen=True)
class CharTokenizer:
    """
    One id for each character of the vocabulary, in the order of code points.

    Args:
        characters: The vocabulary: sorted by code point, distinct, not empty.
        unknown: The one of them that stands for every other character. None
            makes another character an error.

    Raises:
        VocabularyError: The vocabulary is not as described.
    """

    characters: str
    unknown: str | None = None

    kind: ClassVar[TokenizerKind] = "char"
    begins: ClassVar[None] = None

    def __post_init__(self) -> None:
        if not self.characters:
            raise _bad("The vocabulary is empty.")
        codes = self._codes  # in numpy, because a hostile file may have millions
        if ((codes >= 0xD800) & (codes <= 0xDFFF)).any():
            raise _bad("The vocabulary holds half a character (a surrogate).")
        if (codes[1:] <= codes[:-1]).any():
            raise _bad("The vocabulary is not sorted, or holds a character twice.")
        mark = self.unknown
        if mark is not None and (len(mark) != 1 or mark not in self.characters):
            found = shown(mark[:60])
            raise _bad(f"The unknown mark {found} is not in the vocabulary.")

    @classmethod
    def from_counts(
        cls, counts: Int64[np.ndarray, " codes"], min_count: int = 1
    ) -> "CharTokenizer":
        """
        The vocabulary of the characters that occur often enough.

        Args:
            counts: How often each code point occurs, from `count_code_points`.
            min_count: Rarer characters become U+FFFD, which joins the
                vocabulary only if there are any. 1 keeps all.

        Raises:
            ConfigError: Every character is rarer than *min_count*.
        """
        kept = counts >= max(min_count, 1)
        if counts.any() and not kept.any():
            raise ConfigError(
                f"min_count is {min_count}, and no character occurs so often.",
                f"Set min_count to {counts.max()} or less.",
            )
        folds = bool(((counts > 0) & ~kept).any())
        characters = {chr(code) for code in np.flatnonzero(kept)}
        characters |= {UNKNOWN} if folds else set()
        return cls("".join(sorted(characters)), UNKNOWN if folds else None)

    @property
    def size(self) -> int:
        return len(self.characters)

    @property
    def dtype(self) -> "np.dtype[Any]":
        return np.min_scalar_type(self.size - 1)

    @cached_property
    def _codes(self) -> UInt32[np.ndarray, " V"]:
        return _code_points(self.characters)

    @cached_property
    def _ids(self) -> Int64[np.ndarray, " codes"]:
        """The id of each code point up to one past the highest; -1 is none."""
        table = np.full(int(self._codes[-1]) + 2, -1)
        table[self._codes] = np.arange(self.size)
        if self.unknown is not None:
            table[table < 0] = table[ord(self.unknown)]
        return table

    def __contains__(self, char: object) -> bool:
        if not isinstance(char, str) or len(char) != 1:
            return False
        return self.unknown is not None or char in self.characters

    def folded(self, text: str) -> list[str]:
        if self.unknown is None:
            return []
        return [char for char in dict.fromkeys(text) if char not in self.characters]

    def encode(self, text: str, *, offset: int = 0) -> UInt[np.ndarray, " N"]:
        # clip: all code points past the end of the table share its last entry
        ids = self._ids.take(_code_points(text), mode="clip")
        if ids.size and ids.min() < 0:
            place = int((ids < 0).argmax())
            raise unknown_character(text[place], offset + place, self)
        return ids.astype(self.dtype)

    def decode(self, ids: Sequence[int] | Integer[np.ndarray, " N"]) -> str:
        places = np.asarray(ids, dtype=np.int64)
        assert not places.size or places.min() >= 0, "a negative id would wrap around"
        return self._codes[places].tobytes().decode("utf-32-le")

    def id_name(self, id: int) -> str:
        return self.characters[id]

    def decoder(self) -> Decoder:
        return self.characters.__getitem__

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "characters": self.characters,
            "unknown": self.unknown,
        }


@dataclass(frozen=True)
class ByteTokenizer:
    """One id for each byte of UTF-8: more ids, and no unknown characters."""

    kind: ClassVar[TokenizerKind] = "byte"
    size: ClassVar[int] = 256
    unknown: ClassVar[None] = None
    dtype: ClassVar["np.dtype[Any]"] = np.dtype(np.uint8)
    begins: ClassVar[Bool[np.ndarray, " V"]] = (np.arange(256) & 0xC0) != 0x80

    def __contains__(self, char: object) -> bool:
        if not isinstance(char, str) or len(char) != 1:
            return False
        return not "\ud800" <= char <= "\udfff"

    def folded(self, text: str) -> list[str]:
        return []

    def encode(self, text: str, *, offset: int = 0) -> UInt[np.ndarray, " N"]:
        try:
            return np.frombuffer(text.encode("utf-8"), np.uint8)
        except UnicodeEncodeError as error:
            char, place = text[error.start], offset + error.start
            raise unknown_character(char, place, self) from error

    def decode(self, ids: Sequence[int] | Integer[np.ndarray, " N"]) -> str:
        """The text of *ids*; bytes that are no UTF-8 become U+FFFD."""
        return np.asarray(ids, np.uint8).tobytes().decode("utf-8", "replace")

    def id_name(self, id: int) -> str:
        """An ASCII character as it is, another byte by its number."""
        return chr(id) if id <= 0x7F else f"\\x{id:02x}"

    def decoder(self) -> Decoder:
        """Holds back the bytes of a character until it is complete."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return lambda id: decoder.decode(bytes([id]))

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind}


def tokenizer_from_json(data: object) -> Tokenizer:
    """
    The tokenizer that `to_json` described.

    Raises:
        VocabularyError: A key is missing, unknown or of a wrong type, or the
            characters are not as `CharTokenizer` requires.
    """
    if not isinstance(data, dict):
        raise _bad(f"The vocabulary is {type(data).__name__}, not an object.")
    if data == {"kind": "byte"}:
        return ByteTokenizer()
    if data.get("kind") != "char" or data.keys() != {"kind", "characters", "unknown"}:
        raise _bad(f"The vocabulary has unexpected contents: {str(data)[:60]!r}.")
    characters, unknown = data["characters"], data["unknown"]
    if not isinstance(characters, str) or not isinstance(unknown, str | None):
        raise _bad("The vocabulary has a value of the wrong type.")
    return CharTokenizer(characters, unknown)


def opening_id(tokenizer: Tokenizer) -> int:
    """
    The id that a model reads before a text with no prompt: a line end.

    A vocabulary without line ends opens with its first character.
    """
    line_end = tokenizer.decode(np.arange(tokenizer.size)).find("\n")
    return max(line_end, 0)


def count_code_points(chunks: Iterable[str]) -> Int64[np.ndarray, " codes"]:
    """How often each code point occurs in *chunks*, in constant memory."""
    counts = np.zeros(CODE_POINTS, np.int64)
    for chunk in chunks:
        found = np.bincount(_code_points(chunk))
        counts[: len(found)] += found
    return counts


def _code_points(text: str) -> UInt32[np.ndarray, " N"]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))


def _bad(problem: str) -> VocabularyError:
    return VocabularyError(problem, "Use another model: this vocabulary is damaged.")


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
"""Spellings that Unicode decomposition lacks."""


def describe_character(char: str) -> str:
    """Name *char* three ways, because many look alike or are invisible."""
    name = unicodedata.name(char, "")
    return f"{char!r} (U+{ord(char):04X}{name and ' ' + name})"


def unknown_character(char: str, offset: int, known: Container[str]) -> VocabularyError:
    """
    The error for a character that a vocabulary lacks.

    Args:
        char: The character.
        offset: Characters before it in the text.
        known: The vocabulary, searched for a replacement.
    """
    name = describe_character(char)
    problem = f"Character {name} at offset {offset} is not in the vocabulary."
    if "\ud800" <= char <= "\udfff":
        return VocabularyError(problem, "Remove it: it stands for a byte of no text.")
    near = close_replacements(char, known)
    instead = " or ".join(map(repr, near[:3]))
    instead = f"Write {instead} instead" if near else "Remove it"
    return VocabularyError(
        problem,
        f"{instead}; sample can also go on with --on-unknown replace. A model trained "
        "with --tokenizer byte knows every character.",
    )


def close_replacements(char: str, known: Container[str]) -> list[str]:
    """
    Replacements of *char* that *known* can spell, the closest first.

    Args:
        char: One character.
        known: The characters of a vocabulary.

    Returns:
        Strings of one or more characters, all of them known, none of them *char*
        itself. Empty where nothing is close.
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


OnUnknown = Literal["error", "skip", "replace"]


def encode_prompt(
    tokenizer: Tokenizer, text: str, on_unknown: OnUnknown, *, offset: int = 0
) -> tuple[UInt[np.ndarray, " N"], list[str]]:
    """
    The ids of a prompt, and a note on each distinct character that they lack.

    A tokenizer with an unknown mark encodes every character: nothing is skipped or
    replaced then, and the notes say which characters became the mark.

    Args:
        tokenizer: The vocabulary of the model.
        text: The prompt.
        on_unknown: What to do with an unknown character. `replace` takes the closest
            known spelling, and skips a character that has none.
        offset: Characters of the prompt before *text*, for the error.

    Raises:
        VocabularyError: A character is not known, and *on_unknown* is `error`.
    """
    folded = tokenizer.folded(text)
    if folded or on_unknown == "error":
        notes = [
            f"{describe_character(char)} read as the unknown mark" for char in folded
        ]
        return tokenizer.encode(text, offset=offset), notes
    stand_ins: dict[str, str | int | None] = {}
    notes = []
    for char in dict.fromkeys(text):
        if char in tokenizer:
            continue
        near = close_replacements(char, tokenizer) if on_unknown == "replace" else []
        stand_ins[char] = near[0] if near else ""
        fate = f"replaced by {near[0]!r}" if near else "skipped"
        notes.append(f"{describe_character(char)} {fate}")
    return tokenizer.encode(text.translate(str.maketrans(stand_ins))), notes
