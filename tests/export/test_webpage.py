"""The page in which a model writes, in a real browser and against our own sampler."""

import base64
import html
import json
import re

import numpy as np
import pytest
import torch

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import SampleConfig
from lstm_textgen.errors import CheckpointError
from lstm_textgen.export import webpage as under_test
from lstm_textgen.export.webpage import page_bytes
from lstm_textgen.model.network import CharModel
from lstm_textgen.paths import bundled_folder
from lstm_textgen.sampling.generate import UniformStream
from lstm_textgen.sampling.writer import Writer
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer
from tests.builders import to_checkpoint

pytestmark = pytest.mark.slow

FABLES = bundled_folder("checkpoints") / "fables.safetensors"
GREEDY = SampleConfig(temperature=0.0)
STATUS = "document.getElementById('status').textContent"
CLICK_WRITE = "document.getElementById('write').click()"
HAS_WRITTEN = "document.getElementById('write').textContent === 'Write on'"


def script_element(page, name):
    """The raw contents of a script element."""
    pattern = rf'<script[^>]* id="{name}">(.*?)</script>'
    [content] = re.findall(pattern, page.decode("utf-8"), re.DOTALL)
    return content


def rounded_writer(page, checkpoint):
    """Our sampler with the weights of the page, in float64."""
    places = json.loads(script_element(page, "about"))["weights"]
    data = base64.b64decode(script_element(page, "weights"), validate=True)

    def numbers(kind, place, shape):
        values = np.frombuffer(data, kind, count=int(np.prod(shape)), offset=place)
        return torch.from_numpy(values.reshape(shape).astype(np.float64))

    tensors = {}
    for name, place in places.items():
        shape = place["shape"]
        if "numbers" in place:
            tensors[name] = numbers("<f4", place["numbers"], shape)
            continue
        scales = numbers("<f4", place["scales"], shape[:1])
        tensors[name] = numbers("i1", place["steps"], shape) * scales[:, None]
    model = CharModel(checkpoint.model, checkpoint.tokenizer.size).double()
    model.load_state_dict(tensors)
    return Writer(model, checkpoint.tokenizer)


def written(page, prompt, length, *, config=GREEDY):
    """What the page writes after a prompt, with the random numbers of our sampler."""
    uniforms = UniformStream(seed=config.seed)
    page.run(f"globalThis.rolls = {[uniforms.next() for _ in range(9 * length)]}; 0")
    settings = f"{{length: {length}, temperature: {config.temperature}, random}}"
    return page.run(
        "(() => { const random = () => rolls.shift();"
        " const fresh = new Writer(writer.network, writer.alphabet);"
        f" return [...fresh.writeOn({json.dumps(prompt)}, {settings})].join('') }})()"
    )


@pytest.fixture
def open_model(open_page):
    """Open the page of a model; its page, and our sampler with the page's weights."""

    def open_one(model, tokenizer):
        checkpoint = to_checkpoint(model, tokenizer, TrainingRecord())
        page = page_bytes(checkpoint)
        return open_page(page), rounded_writer(page, checkpoint)

    return open_one


@pytest.fixture(scope="module")
def fables():
    """A trained model, 2 layers of 256, its page, and our sampler with its weights."""
    checkpoint = load_checkpoint(FABLES)
    page = page_bytes(checkpoint)
    return checkpoint, page, rounded_writer(page, checkpoint)


@pytest.fixture
def fables_page(fables, open_page):
    """The page of the fables in the browser."""
    return open_page(fables[1])


def test_a_page_is_small(fables):
    """A model of 2 x 256 takes at most 2 MB: four thirds of a byte a weight."""
    checkpoint, page, _ = fables

    assert (checkpoint.model.layers, checkpoint.model.hidden) == (2, 256)
    assert len(page) <= 2_000_000


@pytest.mark.parametrize(
    ("prompt", "length", "config"),
    [
        ("The fox", 300, GREEDY),
        ("", 50, GREEDY),
        ("\n\nTHE CROW", 200, SampleConfig(temperature=0.8, seed=5)),
    ],
)
def test_it_writes_the_text_of_our_sampler(fables, fables_page, prompt, length, config):
    """From the same weights and the same random numbers, character for character."""
    expected = fables[2].generate(prompt, length=length, config=config)

    assert written(fables_page, prompt, length, config=config) == expected


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("residual", [True, False])
def test_every_cell_is_that_of_the_network(make_model, open_model, cell, residual):
    """Also with sizes that fill no block of rows."""
    shape = {"cell": cell, "layers": 3, "hidden": 7, "residual": residual}
    model = make_model(6, dtype=torch.float32, **shape)
    page, ours = open_model(model, CharTokenizer("\nabce😀"))
    config = SampleConfig(temperature=0.8, seed=1)

    text = written(page, "ab😀", 200, config=config)

    assert text == ours.generate("ab😀", length=200, config=config)
    assert len(set(text)) > 2


def test_a_model_of_bytes_writes_whole_characters(make_model, open_model):
    """What is not UTF-8 becomes U+FFFD, as with our own decoder."""
    page, ours = open_model(make_model(256, dtype=torch.float32), ByteTokenizer())
    config = SampleConfig(temperature=0.8, seed=2)

    text = written(page, "é", 100, config=config)

    # of several characters that one byte completes, the page gives all
    assert text[:100] == ours.generate("é", length=100, config=config)


@pytest.mark.parametrize("temperature", [0.8, 0.0])
def test_the_unknown_mark_is_never_written(make_model, open_model, temperature):
    """
    A model from `--min-count` reads the mark for a rare character, and never writes it.

    The page once drew from all logits: it wrote the mark, and another text from there
    on.
    """
    model = make_model(4, dtype=torch.float32)
    with torch.no_grad():
        model.head.bias[3] += 9
    page, ours = open_model(model, CharTokenizer("\nab\ufffd", "\ufffd"))
    config = SampleConfig(seed=1, temperature=temperature)

    text = written(page, "aé狐b", 100, config=config)

    assert text == ours.generate("aé狐b", length=100, config=config)
    assert "\ufffd" not in text


def test_a_person_writes_in_turns_with_it(fables, fables_page):
    """Type, press the button, read; type more, press again; undo."""
    writer, page = fables[2], fables_page
    sheet = "document.getElementById('sheet').value"
    page.run("document.getElementById('boldness').value = 0; 0")
    page.run("document.getElementById('length').value = '200'; 0")
    page.run("document.getElementById('sheet').focus()")

    page.type("The fox")
    page.run(CLICK_WRITE)
    page.wait(HAS_WRITTEN)
    first = "The fox" + writer.generate("The fox", length=200, config=GREEDY)
    assert page.run(sheet) == first
    assert "200 characters" in page.run(STATUS)

    page.type(" The crow")
    page.run(CLICK_WRITE)
    page.wait(HAS_WRITTEN)
    both = first + " The crow"
    assert page.run(sheet) == both + writer.generate(both, length=200, config=GREEDY)

    page.run("document.getElementById('undo').click()")
    assert page.run(sheet) == both


def test_a_character_that_the_model_never_saw_is_reported(fables_page):
    """It is passed over, and the page continues."""
    fables_page.run("document.getElementById('sheet').focus()")
    fables_page.type("The fox 狐")
    fables_page.run(CLICK_WRITE)
    fables_page.wait(HAS_WRITTEN)

    assert "“狐”" in fables_page.run(STATUS)


def test_it_cannot_reach_a_network(fables_page):
    """The browser itself forbids it, whatever a script would try."""
    fables_page.may_complain = True
    attempt = "fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')"

    assert fables_page.run(attempt) == "refused"
    entries = fables_page.events("Log.entryAdded")
    assert any("Content Security Policy" in e["entry"]["text"] for e in entries)


@pytest.mark.parametrize("width", [1280, 360])
def test_it_fits_the_screen(fables, open_page, width):
    """On a phone as on a desktop, nothing sticks out at the side."""
    page = open_page(fables[1], width=width, height=740)

    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("document.getElementById('write').offsetHeight") >= 44


def test_foreign_words_stay_words(make_model, open_page):
    """Tags in a name, a note and the characters themselves neither run nor show up."""
    evil = "</script><script>globalThis.caught = 1</script><img src=x onerror=caught=1>"
    checkpoint = to_checkpoint(
        make_model(7, dtype=torch.float32),
        CharTokenizer("/<>crs{"),
        TrainingRecord(corpus=evil),
        note="{{script}}" + evil,
    )
    page_html = page_bytes(checkpoint)

    page = open_page(page_html)

    assert page.run("globalThis.caught ?? 0") == 0
    assert page.run("document.images.length") == 0
    assert evil in page.run("document.title")
    assert html.escape(evil) in page_html.decode("utf-8")


def test_the_same_model_gives_the_same_page(fables):
    """No time and no name of a machine is in it."""
    assert page_bytes(fables[0]) == fables[1]


def test_a_model_that_no_browser_holds_is_refused(fables, monkeypatch):
    """The remedy names another format."""
    monkeypatch.setattr(under_test, "MAX_PARAMETERS", 1000)

    with pytest.raises(CheckpointError, match="1,000") as refusal:
        page_bytes(fables[0])
    assert "onnx" in refusal.value.remedy
