"""
Before the first step: the text encoded, the run planned, its directory made.

Nothing is written into a run directory before everything has been checked.

What a run needs of its text and of its place, before anything is written.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lstm_textgen.checkpoint.format import VOCABULARY_CAP
from lstm_textgen.config import TextConfig
from lstm_textgen.errors import ConfigError, CorpusError, OutputError, SettingsFileError
from lstm_textgen.evaluation.perplexity import evaluation_seconds
from lstm_textgen.files import translated_errors
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.paths import default_cache
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.runs.find import RUNS, free_name
from lstm_textgen.text.encode import EncodedText, encode_source
from lstm_textgen.text.source import Source
from lstm_textgen.text.streams import (
    Split,
    Streams,
    calibration_length,
    calibration_slice,
    split_text,
    with_context,
)
from lstm_textgen.training.finish import LENGTH, MOST_STEPS, PLACES
from lstm_textgen.training.loop import Trainer
from lstm_textgen.training.machine import Machine
from lstm_textgen.training.overrides import Overrides
from lstm_textgen.training.plan import Plan, make_plan
from lstm_textgen.training.position import Position
from lstm_textgen.training.recorded import (
    Recorded,
    as_recorded,
    check_same,
    is_other_text,
    read_as_before,
    read_recorded,
    run_settings,
)
from lstm_textgen.training.schedule import Meter, end_of_text_at
from lstm_textgen.training.session import RunSession


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A run that could start."""

    text: EncodedText
    split: Split
    apart: tuple[int, int]
    """Of the training part, what no step reads, for `training.calibrating`."""
    plan: Plan
    path: Path
    """The run directory; it need not exist yet."""
    resumes: bool
    """There is a run in it already, and it goes on."""
    other_text: bool = False
    """It goes on with another text, which the user has accepted."""

    @property
    def characters(self) -> int:
        """How many ids an epoch reads."""
        return self.split.train[1] - (self.apart[1] - self.apart[0])


def prepare(
    source: Source,
    wishes: Overrides,
    machine: Machine,
    *,
    output: Path | None = None,
    resume: bool = False,
    accept_corpus_change: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Prepared:
    """
    Encode the text and decide on the run. Writes nothing but the cache of ids.

    Args:
        source: The text.
        wishes: What the user has set.
        machine: Where to compute.
        output: The run directory. None takes a free name in `checkpoints/`.
        resume: Go on with the run that is there, if there is one.
        accept_corpus_change: Even if the text is another than at its beginning.
        progress: Called with the bytes that were read.

    Raises:
        CorpusError: The text is too short or has a single character.
        ConfigError: A setting does not fit the text or the machine.
        BusyError: Another process trains in the directory.
        OutputError: The directory is taken, or its run has other settings.
        SettingsFileError: What the run recorded of itself cannot be.
    """
    path = output or (RUNS / source.name if resume else free_name(RUNS, source.name))
    directory = RunDirectory(path)
    directory.check_idle()
    recorded = None
    if resume and os.path.exists(directory.settings_path):
        recorded = read_recorded(directory)
        check_same(wishes, recorded, machine)
    else:
        check_free(path)
    config = recorded.config.text if recorded else TextConfig(**wishes.text)
    text = encode_source(source, config, cache=default_cache(), progress=progress)
    check_corpus(text)
    other_text = recorded is not None and is_other_text(
        recorded, text, accepted=accept_corpus_change
    )
    if recorded is not None and (other_text or not recorded.own_vocabulary):
        text = read_as_before(source, recorded)
    split = split_text(len(text.ids), config.validation, config.test)
    apart = _apart(split, None if other_text else recorded)
    trained = split.train[1] - (apart[1] - apart[0])
    prepared = Prepared(
        text=text,
        split=split,
        apart=apart,
        plan=_plan(wishes, recorded, text, trained, machine),
        path=path,
        resumes=recorded is not None,
        other_text=other_text,
    )
    _streams(prepared)  # refuses more streams than characters, before a folder is made
    return prepared


def _apart(split: Split, recorded: Recorded | None) -> tuple[int, int]:
    """What calibrates: of a new text as much as it bears, of an old one what did."""
    trained = split.train[1]
    length = recorded.apart if recorded else calibration_length(trained)
    if 2 * length > trained:
        raise SettingsFileError(
            f"run.json: calibration_characters is {length}, and {trained} train.",
            "Start a new run with -o under another name.",
        )
    return calibration_slice(trained, length)


def _plan(
    wishes: Overrides,
    recorded: Recorded | None,
    text: EncodedText,
    characters: int,
    machine: Machine,
) -> Plan:
    """Of a new run by its wishes, of one that goes on as it was made."""
    plan = partial(
        make_plan,
        characters=characters,
        vocabulary=text.tokenizer.size,
        machine=machine,
    )
    if recorded is None:
        return plan(wishes)
    try:
        again = plan(as_recorded(recorded.config))
    except ConfigError:
        if recorded.config.precision == "float32":
            raise
        # this machine has no such numbers: it goes on nearly as it would have
        again = plan(as_recorded(replace(recorded.config, precision="float32")))
    return replace(again, config=recorded.config, sample=recorded.sample)


@contextlib.contextmanager
def open_session(
    prepared: Prepared, *, started_s: float, save_every_s: float = 30.0
) -> Iterator[tuple[RunSession, list[str]]]:
    """
    Make the run directory, lock it, and build what runs.

    Args:
        prepared: From `prepare`.
        started_s: When the clock of this process began to count.
        save_every_s: How much work a crash may cost.

    Yields:
        The session, and warnings if there are any.

    Raises:
        BusyError: Another process trains in this directory.
        OutputError: It cannot be created.
    """
    directory = RunDirectory(prepared.path)
    with directory.lock():
        if not prepared.resumes:
            directory.begin(_settings(prepared))
        trainer = build_trainer(prepared, started_s=started_s)
        session = RunSession(
            trainer,
            prepared.text,
            prepared.split,
            prepared.plan,
            directory,
            apart=prepared.text.ids[with_context(prepared.apart)],
            save_every_s=save_every_s,
        )
        warnings = session.resume() if prepared.resumes else []
        if trainer.meter.progress(0) >= 1 and not prepared.resumes:
            warnings.append(
                "the start took all of the budget, so that nothing can be learned; "
                "give it more --minutes"
            )
        if prepared.resumes:
            trainer.meter = _meter(prepared, started_s, trainer.position.spent_s)
        if prepared.other_text:
            warnings.append(
                "the text is another one: a new epoch of it begins, and the best model "
                "so far will be replaced"
            )
            session.turn_to(_settings(prepared))
        yield session, warnings


def _settings(prepared: Prepared) -> dict[str, Any]:
    return run_settings(
        prepared.plan,
        prepared.text,
        prepared.apart[1] - prepared.apart[0],
        own_vocabulary=not prepared.other_text,
    )


def build_trainer(prepared: Prepared, *, started_s: float) -> Trainer:
    """A trainer before its first step: same settings and seed, same weights."""
    plan, split, ids = prepared.plan, prepared.split, prepared.text.ids
    config = plan.config
    model = CharModel(config.model, prepared.text.tokenizer.size)
    initialize(model, torch.Generator().manual_seed(config.seed))
    trainer = Trainer(
        model.to(plan.machine.device),
        _streams(prepared),
        ids[with_context(split.validation)],
        config,
        machine=plan.machine,
        meter=_meter(prepared, started_s, 0.0),
        sample=plan.sample,
        begins=prepared.text.tokenizer.begins,
    )
    expected = plan.characters / prepared.characters
    trainer.position = Position(end_at=end_of_text_at(expected))
    return trainer


def _streams(prepared: Prepared) -> Streams:
    config = prepared.plan.config
    return Streams(
        ids=prepared.text.ids[slice(*prepared.split.train)],
        apart=prepared.apart,
        streams=config.optimizer.streams,
        window=config.optimizer.window,
        seed=config.seed,
    )


def _meter(prepared: Prepared, started_s: float, spent_s: float) -> Meter:
    parts = prepared.split.validation, prepared.apart
    speed = prepared.plan.characters_read_per_second
    return Meter(
        prepared.plan.config.budget,
        ticks=_streams(prepared).ticks,
        started_s=started_s,
        spent_s=spent_s,
        reserve_s=evaluation_seconds(MOST_STEPS * PLACES * LENGTH, speed)
        + sum(evaluation_seconds(stop - start, speed) for start, stop in parts),
    )


def check_free(path: Path) -> None:
    """
    A new run may not land on anything that is there, and needs a folder above it.

    Raises:
        OutputError: Something is there, or no folder can be made there.
    """
    # hidden files are no run: a process that was killed early left a lock
    with translated_errors(path):
        if os.path.isdir(path) and all(name[0] == "." for name in os.listdir(path)):
            return
    if os.path.lexists(path):
        is_run = os.path.exists(RunDirectory(path).settings_path)
        raise OutputError(
            f"{path} exists already.",
            f"{'Add --resume to go on with it, or choose' if is_run else 'Choose'} "
            "another name with -o.",
        )
    above = next(each for each in path.absolute().parents if os.path.exists(each))
    if not (above.is_dir() and os.access(above, os.W_OK)):
        why = "may not be written to" if above.is_dir() else "is not a folder"
        raise OutputError(
            f"{path} cannot be created: {above} {why}.", "Choose another place with -o."
        )


def check_corpus(text: EncodedText) -> None:
    """
    There must be something to learn, and not more than a checkpoint can name.

    Raises:
        CorpusError: One character only, over and over, or too many different ones.
    """
    if text.tokenizer.size > VOCABULARY_CAP:
        raise CorpusError(
            f"The text has {text.tokenizer.size:,} different characters; a model "
            f"knows at most {VOCABULARY_CAP:,}.",
            "Take --tokenizer byte, or fold rare ones by --min-count 2 or more.",
        )
    first = text.ids[:1]
    if (text.ids[:4096] == first).all() and (text.ids == first).all():
        only = text.tokenizer.decode(text.ids[:1].tolist())
        raise CorpusError(
            f"The text is the character {only!r} and nothing else "
            f"({len(text.ids):,} times).",
            "Give a text with at least two different characters.",
        )
