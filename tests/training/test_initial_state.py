"""What a finished model remembers before the first character."""

import json

import numpy as np
import pytest
import torch

from lstm_textgen.checkpoint.average import average_models
from lstm_textgen.checkpoint.container import pack, to_bfloat16
from lstm_textgen.checkpoint.format import (
    MODEL,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    to_metadata,
)
from lstm_textgen.checkpoint.record import TrainingRecord
from lstm_textgen.config import BudgetConfig, TrainConfig, from_json, to_json
from lstm_textgen.errors import CheckpointError, ConfigError
from lstm_textgen.evaluation.perplexity import summed_loss
from lstm_textgen.model.weights import (
    build_model,
    to_arrays,
    to_checkpoint,
    to_tensors,
    with_initial_state,
)
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.text.streams import Streams
from lstm_textgen.training import finish as initial_state
from lstm_textgen.training.finish import (
    LENGTH,
    PLACES,
    initial_steps,
    learn_initial_state,
)
from lstm_textgen.training.overrides import Overrides
from lstm_textgen.ui.model_facts import model_facts
from tests.builders import char_tokenizer

CELLS = ["lstm", "gru", "rnn"]
STEPS = 70
TEXT = " ".join(np.random.RandomState(1).choice(["the", "cat", "sat", "on"], 400))


def model_of(prepared) -> Checkpoint:
    return load_checkpoint(RunDirectory(prepared.path).model_path)


def whole(ids, apart=(0, 0)):
    return Streams(ids=ids, streams=1, window=1, seed=0, apart=apart)


@torch.no_grad()
def every_beginning(model, ids):
    """Nats per character over the pieces that begin at each place of a text."""
    starts = np.arange(len(ids) - LENGTH)
    pieces = ids[starts + np.arange(LENGTH + 1)[:, None]].astype(np.int64)
    read = torch.from_numpy(pieces)
    logits, _ = model(read[:-1], model.initial_state(len(starts)))
    return float(summed_loss(logits, read[1:])) / read[1:].numel()


def test_no_other_memory_begins_better(make_model, make_ids):
    """A network of one unit: an exhaustive search finds nothing that loses less."""
    model = make_model(7, cell="rnn", hidden=1, seed=8).requires_grad_(False)
    for name, parameter in model.named_parameters():
        if "bias" in name:
            parameter.zero_()
    model.layers[0].weight_hh_l0.fill_(1.5)
    memory, ids = model.initial[0].hidden, make_ids(400, 7)
    losses = []
    for value in np.arange(-1, 1.005, 0.01):
        memory.fill_(value)
        losses.append(every_beginning(model, ids))
    memory.fill_(0.0)

    learn_initial_state(model, whole(ids), steps=64, seed=1)

    found = every_beginning(model, ids)
    assert found == pytest.approx(min(losses), abs=1e-4)
    assert found < losses[100] - 4e-3  # where it began, with nothing
    assert 0.5 < abs(float(memory)) < 1


@pytest.mark.parametrize("cell", CELLS)
def test_it_alone_changes(make_model, make_ids, cell):
    """Every layer remembers something then, and no weight is another."""
    model, ids = make_model(7, cell=cell, layers=2), make_ids(400, 7)
    for memory in model.initial.parameters():
        memory.detach().zero_()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    lost = every_beginning(model, ids)

    learn_initial_state(model, whole(ids), steps=30, seed=1)

    assert every_beginning(model, ids) < lost - 0.003
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) != name.startswith("initial")
    assert not any(p.requires_grad for p in model.parameters())


def test_the_seed_decides(make_model, make_ids):
    """The same pieces are read by the same seed, and others by another."""
    found = []
    for seed in (1, 1, 2):
        model = make_model(7)
        learn_initial_state(model, whole(make_ids(400, 7)), steps=3, seed=seed)
        found.append(model.initial[0].cell)

    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_a_signal_is_heard_at_every_step(make_model, make_ids):
    """Who is told of each step may end it."""
    told = []

    def heed(count):
        told.append(count)
        if len(told) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        learn_initial_state(
            *(make_model(7), whole(make_ids(400, 7))), steps=9, seed=1, heed=heed
        )

    assert told == [PLACES * LENGTH] * 3


def test_what_is_apart_is_not_read(make_model, make_ids):
    """The temperature is fitted there: a character that no table has stands in it."""
    ids = make_ids(400, 7)
    ids[100:300] = 250

    learn_initial_state(make_model(7), whole(ids, apart=(100, 300)), steps=20, seed=1)

    with pytest.raises(IndexError):
        learn_initial_state(make_model(7), whole(ids), steps=20, seed=1)


@pytest.mark.parametrize("cell", CELLS)
def test_it_stays_where_a_memory_can_be(make_model, make_ids, cell, monkeypatch):
    """What a cell gives out lies from -1 to 1, and so does what it begins with."""
    monkeypatch.setattr(initial_state, "RATE", 5.0)
    model = make_model(7, cell=cell)

    learn_initial_state(model, whole(make_ids(400, 7)), steps=5, seed=1)

    assert model.initial[0].hidden.abs().max() == 1
    if cell == "lstm":
        assert model.initial[0].cell.abs().max() > 1


@pytest.mark.parametrize(
    ("run", "characters", "steps"),
    [
        *[(31, 10**6, 0), (32, 10**6, 1), (2000, 10**6, 62), (10**6, 10**6, 64)],
        *[(10**6, PLACES * LENGTH, 0), (10**6, PLACES * LENGTH + 1, 64)],
    ],
)
def test_how_long_it_is_looked_for(run, characters, steps):
    """A little of the run; a run or a text of nothing begins with nothing."""
    assert initial_steps(run, characters) == steps


class TestFiles:
    @pytest.fixture
    def checkpoint(self, make_model):
        model = make_model(3, layers=2, dtype=torch.float32, initial_state="zeros")
        return to_checkpoint(model, char_tokenizer("abc"), TrainingRecord())

    @pytest.fixture
    def state(self, make_model, make_state):
        return make_state(make_model(3, layers=2), 1)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_it_comes_back(self, tmp_path, checkpoint, state, dtype):
        """In the type of the weights, and the built model begins with it."""
        tensors = to_arrays(to_tensors(checkpoint.tensors), dtype)
        checkpoint = Checkpoint(**{**_values(checkpoint), "tensors": tensors})
        begun = with_initial_state(checkpoint, state)
        path = tmp_path / "model.safetensors"
        save_checkpoint(path, begun)

        built = build_model(load_checkpoint(path))

        for name, rows in built.initial_state(2).tensors().items():
            expected = state.tensors()[name].to(dtype).float()
            assert torch.equal(rows, expected.expand(2, -1)), name
        assert {t.dtype for t in to_tensors(begun.tensors).values()} == {dtype}

    def test_one_that_says_nothing_of_it_begins_with_nothing(
        self, tmp_path, checkpoint
    ):
        """As every file from before: the word is not even in it."""
        path = tmp_path / "model.safetensors"
        save_checkpoint(path, checkpoint)

        assert b"initial" not in path.read_bytes()
        assert load_checkpoint(path).model.initial_state == "zeros"

    def test_tensors_and_settings_must_agree(self, tmp_path, checkpoint, state):
        """Neither one without the other, and no memory of another width."""
        begun = with_initial_state(checkpoint, state)
        narrow = {"initial.0.hidden": np.zeros(3, np.float32)}
        for model, tensors in (
            (begun.model, checkpoint.tensors),
            (checkpoint.model, begun.tensors),
            (begun.model, begun.tensors | narrow),
        ):
            wrong = {**_values(checkpoint), "model": model, "tensors": tensors}
            with pytest.raises(CheckpointError, match="settings"):
                save_checkpoint(tmp_path / "model", Checkpoint(**wrong))

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_a_mean_begins_between_those_that_have_one(self, checkpoint, state, place):
        """One that a run saved before its end has none, and has no say in it."""
        halved = {k: to_bfloat16(v) for k, v in checkpoint.tensors.items()}
        models = [
            with_initial_state(
                Checkpoint(**{**_values(checkpoint), "tensors": halved}), one
            )
            for one in (state, state.map(lambda tensor: 3 * tensor))
        ]
        models.insert(place, checkpoint)

        mean = average_models(models, ["one", "two", "three"])

        expected = 2 * state.tensors()["1.cell"][0].float()
        found = mean.tensors["initial.1.cell"]
        np.testing.assert_allclose(found, expected, rtol=1e-2)
        assert mean.model.initial_state == "learned"
        assert {t.dtype for t in mean.tensors.values()} == {np.dtype(np.float32)}

    @pytest.mark.parametrize(
        ("name", "value"),
        [("0.hidden", 1.01), ("0.hidden", -1.01), ("1.cell", 1025.0), ("1.cell", -1e9)],
    )
    def test_a_memory_that_cannot_be(self, tmp_path, checkpoint, state, name, value):
        """A GRU that keeps all would carry it for ever."""
        begun = with_initial_state(checkpoint, state)
        begun.tensors[f"initial.{name}"][1] = value

        with pytest.raises(CheckpointError, match=f"no number from .*initial.{name}"):
            save_checkpoint(tmp_path / "model", begun)

    def test_zeros_are_not_named(self, tmp_path, checkpoint):
        """There is one way to say it, so that the same model is the same bytes."""
        about = to_metadata(checkpoint)
        about["model"]["initial_state"] = "zeros"
        path = tmp_path / "model.safetensors"
        path.write_bytes(pack(checkpoint.tensors, MODEL, about))

        with pytest.raises(CheckpointError, match="initial_state"):
            load_checkpoint(path)


def _values(checkpoint):
    return {name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__}


def test_a_run_cannot_be_made_with_it():
    """It is found when the run has ended; settings that ask for it are refused."""
    data = to_json(TrainConfig(budget=BudgetConfig(steps=1)))
    data["model"]["initial_state"] = "learned"

    with pytest.raises(ConfigError, match="initial_state"):
        from_json(TrainConfig, data)
    data["model"]["initial_state"] = "random"
    with pytest.raises(ConfigError, match="initial_state"):
        from_json(TrainConfig, data)


@pytest.mark.usefixtures("every_step")
class TestRuns:
    @pytest.fixture
    def text(self, make_source):
        return make_source("cats", TEXT)

    def test_a_finished_model_has_one(self, text, make_wishes, train):
        """The run itself, which may go on, has none; its end is told with it."""
        prepared, _ = train(text, make_wishes(steps=STEPS))
        model = model_of(prepared)
        settings = json.loads((prepared.path / "run.json").read_text(encoding="utf-8"))

        assert model.model.initial_state == "learned"
        assert np.abs(model.tensors["initial.1.cell"]).max() > 0.01
        assert settings["config"]["model"]["initial_state"] == "zeros"
        assert ("begins with", "a memory that was learned too") in model_facts(model)

    def test_a_short_run_has_none(self, text, make_wishes, train):
        """It would be a guess."""
        prepared, _ = train(text, make_wishes(steps=10))

        assert model_of(prepared).model.initial_state == "zeros"

    def test_stopped_while_it_is_learned(
        self, text, make_wishes, train, tmp_path, monkeypatch
    ):
        """The best model stays as it was; who goes on learns it, with the same bits."""
        wishes = make_wishes(steps=STEPS)
        whole, _ = train(text, wishes, output=tmp_path / "whole")

        def interrupted(model, ids, *, heed, **others):
            heed.__self__.stop("interrupted")  # as a signal does
            learn_initial_state(model, ids, heed=heed, **others)

        place = "lstm_textgen.training.finish.learn_initial_state"
        with monkeypatch.context() as patch:
            patch.setattr(place, interrupted)
            parts, events = train(text, wishes, output=tmp_path / "parts")

        assert events[-1].reason == "interrupted"
        assert model_of(parts).model.initial_state == "zeros"
        train(text, Overrides(), output=parts.path, resume=True)
        expected, found = model_of(whole), model_of(parts)
        assert found.training.validation_nats_per_char == (
            expected.training.validation_nats_per_char
        )
        for name, tensor in expected.tensors.items():
            assert np.array_equal(found.tensors[name], tensor), name
