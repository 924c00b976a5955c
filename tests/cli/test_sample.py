"""`textgen sample`: what is written, where it goes, and what a prompt may hold."""

import os
import re
import signal
import subprocess
import sys

import pytest

FAR = ("-n", "60", "--temperature", "1")


@pytest.fixture
def sample(textgen, trained):
    """`textgen sample` with the trained model."""
    return lambda *arguments, **more: textgen("sample", trained.run, *arguments, **more)


def test_a_seed_makes_it_repeatable(sample):
    """The same seed gives the same text, another one another text."""
    one, again, other = (sample(*FAR, "--seed", seed) for seed in (1, 1, 2))

    assert one.code == 0
    assert one.stdout == again.stdout
    assert one.stdout != other.stdout
    assert len(one.stdout) == 60 + len("\n")
    assert one.stderr == ""


def test_without_a_seed_the_one_that_was_drawn_is_told(sample):
    """On stderr, and it gives the text again."""
    first = sample(*FAR)
    seed = re.fullmatch(r"seed (\d+)\n", first.stderr)[1]

    assert sample(*FAR, "--seed", seed).stdout == first.stdout
    assert sample(*FAR, "-q").stderr == ""


def test_greedy_text_has_no_chance_in_it(sample):
    """At temperature 0 every seed writes the same."""
    texts = {sample("-t", "0", "-n", "40", "--seed", seed).stdout for seed in (1, 2, 3)}

    assert len(texts) == 1


def test_the_prompt_comes_first(sample):
    """Then what the model adds to it, exactly as many characters as asked for."""
    outcome = sample("--prompt", "Said the ", "-n", "30", "--seed", "1")

    assert outcome.stdout.startswith("Said the ")
    assert len(outcome.stdout) == len("Said the ") + 30 + len("\n")


def test_nothing_may_be_asked_for(sample):
    """-n 0 gives the prompt back."""
    outcome = sample("-p", "Said", "-n", "0")

    assert (outcome.code, outcome.stdout) == (0, "Said\n")


def test_json_is_one_object(sample):
    """With the keys that are promised; the nats are those of the text alone."""
    told = sample("-p", "Said ", *FAR, "--seed", "3", "--json").json
    plain = sample("-p", "Said ", *FAR, "--seed", "3").stdout

    promised = ["prompt", "text", "seed", "sample", "nats", "stopped_by"]
    assert list(told) == promised
    assert told["prompt"] + told["text"] + "\n" == plain
    assert (told["seed"], told["stopped_by"]) == (3, "length")
    # 39 characters, all nearly as likely after three steps: 60 times ln 39 is 220
    assert told["nats"] == pytest.approx(220, rel=0.05)


def test_a_reader_who_has_enough_ends_it_quietly(textgen, trained):
    """`| head -c 20` gets its 20 characters, and no traceback follows."""
    script = (
        f"{sys.executable} -m lstm_textgen sample {trained.run} "
        "-n 1000000 --seed 1 | head -c 20; ends=${PIPESTATUS[*]}; echo; echo $ends"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        cwd=textgen.folder,
        env=textgen.environment,
        timeout=60,
        encoding="utf-8",
    )

    assert done.stdout[20:] == "\n0 0\n"
    assert done.stderr == ""


def test_ctrl_c_ends_it_without_a_traceback(textgen, trained):
    """The text so far stands, and the shell sees the interrupt."""
    with textgen.running("sample", trained.run, "-n", "100000000") as process:
        first = process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()

    assert first
    assert process.returncode == -signal.SIGINT
    assert err == ""


def test_an_unknown_character_of_the_prompt_is_named(sample):
    """Sign, code point, place, and what the vocabulary has in its stead."""
    outcome = sample("-p", "Said “the")

    outcome.assert_refused(65, "'“' (U+201C", "at offset 5", "Write '\"' instead")


@pytest.mark.parametrize(
    ("choice", "fate", "same_as"),
    [("skip", "skipped", "Said the"), ("replace", "replaced by '\"'", 'Said "the"')],
)
def test_unknown_characters_can_be_skipped_or_replaced(sample, choice, fate, same_as):
    """Every one is noted, and the model reads what is left."""
    told = ("-n", "30", "--seed", "1", "--json")
    outcome = sample("-p", "Said “the”", "--on-unknown", choice, *told)
    notes = outcome.stderr.splitlines()

    assert outcome.code == 0
    assert [note.endswith(fate) for note in notes] == [True, True]
    assert outcome.json["text"] == sample("-p", same_as, *told).json["text"]


def test_without_a_checkpoint_the_newest_run_writes(textgen, trained, trained_on_bytes):
    """Newest is the one whose model was saved last, whatever its name."""
    for name, source, age_s in (("a", trained, 0), ("b", trained_on_bytes, 1000)):
        model = textgen.write(
            f"checkpoints/{name}/model.safetensors", source.model.read_bytes()
        )
        os.utime(model, (2e9 - age_s, 2e9 - age_s))
    options = ("-n", "30", "--seed", "1")

    newest = textgen("sample", *options).stdout
    assert newest == textgen("sample", "checkpoints/a", *options).stdout
    assert newest != textgen("sample", "checkpoints/b", *options).stdout


def test_without_any_run_the_bundled_model_writes(textgen):
    """Straight after installation; it says so, unless it is to be quiet."""
    told = textgen("sample", "--prompt", "ROMEO:", "-n", "40", "--seed", "1")
    quiet = textgen("sample", "-p", "ROMEO:", "-n", "40", "--seed", "1", "-q")
    named = textgen("sample", "shakespeare", "-p", "ROMEO:", "-n", "40", "--seed", "1")

    assert told.code == quiet.code == named.code == 0
    assert told.stdout == quiet.stdout == named.stdout
    assert told.stdout.startswith("ROMEO:")
    assert "the bundled model shakespeare" in told.stderr
    assert quiet.stderr == named.stderr == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", ["nowhere does not exist"]),
        ("book", ["Did you mean checkpoints/book?"]),
        ("checkpoints", ["not one of a run", "checkpoints/book"]),
    ],
)
def test_a_checkpoint_that_is_not_there(textgen, trained, name, words):
    """The nearest thing that could be meant is named."""
    textgen.write("checkpoints/book/model.safetensors", trained.model.read_bytes())

    textgen("sample", name).assert_refused(66, *words)


def test_text_is_exact_in_a_pipe_and_harmless_on_a_terminal(textgen, trained_on_bytes):
    """An escape that would clear the screen reaches a file only."""
    command = ("sample", trained_on_bytes.run, "-p", "\x1b[2Jé\x9b", "-n", "0")
    piped = textgen(*command)
    with textgen.screen() as screen:
        textgen(*command, stdout=screen)

    assert piped.stdout == "\x1b[2Jé\x9b\n"
    assert screen.text == "\ufffd[2Jé\ufffd\n"


def test_what_a_model_writes_is_harmless_on_a_terminal(textgen, trained_on_bytes):
    """Of hundreds of bytes drawn nearly evenly, no control character comes through."""
    command = ("sample", trained_on_bytes.run, "-n", "300", "--seed", "1", "-t", "2")
    with textgen.screen() as screen:
        textgen(*command, stdout=screen)
    control = [chr(code) for code in (*range(32), *range(127, 160))]

    assert set(control) & set(textgen(*command).stdout) - {"\t", "\n"}
    assert not set(control) & set(screen.text) - {"\t", "\n"}


def test_a_full_disk_behind_stdout(sample):
    """It is a failure to write, not a defect of the program."""
    with open("/dev/full", "wb") as full:
        outcome = sample("-n", "10", stdout=full)

    outcome.assert_refused(74, "No space left on device")
