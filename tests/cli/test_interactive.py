"""Writing in turns, in a real terminal and through a pipe."""

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

import pytest

PATIENCE_S = 60
TURN = ("-n", "12", "--seed", "1", "-t", "1")


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


def test_retry_writes_in_the_place_of_the_last_turn(talk):
    """Another text of the same length."""
    outcome = talk("Said", "/retry", "/show")
    turns = re.fullmatch(
        r"Said((?s:.){12})\n((?s:.){12})\nSaid((?s:.){12})\n", outcome.stdout
    )

    assert turns[1] != turns[2]
    assert turns[2] == turns[3]


def test_saving(talk, textgen):
    """The text and a line end, in a new file; one that is there stays."""
    outcome = talk("Said", "/save story.txt", "/undo", "/save story.txt")
    saved = (textgen.folder / "story.txt").read_text()

    assert re.fullmatch(r"Said(?s:.){12}\n", saved)
    assert "saved in story.txt" in outcome.stderr
    assert "story.txt exists already" in outcome.stderr


def test_mistakes_end_nothing(talk):
    """Each is told in two lines, and the next line counts."""
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
    """As those of a prompt, and what was changed is told."""
    outcome = talk("Said “the", options=(*TURN, "--on-unknown", "replace"))

    assert outcome.stdout.startswith('Said "the')
    assert "note: " in outcome.stderr


def test_the_seed_of_a_session_is_told(talk):
    """With it, the same lines give the same text."""
    options = ("-n", "12", "-t", "1")
    first = talk("Said", "", "/show", options=options)
    seed = re.search(r"^seed (\d+)$", first.stderr, re.MULTILINE)[1]
    again = talk("Said", "", "/show", options=(*options, "--seed", seed))

    assert again.stdout == first.stdout


class Terminal:
    """The program in a terminal of its own."""

    def __init__(self, command, folder, environment):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=environment,
            start_new_session=True,
            preexec_fn=self._take_the_terminal,
        )
        os.close(slave)
        self.seen = ""

    @staticmethod
    def _take_the_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        # a shell starts what it puts in the background deaf to Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def type(self, text):
        os.write(self.master, text.encode())

    def wait_for(self, pattern):
        """Read until it was shown; returns what was shown since the last wait."""
        end_s = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.seen):
            assert time.monotonic() < end_s, self.seen
            ready, _, _ = select.select([self.master], [], [], 1.0)
            if ready:
                self.seen += os.read(self.master, 65536).decode("utf-8", "replace")
        seen, self.seen = self.seen, ""
        return seen.replace("\r\n", "\n")

    def close(self):
        os.close(self.master)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def terminal(textgen, trained):
    command = [sys.executable, "-m", "lstm_textgen", "sample", str(trained.run), "-i"]
    screen = Terminal([*command, *TURN], textgen.folder, textgen.environment)
    yield screen
    screen.close()


def test_in_a_terminal(terminal):
    """A sign asks for a line, Ctrl-C stops a turn and Ctrl-D ends it all."""
    assert "/help lists all" in terminal.wait_for("> ")
    terminal.type("/help\n")
    assert "/temperature 0.6" in terminal.wait_for("> ")
    terminal.type("Said the fox\n")
    assert "Said the fox" in terminal.wait_for(r"Said the fox(?s:.){12}.*\n> ")
    terminal.type("/retry\n")
    terminal.wait_for("(?s).{12}\r\n> ")
    terminal.type("/branch storm\n")
    assert "branch storm" in terminal.wait_for("> ")
    terminal.type("/temperature 0.6\n")
    terminal.wait_for("> ")
    terminal.type("/length 100000000\n")
    terminal.wait_for("> ")
    terminal.type("\n")
    terminal.wait_for("(?s).{300}")
    terminal.type("\x03")
    terminal.wait_for("> ")
    terminal.type("/undo\n")
    assert "taken back" in terminal.wait_for("> ")
    terminal.type("/save story.txt\n")
    assert "saved in story.txt" in terminal.wait_for("> ")
    terminal.type("/go main\n")
    assert "branch main" in terminal.wait_for("> ")
    terminal.type("\x04")

    assert terminal.process.wait(PATIENCE_S) == 0
