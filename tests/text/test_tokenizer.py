"""Characters and bytes as ids and back; unknown characters and prompts."""
# ruff: noqa: RUF001 - curly quotes and dashes are the matter of this file

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_textgen.errors import ConfigError, VocabularyError
from lstm_textgen.text.tokenizer import (
    ByteTokenizer,
    CharTokenizer,
    Tokenizer,
    close_replacements,
    count_code_points,
    describe_character,
    encode_prompt,
    tokenizer_from_json,
    unknown_character,
)
from tests.builders import char_tokenizer

ANY_TEXT = st.text(min_size=1)  # all of Unicode without surrogates


def stream(tokenizer: Tokenizer, ids) -> list[str]:
    """What a streaming decoder gives for each of *ids*."""
    return list(map(tokenizer.decoder(), map(int, ids)))


@given(ANY_TEXT)
def test_characters_come_back(text):
    """Ids are places in the sorted vocabulary, and decoding loses nothing."""
    tokenizer = char_tokenizer(text)
    vocabulary = sorted(set(text))

    ids = tokenizer.encode(text)

    assert ids.tolist() == [vocabulary.index(char) for char in text]
    assert tokenizer.decode(ids) == text
    assert stream(tokenizer, ids) == list(text)
    assert all(char in tokenizer for char in text)


@given(st.text())
def test_bytes_come_back(text):
    """Byte ids are the UTF-8 of the text, and decoding loses nothing."""
    tokenizer = ByteTokenizer()

    ids = tokenizer.encode(text)

    assert ids.tolist() == list(text.encode())
    assert tokenizer.decode(ids) == text
    assert "".join(stream(tokenizer, ids)) == text


@given(st.binary())
def test_streamed_bytes_equal_bytes_at_once(data):
    """For any bytes, also broken ones, streaming gives what Python gives."""
    tokenizer = ByteTokenizer()
    whole = data + b"."  # ends a character that is cut short

    assert "".join(stream(tokenizer, whole)) == whole.decode("utf-8", "replace")
    assert tokenizer.decode(list(data)) == data.decode("utf-8", "replace")


def test_byte_stream_waits_for_whole_characters():
    """Nothing is shown of a character until it is whole or cannot become so."""
    tokenizer = ByteTokenizer()

    assert stream(tokenizer, "a€".encode()) == ["a", "", "", "€"]
    assert stream(tokenizer, "€".encode()[:2]) == ["", ""]
    assert stream(tokenizer, b"\xe2A") == ["", "\ufffdA"]


@pytest.mark.parametrize(
    ("size", "dtype"),
    [(1, np.uint8), (256, np.uint8), (257, np.uint16), (65537, np.uint32)],
)
def test_ids_take_the_smallest_type(size, dtype):
    """The type is the smallest that holds the highest id."""
    characters = "".join(map(chr, range(0x10000, 0x10000 + size)))

    tokenizer = CharTokenizer(characters)
    ids = tokenizer.encode(characters[-1])

    assert tokenizer.dtype == ids.dtype == dtype
    assert ids.tolist() == [size - 1]


def test_unknown_character_is_named_with_its_offset():
    """The offset counts from the beginning of the longer text."""
    tokenizer = char_tokenizer("dont'")

    for text in ("don’t", "don\u0000t", "don\U0010fffft"):
        with pytest.raises(VocabularyError, match="at offset 1003") as caught:
            tokenizer.encode(text, offset=1000)
        assert f"U+{ord(text[3]):04X}" in caught.value.problem


def test_half_a_character_is_refused():
    """A lone surrogate, as from a broken argument, is an error for both."""
    for tokenizer in (ByteTokenizer(), CharTokenizer("a")):
        assert "\udce9" not in tokenizer
        with pytest.raises(VocabularyError, match=r"U\+DCE9\) at offset 6"):
            tokenizer.encode("a\udce9", offset=5)


def test_container_holds_single_characters():
    """A string of several characters is not a character of the vocabulary."""
    assert "ab" not in CharTokenizer("abc")
    assert "ab" not in ByteTokenizer()
    assert "" not in ByteTokenizer()
    assert 7 not in CharTokenizer("abc", "c")


@given(ANY_TEXT, st.integers(1, 4))
def test_rare_characters_become_one_mark(text, min_count):
    """Every character below the count reads as U+FFFD, all others as themselves."""
    counts = count_code_points([text])
    rare = {char for char in text if text.count(char) < min_count}
    if rare == set(text):
        with pytest.raises(ConfigError, match=f"min_count is {min_count}") as caught:
            CharTokenizer.from_counts(counts, min_count)
        most = max(map(text.count, text))
        assert caught.value.remedy == f"Set min_count to {most} or less."
        return

    tokenizer = CharTokenizer.from_counts(counts, min_count)
    back = tokenizer.decode(tokenizer.encode(text))

    assert back == "".join("\ufffd" if char in rare else char for char in text)
    assert tokenizer.unknown == ("\ufffd" if rare else None)
    assert ("漢" in tokenizer) == (bool(rare) or "漢" in text)


@given(st.lists(st.text(), max_size=5))
def test_counting_in_pieces(chunks):
    """The counts are those of the whole text."""
    whole = "".join(chunks)
    counts = count_code_points(chunks)

    assert counts.sum() == len(whole)
    assert all(counts[ord(char)] == whole.count(char) for char in whole)


@pytest.mark.parametrize("characters", ["", "ba", "aa", "a\ud800"])
def test_bad_vocabulary(characters):
    """A vocabulary is sorted, distinct, whole characters, and not empty."""
    with pytest.raises(VocabularyError):
        CharTokenizer(characters)


def test_unknown_mark_is_in_the_vocabulary():
    """The mark that stands for others is one of the characters."""
    for mark in ("c", "ab", ""):
        with pytest.raises(VocabularyError, match="unknown mark"):
            CharTokenizer("ab", mark)


@given(ANY_TEXT)
def test_json_comes_back(text):
    """A tokenizer read from its own JSON equals it."""
    char = char_tokenizer(text)
    marked = CharTokenizer(char.characters, char.characters[0])

    for tokenizer in (char, marked, ByteTokenizer()):
        assert tokenizer_from_json(tokenizer.to_json()) == tokenizer


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "char",
        {},
        {"kind": "word"},
        {"kind": "byte", "size": 256},
        {"kind": "char", "characters": "ab"},
        {"kind": "char", "characters": "ab", "unknown": None, "more": 1},
        {"kind": "char", "characters": ["a", "b"], "unknown": None},
        {"kind": "char", "characters": "ab", "unknown": 1},
        {"kind": "char", "characters": "ba", "unknown": None},
        {"kind": ["char"], "characters": "a", "unknown": None},
    ],
)
def test_json_is_read_strictly(data):
    """Anything but exactly what was written is refused."""
    with pytest.raises(VocabularyError):
        tokenizer_from_json(data)


def test_json_is_what_the_checkpoint_holds():
    """The form is fixed, because checkpoints hold it."""
    assert CharTokenizer("ab").to_json() == {
        "kind": "char",
        "characters": "ab",
        "unknown": None,
    }
    assert ByteTokenizer().to_json() == {"kind": "byte"}


def test_negative_id_does_not_wrap_around():
    """An id below zero is our own mistake, and stops at once."""
    with pytest.raises(AssertionError, match="wrap"):
        CharTokenizer("ab").decode([-1])


ASCII = string.printable


@pytest.mark.parametrize(
    ("char", "known", "first"),
    [
        ("’", ASCII, "'"),
        ("'", "abc’‘", "’"),
        ("“", ASCII, '"'),
        ('"', "“”", "“"),
        ("–", ASCII, "-"),
        ("—", ASCII, "--"),
        ("—", "–ab", "–"),
        ("…", ASCII, "..."),
        ("\u00a0", ASCII, " "),
        ("\u2028", ASCII, "\n"),
        ("é", ASCII, "e"),
        ("É", "e", "e"),
        ("ﬁ", ASCII, "fi"),
        ("ß", ASCII, "ss"),
        ("Ł", ASCII, "L"),
        ("Q", "abcq", "q"),
        ("q", "ABCQ", "Q"),
        ("Ж", "ж", "ж"),
    ],
)
def test_first_replacement_is_what_a_person_would_type(char, known, first):
    """The closest stands first, and only what the vocabulary has."""
    assert close_replacements(char, known)[0] == first


def test_nothing_comes_close():
    """A character of another script has no replacement, nor has a lone accent."""
    assert close_replacements("漢", ASCII) == []
    assert close_replacements("\u0301", ASCII) == []
    assert close_replacements("…", "abc") == []


@given(st.characters(), st.text())
def test_replacements_are_known(char, known):
    """Whatever the character: every replacement can be encoded and is another."""
    for replacement in close_replacements(char, known):
        assert replacement not in ("", char)
        assert set(replacement) <= set(known)


def test_character_is_named_three_ways():
    """A character that prints as nothing is still told apart; a nameless one too."""
    assert describe_character("\u200b") == r"'\u200b' (U+200B ZERO WIDTH SPACE)"
    assert describe_character("\x01") == r"'\x01' (U+0001)"


def test_error_for_an_unknown_character():
    """The error says which character, where, and what to write instead."""
    error = unknown_character("’", 7, ASCII)

    assert error.problem == (
        "Character '’' (U+2019 RIGHT SINGLE QUOTATION MARK) "
        "at offset 7 is not in the vocabulary."
    )
    assert error.remedy.startswith("Write \"'\" or '`' instead; ")


def test_remedies_where_nothing_comes_close():
    """Without a replacement the remedy is to remove it; a broken byte is named."""
    assert unknown_character("漢", 0, ASCII).remedy.startswith("Remove it; ")
    assert "byte of no text" in unknown_character("\udce9", 0, ASCII).remedy


KNOWN = char_tokenizer("don't wait... please")


def test_replace_writes_what_comes_closest():
    """One note for each different character, in the order in which they come."""
    ids, notes = encode_prompt(KNOWN, "don’t wait… don’t 漢", "replace")

    assert KNOWN.decode(ids) == "don't wait... don't "
    assert notes == [
        "'’' (U+2019 RIGHT SINGLE QUOTATION MARK) replaced by \"'\"",
        "'…' (U+2026 HORIZONTAL ELLIPSIS) replaced by '...'",
        "'漢' (U+6F22 CJK UNIFIED IDEOGRAPH-6F22) skipped",
    ]


def test_skip_leaves_out():
    """Skipping keeps what is known, and says what is gone."""
    ids, notes = encode_prompt(KNOWN, "don’t", "skip")

    assert KNOWN.decode(ids) == "dont"
    assert notes == ["'’' (U+2019 RIGHT SINGLE QUOTATION MARK) skipped"]


def test_error_names_the_place():
    """Without leave to change the prompt the first unknown character stops it."""
    with pytest.raises(VocabularyError, match="at offset 3"):
        encode_prompt(KNOWN, "don’t", "error")


@given(text=st.text("don't wait."))
@pytest.mark.parametrize("on_unknown", ["error", "skip", "replace"])
def test_known_prompt_is_not_touched(text, on_unknown):
    """Where every character is known there is nothing to note."""
    ids, notes = encode_prompt(KNOWN, text, on_unknown)

    assert KNOWN.decode(ids) == text
    assert notes == []


def test_tokenizers_that_take_everything():
    """An unknown mark takes all, and says so; bytes all but half a character."""
    marked = CharTokenizer("a\ufffd", "\ufffd")

    for on_unknown in ("error", "skip", "replace"):
        ids, notes = encode_prompt(marked, "abb\ufffd", on_unknown)
        assert marked.decode(ids) == "a\ufffd\ufffd\ufffd"
        assert notes == ["'b' (U+0062 LATIN SMALL LETTER B) read as the unknown mark"]

    ids, notes = encode_prompt(ByteTokenizer(), "b\udce9b", "skip")
    assert ByteTokenizer().decode(ids) == "bb"
    assert notes == [r"'\udce9' (U+DCE9) skipped"]
