"""What is checked before the first step, and what a refusal leaves behind."""

import functools
import json
import time

import pytest
import torch

from lstm_textgen.errors import (
    BusyError,
    ConfigError,
    CorpusError,
    OutputError,
    SettingsFileError,
)
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.training.start import open_session, prepare

TEXT = "the cat sat on the mat and the rat sat on the cat; " * 20


@pytest.fixture
def text(make_source):
    return make_source("cats", TEXT)


@pytest.fixture
def make_wishes(make_wishes):
    """Runs of a single step will do here."""
    return functools.partial(make_wishes, steps=1)


@pytest.fixture
def finished(text, make_wishes, train):
    """A run that is complete, in checkpoints/cats."""
    prepared, _ = train(text, make_wishes())
    return prepared


def test_a_new_run_says_what_it_is(text, make_wishes, machine):
    """
    run.json has the settings as resolved and the text by name, size and digest.

    There is no path in it, and nothing was written before the session was opened.
    """
    prepared = prepare(text, make_wishes(), machine)
    assert not prepared.path.exists()
    with open_session(prepared, started_s=0.0) as (session, warnings):
        settings = json.loads((prepared.path / "run.json").read_text())

    assert warnings == []
    assert settings["config"]["model"]["hidden"] == 6
    assert settings["config"]["precision"] == "float32"
    assert settings["corpus"] == {
        "name": "cats",
        "characters": len(TEXT),
        "sha256": prepared.text.sha256,
        "own_vocabulary": True,
    }
    assert str(text.paths[0].parent) not in json.dumps(settings)
    assert session.trainer.position.step == 0


@pytest.mark.parametrize(("late_s", "told"), [(70.0, True), (5.0, False)])
def test_a_start_that_takes_all_of_the_budget(text, make_wishes, machine, late_s, told):
    """It ended as if it had learned, with weights as they were born."""
    prepared = prepare(text, make_wishes(minutes=1.0), machine)
    with open_session(prepared, started_s=time.monotonic() - late_s) as (_, warnings):
        pass

    assert [("--minutes" in warning) for warning in warnings] == [True] * told


def test_the_parts_of_the_text(text, make_wishes, machine):
    """What validates follows what trains, and is read with the character before."""
    wishes = make_wishes(text={"validation": 0.2, "test": 0.1})
    prepared = prepare(text, wishes, machine)
    with open_session(prepared, started_s=0.0) as (session, _):
        read = session.trainer.streams.ids, session.trainer.held_out
    decode = prepared.text.tokenizer.decode

    assert [len(part) for part in read] == [714, 205]
    assert decode(read[0].tolist()) == TEXT[:714]
    assert decode(read[1].tolist()) == TEXT[713:918]


def test_the_seed_gives_the_weights(text, make_wishes, machine):
    """Two runs with one seed begin alike, whatever torch drew before."""
    first = []
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        torch.manual_seed(len(first))
        wishes = make_wishes(run={"seed": seed, "precision": "float32"})
        prepared = prepare(text, wishes, machine, output=text.paths[0].parent / name)
        with open_session(prepared, started_s=0.0) as (session, _):
            first.append(session.trainer.model.head.weight)

    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


class TestNames:
    def test_the_default_folder(self, finished, text, make_wishes, machine):
        """A run without a name takes that of its text, the next one gets a number."""
        assert str(finished.path) == "checkpoints/cats"
        assert str(prepare(text, make_wishes(), machine).path) == "checkpoints/cats-2"

    def test_going_on_takes_the_first(self, finished, text, make_wishes, machine):
        """`--resume` without a name is about the folder of the text."""
        prepared = prepare(text, make_wishes(), machine, resume=True)

        assert str(prepared.path) == "checkpoints/cats"
        assert prepared.resumes

    def test_nothing_to_go_on_with(self, text, make_wishes, machine, tmp_path):
        """Then `--resume` starts a new run, so that one command line does for both."""
        prepared = prepare(
            text, make_wishes(), machine, output=tmp_path / "new", resume=True
        )

        assert not prepared.resumes
        assert not prepared.path.exists()


class TestRefusals:
    """Each is made before anything is written, and says what to do."""

    @pytest.fixture(autouse=True)
    def _nothing_changes(self, tmp_path):
        def contents():
            return {
                path: path.read_bytes() if path.is_file() else None
                for path in tmp_path.rglob("*")
                if tmp_path / "cache" not in [path, *path.parents]
                and path.name not in (".lock", ".lock.pid")
            }

        self.contents = contents

    def refuse(self, error, match, *args, **options):
        """It is refused, and every file is as it was."""
        before = self.contents()
        with (
            pytest.raises(error, match=match) as caught,
            open_session(prepare(*args, **options), started_s=0.0),
        ):
            pass
        assert self.contents() == before
        return caught.value

    def test_a_run_is_there(self, finished, text, make_wishes, machine):
        """A finished run is not overwritten."""
        error = self.refuse(
            OutputError, "exists", text, make_wishes(), machine, output=finished.path
        )

        assert error.exit_code == 73
        assert "--resume" in error.remedy

    def test_something_else_is_there(self, text, make_wishes, machine, tmp_path):
        """A file, or a folder with anything in it, is not ours to fill."""
        (tmp_path / "mine").write_text("mine")
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "mine").write_text("mine")

        for name in ("mine", "full"):
            self.refuse(
                OutputError,
                "exists",
                text,
                make_wishes(),
                machine,
                output=tmp_path / name,
            )

    def test_an_empty_folder_will_do(self, text, make_wishes, machine, tmp_path):
        """As one makes it before a job is sent to a queue."""
        (tmp_path / "empty").mkdir()
        prepared = prepare(text, make_wishes(), machine, output=tmp_path / "empty")
        with open_session(prepared, started_s=0.0):
            assert (tmp_path / "empty" / "run.json").exists()

    def test_a_folder_of_a_run_that_was_killed_at_birth(
        self, text, make_wishes, machine, tmp_path
    ):
        """A lock that nobody holds, and no run yet: that is no reason to refuse."""
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / ".lock").touch()
        for resume in (False, True):
            prepared = prepare(
                *(text, make_wishes(), machine),
                output=tmp_path / "empty",
                resume=resume,
            )
            assert not prepared.resumes

    def test_another_size(self, finished, text, make_wishes, machine):
        """Going on with other settings names the one that differs, with both values."""
        wishes = make_wishes(model={"hidden": 7, "layers": 2, "embedding": 4})
        error = self.refuse(
            OutputError, "hidden 6, not 7", text, wishes, machine, resume=True
        )

        assert "-o" in error.remedy

    def test_another_text(self, finished, make_source, make_wishes, machine):
        """A run goes on with its own text only; one changed letter shows."""
        other = make_source("cats", TEXT.replace("rat", "bat", 1))
        error = self.refuse(
            CorpusError, "not the one", other, make_wishes(), machine, resume=True
        )

        assert error.exit_code == 65

    @pytest.mark.parametrize("repeats", [1, 2, 5000])
    def test_a_single_character(self, repeats, make_source, make_wishes, machine):
        """Over and over there is nothing to learn; the error shows it and its count."""
        text = make_source("same", "a" * repeats)

        self.refuse(
            CorpusError, rf"'a'.*\({repeats:,} times\)", text, make_wishes(), machine
        )

    def test_one_other_character(self, make_source, make_wishes, machine):
        """At the very end of the text, it makes the text one that is accepted."""
        text = make_source("nearly", "a" * 5000 + "b")

        assert prepare(text, make_wishes(), machine).text.tokenizer.size == 2

    @pytest.mark.parametrize("characters", [2, 5, 6])
    def test_too_short(self, characters, make_source, make_wishes, machine):
        """Nine tenths of the text must be longer than a window of 5."""
        text = make_source("short", "abcdefghij"[:characters])

        self.refuse(CorpusError, "characters", text, make_wishes(), machine)

    def test_more_streams_than_characters(self, make_source, make_wishes, machine):
        """
        A number that was wished for is checked before the folder is made.

        It used to be noticed after that, and the run.json that stayed behind made
        the corrected command fail too.
        """
        text = make_source("short", "abcdefghij")
        wishes = make_wishes(optimizer={"streams": 50, "window": 3})

        self.refuse(ConfigError, "streams is 50", text, wishes, machine)

    def test_a_busy_folder(self, finished, text, make_wishes, machine):
        """Two processes never train in one folder."""
        with RunDirectory(finished.path).lock():
            for more in ({"resume": True}, {"output": finished.path}):
                error = self.refuse(
                    BusyError, "in use", text, make_wishes(), machine, **more
                )
                assert error.exit_code == 75

    def test_two_that_start_at_once(self, text, make_wishes, machine):
        """
        Both see an empty folder; the second one finds the first at work, and writes
        nothing.

        It used to write its settings over those of the first before it asked.
        """
        first = prepare(text, make_wishes(), machine)
        second = prepare(text, make_wishes(run={"seed": 9}), machine, output=first.path)
        with open_session(first, started_s=0.0):
            before = (first.path / "run.json").read_bytes()
            with pytest.raises(BusyError), open_session(second, started_s=0.0):
                pass
            assert (first.path / "run.json").read_bytes() == before

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("config", None),
            ("config", {"hidden": 6}),
            ("evaluation_sample", "many"),
            ("evaluation_sample", 0),
        ],
    )
    def test_settings_that_were_edited(
        self, finished, text, make_wishes, machine, key, value
    ):
        """A run.json that cannot be understood is named, with the place in it."""
        path = finished.path / "run.json"
        settings = json.loads(path.read_text())
        path.write_text(json.dumps(settings | {key: value}))

        error = self.refuse(
            SettingsFileError, r"run\.json", text, make_wishes(), machine, resume=True
        )
        assert key in error.problem
