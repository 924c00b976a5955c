"""Writing in turns: what a dialogue keeps, and the command in a pipe and a terminal."""

import fcntl
import os
import re
import signal
import termios
import time

import pytest

from lstm_textgen.cli.interactive import Dialogue
from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError, VocabularyError
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import CharTokenizer

PATIENCE_S = 60
TURN = ("-n", "12", "--seed", "1", "-t", "1")
CHARS = CharTokenizer("\n .abcd")
CONFIG = SampleConfig(temperature=1.0, seed=2)
FORM = FormConfig(length=10)


# The dialogue


@pytest.fixture
def writer(make_model):
    # one that writes a line end now and then
    model = make_model(CHARS.size, layers=2, initial_state="zeros")
    return Writer(model, CHARS)


@pytest.fixture
def dialogue(writer):
    return Dialogue(writer, CONFIG, FORM)


def turn_of(dialogue):
    """Let the model write a turn."""
    text = "".join(dialogue.continue_text())
    dialogue.finish()
    return text


def sample_after(writer, text, number, config=CONFIG):
    """What the model writes after *text* as a prompt."""
    prompt = writer.read([CHARS.encode(text)])
    (sample,) = writer.samples(prompt, config, FORM, numbers=[number])
    return sample.text


def test_the_model_continues_the_whole_text(dialogue, writer):
    """As if it had been a prompt; each turn takes the next sample of the seed."""
    dialogue.add("ab")
    first = turn_of(dialogue)
    dialogue.add("cd")
    text = dialogue.text
    second = turn_of(dialogue)

    assert first == sample_after(writer, "ab", 0)
    assert second == sample_after(writer, text, 1)
    assert dialogue.text == text + second


@pytest.mark.parametrize(
    ("before", "typed", "added"),
    [("ab", "cd", " cd"), ("ab ", "cd", "cd"), ("ab", ".", "."), ("", "cd", "cd")],
)
def test_a_space_stands_between_words(dialogue, before, typed, added):
    """And nowhere else."""
    if before:
        dialogue.add(before)

    assert dialogue.add(typed) == added
    assert dialogue.text == before + added


def test_undo_takes_back_turn_by_turn(dialogue):
    """The last one first; before the first there is nothing."""
    dialogue.add("ab")
    turn = turn_of(dialogue)

    assert dialogue.undo() == turn
    assert dialogue.text == "ab"
    assert dialogue.undo() == "ab"
    assert dialogue.text == ""
    with pytest.raises(ConfigError):
        dialogue.undo()


def test_what_was_taken_back_is_forgotten(dialogue, writer):
    """The recurrent state goes back with the text."""
    dialogue.add("ab")
    dialogue.add("dddd")
    dialogue.undo()

    assert turn_of(dialogue) == sample_after(writer, "ab", 0)


def test_retry_writes_something_else_in_its_place(dialogue):
    """Only what the model wrote can be tried again."""
    dialogue.add("ab")
    with pytest.raises(ConfigError):
        dialogue.retry()
    first = turn_of(dialogue)
    second = "".join(dialogue.retry())
    dialogue.finish()

    assert first != second
    assert dialogue.text == "ab" + second


def test_branches_keep_their_texts(dialogue):
    """Both stay, and each continues where it was left."""
    dialogue.add("ab")
    dialogue.fork("storm")
    dialogue.add("c")
    dialogue.switch("main")
    dialogue.add("d")
    dialogue.switch("storm")
    assert dialogue.text == "ab c"
    for _ in range(2):
        dialogue.switch("main")
        assert dialogue.text == "ab d"

    assert dialogue.branches == ["main", "storm"]
    with pytest.raises(ConfigError, match="calm"):
        dialogue.switch("calm")
    with pytest.raises(ConfigError, match="storm"):
        dialogue.fork("storm")


def test_a_turn_that_is_cut_short_counts_as_far_as_it_came(dialogue):
    """Ctrl-C in the middle leaves the characters that were shown."""
    dialogue.add("ab")
    characters = dialogue.continue_text()
    shown = next(characters) + next(characters)
    dialogue.finish()

    assert dialogue.text == "ab" + shown
    assert len(turn_of(dialogue)) == 10


def test_lines_follow_each_other(writer):
    """
    A turn ends before its line end, and the next one may begin with it.

    Such a turn was empty once, and so were all after it.
    """
    dialogue = Dialogue(writer, CONFIG, FormConfig(length=200, until="newline"))
    dialogue.add("ab")
    turns = [turn_of(dialogue) for _ in range(30)]

    assert all(turns)
    assert any(turn.startswith("\n") for turn in turns)
    assert not any("\n" in turn[1:] for turn in turns)
    assert dialogue.add("cd") == " cd"


def test_what_cannot_be_tried_again_stays(writer):
    """A form that the model cannot meet is found before anything is taken back."""
    pytest.importorskip("greenery")
    dialogue = Dialogue(writer, CONFIG, FormConfig(match="[abcd]{4,8}", length=8))
    dialogue.add("ab")
    turn_of(dialogue)
    text = dialogue.text
    dialogue.set_length(3)

    with pytest.raises(ConfigError, match="--length 4"):
        dialogue.retry()
    assert dialogue.text == text


def test_a_word_that_the_model_cannot_read_changes_nothing(dialogue):
    """The text is as before."""
    dialogue.add("ab")
    with pytest.raises(VocabularyError):
        dialogue.add("xyz")
    assert dialogue.text == "ab"


def test_a_prompt_stands_before_all(dialogue, writer):
    """It was read already, and cannot be taken back."""
    dialogue.begin_with("abc", writer.read([CHARS.encode("abc")]))

    with pytest.raises(ConfigError):
        dialogue.undo()
    assert dialogue.text == "abc"


def test_the_temperature_can_be_changed(dialogue, writer):
    """For the turns that follow; a wrong one changes nothing."""
    dialogue.add("ab")
    dialogue.set_temperature(0.0)
    with pytest.raises(ConfigError, match="-1"):
        dialogue.set_temperature(-1.0)

    greedy = SampleConfig(temperature=0.0)
    assert turn_of(dialogue) == sample_after(writer, "ab", 0, greedy)


# The command


@pytest.fixture
def talk(textgen, trained):
    """Give the lines of a conversation through a pipe."""

    def lines(*words, options=TURN):
        text = "".join(f"{word}\n" for word in words)
        return textgen("sample", trained.run, "-i", *options, stdin=text.encode())

    return lines


def test_words_and_a_turn_make_a_text(talk):
    """The typed words are shown again with what the model adds, and /show has both."""
    outcome = talk("Said the fox", "/show")

    assert outcome.code == 0
    whole = re.match(r"Said the fox(?s:.){12}\n", outcome.stdout)[0]
    assert outcome.stdout == whole * 2


def test_undo_and_branches(talk):
    """What was taken back is gone, and each branch is as it was left."""
    outcome = talk(
        *("Said the fox", "/undo", "/branch storm", "to the mule", "/undo", "/show"),
        *("/go main", "/show", "/go storm", "/show"),
    )
    shown = outcome.stdout.splitlines()

    assert outcome.code == 0
    assert shown[-5:] == [
        *("Said the fox to the mule", "Said the fox", "Said the fox"),
        *("Said the fox to the mule", "Said the fox to the mule"),
    ]
    assert "taken back: " in outcome.stderr
    assert "branch storm" in outcome.stderr
    assert "branch main" in outcome.stderr


def test_saving(talk, textgen):
    """The text and a line end, in a new file; one that is there stays."""
    outcome = talk("Said", "/save story.txt", "/undo", "/save story.txt")
    saved = (textgen.folder / "story.txt").read_text()

    assert re.fullmatch(r"Said(?s:.){12}\n", saved)
    assert "saved in story.txt" in outcome.stderr
    assert "story.txt exists already" in outcome.stderr


def test_mistakes_end_nothing(talk):
    """Each is reported in two lines, and the next line counts."""
    outcome = talk(
        *("/dance", "/undo", "/go nowhere", "/branch", "/save", "/save a\0b"),
        *("/temperature hot", "/temperature 900", "/temperature nan", "“"),
        *("/length inf", "/length nan", "/length 2.7", "/length -3", "/retry"),
        *("/help", "/temperature 0", "/length 3", "Said", "/quit", "never read"),
    )

    assert outcome.code == 0
    assert len(re.findall(r"^error: ", outcome.stderr, re.MULTILINE)) == 15
    assert "/retry" in outcome.stderr
    assert re.fullmatch(r"Said(?s:.){3}\n", outcome.stdout)


def test_a_prompt_begins_it(talk, textgen):
    """The model takes the first turn, after a file too; the text has all of it."""
    textgen.write("start.txt", "Said the fox")
    by_hand = talk("/show", options=(*TURN, "-p", "Said the fox"))
    by_file = talk("/show", options=(*TURN, "--prompt-file", "start.txt"))

    whole = re.match(r"Said the fox(?s:.){12}\n", by_hand.stdout)[0]
    assert by_hand.stdout == by_file.stdout == whole * 2


def test_unknown_characters_of_a_line_can_be_replaced(talk):
    """As those of a prompt, with a note of what was changed."""
    outcome = talk("Said “the", options=(*TURN, "--on-unknown", "replace"))

    assert outcome.stdout.startswith('Said "the')
    assert "note: " in outcome.stderr


def test_the_seed_of_a_dialogue_is_shown(talk):
    """With it, the same lines give the same text."""
    options = ("-n", "12", "-t", "1")
    first = talk("Said", "", "/show", options=options)
    seed = re.search(r"^seed (\d+)$", first.stderr, re.MULTILINE)[1]
    again = talk("Said", "", "/show", options=(*options, "--seed", seed))

    assert again.stdout == first.stdout


class Typist:
    """Types into the terminal of a program, and reads what it shows."""

    def __init__(self, screen):
        self.screen = screen
        self.seen = 0

    def type(self, text, *, until):
        """Returns what is shown since the last call, once it matches *until*."""
        os.write(self.screen.master, text.encode())
        end_s = time.monotonic() + PATIENCE_S
        while not re.search(until, shown := self.screen.text[self.seen :]):
            assert time.monotonic() < end_s, shown
            time.sleep(0.02)
        self.seen += len(shown)
        return shown


def take_the_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # a shell starts what it puts in the background deaf to Ctrl-C
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_in_a_terminal(textgen, trained):
    """A sign asks for a line, Ctrl-C stops a turn and Ctrl-D ends it all."""
    turn = r"Said the fox(?s:.){12}.*\n> "
    with textgen.screen() as screen:
        typist = Typist(screen)
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), screen.slave)
        streams |= {"start_new_session": True, "preexec_fn": take_the_terminal}
        command = ("sample", trained.run, "-i", *TURN)
        with textgen.running(*command, **streams) as process:
            assert "/help lists all" in typist.type("", until="> ")
            assert "/temperature 0.6" in typist.type("/help\n", until="\n> ")
            assert "Said the fox" in typist.type("Said the fox\n", until=turn)
            typist.type("/retry\n", until="(?s)/retry\n.{12}.*\n> ")
            assert "branch storm" in typist.type("/branch storm\n", until="\n> ")
            typist.type("/temperature 0.6\n", until="\n> ")
            typist.type("/length 100000000\n", until="\n> ")
            typist.type("\n", until="(?s).{300}")
            typist.type("\x03", until="\n> ")
            assert "taken back" in typist.type("/undo\n", until="\n> ")
            assert "saved in" in typist.type("/save story.txt\n", until="\n> ")
            assert "branch main" in typist.type("/go main\n", until="\n> ")
            typist.type("\x04", until="\n")
            assert process.wait(PATIENCE_S) == 0
