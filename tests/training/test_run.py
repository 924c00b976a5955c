"""Whole runs in a folder: what they leave, and that stopping them changes nothing."""

import json
import time

import pytest

from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.errors import (
    BusyError,
    CheckpointError,
    ConfigError,
    CorpusError,
    OutputError,
    SettingsFileError,
)
from lstm_textgen.evaluation.part import part_of
from lstm_textgen.evaluation.perplexity import evaluation_seconds, exact_loss
from lstm_textgen.model.weights import build_model
from lstm_textgen.training.events import (
    Evaluated,
    Resumed,
    Sampled,
    Saved,
    StepDone,
    Stopped,
    Warned,
)
from lstm_textgen.training.finish import (
    INITIAL_STEPS,
    LENGTH,
    PIECES,
    reserved_seconds,
)
from lstm_textgen.training.overrides import Overrides
from lstm_textgen.training.prepare import prepare_run
from lstm_textgen.training.run import open_run
from lstm_textgen.training.spec import RunSpec
from tests.training.tiny import equal, of

pytestmark = pytest.mark.slow

TEXT = "the cat sat on the mat and the rat sat on the cat; " * 20


def metrics(run):
    lines = run.directory.metrics_path.read_text(encoding="ascii").splitlines()
    return [json.loads(line) for line in lines]


def model_of(run):
    return load_checkpoint(run.directory.model_path)


def contents(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def logged(run):
    """Of each line about the text its kind, step and values, in their order."""
    values = ("event", "step", "nats_per_char", "characters", "text")
    kinds = ("StepDone", "Evaluated", "Sampled")
    lines = [line for line in metrics(run) if line["event"] in kinds]
    return [[line.get(name) for name in values] for line in lines]


def steps_logged(run):
    return [line["step"] for line in metrics(run) if line["event"] == "StepDone"]


class TestFiles:
    def test_a_new_run_records_what_it_is(self, cats, make_overrides, machine):
        """
        run.json has the settings as resolved and the text by name, size and digest.

        There is no path in it, and nothing was written before the run was opened.
        """
        run = prepare_run(cats, make_overrides(), machine)
        assert not run.directory.path.exists()
        with open_run(run, started_s=0.0) as events:
            settings = json.loads(run.directory.settings_path.read_text())
            assert RunSpec.load(run.directory) == run.spec
            assert next(events).step == 0

        assert settings["config"]["model"]["hidden"] == 6
        assert settings["config"]["precision"] == "float32"
        assert settings["corpus"] == {
            "name": "cats",
            "ids": len(TEXT),
            "sha256": run.text.sha256,
        }
        assert str(cats.paths[0].parent) not in json.dumps(settings)

    def test_what_a_run_leaves(self, cats, make_overrides, train):
        """The model, the states, the metrics and the settings; no lock, no parts."""
        run, _ = train(cats, make_overrides())

        assert {path.name for path in run.directory.path.iterdir()} - {".lock"} == {
            "model.safetensors",
            "state.safetensors",
            "state.previous.safetensors",
            "metrics.jsonl",
            "run.json",
        }

    def test_the_parts_of_the_text(self, cats, make_overrides, machine):
        """What validates follows what trains, and is read with the character before."""
        overrides = make_overrides(text={"validation": 0.2, "test": 0.1})
        run = prepare_run(cats, overrides, machine)
        read = run.data.streams.ids, run.data.held_out

        assert [run.text.tokenizer.decode(part.tolist()) for part in read] == [
            TEXT[:714],
            TEXT[713:918],
        ]

    def test_the_model_has_the_loss_that_it_records(
        self, make_source, make_overrides, train
    ):
        """
        Whoever reads the validation part with it finds exactly that loss.

        Not nearly: one pass over that part, which is long enough for the quick
        estimates of the run to differ.
        """
        text = make_source("cats", 6 * TEXT)
        run, events = train(text, make_overrides(text={"test": 0.1}))
        checkpoint = model_of(run)
        record = checkpoint.training
        held_out = part_of(run.text, record, "validation")
        loss = exact_loss(build_model(checkpoint), held_out)

        assert run.text.tokenizer.decode(held_out.tolist()) == (6 * TEXT)[4895:5508]
        assert record.validation_nats_per_char == loss.nats_per_char
        assert record.validation_characters == loss.characters == 612
        assert (record.corpus, record.characters) == ("cats", 6120)
        assert (record.test_start, record.test_stop) == (5508, 6120)
        assert [e.loss for e in of(Evaluated, events) if e.final] == [loss]

    def test_a_long_text_is_evaluated_by_a_part(
        self, make_source, make_overrides, train, monkeypatch
    ):
        """
        Of a held-out part that takes long to read a share is counted, from all over it.

        Two minutes with 30 million characters once took two and a half.
        """
        limits = {"STREAM_CHARACTERS": 64, "EXACT_LIMIT": 128, "MAX_EVALUATED": 200}
        for name, value in limits.items():
            monkeypatch.setattr(f"lstm_textgen.evaluation.perplexity.{name}", value)
        run, _ = train(make_source("cats", 6 * TEXT), make_overrides())
        record = model_of(run).training

        assert run.spec.split.validation == (5508, 6120)
        assert 200 <= record.validation_characters < 210
        assert record.validation_nats_per_char > 0

    def test_a_held_out_part_in_which_no_character_begins(
        self, make_source, make_overrides, train
    ):
        """
        The last byte of a character is held out: nothing to count, and no loss.

        The run learned and then ended each time with a loss that was NaN.
        """
        text = make_source("short", "日本" * 35)
        settings = {"tokenizer": "byte", "validation": 0.008}
        run, events = train(text, make_overrides(text=settings, steps=2))

        assert run.spec.split.validation == (208, 210)
        assert model_of(run).training.validation_nats_per_char is None
        assert isinstance(events[-1], Stopped)

    def test_the_model_is_the_best_one(self, make_source, make_overrides, train):
        """
        The steps in its record are those of the best evaluation of the run.

        The last tenth of the text has a character of its own, so that the more is
        learned the worse it gets.
        """
        text = make_source("turn", "ab" * 450 + "c" * 100)
        run, events = train(text, make_overrides())
        evaluated = [e for e in of(Evaluated, events) if not e.final]
        lowest = min(evaluated, key=lambda event: event.loss.nats_per_char)

        assert model_of(run).training.steps == lowest.step < 10

    def test_events_come_in_order(self, cats, make_overrides, train):
        """
        A state, losses, the evaluation, the best model, a line that it generates.

        The first state shows at once whether the disk takes it. At the end the state
        is saved, the best model finished, which the last state knows, and `Stopped`
        is the last of all.
        """
        _, events = train(cats, make_overrides(steps=1))

        assert [getattr(event, "what", type(event)) for event in events] == [
            *("state", StepDone, Evaluated, "model", Sampled, "state"),
            *("state", Evaluated, "state", Stopped),
        ]

    def test_saving_all_the_time(self, cats, make_overrides, train):
        """If a crash may cost nothing, every step is followed by a state."""
        cadence = {"save_every_s": 0.0}
        _, events = train(cats, make_overrides(steps=4), cadence=cadence)
        states = [e.step for e in of(Saved, events) if e.what == "state"]

        assert set(states) == {0, 1, 2, 3, 4}

    def test_saving_on_request(self, cats, make_overrides, train):
        """The state is saved after the step, as often as it is asked for."""

        def act(event, control, loop):
            if isinstance(event, StepDone) and event.step in (3, 6):
                control.ask_to_save()

        _, events = train(cats, make_overrides(), act=act)

        assert [e.step for e in of(Saved, events) if e.asked] == [3, 6]

    def test_it_saves_before_a_long_evaluation(
        self, cats, make_overrides, train, monkeypatch
    ):
        """
        A crash while the held-out text is read costs no more work than promised.

        An evaluation as long as the last one would reach beyond the next save here.
        """
        monkeypatch.setattr(
            "lstm_textgen.training.loop.Loop.seconds_to_next_report",
            lambda loop: 1e7 * loop._is_to_evaluate(loop.position.step / 10),
        )
        _, events = train(cats, make_overrides(), cadence={"save_every_s": 1e6})
        places = [
            place
            for place, event in enumerate(events)
            if isinstance(event, Evaluated) and not event.final
        ]
        saved = [events[place - 1] for place in places if events[place].step < 10]

        assert len(places) == 5
        assert [event.what for event in saved] == ["state"] * 4
        assert len(of(Saved, events)) < 20

    def test_metrics_have_no_gaps(self, cats, make_overrides, train):
        """One JSON object for each event, with its name, and every step among them."""
        run, events = train(cats, make_overrides(steps=30))
        lines = metrics(run)
        steps = [line for line in lines if line["event"] == "StepDone"]

        assert [line["event"] for line in lines] == [type(e).__name__ for e in events]
        assert [line["step"] for line in steps] == [*range(1, 31)]
        assert sum(line["characters"] for line in steps) == events[-1].characters
        assert all(line["nats_per_char"] > 0 for line in steps)
        assert all(
            "/" not in line["path"] for line in lines if line["event"] == "Saved"
        )

    def test_nothing_held_out(self, cats, make_overrides, train):
        """The model is the last one, and it claims no loss; nor do the metrics."""
        run, events = train(cats, make_overrides(text={"validation": 0.0}))
        record = model_of(run).training
        evaluated = [line for line in metrics(run) if line["event"] == "Evaluated"]

        assert record.validation_nats_per_char is None
        assert record.steps == events[-1].step
        assert {line["nats_per_char"] for line in evaluated} == {None}

    def test_stopped_before_any_evaluation(self, cats, make_overrides, train):
        """There is a model even then, of no claimed quality."""
        run, _ = train(cats, make_overrides(steps=100), stop=2)
        record = model_of(run).training

        assert (record.steps, record.validation_nats_per_char) == (2, None)


class TestMinutes:
    @pytest.mark.parametrize(("late_s", "warns"), [(70.0, True), (5.0, False)])
    def test_a_start_that_takes_all_of_the_budget(
        self, cats, make_overrides, train, late_s, warns
    ):
        """It ended as if it had learned, with untrained weights."""
        started_s = time.monotonic() - late_s
        overrides = make_overrides(minutes=1.0)
        _, events = train(cats, overrides, started_s=started_s, die=1)

        assert ["--minutes" in e.text for e in of(Warned, events)] == [True] * warns

    def test_minutes_of_all_parts_count(self, cats, make_overrides, train):
        """A run of 100 minutes that used 50 has half left, but for the end."""
        overrides = make_overrides(minutes=100.0)
        train(cats, overrides, started_s=time.monotonic() - 3000, stop=1)
        options = {"started_s": time.monotonic(), "resume": True, "stop": 2}
        _, events = train(cats, overrides, **options)
        (resumed,) = of(Resumed, events)

        assert resumed.step == 1
        assert 0.5 < resumed.progress < 0.6  # ten minutes for a second's work
        assert 3000 < events[-1].elapsed_s < 3600

    def test_time_is_left_for_the_end(self, make_source, make_overrides, machine):
        """
        Each part is read by itself, so that each has its own time.

        A resumed run leaves the same, or its schedule would jump.
        """
        text = make_source("cats", 60 * TEXT)
        run = prepare_run(text, make_overrides(minutes=5.0), machine)
        counts = 6120, 55_080 // 50, INITIAL_STEPS * PIECES * LENGTH
        seconds = [evaluation_seconds(count, 1e5) for count in counts]
        with open_run(run, started_s=0.0):
            pass
        again = prepare_run(text, Overrides(), machine, resume=True)

        assert reserved_seconds(run.spec) == pytest.approx(sum(seconds))
        assert again.spec == run.spec


class TestResuming:
    @pytest.fixture
    def overrides(self, make_overrides):
        """Five steps with both kinds of noise."""
        return make_overrides(steps=5, optimizer={"dropout": 0.2, "weight_drop": 0.2})

    def test_a_death_at_any_event(self, cats, overrides, train, tmp_path):
        """
        Wherever the process dies, the end is that of a run that nothing interrupted.

        The model and its loss are the same, bit for bit, and the metrics have every
        reading of the text once, in order. A state is saved after every step here, so
        that what was logged after it is logged again. To resume, nothing needs to be
        set again.
        """
        cadence = {"save_every_s": 0.0}
        options = {"cadence": cadence}
        whole, events = train(cats, overrides, output=tmp_path / "whole", **options)
        expected, model = logged(whole), model_of(whole)
        assert len(expected) > 5 + 5 + 5
        for moment in range(1, len(events) + 1):
            path = tmp_path / f"died{moment}"
            train(cats, overrides, output=path, die=moment, **options)
            run, _ = train(cats, Overrides(), output=path, resume=True, **options)
            end = model_of(run)
            assert logged(run) == expected, moment
            assert equal(end.tensors, model.tensors), moment
            assert end.training.steps == model.training.steps
            assert end.training.validation_nats_per_char == (
                model.training.validation_nats_per_char
            )

    def test_after_a_crash_before_anything_was_saved(
        self, cats, overrides, train, tmp_path
    ):
        """
        The run begins anew, says so, and its metrics have every step once.

        The lines of the first attempt used to stay in them.
        """
        run, _ = train(cats, overrides, die=4)
        for state in run.directory.path.glob("state*"):
            state.unlink()
        _, events = train(cats, overrides, resume=True)

        assert ["beginning" in e.text for e in of(Warned, events)] == [True]
        assert steps_logged(run) == [*range(1, 6)]

    def test_a_damaged_state(self, cats, overrides, train):
        """The one before it is taken, with a warning."""
        run, _ = train(cats, overrides, cadence={"save_every_s": 0.0}, stop=3)
        run.directory.state_path.write_bytes(b"damaged")
        _, events = train(cats, overrides, resume=True)

        assert ["damaged" in e.text for e in of(Warned, events)] == [True]
        assert [e.step for e in of(Resumed, events)] == [3]  # saved twice there
        assert steps_logged(run) == [*range(1, 6)]

    @pytest.mark.parametrize("validation", [0.1, 0.0])
    def test_a_finished_run(self, cats, make_overrides, train, validation):
        """
        Resuming it reports how it ended, and changes no file.

        It used to evaluate the model anew and to add lines to the metrics, each time.
        """
        overrides = make_overrides(text={"validation": validation})
        run, first = train(cats, overrides)
        before = contents(run.directory.path)
        _, events = train(cats, overrides, resume=True)
        losses = [
            [e.loss for e in of(Evaluated, some) if e.final] for some in (first, events)
        ]

        assert (events[-1].step, events[-1].reason) == (10, "budget")
        assert len(events) == 1 + len(losses[1])
        assert losses[0] == losses[1]
        assert contents(run.directory.path) == before

    def test_a_finished_run_without_its_model(self, cats, make_overrides, train):
        """What was deleted is made again from the last weights, and evaluated."""
        run, _ = train(cats, make_overrides())
        run.directory.model_path.unlink()
        train(cats, make_overrides(), resume=True)
        record = model_of(run).training

        assert record.steps == 10
        assert record.validation_nats_per_char is not None

    def test_a_state_of_another_run(self, cats, make_overrides, train, tmp_path):
        """A state that was copied from another run is refused, and stays."""
        paths = []
        for name, seed in (("one", 1), ("two", 2)):
            settings = {"seed": seed, "precision": "float32"}
            overrides = make_overrides(run=settings)
            run, _ = train(cats, overrides, output=tmp_path / name, stop=2)
            paths.append(run.directory)
        paths[0].state_path.write_bytes(paths[1].state_path.read_bytes())
        paths[0].previous_state_path.unlink()
        before = contents(paths[0].path)

        with pytest.raises(CheckpointError, match="another run") as caught:
            train(cats, Overrides(), output=paths[0].path, resume=True)
        assert "-o" in caught.value.remedy
        assert contents(paths[0].path) == before

    def test_the_folder_is_free_afterwards(self, cats, overrides, train):
        """Also after an error the lock is gone, and the run can be resumed."""

        def fail(event, control, loop):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            train(cats, overrides, act=fail)
        _, events = train(cats, overrides, resume=True)

        assert events[-1].reason == "budget"


class TestNames:
    def test_the_default_folder(self, cats, make_overrides, train, machine):
        """
        A run without a name takes that of its text, the next one gets a number.

        `--resume` without a name is about the first.
        """
        run, _ = train(cats, make_overrides(steps=1))
        other = prepare_run(cats, make_overrides(), machine)
        again = prepare_run(cats, Overrides(), machine, resume=True)

        assert str(run.directory.path) == "checkpoints/cats"
        assert str(other.directory.path) == "checkpoints/cats-2"
        assert again.directory == run.directory
        assert (other.resumes, again.resumes) == (False, True)

    def test_nothing_to_resume(self, cats, make_overrides, machine, tmp_path):
        """Then `--resume` starts a new run, so that one command line does for both."""
        run = prepare_run(
            cats, make_overrides(), machine, output=tmp_path / "new", resume=True
        )

        assert not run.resumes
        assert not run.directory.path.exists()

    @pytest.mark.parametrize("files", [[], [".lock"]])
    def test_an_empty_folder_will_do(
        self, cats, make_overrides, machine, tmp_path, files
    ):
        """As one makes it before a job is queued, or as a run leaves it that was
        killed before it wrote anything: a lock that nobody holds."""
        (tmp_path / "empty").mkdir()
        for name in files:
            (tmp_path / "empty" / name).touch()
        for resume in (False, True):
            run = prepare_run(
                cats,
                make_overrides(),
                machine,
                output=tmp_path / "empty",
                resume=resume,
            )
            assert not run.resumes
        with open_run(run, started_s=0.0):
            assert (tmp_path / "empty" / "run.json").exists()


class TestRefusals:
    """Each is made before anything is written, and says what to do."""

    @pytest.fixture
    def finished(self, cats, make_overrides, train):
        """The folder of a run that is complete, checkpoints/cats."""
        run, _ = train(cats, make_overrides(steps=1))
        return run.directory

    @pytest.fixture
    def refuse(self, tmp_path, machine, make_overrides):
        """It is refused, and every file is as it was."""

        def everything():
            return {
                path: path.read_bytes() if path.is_file() else None
                for path in tmp_path.rglob("*")
                if tmp_path / "cache" not in [path, *path.parents]
                and path.name not in (".lock", ".lock.pid")
            }

        def refuse(error, match, source, overrides=None, **options):
            before = everything()
            overrides = overrides or make_overrides(steps=1)
            with pytest.raises(error, match=match) as caught:
                prepare_run(source, overrides, machine, **options)
            assert everything() == before
            return caught.value

        return refuse

    def test_a_run_is_there(self, finished, cats, refuse):
        """A finished run is not overwritten."""
        error = refuse(OutputError, "exists", cats, output=finished.path)

        assert error.exit_code == 73
        assert "--resume" in error.remedy

    def test_something_else_is_there(self, cats, refuse, tmp_path):
        """A file, or a folder with anything in it, is not ours to fill."""
        (tmp_path / "mine").write_text("mine")
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "mine").write_text("mine")

        for name in ("mine", "full"):
            refuse(OutputError, "exists", cats, output=tmp_path / name)

    def test_another_size(self, finished, cats, refuse, make_overrides):
        """Resuming with other settings names the one that differs, with both values."""
        overrides = make_overrides(
            steps=1, model={"hidden": 7, "layers": 2, "embedding": 4}
        )
        error = refuse(OutputError, "hidden 6, not 7", cats, overrides, resume=True)

        assert "-o" in error.remedy

    def test_another_text(self, finished, make_source, refuse):
        """A run is resumed on its own text only; one changed letter shows."""
        other = make_source("cats", TEXT.replace("rat", "bat", 1))
        error = refuse(CorpusError, "not the one", other, resume=True)

        assert error.exit_code == 65
        assert "--accept-corpus-change" in error.remedy

    def test_another_length(self, finished, cats, refuse):
        """A text of which run.json tells another length is not the one of its parts."""
        settings = json.loads(finished.settings_path.read_text())
        settings["corpus"]["ids"] += 1
        settings["split"]["test"] = [len(TEXT), len(TEXT) + 1]
        finished.settings_path.write_text(json.dumps(settings))

        refuse(SettingsFileError, rf"{len(TEXT) + 1} ids", cats, resume=True)

    @pytest.mark.parametrize("repeats", [1, 2, 5000])
    def test_a_single_character(self, repeats, make_source, refuse):
        """Over and over there is nothing to learn; the error shows it and its count."""
        text = make_source("same", "a" * repeats)

        refuse(CorpusError, rf"'a'.*\({repeats:,} times\)", text)

    def test_one_other_character(self, make_source, make_overrides, machine):
        """At the very end of the text, it makes the text one that is accepted."""
        text = make_source("nearly", "a" * 5000 + "b")

        assert prepare_run(text, make_overrides(), machine).text.tokenizer.size == 2

    @pytest.mark.parametrize("characters", [2, 5, 6])
    def test_too_short(self, characters, make_source, refuse):
        """Nine tenths of the text must be longer than a window of 5."""
        refuse(CorpusError, "characters", make_source("s", "abcdefghij"[:characters]))

    def test_more_streams_than_characters(self, make_source, make_overrides, refuse):
        """
        A number that the user set is checked before the folder is made.

        It used to be noticed after that, and the run.json that stayed behind made
        the corrected command fail too.
        """
        overrides = make_overrides(optimizer={"streams": 50, "window": 3})

        refuse(ConfigError, "streams is 50", make_source("s", "abcdefghij"), overrides)

    def test_a_busy_folder(self, finished, cats, refuse):
        """Two processes never train in one folder."""
        with finished.lock():
            for options in ({"resume": True}, {"output": finished.path}):
                error = refuse(BusyError, "in use", cats, **options)
                assert error.exit_code == 75

    def test_two_that_start_at_once(self, cats, make_overrides, machine):
        """
        Both see an empty folder; the second one finds the first at work, and writes
        nothing.

        It used to write its settings over those of the first before it asked.
        """
        first = prepare_run(cats, make_overrides(), machine)
        path = first.directory.path
        second = prepare_run(
            cats, make_overrides(run={"seed": 9}), machine, output=path
        )
        with open_run(first, started_s=0.0):
            before = (path / "run.json").read_bytes()
            with pytest.raises(BusyError), open_run(second, started_s=0.0):
                pass
            assert (path / "run.json").read_bytes() == before
