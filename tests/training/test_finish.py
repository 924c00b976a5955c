"""The end of a run: initial state and temperature of the best model."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from lstm_textgen.checkpoint.format import load_checkpoint, with_temperature
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import (
    BudgetConfig,
    ModelConfig,
    TrainConfig,
    from_json,
    to_json,
)
from lstm_textgen.errors import ConfigError
from lstm_textgen.evaluation.perplexity import summed_loss
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.model.weights import build_model
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.text.streams import Streams
from lstm_textgen.training import finish
from lstm_textgen.training.events import Calibrated, Evaluated, StepDone
from lstm_textgen.training.finish import (
    LENGTH,
    PIECES,
    best_temperature,
    initial_steps,
    learn_initial_state,
)
from lstm_textgen.training.overrides import Overrides
from lstm_textgen.ui.model_facts import model_facts
from lstm_textgen.ui.run_view import RunView
from tests.builders import char_tokenizer, to_checkpoint
from tests.training.tiny import equal, ids_of, of

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "that", "rat", "is", "hot"]
TEXT = " ".join(np.random.RandomState(1).choice(WORDS, 17_000))  # frozen over versions
TRAINED = len(TEXT) * 9 // 10
CALIBRATION = TRAINED // 50
VOCABULARY = 7
CELLS = ["lstm", "gru", "rnn"]


def model_of(run):
    return load_checkpoint(run.directory.model_path)


@pytest.fixture(scope="module")
def model():
    """One whose logits are spread by about 3."""
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


@pytest.mark.slow
class TestTemperature:
    def loss_at(self, model, ids, temperature):
        """By float64, the equation written out."""
        read = torch.from_numpy(ids.astype(np.int64))
        with torch.inference_mode():
            logits, _ = model(read[:-1, None], model.initial_state(1))
        logits = logits[:, 0].double() / temperature
        return float(functional.cross_entropy(logits, read[1:]))

    def test_no_other_temperature_loses_less(self, model, written):
        """
        An exhaustive search in float64 finds nothing better.

        Text drawn at 1.25 is best predicted at 1.25, up to what 4,000 draws tell.
        """
        fitted = best_temperature(model, written)
        loss = self.loss_at(model, written, fitted)
        best = min(
            self.loss_at(model, written, t) for t in np.arange(0.85, 1.65, 0.005)
        )

        assert fitted == pytest.approx(1.25, abs=0.04)
        assert loss == pytest.approx(best, abs=2e-5)
        assert loss < self.loss_at(model, written, 1.0) - 0.005

    @pytest.mark.parametrize(("factor", "edge"), [(10.0, 1 / 0.6), (0.1, 1 / 1.2)])
    def test_it_stays_within_bounds(self, model, written, factor, edge):
        """A model that is far too sure, or far from sure enough, is moved a step."""
        loud = CharModel(model.config, VOCABULARY)
        loud.load_state_dict(model.state_dict())
        with torch.no_grad():
            loud.head.weight *= factor
            loud.head.bias *= factor

        assert best_temperature(loud, written) == pytest.approx(edge)

    def test_a_divided_head_divides_the_logits(self, model, written):
        """What is saved predicts what the model predicted at that temperature."""
        tokenizer = char_tokenizer("abcdefg")
        checkpoint = to_checkpoint(model, tokenizer, TrainingRecord())
        divided = build_model(with_temperature(checkpoint, 1.5))
        ids = torch.from_numpy(written[:50].astype(np.int64)).unsqueeze(1)
        with torch.inference_mode():
            before, after = (m(ids, m.initial_state(1))[0] for m in (model, divided))

        torch.testing.assert_close(after, before / 1.5)


def streams(ids, calibration=(0, 0)):
    return Streams(ids=ids, streams=1, window=1, seed=0, calibration=calibration)


@torch.no_grad()
def every_beginning(model, ids):
    """Nats per character over the pieces that begin at each place of a text."""
    starts = np.arange(len(ids) - LENGTH)
    pieces = ids[starts + np.arange(LENGTH + 1)[:, None]].astype(np.int64)
    read = torch.from_numpy(pieces)
    logits, _ = model(read[:-1], model.initial_state(len(starts)))
    return float(summed_loss(logits, read[1:])) / read[1:].numel()


class TestInitialState:
    @pytest.mark.slow
    def test_no_other_state_begins_better(self, make_model):
        """A network of one unit: an exhaustive search finds nothing that loses less."""
        model = make_model(7, cell="rnn", hidden=1, seed=8).requires_grad_(False)
        for name, parameter in model.named_parameters():
            if "bias" in name:
                parameter.zero_()
        model.layers[0].weight_hh_l0.fill_(1.5)
        initial, ids = model.initial[0].hidden, ids_of(400, 7)
        losses = []
        for value in np.arange(-1, 1.005, 0.01):
            initial.fill_(value)
            losses.append(every_beginning(model, ids))
        initial.fill_(0.0)

        learn_initial_state(model, streams(ids), steps=64, seed=1)

        learned = every_beginning(model, ids)
        assert learned == pytest.approx(min(losses), abs=1e-4)
        assert learned < losses[100] - 4e-3  # where it began, with nothing
        assert 0.5 < abs(float(initial)) < 1

    @pytest.mark.parametrize("cell", CELLS)
    def test_it_alone_changes(self, make_model, cell):
        """Every layer begins with something then, and no weight is another."""
        model, ids = make_model(7, cell=cell, layers=2), ids_of(400, 7)
        for part in model.initial.parameters():
            part.detach().zero_()
        before = {k: v.clone() for k, v in model.state_dict().items()}
        loss = every_beginning(model, ids)

        learn_initial_state(model, streams(ids), steps=30, seed=1)

        assert every_beginning(model, ids) < loss - 0.003
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, before[name]) != name.startswith("initial")
        assert not any(p.requires_grad for p in model.parameters())

    def test_the_seed_decides(self, make_model):
        """The same pieces are read by the same seed, and others by another."""
        learned = []
        for seed in (1, 1, 2):
            model = make_model(7)
            learn_initial_state(model, streams(ids_of(400, 7)), steps=3, seed=seed)
            learned.append(model.initial[0].cell)

        assert torch.equal(learned[0], learned[1])
        assert not torch.equal(learned[0], learned[2])

    def test_it_can_be_interrupted_at_every_step(self, make_model):
        """The callback gets the ids of each step, and may end it."""
        counts = []

        def interrupt(count):
            counts.append(count)
            if len(counts) == 3:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            learn_initial_state(
                make_model(7),
                streams(ids_of(400, 7)),
                steps=9,
                seed=1,
                check_interrupt=interrupt,
            )

        assert counts == [PIECES * LENGTH] * 3

    def test_the_calibration_slice_is_not_read(self, make_model):
        """The temperature is fitted there: an id that no table has stands in it."""
        ids = ids_of(400, 7)
        ids[100:300] = 250

        learn_initial_state(make_model(7), streams(ids, (100, 300)), steps=20, seed=1)

        with pytest.raises(IndexError):
            learn_initial_state(make_model(7), streams(ids), steps=20, seed=1)

    @pytest.mark.parametrize("cell", CELLS)
    def test_it_stays_where_a_state_can_be(self, make_model, cell, monkeypatch):
        """What a cell gives out lies from -1 to 1, and so does what it begins with."""
        monkeypatch.setattr(finish, "RATE", 5.0)
        model = make_model(7, cell=cell)

        learn_initial_state(model, streams(ids_of(400, 7)), steps=5, seed=1)

        assert model.initial[0].hidden.abs().max() == 1
        if cell == "lstm":
            assert model.initial[0].cell.abs().max() > 1

    @pytest.mark.parametrize(
        ("run", "characters", "steps"),
        [
            *[(31, 10**6, 0), (32, 10**6, 1), (2000, 10**6, 62), (10**6, 10**6, 64)],
            *[(10**6, PIECES * LENGTH, 0), (10**6, PIECES * LENGTH + 1, 64)],
        ],
    )
    def test_how_long_it_is_learned(self, run, characters, steps):
        """A little of the run; a run or a text of nothing begins with nothing."""
        assert initial_steps(run, characters) == steps

    def test_a_run_cannot_be_made_with_it(self):
        """It is learned when the run has ended; asking for it is refused."""
        data = to_json(TrainConfig(budget=BudgetConfig(steps=1)))
        for value in ("learned", "random"):
            data["model"]["initial_state"] = value
            with pytest.raises(ConfigError, match="initial_state"):
                from_json(TrainConfig, data)


@pytest.mark.slow
class TestRuns:
    @pytest.fixture(autouse=True)
    def _every_step_counts(self, monkeypatch):
        """Such short runs learn an initial state as well."""
        monkeypatch.setattr(finish, "RUN_STEPS", 1)

    @pytest.fixture
    def text(self, make_source):
        return make_source("cats", TEXT)

    @pytest.fixture
    def overrides(self, make_overrides):
        return make_overrides(steps=12, optimizer={"dropout": 0.2})

    def test_a_finished_model(self, text, overrides, train, capsys):
        """
        It begins with a state and has a temperature, and is evaluated as it is saved.

        The run itself, which may continue, has no initial state. The calibration slice
        stands in the middle of what trains, and an epoch passes over it.
        """
        run, events = train(text, overrides)
        model, record = model_of(run), model_of(run).training
        (calibrated,) = of(Calibrated, events)
        final = next(e for e in of(Evaluated, events) if e.final)
        start, stop = run.spec.calibration
        settings = json.loads(run.directory.settings_path.read_text(encoding="utf-8"))

        assert stop - start == CALIBRATION > 1024
        assert start == (TRAINED - CALIBRATION) // 2
        assert run.data.streams.calibration == run.spec.calibration
        assert (run.data.streams.ids == run.text.ids[:TRAINED]).all()
        assert (run.data.calibration == run.text.ids[start - 1 : stop]).all()
        assert model.model.initial_state == "learned"
        assert np.abs(model.tensors["initial.1.cell"]).max() > 0.01
        assert settings["config"]["model"]["initial_state"] == "zeros"
        assert calibrated.temperature == record.temperature != 1
        assert (record.calibration_start, record.calibration_stop) == (start, stop)
        assert events.index(calibrated) < events.index(final)
        assert final.loss.nats_per_char == record.validation_nats_per_char
        with RunView() as view:
            view.show(calibrated)
        told = f"logits divided by {record.temperature:.3f}"
        assert told in capsys.readouterr().err
        facts = model_facts(model)
        assert ("calibrated", told) in facts
        assert ("begins with", "a memory that was learned too") in facts

    def test_a_short_run_has_no_initial_state(
        self, text, overrides, train, monkeypatch
    ):
        """It would be a guess."""
        monkeypatch.setattr(finish, "RUN_STEPS", 32)
        run, _ = train(text, overrides)

        assert model_of(run).model.initial_state == "zeros"

    def test_without_a_held_out_part(self, text, make_overrides, train):
        """Nothing evaluates such a model; it is calibrated all the same."""
        overrides = make_overrides(steps=2, text={"validation": 0.0})
        run, events = train(text, overrides)
        record = model_of(run).training

        assert record.temperature is not None
        assert record.validation_nats_per_char is None
        assert not [e for e in of(Evaluated, events) if e.final]

    @pytest.mark.parametrize(
        ("moment", "learned", "calibrated"),
        [
            ("training", False, False),
            ("learn_initial_state", False, False),
            ("best_temperature", False, False),
            ("finished_model_loss", False, False),
            ("a long finished_model_loss", False, False),
            ("save", True, True),
        ],
    )
    def test_stopped_at_any_moment_of_the_end(
        self, text, overrides, train, tmp_path, monkeypatch, moment, learned, calibrated
    ):
        """
        Interrupted, the model on disk is the best so far; killed after it was finished
        and before a state knows, it stays as it is. Resuming finishes it once, with
        the same bits.
        """
        if moment.startswith("a long "):  # not exact, but nearly
            limits = {"EXACT_LIMIT": 10, "STREAM_CHARACTERS": 10}
            for name, limit in limits.items():
                monkeypatch.setattr(f"lstm_textgen.evaluation.perplexity.{name}", limit)
            moment = moment.removeprefix("a long ")
        whole, _ = train(text, overrides, output=tmp_path / "whole")
        options = {"output": tmp_path / "parts"}
        with monkeypatch.context() as patch:
            if moment == "save":
                patch.setattr(RunDirectory, "save_state", _die_when_finished())
                with pytest.raises(KeyboardInterrupt):
                    train(text, overrides, **options)
            elif moment == "training":
                train(text, overrides, stop=5, **options)
            else:
                patch.setattr(finish, moment, _interrupted(getattr(finish, moment)))
                _, events = train(text, overrides, **options)
                assert events[-1].reason == "interrupted"
        between = load_checkpoint(tmp_path / "parts" / "model.safetensors")
        assert (between.model.initial_state == "learned") == learned
        assert (between.training.temperature is not None) == calibrated

        run, _ = train(text, Overrides(), resume=True, **options)
        end, expected = model_of(run), model_of(whole)
        assert equal(end.tensors, expected.tensors)
        assert end.training.temperature == expected.training.temperature
        assert end.training.validation_nats_per_char == (
            expected.training.validation_nats_per_char
        )
        lines = run.directory.metrics_path.read_text(encoding="ascii")
        assert lines.count('"Calibrated"') == 1

    def test_another_text(self, text, make_source, overrides, train):
        """
        A run that is over and is resumed on another text is evaluated and calibrated by
        that; no step is left.

        A shorter one has no calibration slice, and the temperature from before goes.
        """
        train(text, overrides)
        accept = {"resume": True, "accept_corpus_change": True}
        for characters, calibrates in ((len(TEXT) - 900, True), (20_000, False)):
            other = make_source("cats", TEXT[:characters])
            run, events = train(other, Overrides(), **accept)
            record = model_of(run).training
            start, stop = run.spec.calibration
            losses = [e.loss.nats_per_char for e in of(Evaluated, events)]

            assert not of(StepDone, events)
            assert [e.final for e in of(Evaluated, events)] == [False, True]
            assert record.validation_nats_per_char == losses[-1]
            assert record.characters == characters
            assert (record.temperature is not None) == calibrates
            assert record.calibration_stop - record.calibration_start == stop - start
            assert (stop > start) == calibrates


def _interrupted(function):
    """The same with a signal that comes while it reads."""

    def interrupted(*arguments, **options):
        check = options.get("check_interrupt") or arguments[-1]
        check.__self__.ask_to_stop("interrupted")
        return function(*arguments, **options)

    return interrupted


def _die_when_finished():
    """A process that is killed when it saves the state that knows of the end."""
    save = RunDirectory.save_state

    def killed(self, tensors, metadata):
        if metadata["position"]["final_nats"] is not None:
            raise KeyboardInterrupt
        save(self, tensors, metadata)

    return killed
