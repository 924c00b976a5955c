"""
Before the first step: the text encoded, the run planned, its directory made.

Nothing is written into a run directory before everything has been checked.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from lstm_textgen.checkpoint.durable import translated_errors
from lstm_textgen.checkpoint.finding import RUNS, free_name
from lstm_textgen.checkpoint.format import VOCABULARY_CAP
from lstm_textgen.checkpoint.store import RunDirectory
from lstm_textgen.config import TextConfig
from lstm_textgen.errors import ConfigError, CorpusError, OutputError
from lstm_textgen.model.init import initialise
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.cache import EncodedText
from lstm_textgen.text.encode import default_cache, encode_source
from lstm_textgen.text.source import Source
from lstm_textgen.text.streams import Split, Streams, split_text, with_context
from lstm_textgen.training.budget import Meter
from lstm_textgen.training.judging import judging_seconds
from lstm_textgen.training.machine import Machine
from lstm_textgen.training.plan import Plan, make_plan
from lstm_textgen.training.recorded import (
    Recorded,
    as_recorded,
    check_same,
    is_other_text,
    read_as_before,
    read_recorded,
    settings_of,
)
from lstm_textgen.training.session import Session
from lstm_textgen.training.trainer import Trainer
from lstm_textgen.training.wishes import Wishes


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
    other_text: bool = False
    """It goes on with another text, which the user has accepted."""


def prepare(
    source: Source,
    wishes: Wishes,
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
    check_text(text)
    other_text = recorded is not None and is_other_text(
        recorded, text, accepted=accept_corpus_change
    )
    if recorded is not None and (other_text or not recorded.own_vocabulary):
        text = read_as_before(source, recorded)
    split = split_text(len(text.ids), config.validation, config.test)
    prepared = Prepared(
        text=text,
        split=split,
        plan=_plan(wishes, recorded, text, split, machine),
        path=path,
        resumes=recorded is not None,
        other_text=other_text,
    )
    _streams(prepared)  # refuses more streams than characters, before a folder is made
    return prepared


def _plan(
    wishes: Wishes,
    recorded: Recorded | None,
    text: EncodedText,
    split: Split,
    machine: Machine,
) -> Plan:
    """Of a new run by its wishes, of one that goes on as it was made."""
    plan = partial(
        make_plan,
        characters=split.train[1] - split.train[0],
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
) -> Iterator[tuple[Session, list[str]]]:
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
            directory.begin(settings_of(prepared.plan, prepared.text))
        trainer = build_trainer(prepared, started_s=started_s)
        session = Session(
            trainer,
            prepared.text,
            prepared.split,
            prepared.plan,
            directory,
            save_every_s=save_every_s,
        )
        warnings = session.resume() if prepared.resumes else []
        if prepared.resumes:
            trainer.meter = _meter(prepared, started_s, trainer.position.spent_s)
        if prepared.other_text:
            warnings.append(
                "the text is another one: a new epoch of it begins, and the best model "
                "so far will be replaced"
            )
            plan, text = prepared.plan, prepared.text
            session.turn_to(settings_of(plan, text, own_vocabulary=False))
        yield session, warnings


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


def check_text(text: EncodedText) -> None:
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
