"""How sure a finished model is: one number, found on text that no step has read."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from lstm_textgen.checkpoint.format import build_model, checkpoint_of, load_checkpoint
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import ModelConfig
from lstm_textgen.model.init import initialise
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.source import find_source
from lstm_textgen.text.streams import with_context
from lstm_textgen.text.tokenizer import CharTokenizer
from lstm_textgen.training.calibrating import (
    best_temperature,
    length_apart,
    place_apart,
    with_temperature,
)
from lstm_textgen.training.events import Calibrated, Evaluated
from lstm_textgen.training.saved_model import finished
from lstm_textgen.training.start import open_session, prepare
from lstm_textgen.training.wishes import Wishes

TEXT = "the cat sat on the mat and the rat sat on the cat; " * 1200
TRAINED = len(TEXT) * 9 // 10
APART = TRAINED // 50
VOCABULARY = 7


@pytest.fixture(scope="module")
def model():
    """One that has opinions: its logits are spread by about 3."""
    network = CharModel(ModelConfig(layers=1, hidden=8, embedding=4), VOCABULARY)
    initialise(network, torch.Generator().manual_seed(5))
    with torch.no_grad():
        network.head.weight *= 40
    return network.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def written(model):
    """Drawn from the model at temperature 1.25, which is thus the right one."""
    generator = torch.Generator().manual_seed(6)
    ids, state = [0], model.zero_state(1)
    with torch.inference_mode():
        for _ in range(4000):
            logits, state = model(torch.tensor([[ids[-1]]]), state)
            chances = (logits[0, 0] / 1.25).softmax(0)
            ids.append(int(torch.multinomial(chances, 1, generator=generator)))
    return np.array(ids, dtype=np.uint8)


def loss_at(model, ids, temperature):
    """By float64, the equation written out."""
    read = torch.from_numpy(ids.astype(np.int64))
    with torch.inference_mode():
        logits, _ = model(read[:-1, None], model.zero_state(1))
    logits = logits[:, 0].double() / temperature
    return float(functional.cross_entropy(logits, read[1:]))


def test_it_finds_the_temperature_of_what_it_reads(model, written):
    """Text drawn at 1.25 is best expected at 1.25, up to what 4,000 draws tell."""
    assert best_temperature(model, written) == pytest.approx(1.25, abs=0.04)


def test_no_other_temperature_loses_less(model, written):
    """An exhaustive search in float64 finds nothing better."""
    found = loss_at(model, written, best_temperature(model, written))
    best = min(loss_at(model, written, t) for t in np.arange(0.85, 1.65, 0.005))

    assert found == pytest.approx(best, abs=2e-5)
    assert found < loss_at(model, written, 1.0) - 0.005


@pytest.mark.parametrize(("factor", "edge"), [(10.0, 1 / 0.6), (0.1, 1 / 1.2)])
def test_it_stays_within_bounds(model, written, factor, edge):
    """A model that is far too sure, or far from sure enough, is moved a step only."""
    loud = CharModel(model.config, VOCABULARY)
    loud.load_state_dict(model.state_dict())
    with torch.no_grad():
        loud.head.weight *= factor
        loud.head.bias *= factor

    assert best_temperature(loud, written) == pytest.approx(edge)


@pytest.mark.parametrize(
    ("characters", "length"),
    [(0, 0), (51_199, 0), (51_200, 1024), (500_000, 10_000), (10**9, 16_384)],
)
def test_how_much_is_kept_apart(characters, length):
    """A fiftieth; a short text keeps all to learn from, and a long one no more."""
    assert length_apart(characters) == length


def test_where_it_is_kept():
    """In the middle, and nowhere if there is nothing."""
    assert place_apart(51_201, 1024) == (25_088, 26_112)
    assert place_apart(10_000, 0) == (0, 0)


class TestRuns:
    @pytest.fixture
    def prepared(self, make_source, make_wishes, machine):
        text = make_source("cats", TEXT)
        return prepare(text, make_wishes(steps=30), machine)

    @pytest.fixture
    def events(self, prepared):
        with open_session(prepared, started_s=0.0, save_every_s=1e9) as (session, _):
            return list(session.run())

    @pytest.fixture
    def best(self, events, prepared):
        return load_checkpoint(prepared.path / "model.safetensors")

    def test_no_step_reads_it(self, prepared):
        """It stands in the middle of what trains, and an epoch passes over it."""
        start, stop = prepared.apart
        ids = prepared.text.ids
        with open_session(prepared, started_s=0.0) as (session, _):
            streams = session.trainer.streams
            windows = [streams.window_at(0, tick) for tick in range(streams.ticks)]
        read = np.concatenate([targets[targets >= 0] for _, targets in windows])
        learned = np.concatenate([ids[:start], ids[stop:TRAINED]])

        assert stop - start == APART > 1024
        assert start == (TRAINED - APART) // 2
        assert (np.bincount(read) == np.bincount(learned)).all()
        assert (session.apart == ids[start - 1 : stop]).all()

    def test_it_is_told_before_the_last_figure(self, events, best):
        """By an event and by the model itself, which is judged as it is saved."""
        calibrated = next(e for e in events if isinstance(e, Calibrated))
        judged = next(e for e in events if isinstance(e, Evaluated) and e.final)

        assert calibrated.temperature == best.training.temperature != 1
        assert events.index(calibrated) < events.index(judged)
        assert judged.loss.nats_per_char == best.training.validation_nats_per_char

    def test_what_is_finished_stays(self, prepared, best):
        """
        Finished again, the model is the same to the bit.

        A crash may come after the model was saved and before the state that knows.
        """
        ids = prepared.text.ids
        again, _ = finished(
            best,
            ids[with_context(prepared.apart)],
            ids[with_context(prepared.split.validation)],
            device=torch.device("cpu"),
            heed=lambda characters: None,
        )

        assert again.training == best.training
        for name, tensor in best.tensors.items():
            assert torch.equal(again.tensors[name], tensor), name

    def test_a_run_from_before_reads_all(self, prepared, events, machine):
        """One whose settings know of no tail goes on with the streams that it had."""
        path = prepared.path / "run.json"
        settings = json.loads(path.read_text(encoding="utf-8"))
        assert settings.pop("calibration_characters") == APART
        path.write_text(json.dumps(settings), encoding="utf-8")
        source = find_source([f"{prepared.text.name}.txt"])
        again = prepare(source, Wishes(), machine, output=prepared.path, resume=True)

        assert again.apart == (0, 0)
        assert again.characters == TRAINED


def test_a_divided_head_divides_the_logits(model, written):
    """What is saved expects what the model expected at that temperature."""
    tokenizer = CharTokenizer.from_text("abcdefg")
    checkpoint = checkpoint_of(model, tokenizer, TrainingRecord())
    divided = build_model(with_temperature(checkpoint, 1.5))
    ids = torch.from_numpy(written[:50].astype(np.int64)).unsqueeze(1)
    with torch.inference_mode():
        before, after = (m(ids, m.zero_state(1))[0] for m in (model, divided))

    torch.testing.assert_close(after, before / 1.5)
