"""`textgen sample`: forms, ends, several texts, several models, files as prompts."""

import json
import re

import pytest

FAR = ("-n", "60", "--temperature", "1", "--seed", "1")


@pytest.fixture
def sample(textgen, trained):
    """`textgen sample` with the trained model."""
    return lambda *arguments, **more: textgen("sample", trained.run, *arguments, **more)


def objects(outcome):
    assert outcome.code == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def test_the_chain_can_be_shown(textgen):
    """In the order of action, without a model."""
    shown = textgen(
        *("sample", "--show-chain", "--top-p", "0.9", "-t", "1:0.5"),
        *("--dry", "2", "--min-p", "0.05"),
    )
    bare = textgen("sample", "--show-chain", "-t", "1")

    names = [line.split(":")[0] for line in shown.stdout.splitlines()]
    assert names == ["1. dry 2", "2. temperature 1", "3. min-p 0.05", "4. top-p 0.9"]
    assert "temperature 1:0.5: from the first value to the last" in shown.stdout
    formed = textgen("sample", "--show-chain", "-t", "1", "--only", "a-z")
    assert formed.stdout == "1. only a-z: only what it allows\n"
    assert bare.stdout == "nothing: the model's own probabilities\n"


def test_samples_are_numbered_and_each_can_be_had_alone(sample):
    """Sample 3 of five is the text that is drawn as the only one."""
    many = objects(sample(*FAR, "--samples", "5", "--json"))
    (alone,) = objects(sample(*FAR, "--first-sample", "3", "--json"))

    assert [each["sample"] for each in many] == [0, 1, 2, 3, 4]
    assert len({each["text"] for each in many}) == 5
    assert alone["text"] == many[3]["text"]
    assert alone["nats"] == pytest.approx(many[3]["nats"], rel=1e-5)


def test_several_texts_stand_apart(sample):
    """On stdout a text after the other, what is said of them on stderr."""
    outcome = sample(*FAR, "-p", "Said ", "--samples", "2")
    texts = [
        each["text"]
        for each in objects(sample(*FAR, "-p", "Said ", "--samples", "2", "--json"))
    ]

    assert outcome.stdout == "".join(f"Said {text}\n" for text in texts)
    assert re.fullmatch(
        r"sample 0, [\d.]+ nats a character\nsample 1, [\d.]+ nats a character\n",
        outcome.stderr,
    )


def test_best_of_is_the_likeliest(sample):
    """The fewest nats a character of all that were drawn."""
    many = objects(sample(*FAR, "--samples", "6", "--json"))
    (best,) = objects(sample(*FAR, "--best-of", "6", "--json"))

    assert best["sample"] == min(many, key=lambda each: each["nats"])["sample"]


def test_an_empty_text_is_never_the_best(sample):
    """Its mean would be of nothing; alone it says that it is empty."""
    options = ("--until", "newline", "-n", "200", "-t", "1", "--seed", "1")
    many = objects(sample(*options, "--samples", "300", "--json"))
    told = sample(*options, "--samples", "300")
    (best,) = objects(sample(*options, "--best-of", "300", "--json"))

    assert any(each["text"] == "" for each in many)
    assert ", empty\n" in told.stderr
    assert best["text"] != ""


def test_a_beam_finds_a_likelier_text_than_greed(sample):
    """And says what it costs."""
    (greedy,) = objects(sample("-t", "0", "-n", "30", "--json"))
    (found,) = objects(sample("--beam", "8", "-n", "30", "--json"))

    assert len(found["text"]) == 30
    assert found["nats"] <= greedy["nats"] + 1e-6
    assert found["stopped_by"] == "length"


@pytest.mark.parametrize(
    ("options", "pattern", "why"),
    [
        (("--until", "newline", "-n", "5000"), r"[^\n]*", "until"),
        (("--stop", "e", "--stop", "a", "-n", "5000"), "[^ea]*", "stop"),
        (("--only", "a-z", "-n", "80"), "[a-z]{80}", "length"),
        (("--ban", "eE ", "-n", "80"), "[^eE ]{80}", "length"),
        (
            ("--min-length", "20", "--until", "newline", "-n", "5000"),
            "(?s).{20,}",
            "until",
        ),
    ],
)
def test_what_a_text_looks_like_and_why_it_ends(sample, options, pattern, why):
    """Asked for on the command line, and told in the JSON."""
    (told,) = objects(sample(*options, "-t", "1", "--seed", "4", "--json"))

    assert re.fullmatch(pattern, told["text"])
    assert told["stopped_by"] == why


def test_a_pattern_holds_for_the_whole_text(sample):
    """An acrostic: three lines that begin with the letters of FOX."""
    pytest.importorskip("greenery")
    pattern = r"f[a-z ]{5,20}\no[a-z ]{5,20}\nx[a-z ]{5,20}"
    outcome = sample("--match", pattern, "--seed", "2", "-n", "100")
    refused = sample("--match", "Q+", "-n", "100")

    assert re.fullmatch(pattern + "\n", outcome.stdout)
    refused.assert_refused(2, "No text that this model can write")


def test_the_prompt_may_be_a_file_of_any_size(textgen, sample):
    """Read in parts; what follows is what follows the same text as --prompt."""
    prompt = "Said the fox to the crow, " * 3
    textgen.write("start.txt", prompt)

    by_file = sample(*FAR, "--prompt-file", "start.txt")
    by_pipe = sample(*FAR, "--prompt-file", "-", stdin=prompt.encode())
    by_hand = sample(*FAR, "--prompt", prompt)
    alone = sample(*FAR, "--prompt-file", "start.txt", "--no-echo")

    assert by_file.stdout == by_pipe.stdout == by_hand.stdout
    assert by_file.stdout == prompt + alone.stdout
    sample("--prompt-file", "none.txt").assert_refused(66, "none.txt")
    sample("-p", "a", "--prompt-file", "start.txt").assert_refused(2, "--prompt-file")


def test_an_unknown_character_deep_in_a_file_is_found(textgen, sample):
    """With its place in the file, which is read in parts of 4 MB."""
    textgen.write("start.txt", "Said " * 900_000 + "“")
    outcome = sample("--prompt-file", "start.txt", "-n", "0", "-q", "--no-echo")

    outcome.assert_refused(65, "at offset 4500000")


def test_a_prompt_file_may_have_another_encoding(textgen, sample):
    """Named by --encoding; a wrong one is told."""
    textgen.write("start.txt", "Said “".encode("cp1252"))
    options = ("--prompt-file", "start.txt", "-n", "0", "--on-unknown", "replace", "-q")

    assert sample(*options, "--encoding", "cp1252").stdout == "Said “\n"
    sample(*options).assert_refused(65, "--encoding cp1252")


def test_models_can_be_mixed(textgen, trained):
    """A model with itself writes what it writes alone; a weight is a number above 0."""
    one = textgen("sample", trained.run, *FAR, "-p", "Said")
    model = trained.model
    mixed = textgen(
        "sample", "--mix", f"{model}:0.5", "--mix", f"{model}:0.5", *FAR, "-p", "Said"
    )
    both = textgen("sample", trained.run, "--mix", f"{model}:1")

    assert mixed.stdout == one.stdout
    both.assert_refused(2, "Name all of them by --mix")
    other = textgen.write("other.txt", "xyz " * 300)
    textgen.train(other, "-o", "other")
    union = textgen("sample", "--mix", f"{model}:1", "--mix", "other:3", *FAR)
    assert set("xyz") & set(union.stdout)
    assert set("abcde") & set(union.stdout)
    textgen("sample", "--mix", f"{model}:x").assert_refused(2, "is no number")
    textgen("sample", "--mix", f"{model}:0").assert_refused(2, "above 0")


def test_alternatives_stand_beside_every_character(sample):
    """In the JSON, with their probabilities; those of the first sum to less than 1."""
    (told,) = objects(sample(*FAR, "--json", "--alternatives", "3"))
    first = told["characters"][0]

    assert "".join(each["text"] for each in told["characters"]) == told["text"]
    assert sum(each["nats"] for each in told["characters"]) == pytest.approx(
        told["nats"]
    )
    probs = [each["probability"] for each in first["alternatives"]]
    assert probs == sorted(probs, reverse=True)
    assert 0 < sum(probs) < 1


def test_surprise_is_a_colour_on_a_terminal(textgen, trained):
    """Every character in its shade, and what the shades mean; in a pipe plain text."""
    command = ("sample", trained.run, *FAR, "--colour", "surprise")
    plain = textgen(*command)
    with textgen.screen() as screen:
        textgen(*command, stdout=screen)
    without = re.sub(r"\x1b\[[\d;]*m", "", screen.text)

    assert "\x1b" not in plain.stdout
    assert "need a terminal" in plain.stderr
    assert without == plain.stdout
    assert screen.text.count("\x1b[") == 2 * sum(c != "\n" for c in plain.stdout)
    with textgen.screen() as screen:
        textgen(*command, stdout=screen, env={"NO_COLOR": "1"})
    assert "\x1b" not in screen.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-t", "warm"), ["temperature is 'warm'", "1:0.5"]),
        (("-t", "1:2:3"), ["temperature is '1:2:3'"]),
        (("--until", "noon"), ["until is 'noon'", "sentence"]),
        (("--stop", ""), ["stop is"]),
        (("--only", "z-a"), ["runs backwards", "a-z"]),
        (("--samples", "0"), ["samples is 0"]),
        (("--samples", "2", "--best-of", "3"), ["how many texts"]),
        (("--first-sample", "18446744073709551616"), ["first_sample is"]),
        (("--length", "99999999999999999999"), ["length is"]),
        (("--match", "a", "--until", "newline"), ["cannot end elsewhere"]),
        (("--no-repeat", "300"), ["no_repeat is 300", "penalty_window"]),
        (("--beam", "2", "-t", "1"), ["draws nothing"]),
        (("-i", "--json"), ["one text on a terminal"]),
        (("-i", "--prompt-file", "-"), ["so does --prompt-file -"]),
        (("--length-power", "nan"), ["length_power is nan"]),
        (("--beam", "-1"), ["beam is -1"]),
        (("--beam", "2", "--samples", "2"), ["finds one text"]),
        (("--colour", "red"), ["colour is 'red'", "surprise"]),
        (("--length", "-1"), ["length is -1"]),
    ],
)
def test_options_that_cannot_be(sample, options, words):
    """Two lines: what was found, and what to do."""
    sample(*options).assert_refused(2, *words)
