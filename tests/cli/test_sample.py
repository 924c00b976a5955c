"""`textgen sample`: prompts, texts, where they go, several texts and several models."""

import json
import re
import signal
import subprocess
import sys

import pytest

from lstm_textgen.cli import sample_run
from lstm_textgen.cli.sample_request import ModelSource, SampleRequest
from lstm_textgen.config import FormConfig, SampleConfig

EVEN = ("-n", "60", "--temperature", "1")
FIRST = (*EVEN, "--seed", "1")


@pytest.fixture
def sample(textgen, trained):
    """`textgen sample` with the trained model."""
    return lambda *arguments, **more: textgen("sample", trained.run, *arguments, **more)


def objects(outcome):
    assert outcome.code == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


# One text


def test_a_seed_makes_it_repeatable(sample):
    """
    The same seed gives the same text, another one another text.

    Sample 3 of five is the text that is drawn as the only one, and a greedy text
    depends on no seed.
    """
    one, again, other = (sample(*EVEN, "--seed", seed) for seed in (1, 1, 2))
    many = objects(sample(*FIRST, "--samples", "5", "--json"))
    (alone,) = objects(sample(*FIRST, "--first-sample", "3", "--json"))
    greedy = {sample("-t", "0", "-n", "40", "--seed", n).stdout for n in (1, 2, 3)}

    assert (one.code, one.stderr) == (0, "")
    assert one.stdout == again.stdout != other.stdout
    assert len(one.stdout) == 60 + len("\n")
    assert [text["sample"] for text in many] == [0, 1, 2, 3, 4]
    assert len({text["text"] for text in many}) == 5
    assert alone["text"] == many[3]["text"]
    assert alone["nats"] == pytest.approx(many[3]["nats"], rel=1e-5)
    assert len(greedy) == 1


def test_without_a_seed_the_one_that_was_drawn_is_shown(sample):
    """On stderr, and it gives the text again."""
    first = sample(*EVEN)
    seed = re.fullmatch(r"seed (\d+)\n", first.stderr)[1]

    assert sample(*EVEN, "--seed", seed).stdout == first.stdout
    assert sample(*EVEN, "-q").stderr == ""


def test_the_prompt_comes_first(sample):
    """Then what the model adds to it, as many characters as asked for, or none."""
    outcome = sample("--prompt", "Said the ", "-n", "30", "--seed", "1")

    assert outcome.stdout.startswith("Said the ")
    assert len(outcome.stdout) == len("Said the ") + 30 + len("\n")
    assert sample("-p", "Said", "-n", "0").stdout == "Said\n"


def test_json_is_one_object(sample):
    """With the keys that are promised; the nats are those of the text alone."""
    fields = sample("-p", "Said ", *FIRST, "--json").json
    plain = sample("-p", "Said ", *FIRST).stdout

    promised = ["prompt", "text", "seed", "sample", "nats", "stopped_by"]
    assert list(fields) == promised
    assert fields["prompt"] + fields["text"] + "\n" == plain
    assert (fields["seed"], fields["stopped_by"]) == (1, "length")
    # 39 characters, all nearly as likely after three steps: 60 times ln 39 is 220
    assert fields["nats"] == pytest.approx(220, rel=0.05)


@pytest.mark.parametrize(
    ("options", "pattern", "reason"),
    [
        (("--until", "newline", "-n", "5000"), r"[^\n]*", "until"),
        (("--stop", "e", "--stop", "a", "-n", "5000"), "[^ea]*", "stop"),
        (("--only", "a-z", "-n", "80"), "[a-z]{80}", "length"),
    ],
)
def test_the_form_of_a_text_and_why_it_ends(sample, options, pattern, reason):
    """Asked for on the command line, and reported in the JSON."""
    (fields,) = objects(sample(*options, "-t", "1", "--seed", "4", "--json"))

    assert re.fullmatch(pattern, fields["text"])
    assert fields["stopped_by"] == reason


def test_the_chain_can_be_shown(textgen):
    """In the order of action, without a model."""
    shown = textgen(
        *("sample", "--show-chain", "--top-p", "0.9", "-t", "1:0.5"),
        *("--dry", "2", "--min-p", "0.05", "--only", "a-z"),
    )
    bare = textgen("sample", "--show-chain", "-t", "1")

    assert [line.rpartition(": ")[0] for line in shown.stdout.splitlines()] == [
        "1. only a-z",
        "2. dry 2",
        "3. temperature 1:0.5",
        "4. min-p 0.05",
        "5. top-p 0.9",
    ]
    assert not re.search(r"\d", bare.stdout)


# Prompts


@pytest.mark.parametrize(
    ("choice", "same_as"), [("skip", "Said the"), ("replace", 'Said "the"')]
)
def test_unknown_characters_can_be_skipped_or_replaced(sample, choice, same_as):
    """Every one is noted, and the model reads what is left."""
    options = ("-n", "30", "--seed", "1", "--json")

    outcome = sample("-p", "Said “the”", "--on-unknown", choice, *options)

    assert outcome.code == 0
    assert len(outcome.notes) == 2
    assert outcome.json["text"] == sample("-p", same_as, *options).json["text"]


def test_the_prompt_may_be_a_file_of_any_size(textgen, sample):
    """Read in parts; what follows is what follows the same text as --prompt."""
    prompt = "Said the fox to the crow, " * 3
    textgen.write("start.txt", prompt)

    by_file = sample(*FIRST, "--prompt-file", "start.txt")
    by_pipe = sample(*FIRST, "--prompt-file", "-", stdin=prompt.encode())
    by_hand = sample(*FIRST, "--prompt", prompt)
    alone = sample(*FIRST, "--prompt-file", "start.txt", "--no-echo")

    assert by_file.stdout == by_pipe.stdout == by_hand.stdout
    assert by_file.stdout == prompt + alone.stdout
    sample("--prompt-file", "none.txt").assert_refused(66, "none.txt")
    sample("-p", "a", "--prompt-file", "start.txt").assert_refused(2, "--prompt-file")


def test_an_unknown_character_deep_in_a_file_is_found(textgen, sample):
    """With its place in the file, which is read in parts of 4 MB."""
    textgen.write("start.txt", "Said " * 900_000 + "“")

    outcome = sample("--prompt-file", "start.txt", "-n", "0", "-q", "--no-echo")

    outcome.assert_refused(65, "4500000")


def test_a_prompt_file_may_have_another_encoding(textgen, sample):
    """Named by --encoding; a wrong one is reported."""
    textgen.write("start.txt", "Said “".encode("cp1252"))
    options = ("--prompt-file", "start.txt", "-n", "0", "--on-unknown", "replace", "-q")

    assert sample(*options, "--encoding", "cp1252").stdout == "Said “\n"
    sample(*options).assert_refused(65, "--encoding cp1252")


# Several texts


def test_several_texts_are_separate_lines(sample):
    """On stdout one text after the other, their surprise on stderr."""
    outcome = sample(*FIRST, "-p", "Said ", "--samples", "2")
    texts = objects(sample(*FIRST, "-p", "Said ", "--samples", "2", "--json"))

    assert outcome.stdout == "".join(f"Said {text['text']}\n" for text in texts)
    numbers = re.findall(r"^sample (\d), ([\d.]+) ", outcome.stderr, re.MULTILINE)
    assert numbers == [
        (str(n), f"{text['nats'] / 60:.3f}") for n, text in enumerate(texts)
    ]


def test_best_of_is_the_most_likely(sample):
    """
    The fewest nats a character of all that were drawn.

    An empty text, whose mean would be of nothing, is never the best.
    """
    line = ("--until", "newline", "-n", "200", "-t", "1", "--seed", "1")
    for options, count in ((FIRST, "6"), (line, "300")):
        many = objects(sample(*options, "--samples", count, "--json"))
        (best,) = objects(sample(*options, "--best-of", count, "--json"))

        texts = [text for text in many if text["text"]]
        costs = {text["sample"]: text["nats"] / len(text["text"]) for text in texts}
        assert best["sample"] == min(costs, key=costs.__getitem__)
    assert len(texts) < len(many)


def test_alternatives_stand_beside_every_character(sample):
    """In the JSON, with their probabilities; those of the first sum to less than 1."""
    (fields,) = objects(sample(*FIRST, "--json", "--alternatives", "3"))
    characters = fields["characters"]

    probs = [one["probability"] for one in characters[0]["alternatives"]]
    nats = sum(character["nats"] for character in characters)
    assert "".join(character["text"] for character in characters) == fields["text"]
    assert nats == pytest.approx(fields["nats"])
    assert probs == sorted(probs, reverse=True)
    assert 0 < sum(probs) < 1


# Models


def test_without_any_run_the_bundled_model_writes(textgen):
    """Straight after installation; it says so, unless it is to be quiet."""
    options = ("--prompt", "ROMEO:", "-n", "40", "--seed", "1")
    noted = textgen("sample", *options)
    quiet = textgen("sample", *options, "-q")
    named = textgen("sample", "shakespeare", *options)

    assert noted.code == quiet.code == named.code == 0
    assert noted.stdout == quiet.stdout == named.stdout
    assert noted.stdout.startswith("ROMEO:")
    assert "shakespeare" in noted.stderr
    assert quiet.stderr == named.stderr == ""


def test_models_can_be_mixed(textgen, trained):
    """A model with itself writes what it writes alone; others add their characters."""
    model = trained.model
    other = textgen.write("other.txt", "xyz " * 300)
    textgen.train(other, "-o", "other")

    def mix(*models):
        options = [word for name in models for word in ("--mix", name)]
        return textgen("sample", *options, *FIRST)

    one = textgen("sample", trained.run, *FIRST)
    assert mix(f"{model}:0.5", f"{model}:0.5").stdout == one.stdout
    union = mix(f"{model}:1", "other:3").stdout
    assert set("xyz") & set(union)
    assert set("abcde") & set(union)
    mix(f"{model}:x").assert_refused(2, f"{model}:x")
    mix(f"{model}:0").assert_refused(2, "0")
    both = textgen("sample", trained.run, "--mix", f"{model}:1")
    both.assert_refused(2, str(trained.run), "--mix")


# Precision


@pytest.mark.parametrize(
    ("precision", "samples"),
    [("float32", 1), ("bfloat16", 1), ("bfloat16", 4), ("int8", 4)],
)
def test_every_precision_is_repeatable(sample, precision, samples):
    """As long as asked for and the same the next time; float32 is the default."""
    if precision == "int8":
        pytest.importorskip("numba")
    options = (*FIRST, "--json", "--samples", samples)
    default = () if precision == "float32" else ("--precision", precision)

    texts, again = (
        [text["text"] for text in objects(sample(*options, *chosen))]
        for chosen in (("--precision", precision), default)
    )

    assert [len(text) for text in texts] == [60] * samples
    assert texts == again


@pytest.mark.parametrize(
    ("precision", "pays", "quiet", "noted"),
    [
        ("bfloat16", False, False, True),
        ("bfloat16", False, True, False),
        ("bfloat16", True, False, False),
        ("float32", False, False, False),
    ],
)
def test_bfloat16_that_does_not_pay_is_noted(
    precision, pays, quiet, noted, trained, monkeypatch, capsys
):
    """In one line, unless it is to be quiet; the model is opened all the same."""
    monkeypatch.setattr(sample_run, "products_pay", lambda machine: pays)
    models = ModelSource(checkpoint=str(trained.model), threads=1, precision=precision)
    request = SampleRequest(config=SampleConfig(), form=FormConfig())

    writer = sample_run.open_writer(models, request, quiet=quiet)

    note = capsys.readouterr().err
    assert len(writer.generate(length=5)) == 5
    assert note.count("\n") == note.startswith("note: ") == noted
    assert ("--precision float32" in note) == noted


# Terminals, pipes and signals


def test_text_is_exact_in_a_pipe_and_harmless_on_a_terminal(textgen, trained_on_bytes):
    """Control characters of a prompt and of a model reach a file only."""
    command = ("sample", trained_on_bytes.run, "-p", "\x1b[2Jé\x9b", "--seed", "1")
    command += ("-n", "300", "-t", "2")
    piped = textgen(*command).stdout
    with textgen.screen() as screen:
        textgen(*command, stdout=screen)

    control = {chr(code) for code in (*range(32), *range(127, 160))} - {"\t", "\n"}
    assert piped.startswith("\x1b[2Jé\x9b")
    assert control & set(piped[len("\x1b[2Jé\x9b") :])
    assert screen.text.startswith("\ufffd[2Jé\ufffd")
    assert not control & set(screen.text)


def test_surprise_is_a_color_on_a_terminal(textgen, trained):
    """Every character in its shade, and what the shades mean; in a pipe plain text."""
    command = ("sample", trained.run, *FIRST, "--colour", "surprise")
    plain = textgen(*command)
    with textgen.screen() as screen:
        textgen(*command, stdout=screen)
    with textgen.screen() as colorless:
        textgen(*command, stdout=colorless, env={"NO_COLOR": "1"})

    assert "\x1b" not in plain.stdout + colorless.text
    assert plain.stderr != ""
    assert re.sub(r"\x1b\[[\d;]*m", "", screen.text) == plain.stdout
    assert screen.text.count("\x1b[") == 2 * sum(c != "\n" for c in plain.stdout)


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


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (("-t", "warm"), ["'warm'", "1:0.5"]),
        (("-t", "1:2:3"), ["'1:2:3'"]),
        (("--until", "noon"), ["'noon'", "sentence"]),
        (("--only", "z-a"), ["z-a", "a-z"]),
        (("--samples", "2", "--best-of", "3"), ["--samples", "--best-of"]),
        (("--match", "Q+", "--until", "newline"), ["match"]),
        (("--beam", "2", "-t", "1"), ["--beam"]),
        (("--beam", "2", "--samples", "2"), ["--samples"]),
        (("-i", "--json"), ["--json"]),
        (("-i", "--prompt-file", "-"), ["--prompt-file -"]),
        (("--colour", "red"), ["'red'", "surprise"]),
    ],
)
def test_options_that_cannot_be(sample, options, values):
    """Two lines: the value, and what to do."""
    sample(*options).assert_refused(2, *values)
