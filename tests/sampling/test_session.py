"""Writing in turns: nothing is lost, and going back costs no reading."""

import pytest

from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError, VocabularyError
from lstm_textgen.sampling.dialogue import Dialogue
from lstm_textgen.sampling.writer import Writer
from tests.builders import char_tokenizer

CHARS = char_tokenizer("\n abcd.")
CONFIG = SampleConfig(temperature=1.0, seed=2)


@pytest.fixture
def writer(make_model):
    # one that writes a line end now and then
    model = make_model(CHARS.size, layers=2, initial_state="zeros")
    return Writer(model, CHARS)


@pytest.fixture
def session(writer):
    return Dialogue(writer, CONFIG, FormConfig(length=10))


def turn(session):
    written = "".join(session.go_on())
    session.finish()
    return written


def test_the_model_goes_on_from_the_whole_text(session, writer):
    """As if it had been a prompt; each turn takes the next sample of the seed."""
    session.say("ab")
    first = turn(session)
    session.say("cd")
    text = session.text
    second = turn(session)

    beginning = writer.begin([CHARS.encode("ab")])
    numbered = list(
        writer.samples(beginning, CONFIG, FormConfig(length=10), numbers=[0])
    )
    assert first == numbered[0].text
    beginning = writer.begin([CHARS.encode(text)])
    (expected,) = writer.samples(beginning, CONFIG, FormConfig(length=10), numbers=[1])
    assert second == expected.text
    assert session.text == text + second


@pytest.mark.parametrize(
    ("before", "typed", "added"),
    [("ab", "cd", " cd"), ("ab ", "cd", "cd"), ("ab", ".", "."), ("", "cd", "cd")],
)
def test_a_blank_stands_between_words(session, before, typed, added):
    """And nowhere else."""
    if before:
        session.say(before)

    assert session.say(typed) == added
    assert session.text == before + added


def test_undo_takes_back_turn_by_turn(session):
    """The last one first; before the first there is nothing."""
    session.say("ab")
    written = turn(session)
    assert session.undo() == written
    assert session.text == "ab"
    assert session.undo() == "ab"
    assert session.text == ""
    with pytest.raises(ConfigError, match="nothing to take back"):
        session.undo()


def test_what_was_taken_back_is_forgotten(session, writer):
    """The memory of the network goes back with the text."""
    session.say("ab")
    session.say("dddd")
    session.undo()
    written = turn(session)

    beginning = writer.begin([CHARS.encode("ab")])
    (expected,) = writer.samples(beginning, CONFIG, FormConfig(length=10), numbers=[0])
    assert written == expected.text


def test_retry_writes_something_else_in_its_place(session):
    """Only what the model wrote can be tried again."""
    session.say("ab")
    with pytest.raises(ConfigError, match="not the model's"):
        session.retry()
    first = turn(session)
    second = "".join(session.retry())
    session.finish()

    assert first != second
    assert session.text == "ab" + second


def test_branches_keep_their_texts(session):
    """Both ways stay, and each goes on where it was left."""
    session.say("ab")
    session.fork("storm")
    session.say("c")
    assert session.branches == ["main", "storm"]
    session.switch("main")
    assert session.text == "ab"
    session.say("d")
    session.switch("storm")
    assert session.text == "ab c"
    session.switch("main")
    assert session.text == "ab d"
    session.switch("main")
    assert session.text == "ab d"
    with pytest.raises(ConfigError, match="no branch 'calm'"):
        session.switch("calm")
    with pytest.raises(ConfigError, match="a branch 'storm' already"):
        session.fork("storm")


def test_a_turn_that_is_cut_short_counts_as_far_as_it_came(session):
    """Ctrl-C in the middle leaves the characters that were shown."""
    session.say("ab")
    going = session.go_on()
    shown = next(going) + next(going)
    session.finish()

    assert session.text == "ab" + shown
    assert len(turn(session)) == 10


def test_lines_follow_each_other(writer):
    """
    A turn ends before its line end, and the next one may begin with it.

    Such a turn was empty once, and so were all after it.
    """
    session = Dialogue(writer, CONFIG, FormConfig(length=200, until="newline"))
    session.say("ab")
    turns = [turn(session) for _ in range(30)]

    assert all(turns)
    assert any(each.startswith("\n") for each in turns)
    assert not any("\n" in each[1:] for each in turns)
    assert session.say("cd") == " cd"


def test_what_cannot_be_tried_again_stays(session):
    """A form that the model cannot meet is found before anything is taken back."""
    session.say("ab")
    turn(session)
    text = session.text
    session.form = FormConfig(length=10, only="X")

    with pytest.raises(ConfigError, match="left to write"):
        session.retry()
    assert session.text == text


def test_a_word_that_the_model_cannot_read_changes_nothing(session):
    """The text is as before."""
    session.say("ab")
    with pytest.raises(VocabularyError):
        session.say("xyz")
    assert session.text == "ab"


def test_a_prompt_stands_before_all(session, writer):
    """It was read already, and cannot be taken back."""
    session.open("abc", writer.begin([CHARS.encode("abc")]))

    assert session.text == "abc"
    with pytest.raises(ConfigError):
        session.undo()


def test_the_temperature_can_be_changed(session):
    """From here on; a wrong one changes nothing."""
    session.heat(0.0)
    assert session.config.temperature == 0.0
    with pytest.raises(ConfigError):
        session.heat(-1.0)
    assert session.config.temperature == 0.0
