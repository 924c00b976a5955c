"""Text in, text out: whole characters, the length that was asked for, one seed."""

import pytest
import torch

from lstm_textgen.checkpoint.format import save_checkpoint
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import FormConfig, SampleConfig
from lstm_textgen.errors import ConfigError, MissingError, VocabularyError
from lstm_textgen.model.weights import to_checkpoint
from lstm_textgen.sampling import writer as writer_module
from lstm_textgen.sampling.generate import DrawnId
from lstm_textgen.sampling.stream import Character
from lstm_textgen.sampling.writer import Writer, first_line
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer
from tests.builders import char_tokenizer

CHARS = char_tokenizer("\t\n abcdä😀")
EVEN = SampleConfig(temperature=1.0, seed=3)


@pytest.fixture
def writer(make_model):
    return Writer(make_model(CHARS.size), CHARS)


@pytest.fixture
def byte_writer(make_model):
    return Writer(make_model(256), ByteTokenizer())


@pytest.fixture
def dictated(byte_writer, monkeypatch):
    """A writer that puts down given bytes, over and over, at one nat each."""

    def dictate(data):
        def repeat(*_, **more):
            while True:
                yield from ([DrawnId(byte, 1.0)] for byte in data)

        monkeypatch.setattr(writer_module, "generate", repeat)
        return byte_writer

    return dictate


@pytest.mark.parametrize("kind", ["writer", "byte_writer"])
@pytest.mark.parametrize("length", [0, 1, 2, 57])
def test_the_length_is_in_characters(kind, length, request):
    """Exactly as many characters are written as were asked for, and 0 gives ''."""
    text = request.getfixturevalue(kind).write("ab", length=length, config=EVEN)

    assert len(text) == length


@pytest.mark.parametrize("kind", ["writer", "byte_writer"])
def test_writing_is_a_stream_joined(kind, request):
    """`write` gives what `stream` gives piece by piece, and the same every time."""
    writer = request.getfixturevalue(kind)

    text = writer.write("ab", length=40, config=EVEN)
    pieces = list(writer.stream("ab", length=40, config=EVEN))

    assert text == "".join(piece.text for piece in pieces)
    assert text == writer.write("ab", length=40, config=EVEN)
    assert text != writer.write("ab", length=40, config=SampleConfig(seed=4))
    assert text[:10] == writer.write("ab", length=10, config=EVEN)
    assert all(piece.text and piece.nats >= 0 for piece in pieces)


def test_pieces_cost_what_the_model_pays(writer, read_slowly):
    """The nats of a sample are those of the equations for exactly that text."""
    prompt = "ad"
    pieces = list(writer.stream(prompt, length=20, config=EVEN))
    text = prompt + "".join(piece.text for piece in pieces)

    ids = torch.tensor([CHARS.characters.index(char) for char in text]).unsqueeze(1)
    model = writer.stepper._model
    logits, _ = read_slowly(model, ids[:-1], model.initial_state(1))
    costs = -logits[:, 0].log_softmax(-1).gather(-1, ids[1:])[:, 0]

    expected = costs[len(prompt) - 1 :].tolist()
    assert [piece.nats for piece in pieces] == pytest.approx(expected, abs=1e-9)


def test_bytes_wait_until_the_character_is_whole(dictated):
    """No half character is passed on; its price is that of all its bytes."""
    writer = dictated("aé😀".encode())

    pieces = list(writer.stream("x", length=5, config=EVEN))

    whole = [Character("a", 1.0), Character("é", 2.0), Character("😀", 4.0)]
    assert pieces == [*whole, Character("a", 1.0), Character("é", 2.0)]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6])
def test_broken_bytes_do_not_change_the_length(dictated, length):
    """A byte that breaks off a character shows as U+FFFD and counts as one."""
    writer = dictated(b"\xe2\x82a\xff")  # half a euro sign, and a byte of no text

    text = writer.write("x", length=length, config=EVEN)

    assert text == "\ufffda\ufffd\ufffda\ufffd"[:length]


@pytest.mark.parametrize("kind", ["writer", "byte_writer"])
def test_an_empty_prompt_opens_after_a_line_end(kind, request):
    """Nothing to go on from is the same as the beginning of a new line."""
    writer = request.getfixturevalue(kind)

    pieces = list(writer.stream("", length=20, config=EVEN))

    assert pieces == list(writer.stream("\n", length=20, config=EVEN))
    assert pieces != list(writer.stream("\t", length=20, config=EVEN))
    assert pieces == list(writer.stream(length=20, config=EVEN))


def test_without_a_line_end_the_first_character_opens(make_model):
    """A vocabulary of one line has no line end to begin with."""
    writer = Writer(make_model(3), CharTokenizer("abc"))

    pieces = list(writer.stream("", length=20, config=EVEN))

    assert pieces == list(writer.stream("a", length=20, config=EVEN))
    assert pieces != list(writer.stream("b", length=20, config=EVEN))


@pytest.mark.parametrize("length", [0, 5])
def test_an_unknown_character_is_refused(writer, length):
    """A prompt with a character that training never saw is an error at once."""
    with pytest.raises(VocabularyError, match="'z'"):
        writer.stream("abz", length=length)


def test_a_negative_length_is_refused(writer):
    """The length is checked when it is given, not when the text is read."""
    with pytest.raises(ConfigError, match="length is -1"):
        writer.stream("ab", length=-1)


def test_a_checkpoint_writes_like_its_model(make_model, tmp_path):
    """A model from a file writes the text that it wrote before it was saved."""
    model = make_model(CHARS.size, layers=2, dtype=torch.float32)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, to_checkpoint(model, CHARS, TrainingRecord()))

    loaded = Writer.load(path)

    assert loaded.tokenizer == CHARS
    expected = Writer(model, CHARS).write("ab", length=50, config=EVEN)
    assert loaded.write("ab", length=50, config=EVEN) == expected
    assert Writer.load(str(path)).write("ab", length=50, config=EVEN) == expected


def test_the_precision_is_named_when_a_checkpoint_is_opened(make_model, tmp_path):
    """It decides how the weights are kept, and a wrong one is refused."""
    model = make_model(CHARS.size, layers=2, dtype=torch.float32)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, to_checkpoint(model, CHARS, TrainingRecord()))
    ids, state = torch.tensor([1, 2]), model.initial_state(2)

    writers = [Writer.load(path, precision=name) for name in ("float32", "bfloat16")]
    exact, rounded = (writer.stepper.step(ids, state)[0] for writer in writers)

    assert 0 < (exact - rounded).abs().max() < 0.05
    with pytest.raises(ConfigError, match="precision is 'half'"):
        Writer.load(path, precision="half")


def test_a_missing_checkpoint_is_named(tmp_path):
    """The error says which file is not there."""
    with pytest.raises(MissingError, match=r"none\.safetensors"):
        Writer.load(tmp_path / "none.safetensors")


def test_a_first_line_is_one_line(dictated):
    """Line ends and runs of blanks become single blanks."""
    writer = dictated(b"\n a\tb \n\nc")

    assert first_line(writer, "x", 9, EVEN) == "a b c"


def test_samples_are_texts_with_a_number_a_price_and_an_end(writer):
    """Each is what is written alone; they come in the order that was asked for."""
    form = FormConfig(length=30, stop=("a",))
    beginning = writer.begin([CHARS.encode("ab")])

    drawn = list(writer.samples(beginning, EVEN, form, numbers=[4, 0, 7]))

    assert [each.number for each in drawn] == [4, 0, 7]
    for each in drawn:
        writing = writer.go_on(beginning, EVEN, form, sample=each.number)
        pieces = list(writing)
        assert each.text == "".join(piece.text for piece in pieces)
        assert each.stopped_by == writing.stopped_by
        assert each.nats == pytest.approx(sum(piece.nats for piece in pieces))
        assert "a" not in each.text
    assert {each.stopped_by for each in drawn} <= {"stop", "length"}


def test_many_samples_are_drawn_in_batches(writer, monkeypatch):
    """Where a batch ends does not show."""
    beginning = writer.begin([CHARS.encode("ab")])
    form = FormConfig(length=5)
    whole = [s.text for s in writer.samples(beginning, EVEN, form, numbers=range(7))]
    monkeypatch.setattr(writer_module, "SIDE_BY_SIDE", 3)

    parts = [s.text for s in writer.samples(beginning, EVEN, form, numbers=range(7))]

    assert parts == whole


def test_a_form_without_length_writes_nothing(writer):
    """Nothing drawn, nothing paid, and the mean of nothing is no number."""
    form = FormConfig(length=0)
    (nothing,) = writer.samples(writer.begin([]), EVEN, form, numbers=[0])

    assert (nothing.text, nothing.nats, nothing.stopped_by) == ("", 0.0, "length")
    assert nothing.nats_per_char != nothing.nats_per_char


@pytest.mark.parametrize("kind", ["writer", "byte_writer"])
def test_only_and_ban_hold_for_characters_and_bytes(kind, request):
    """Nothing else is ever written; a lipogram is a ban of one letter."""
    writer = request.getfixturevalue(kind)
    beginning = writer.begin([])

    for form in (FormConfig(only="ab", length=50), FormConfig(ban="a", length=50)):
        drawn = writer.samples(beginning, EVEN, form, numbers=range(5))
        text = "".join(each.text for each in drawn)

        assert len(text) == 250
        assert set(text) <= set("ab") if form.only else "a" not in text


def test_alternatives_are_told_as_text(writer):
    """Beside every character, the likeliest first."""
    beginning = writer.begin([CHARS.encode("ab")])
    pieces = list(writer.go_on(beginning, EVEN, FormConfig(length=5), alternatives=2))

    for piece in pieces:
        texts, probs = zip(*piece.alternatives, strict=True)
        assert set(texts) < set(CHARS.characters)
        assert 1 > probs[0] >= probs[1] > 0
