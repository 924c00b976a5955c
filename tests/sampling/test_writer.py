"""Text in, text out: whole characters, the length that was asked for, one seed."""

import pytest
import torch

from lstm_textgen.checkpoint.format import save_checkpoint
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError, MissingError, VocabularyError
from lstm_textgen.sampling import writer as writer_module
from lstm_textgen.sampling.batched import BatchedBackend
from lstm_textgen.sampling.generate import DrawnId
from lstm_textgen.sampling.stream import Character
from lstm_textgen.sampling.writer import Writer, single_line
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer
from tests.builders import to_checkpoint

CHARS = CharTokenizer("\t\n abcdä😀")
EVEN = SampleConfig(temperature=1.0, seed=3)


def text_of(characters):
    return "".join(character.text for character in characters)


@pytest.fixture
def model(make_model):
    return make_model(CHARS.size)


@pytest.fixture
def writer(model):
    return Writer(BatchedBackend(model), CHARS)


@pytest.fixture
def byte_writer(make_model):
    return Writer(make_model(256), ByteTokenizer())


@pytest.fixture(params=["writer", "byte_writer"])
def either(request):
    """A writer of characters, and one of bytes."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def dictated(byte_writer, monkeypatch):
    """A writer that draws given bytes, over and over, at one nat each."""

    def dictate(data):
        def repeat(*_, **more):
            while True:
                yield from ([DrawnId(byte, 1.0)] for byte in data)

        monkeypatch.setattr(writer_module, "generate", repeat)
        return byte_writer

    return dictate


@pytest.fixture
def path(make_model, tmp_path):
    """A checkpoint file, and the model in it."""
    model = make_model(CHARS.size, layers=2, dtype=torch.float32)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, to_checkpoint(model, CHARS, TrainingRecord()))
    return path, model


@pytest.mark.parametrize("length", [0, 1, 2, 57])
def test_the_length_is_in_characters(length, either):
    """Exactly as many characters are generated as were asked for, and 0 gives ''."""
    assert len(either.generate("ab", length=length, config=EVEN)) == length


def test_a_text_is_its_stream_joined(either):
    """`generate` joins what `stream` gives; seed and length decide the text."""
    text = either.generate("ab", length=40, config=EVEN)
    characters = list(either.stream("ab", length=40, config=EVEN))

    assert text == text_of(characters)
    assert text == either.generate("ab", length=40, config=EVEN)
    assert text != either.generate("ab", length=40, config=SampleConfig(seed=4))
    assert text[:10] == either.generate("ab", length=10, config=EVEN)
    assert all(character.text and character.nats >= 0 for character in characters)


def test_surprise_is_that_of_the_model(model, writer, read_slowly):
    """The nats of a sample are those of the equations for exactly that text."""
    characters = list(writer.stream("ad", length=20, config=EVEN))

    text = "ad" + text_of(characters)
    ids = torch.tensor([CHARS.characters.index(char) for char in text]).unsqueeze(1)
    logits, _ = read_slowly(model, ids[:-1], model.initial_state(1))
    costs = -logits[:, 0].log_softmax(-1).gather(-1, ids[1:])[:, 0]
    nats = [character.nats for character in characters]
    assert nats == pytest.approx(costs[1:].tolist(), abs=1e-9)


def test_bytes_wait_until_the_character_is_whole(dictated):
    """No half character is passed on; its surprise is that of all its bytes."""
    writer = dictated("aé😀".encode())

    characters = list(writer.stream("x", length=5, config=EVEN))

    whole = [Character("a", 1.0), Character("é", 2.0), Character("😀", 4.0)]
    assert characters == [*whole, Character("a", 1.0), Character("é", 2.0)]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6])
def test_broken_bytes_do_not_change_the_length(dictated, length):
    """A byte that breaks off a character shows as U+FFFD and counts as one."""
    writer = dictated(b"\xe2\x82a\xff")  # half a euro sign, and a byte of no text

    text = writer.generate("x", length=length, config=EVEN)

    assert text == "\ufffda\ufffd\ufffda\ufffd"[:length]


def test_an_empty_prompt_opens_after_a_line_end(either):
    """Nothing to continue is the same as the beginning of a new line."""
    empty, line_end, tab = (
        list(either.stream(prompt, length=20, config=EVEN))
        for prompt in ("", "\n", "\t")
    )

    assert empty == line_end
    assert empty != tab
    assert empty == list(either.stream(length=20, config=EVEN))


def test_without_a_line_end_the_first_character_opens(make_model):
    """A vocabulary of one line has no line end to begin with."""
    writer = Writer(make_model(3), CharTokenizer("abc"))
    empty, first, second = (
        list(writer.stream(prompt, length=20, config=EVEN)) for prompt in ("", "a", "b")
    )

    assert empty == first
    assert empty != second


@pytest.mark.parametrize("length", [0, 5])
def test_an_unknown_character_is_refused(writer, length):
    """A prompt with a character that training never saw is an error at once."""
    with pytest.raises(VocabularyError, match="'z'"):
        writer.stream("abz", length=length)


def test_a_negative_length_is_refused(writer):
    """The length is checked when it is given, not when the text is read."""
    with pytest.raises(ConfigError, match="-1"):
        writer.stream("ab", length=-1)


def test_a_checkpoint_writes_like_its_model(path):
    """A model from a file writes the text that it wrote before it was saved."""
    path, model = path
    expected = Writer(model, CHARS).generate("ab", length=50, config=EVEN)

    for name in (path, str(path)):
        loaded = Writer.load(name)
        assert loaded.tokenizer == CHARS
        assert loaded.generate("ab", length=50, config=EVEN) == expected


def test_the_precision_is_chosen_when_a_checkpoint_is_opened(path):
    """It decides how the weights are kept."""
    path, model = path
    ids, state = torch.tensor([1, 2]), model.initial_state(2)

    exact, rounded = (
        Writer.load(path, precision=precision).backend.step(ids, state)[0]
        for precision in ("float32", "bfloat16")
    )

    assert 0 < (exact - rounded).abs().max() < 0.05


def test_a_missing_checkpoint_is_named(tmp_path):
    """The error says which file is not there."""
    with pytest.raises(MissingError, match=r"none\.safetensors"):
        Writer.load(tmp_path / "none.safetensors")


def test_a_single_line_has_no_line_ends(dictated):
    """Line ends and runs of spaces become single spaces."""
    writer = dictated(b"\n a\tb \n\nc")

    assert single_line(writer, "x", 9, EVEN) == "a b c"


def test_samples_are_those_drawn_alone(writer, monkeypatch):
    """In the order that was asked for; where a batch ends does not show."""
    form = FormConfig(length=30, stop=("a",))
    prompt = writer.read([CHARS.encode("ab")])
    monkeypatch.setattr(writer_module, "MAX_SIDE_BY_SIDE", 2)

    samples = list(writer.samples(prompt, EVEN, form, numbers=[4, 0, 7]))

    assert [sample.number for sample in samples] == [4, 0, 7]
    for sample in samples:
        stream = writer.continue_from(prompt, EVEN, form, sample=sample.number)
        characters = list(stream)
        assert (sample.text, sample.stopped_by) == (
            text_of(characters),
            stream.stopped_by,
        )
        assert sample.nats == pytest.approx(sum(c.nats for c in characters))
        assert "a" not in sample.text
    assert {sample.stopped_by for sample in samples} <= {"stop", "length"}


def test_a_form_without_length_writes_nothing(writer):
    """Nothing drawn, no surprise, and the mean of nothing is NaN."""
    form = FormConfig(length=0)
    (empty,) = writer.samples(writer.read([]), EVEN, form, numbers=[0])

    assert (empty.text, empty.nats, empty.stopped_by) == ("", 0.0, "length")
    assert empty.nats_per_char != empty.nats_per_char


def test_only_and_ban_hold_for_characters_and_bytes(either):
    """Nothing else is ever written; a lipogram is a ban of one letter."""
    prompt = either.read([])

    for form in (FormConfig(only="ab", length=50), FormConfig(ban="a", length=50)):
        samples = either.samples(prompt, EVEN, form, numbers=range(5))
        text = "".join(sample.text for sample in samples)

        assert len(text) == 250
        assert set(text) <= set("ab") if form.only else "a" not in text


def test_alternatives_are_characters(writer):
    """Beside every character, the most likely first."""
    prompt = writer.read([CHARS.encode("ab")])

    for character in writer.continue_from(
        prompt, EVEN, FormConfig(length=5), alternatives=2
    ):
        texts, probs = zip(*character.alternatives, strict=True)
        assert set(texts) < set(CHARS.characters)
        assert 1 > probs[0] >= probs[1] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "length", "stopped_by"),
    [
        (FormConfig(length=6), 6, "length"),
        (FormConfig(length=40, stop=("a",)), 0, "stop"),
        (FormConfig(length=6, match="(ab|cd){2}"), 4, "match"),
    ],
)
def test_a_beam_has_the_form_that_was_asked_for(form, length, stopped_by, writer):
    """At power 0 the shortest text is the best: one that stops at once, if it may."""
    if form.match:
        pytest.importorskip("greenery")

    sample = writer.beam(writer.read([]), form, width=50, power=0.0)

    assert (len(sample.text), sample.stopped_by) == (length, stopped_by)


def test_a_beam_of_bytes_is_as_long_in_characters(byte_writer):
    """Up to four bytes make one."""
    sample = byte_writer.beam(byte_writer.read([]), FormConfig(length=3), width=2)

    assert (len(sample.text), sample.stopped_by) == (3, "length")
