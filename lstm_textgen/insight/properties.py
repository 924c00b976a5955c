"""
Properties of a text that a unit may follow: true or false after each character.

Shapes: T characters.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

Mask = Bool[np.ndarray, " T"]

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
OPENING, CLOSING = "([{", ")]}"
QUOTES = {"“": "”", "«": "»", "„": "“"}
SENTENCE_ENDS = ".!?…"
VOWELS = "aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿ"


@dataclass(frozen=True, slots=True)
class Property:
    """Something that is true of some characters of a text."""

    name: str
    holds: Callable[[str], Mask]
    """Where it is true, once the character has been read."""
    among: Callable[[str], Mask] | None = None
    """Which characters are asked at all; None for every one."""


def inside_quotes(text: str) -> Mask:
    """From an opening quotation mark to before the closing one, or a blank line."""
    found, closes = np.zeros(len(text), np.bool_), ""
    for place, char in enumerate(text):
        if closes and (char == closes or text[place - 1 : place + 1] == "\n\n"):
            closes = ""
        elif not closes and char == '"':
            closes = '"'
        elif not closes:
            closes = QUOTES.get(char, "")
        found[place] = bool(closes)
    return found


def inside_brackets(text: str) -> Mask:
    """From an opening bracket of any kind to before its closing one."""
    found, depth = np.zeros(len(text), np.bool_), 0
    for place, char in enumerate(text):
        depth += (char in OPENING) - (char in CLOSING and depth > 0)
        found[place] = depth > 0
    return found


def letters(text: str) -> Mask:
    """Letters of any script."""
    return _each(text, str.isalpha)


def vowels(text: str) -> Mask:
    """Vowels of the Latin alphabet, with or without accents."""
    return _each(text, lambda char: char.lower() in VOWELS)


def inside_a_word(text: str) -> Mask:
    """Letters, and an apostrophe between two of them."""
    return _words(text, lambda word, start: True)


def far_in_a_word(text: str) -> Mask:
    """From the fourth letter of a word on."""
    inside = inside_a_word(text)
    return np.asarray(inside & (_since(~inside) >= 4))


def in_capitals(text: str) -> Mask:
    """Words of two letters or more that are all capitals."""
    return _words(text, lambda word, start: len(word) > 1 and word.isupper())


def inside_a_name(text: str) -> Mask:
    """Words with a capital that begin neither a line nor a sentence."""

    def is_name(word: str, start: int) -> bool:
        before = text[max(start - 40, 0) : start].rstrip(" \"'“«([-—")
        opens = not before or before[-1] in SENTENCE_ENDS + "\n:"
        return word[0].isupper() and not word[1:].isupper() and not opens

    return _words(text, is_name)


def line_start(text: str) -> Mask:
    """The line end before a line, and its first three characters."""
    return np.asarray(_column(text) <= 3)


def line_end(text: str) -> Mask:
    """Farther from the start of the line than half of all characters."""
    return _late(_column(text))


def sentence_over(text: str) -> Mask:
    """After the mark that ends a sentence, until the next one begins."""
    marks, blanks = _each(text, lambda char: char in SENTENCE_ENDS), _blank(text)
    return np.asarray(marks | (blanks & (_since(marks) == _since(~blanks))))


def late_in_sentence(text: str) -> Mask:
    """Farther from the last end of a sentence than half of all characters."""
    return _late(_since(_each(text, lambda char: char in SENTENCE_ENDS)))


def late_in_paragraph(text: str) -> Mask:
    """Farther from the last blank line than half of all characters."""
    ends = _each(text, lambda char: char == "\n")
    blank_line = ends & np.append(False, ends[:-1])
    return _late(_since(blank_line))


def inside_a_number(text: str) -> Mask:
    """Digits."""
    return _each(text, str.isdigit)


def capitals(text: str) -> Mask:
    """Capital letters."""
    return _each(text, str.isupper)


PROPERTIES = (
    Property("inside quotes", inside_quotes),
    Property("inside brackets", inside_brackets),
    Property("inside a word", inside_a_word),
    Property("fourth letter of a word or later", far_in_a_word),
    Property("inside a word in capitals", in_capitals),
    Property("inside a capitalised name", inside_a_name),
    Property("a capital letter", capitals),
    Property("a vowel, among letters", vowels, letters),
    Property("inside a number", inside_a_number),
    Property("at the start of a line", line_start),
    Property("far from the start of its line", line_end),
    Property("between two sentences", sentence_over),
    Property("far into a sentence", late_in_sentence),
    Property("far into a paragraph", late_in_paragraph),
)
"""What the unit finder looks for. A property that a text lacks is passed over."""


def _each(text: str, is_so: Callable[[str], bool]) -> Mask:
    """Ask every different character once."""
    known = {char: is_so(char) for char in set(text)}
    return np.fromiter((known[char] for char in text), np.bool_, len(text))


def _words(text: str, is_so: Callable[[str, int], bool]) -> Mask:
    """All characters of the words that *is_so*, given with their place."""
    found = np.zeros(len(text), np.bool_)
    for word in WORD.finditer(text):
        found[word.start() : word.end()] = is_so(word[0], word.start())
    return found


def _blank(text: str) -> Mask:
    return _each(text, str.isspace)


def _since(mask: Mask) -> Int[np.ndarray, " T"]:
    """Characters since the last one in *mask*, 0 at one; before it, since the start."""
    places = np.arange(len(mask))
    last = np.maximum.accumulate(np.where(mask, places, -1))
    return np.asarray(places - last)


def _column(text: str) -> Int[np.ndarray, " T"]:
    """Characters since the line began, 0 at the line end before it."""
    return _since(_each(text, lambda char: char == "\n"))


def _late(distance: Int[np.ndarray, " T"]) -> Mask:
    return np.asarray(distance > np.median(distance))
