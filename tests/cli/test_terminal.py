"""What a person at a terminal sees, and what the terminal is spared."""

import re

import pytest

DIM = "\x1b[2m"


@pytest.fixture
def train_on_screen(textgen, trained):
    """Train with stderr on a terminal; what it showed."""

    def train(*arguments, env=None):
        with textgen.screen() as screen:
            outcome = textgen.train(trained.text, *arguments, stderr=screen, env=env)
        return outcome, screen.text

    return train


def test_a_terminal_shows_a_bar_and_what_the_model_writes(train_on_screen):
    """The bar is redrawn in its line; the lines above it stay."""
    outcome, shown = train_on_screen()
    bars = re.findall(r"\r *(\d+)%\|[█▏▎▍▌▋▊▉ ]{10}\| ([^\r\n]*)", shown)

    assert outcome.stdout == "checkpoints/book/model.safetensors\n"
    assert bars[0] == ("0", "")
    assert any("characters/s" in text for _, text in bars)
    assert bars[-1][0] == "100"
    assert max(len(text) for _, text in bars) <= 80 - len("100%|          | ")
    assert len(re.findall(r"held-out [\d.]+ nats", shown)) == 3
    assert len(re.findall(r"\x1b\[2m[^\x1b]{40,70}\x1b\[0m\n", shown)) == 3


def test_no_colour_is_honoured(train_on_screen):
    """With NO_COLOR the written lines are there, undimmed."""
    _, shown = train_on_screen(env={"NO_COLOR": "1"})

    assert re.search(r"held-out [\d.]+ nats", shown)
    assert "\x1b" not in shown


def test_quiet_draws_no_bar(train_on_screen):
    """A terminal changes nothing about -q."""
    assert train_on_screen("-q")[1] == ""


def test_the_written_lines_steer_no_terminal(textgen, trained_on_bytes):
    """A model of bytes writes control characters; none but ours comes through."""
    with textgen.screen() as screen:
        text = trained_on_bytes.text
        textgen.train(text, "--tokenizer", "byte", "--steps", "20", stderr=screen)
    without_ours = screen.text.replace(DIM, "").replace("\x1b[0m", "")

    assert DIM in screen.text
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", without_ours)


def test_tables_fit_the_terminal(textgen, trained):
    """In 100 columns no line is longer, and nothing is lost."""
    with textgen.screen() as screen:
        textgen("corpora", stdout=screen)
        textgen("info", trained.run, stdout=screen)
    plain = re.sub(r"\x1b\[[\d;]*m", "", screen.text)

    assert max(len(line) for line in plain.splitlines()) <= 100
    assert "tinyshakespeare" in plain
    assert "…" not in plain
