"""How sure a finished model is: one number, found on text that no step has read."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from lstm_textgen.checkpoint.format import load_checkpoint, with_temperature
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import ModelConfig
from lstm_textgen.errors import SettingsFileError
from lstm_textgen.evaluation.perplexity import evaluation_seconds
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.model.weights import build_model, to_checkpoint
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.text.streams import calibration_length, calibration_slice
from lstm_textgen.training.events import Calibrated, Evaluated
from lstm_textgen.training.finish import LENGTH, MOST_STEPS, PLACES, best_temperature
from lstm_textgen.training.overrides import Overrides
from lstm_textgen.training.schedule import Meter
from lstm_textgen.training.start import open_session, prepare
from lstm_textgen.ui.model_facts import model_facts
from lstm_textgen.ui.run_view import RunView
from tests.builders import char_tokenizer

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "that", "rat", "is", "hot"]
TEXT = " ".join(np.random.RandomState(1).choice(WORDS, 17_000))  # frozen over versions
TRAINED = len(TEXT) * 9 // 10
APART = TRAINED // 50
VOCABULARY = 7
STEPS = 12


def model_path(prepared):
    return RunDirectory(prepared.path).model_path


@pytest.fixture(scope="module")
def model():
    """One that has opinions: its logits are spread by about 3."""
    network = CharModel(ModelConfig(layers=1, hidden=8, embedding=4), VOCABULARY)
    initialize(network, torch.Generator().manual_seed(5))
    with torch.no_grad():
        network.head.weight *= 40
    return network.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def written(model):
    """Drawn from the model at temperature 1.25, which is thus the right one."""
    generator = torch.Generator().manual_seed(6)
    ids, state = [0], model.initial_state(1)
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
        logits, _ = model(read[:-1, None], model.initial_state(1))
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


@pytest.fixture(autouse=True)
def _every_step_counts(monkeypatch):
    """Such short runs learn an initial state as well."""
    monkeypatch.setattr("lstm_textgen.training.finish.RUN_STEPS", 1)


@pytest.fixture
def text(make_source):
    return make_source("cats", TEXT)


@pytest.fixture
def wishes(make_wishes):
    return make_wishes(steps=STEPS, optimizer={"dropout": 0.2})


@pytest.mark.parametrize(
    ("characters", "length"),
    [(0, 0), (51_199, 0), (51_200, 1024), (500_000, 10_000), (10**9, 16_384)],
)
def test_how_much_is_kept_apart(characters, length):
    """A fiftieth; a short text keeps all to learn from, and a long one no more."""
    assert calibration_length(characters) == length


def test_where_it_is_kept():
    """In the middle, and nowhere if there is nothing."""
    assert calibration_slice(51_201, 1024) == (25_088, 26_112)
    assert calibration_slice(10_000, 0) == (0, 0)


@pytest.mark.usefixtures("every_step")
class TestRuns:
    def test_no_step_reads_it(self, text, wishes, machine):
        """It stands in the middle of what trains, and an epoch passes over it."""
        prepared = prepare(text, wishes, machine)
        start, stop = prepared.apart
        ids = prepared.text.ids
        with open_session(prepared, started_s=0.0) as (session, _):
            streams = session.trainer.streams

        assert stop - start == APART > 1024
        assert start == (TRAINED - APART) // 2
        assert streams.apart == prepared.apart
        assert (streams.ids == ids[:TRAINED]).all()
        assert (session.apart == ids[start - 1 : stop]).all()  # and one before it

    def test_it_is_told_before_the_last_figure(self, text, wishes, train, capsys):
        """By an event and by the model itself, which is judged as it is saved."""
        prepared, events = train(text, wishes)
        record = load_checkpoint(model_path(prepared)).training
        calibrated = next(e for e in events if isinstance(e, Calibrated))
        judged = next(e for e in events if isinstance(e, Evaluated) and e.final)

        assert calibrated.temperature == record.temperature != 1
        assert (record.calibration_start, record.calibration_stop) == prepared.apart
        assert events.index(calibrated) < events.index(judged)
        assert judged.loss.nats_per_char == record.validation_nats_per_char
        with RunView() as progress:
            progress.show(calibrated)
        told = f"logits divided by {record.temperature:.3f}"
        assert told in capsys.readouterr().err
        assert ("calibrated", told) in model_facts(
            load_checkpoint(model_path(prepared))
        )

    def test_without_a_part_that_validates(self, text, make_wishes, train):
        """Nothing judges such a model; it is as sure as it may be all the same."""
        wishes = make_wishes(steps=2, text={"validation": 0.0})
        prepared, events = train(text, wishes)
        record = load_checkpoint(model_path(prepared)).training

        assert record.temperature is not None
        assert record.validation_nats_per_char is None
        assert not [e for e in events if isinstance(e, Evaluated) and e.final]

    def test_a_run_from_before_reads_all(self, text, wishes, train):
        """One whose settings know of nothing apart goes on with its own streams."""
        prepared, _ = train(text, wishes, stop=2)
        path = prepared.path / "run.json"
        settings = json.loads(path.read_text(encoding="utf-8"))
        assert settings.pop("calibration_characters") == APART
        path.write_text(json.dumps(settings), encoding="utf-8")

        again, events = train(text, Overrides(), output=prepared.path, resume=True)

        assert (again.apart, again.characters) == ((0, 0), TRAINED)
        assert not [e for e in events if isinstance(e, Calibrated)]
        assert load_checkpoint(model_path(again)).training.temperature is None

    @pytest.mark.parametrize("length", [1, -1, 1.5, "all", 10**6])
    def test_settings_that_cannot_be(self, text, wishes, train, length):
        """The file that says so is named, not the text."""
        prepared, _ = train(text, wishes, stop=2)
        path = prepared.path / "run.json"
        settings = json.loads(path.read_text(encoding="utf-8"))
        changed = settings | {"calibration_characters": length}
        path.write_text(json.dumps(changed), encoding="utf-8")

        with pytest.raises(SettingsFileError, match="calibration_characters"):
            train(text, Overrides(), output=prepared.path, resume=True)

    def test_time_is_left_for_the_end(self, text, make_wishes, machine, monkeypatch):
        """Each part is read by itself, so that each has its own time."""
        left_s = []

        def meter(*arguments, reserve_s, **others):
            left_s.append(reserve_s)
            return Meter(*arguments, reserve_s=reserve_s, **others)

        monkeypatch.setattr("lstm_textgen.training.start.Meter", meter)
        prepared = prepare(text, make_wishes(minutes=5.0), machine)
        with open_session(prepared, started_s=0.0):
            pass

        speed = prepared.plan.characters_read_per_second
        validated = len(TEXT) - TRAINED
        learns = MOST_STEPS * PLACES * LENGTH
        each = [
            evaluation_seconds(count, speed) for count in (validated, APART, learns)
        ]
        assert left_s == [pytest.approx(sum(each))]


@pytest.mark.usefixtures("every_step")
class TestStops:
    @pytest.fixture
    def whole(self, text, wishes, train, tmp_path):
        """What a run without a stop ends with."""
        prepared, _ = train(text, wishes, output=tmp_path / "whole")
        return load_checkpoint(model_path(prepared))

    @pytest.fixture
    def check(self, text, train, whole):
        """Go on, and see that the end is the same; calibrated once."""

        def go_on(prepared):
            again, _ = train(text, Overrides(), output=prepared.path, resume=True)
            found = load_checkpoint(model_path(again))
            assert found.training.temperature == whole.training.temperature
            assert found.training.validation_nats_per_char == (
                whole.training.validation_nats_per_char
            )
            for name, tensor in whole.tensors.items():
                assert np.array_equal(found.tensors[name], tensor), name
            told = (prepared.path / "metrics.jsonl").read_text(encoding="ascii")
            assert told.count('"Calibrated"') == 1

        return go_on

    def test_while_it_trains(self, text, wishes, train, check, tmp_path):
        """What is kept apart is the same afterwards."""
        prepared, events = train(text, wishes, output=tmp_path / "parts", stop=5)
        assert (events[-1].step, events[-1].reason) == (5, "interrupted")
        check(prepared)

    def test_while_it_is_calibrated(
        self, text, wishes, train, check, tmp_path, monkeypatch
    ):
        """The model on disk is the best so far; it is calibrated by who goes on."""
        stops = []

        def interrupted(model, ids, heed):
            heed.__self__.stop("interrupted")  # as a signal does while it reads
            stops.append(len(ids))
            return best_temperature(model, ids, heed)

        place = "lstm_textgen.training.finish.best_temperature"
        with monkeypatch.context() as patch:
            patch.setattr(place, interrupted)
            prepared, events = train(text, wishes, output=tmp_path / "parts")

        assert stops == [APART + 1]
        assert events[-1].reason == "interrupted"
        assert load_checkpoint(model_path(prepared)).training.temperature is None
        check(prepared)

    def test_killed_before_the_state_knows(
        self, text, wishes, machine, check, tmp_path, monkeypatch
    ):
        """The model is calibrated and saved already: it stays as it is."""
        prepared = prepare(text, wishes, machine, output=tmp_path / "parts")
        with open_session(prepared, started_s=0.0) as (session, _):
            save = RunDirectory.save_state

            def killed(self, tensors, progress):
                if progress["position"]["final_nats"] is not None:
                    raise KeyboardInterrupt
                save(self, tensors, progress)

            with monkeypatch.context() as patch:
                patch.setattr(RunDirectory, "save_state", killed)
                with pytest.raises(KeyboardInterrupt):
                    list(session.run())

        assert load_checkpoint(model_path(prepared)).training.temperature is not None
        check(prepared)

    def test_another_text(self, text, make_source, wishes, train):
        """
        A run that is over and goes on with another text is calibrated by that.

        A shorter one keeps nothing apart, and what was divided before is not any more.
        """
        prepared, _ = train(text, wishes)
        accept = {"resume": True, "accept_corpus_change": True}
        for characters, calibrates in ((len(TEXT) - 900, True), (20_000, False)):
            other = make_source("cats", TEXT[:characters])
            again, _ = train(other, Overrides(), output=prepared.path, **accept)
            record = load_checkpoint(model_path(again)).training
            settings = (prepared.path / "run.json").read_text(encoding="utf-8")
            kept = json.loads(settings)["calibration_characters"]

            assert record.characters == characters
            assert (record.temperature is not None) == calibrates
            assert record.calibration_stop - record.calibration_start == kept
            assert (kept > 0) == calibrates


def test_a_divided_head_divides_the_logits(model, written):
    """What is saved expects what the model expected at that temperature."""
    tokenizer = char_tokenizer("abcdefg")
    checkpoint = to_checkpoint(model, tokenizer, TrainingRecord())
    divided = build_model(with_temperature(checkpoint, 1.5))
    ids = torch.from_numpy(written[:50].astype(np.int64)).unsqueeze(1)
    with torch.inference_mode():
        before, after = (m(ids, m.initial_state(1))[0] for m in (model, divided))

    torch.testing.assert_close(after, before / 1.5)
