"""
Before the first step: the text encoded, the run planned, its directory made.

Nothing is written into a run directory before everything has been checked.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from lstm_textgen.checkpoint.finding import RUNS, free_name
from lstm_textgen.checkpoint.store import RunDirectory
from lstm_textgen.config import TextConfig
from lstm_textgen.errors import CorpusError, OutputError
from lstm_textgen.model.init import initialise
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.cache import EncodedText
from lstm_textgen.text.encode import default_cache, encode_source
from lstm_textgen.text.source import Source
from lstm_textgen.text.streams import Split, Streams, split_text, with_context
from lstm_textgen.training.budget import Meter
from lstm_textgen.training.machine import Machine
from lstm_textgen.training.plan import Plan, make_plan
from lstm_textgen.training.recorded import (
    as_recorded,
    check_corpus,
    check_same,
    recorded_config,
    recorded_sample,
    settings_of,
)
from lstm_textgen.training.session import Session, judging_seconds
from lstm_textgen.training.trainer import Trainer
from lstm_textgen.training.wishes import Wishes, with_preset


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A run that could start."""

    text: EncodedText
    split: Split
    plan: Plan
    path: Path
    """The run directory; it need not exist yet."""
    resumes: bool
    """There is a run in it already, and it goes on."""


def prepare(
    source: Source,
    wishes: Wishes,
    machine: Machine,
    *,
    output: Path | None = None,
    resume: bool = False,
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
        progress: Called with the bytes that were read.

    Raises:
        CorpusError: The text is too short or has a single character.
        ConfigError: A setting does not fit the text or the machine.
        OutputError: The directory is taken, or its run has other settings.
    """
    path = output or (RUNS / source.name if resume else free_name(RUNS, source.name))
    directory = RunDirectory(path)
    resumes = resume and directory.settings_path.exists()
    settings = directory.settings() if resumes else {}
    if not resumes:
        check_free(path)
    text_config = TextConfig(**wishes.text)
    recorded = None
    if resumes:
        recorded = recorded_config(settings, path)
        check_same(with_preset(wishes, machine), recorded, path)
        text_config = recorded.text
    text = encode_source(source, text_config, cache=default_cache(), progress=progress)
    check_text(text)
    split = split_text(len(text.ids), text_config.validation, text_config.test)
    characters = split.train[1] - split.train[0]
    vocabulary = text.tokenizer.size
    if recorded is not None:
        check_corpus(settings, text, path)
        wishes = as_recorded(recorded)
    plan = make_plan(
        wishes, characters=characters, vocabulary=vocabulary, machine=machine
    )
    if recorded is not None:
        plan = replace(plan, config=recorded, sample=recorded_sample(settings, path))
    prepared = Prepared(text=text, split=split, plan=plan, path=path, resumes=resumes)
    _streams(prepared)  # refuses more streams than characters, before a folder is made
    return prepared


@contextlib.contextmanager
def open_session(
    prepared: Prepared, *, started_s: float, save_every_s: float = 30.0
) -> Iterator[tuple[Session, str | None]]:
    """
    Make the run directory, lock it, and build what runs.

    Args:
        prepared: From `prepare`.
        started_s: When the clock of this process began to count.
        save_every_s: How much work a crash may cost.

    Yields:
        The session, and a warning if there is one.

    Raises:
        BusyError: Another process trains in this directory.
        OutputError: It cannot be created.
    """
    plan, directory = prepared.plan, RunDirectory(prepared.path)
    if not prepared.resumes:
        directory = RunDirectory.create(prepared.path, settings_of(plan, prepared.text))
    with directory.lock():
        trainer = build_trainer(prepared, started_s=started_s)
        session = Session(
            trainer,
            prepared.text,
            prepared.split,
            plan,
            directory,
            save_every_s=save_every_s,
        )
        warning = session.resume() if prepared.resumes else None
        if prepared.resumes:
            trainer.meter = _meter(prepared, started_s, trainer.position.spent_s)
        yield session, warning


def build_trainer(prepared: Prepared, *, started_s: float) -> Trainer:
    """A trainer before its first step: same settings and seed, same weights."""
    plan, split, ids = prepared.plan, prepared.split, prepared.text.ids
    config = plan.config
    model = CharModel(config.model, prepared.text.tokenizer.size)
    initialise(model, torch.Generator().manual_seed(config.seed))
    return Trainer(
        model.to(plan.machine.device),
        _streams(prepared),
        ids[with_context(split.validation)],
        config,
        machine=plan.machine,
        meter=_meter(prepared, started_s, 0.0),
        sample=plan.sample,
        begins=prepared.text.tokenizer.begins,
    )


def check_free(path: Path) -> None:
    """
    A new run may not land on anything that is there, and needs a folder above it.

    Raises:
        OutputError: Something is there, or no folder can be made there.
    """
    if os.path.isdir(path) and not os.listdir(path):
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


def check_text(text: EncodedText) -> None:
    """
    There must be something to learn.

    Raises:
        CorpusError: One character only, over and over.
    """
    first = text.ids[:1]
    if (text.ids[:4096] == first).all() and (text.ids == first).all():
        only = text.tokenizer.decode(text.ids[:1].tolist())
        raise CorpusError(
            f"The text is the character {only!r} and nothing else "
            f"({len(text.ids):,} times).",
            "Give a text with at least two different characters.",
        )


def _streams(prepared: Prepared) -> Streams:
    config = prepared.plan.config
    return Streams(
        ids=prepared.text.ids[slice(*prepared.split.train)],
        streams=config.optimizer.streams,
        window=config.optimizer.window,
        seed=config.seed,
    )


def _meter(prepared: Prepared, started_s: float, spent_s: float) -> Meter:
    held_out = prepared.split.validation[1] - prepared.split.validation[0]
    return Meter(
        prepared.plan.config.budget,
        ticks=_streams(prepared).ticks,
        started_s=started_s,
        spent_s=spent_s,
        reserve_s=judging_seconds(held_out, prepared.plan.characters_read_per_second),
    )
