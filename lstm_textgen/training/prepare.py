"""
What a run needs before it is opened: its text, its plan or the run that it resumes.

Everything is checked here, and nothing is written into the folder of the run.
"""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lstm_textgen.checkpoint.format import VOCABULARY_CAP, load_checkpoint
from lstm_textgen.config import TextConfig
from lstm_textgen.errors import CorpusError, OutputError, SettingsFileError
from lstm_textgen.files import translated_errors
from lstm_textgen.model.machine import Machine
from lstm_textgen.paths import default_cache
from lstm_textgen.runs.directory import RunDirectory
from lstm_textgen.runs.find import RUNS, free_name
from lstm_textgen.text.encode import (
    EncodedText,
    ReadProgress,
    encode_source,
    encode_with,
)
from lstm_textgen.text.source import Source
from lstm_textgen.text.split import calibration_slice, split_text
from lstm_textgen.training.data import TrainingData
from lstm_textgen.training.overrides import Overrides, check_same
from lstm_textgen.training.plan import Plan, make_plan
from lstm_textgen.training.spec import REMEDY, CorpusIdentity, RunSpec
from lstm_textgen.training.speed import choose_machine_again


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run that can be opened; nothing has been written into its folder yet."""

    directory: RunDirectory
    spec: RunSpec
    text: EncodedText
    data: TrainingData
    machine: Machine
    plan: Plan | None = None
    """None for a run that resumes: nothing was planned."""
    changes_text: bool = False
    """It resumes on another text, which the user has accepted."""

    @property
    def resumes(self) -> bool:
        """The folder holds a run already, and this one continues it."""
        return self.plan is None


def prepare_run(
    source: Source,
    overrides: Overrides,
    machine: Machine,
    *,
    output: Path | None = None,
    resume: bool = False,
    accept_corpus_change: bool = False,
    progress: ReadProgress | None = None,
) -> Run:
    """
    Encode the text, and plan a new run or find the one to resume.

    Writes nothing but the cache of ids.

    Args:
        source: The text.
        overrides: What the user has set.
        machine: Where to compute.
        output: The folder of the run. None takes one in `checkpoints/` by the name of
            the text, for a new run a free one.
        resume: Continue the run that is there, if there is one.
        accept_corpus_change: Even if the text is not the one it began with.
        progress: Called with the bytes that were read.

    Raises:
        BusyError: Another process trains in the folder.
        OutputError: The folder is taken or cannot be made, or its run has other
            settings.
        SettingsFileError: Its `run.json` is damaged or of another format.
        CorpusError: The text is too short, has a single character, or is another one
            and that was not accepted.
        VocabularyError: It was, and a character is not in the run's vocabulary.
        ConfigError: A setting does not fit the text or the machine.
    """
    path = output or (RUNS / source.name if resume else free_name(RUNS, source.name))
    directory = RunDirectory(path)
    directory.check_idle()
    encode = partial(encode_source, source, cache=default_cache(), progress=progress)
    if not (resume and os.path.exists(directory.settings_path)):
        check_free(path)
        text = encode(TextConfig(**overrides.text))
        return _new_run(directory, text, overrides, machine)
    recorded = RunSpec.load(directory)
    check_same(overrides, recorded.config, machine, path)
    text = encode(recorded.config.text)
    if text.sha256 != recorded.corpus.sha256 and not accept_corpus_change:
        raise CorpusError(
            f"The text is not the one that the run in {path} began with: "
            f"sha256 {text.sha256[:12]}..., not {recorded.corpus.sha256[:12]}....",
            "Give it the same text, add --accept-corpus-change, or begin a run by -o.",
        )
    if text.sha256 != recorded.vocabulary_sha256:
        text = _encode_with_model(source, recorded, directory)
    return _resumed_run(directory, recorded, text, machine)


def _new_run(
    directory: RunDirectory, text: EncodedText, overrides: Overrides, machine: Machine
) -> Run:
    check_corpus(text)
    config = TextConfig(**overrides.text)
    split = split_text(len(text.ids), config.validation, config.test)
    calibration = calibration_slice(split.train[1])
    trained = split.train[1] - (calibration[1] - calibration[0])
    vocabulary = text.tokenizer.size
    plan = make_plan(
        overrides, characters=trained, vocabulary=vocabulary, machine=machine
    )
    spec = RunSpec(
        config=plan.config,
        corpus=CorpusIdentity.of(text),
        vocabulary_sha256=text.sha256,
        split=split,
        calibration=calibration,
        evaluation_sample=plan.evaluation_sample,
        expected_epochs=plan.characters / trained,
        characters_read_per_second=plan.characters_read_per_second,
    )
    data = TrainingData.of(spec, text)
    return Run(directory, spec, text, data, plan.machine, plan)


def _resumed_run(
    directory: RunDirectory, recorded: RunSpec, text: EncodedText, machine: Machine
) -> Run:
    check_corpus(text)
    changes_text = text.sha256 != recorded.corpus.sha256
    spec = recorded.with_text(text) if changes_text else recorded
    if len(text.ids) != spec.corpus.ids:
        raise SettingsFileError(
            f"{directory.settings_path}: the corpus has {spec.corpus.ids} ids, and "
            f"this text {len(text.ids)}.",
            REMEDY,
        )
    data = TrainingData.of(spec, text)
    machine = choose_machine_again(machine, spec.config, text.tokenizer.size)
    return Run(directory, spec, text, data, machine, changes_text=changes_text)


def check_free(path: Path) -> None:
    """
    A new run needs a place where nothing is, in a folder that can be written to.

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
    above = next(p for p in path.absolute().parents if os.path.exists(p))
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
        only = text.tokenizer.decode(first.tolist())
        raise CorpusError(
            f"The text is the character {only!r} and nothing else "
            f"({len(text.ids):,} times).",
            "Give a text with at least two different characters.",
        )


def _encode_with_model(
    source: Source, spec: RunSpec, directory: RunDirectory
) -> EncodedText:
    """
    Encode a text in the vocabulary that the run has learned from another one.

    Raises:
        CorpusError: The run has no model yet that knows a vocabulary.
        VocabularyError: The text has a character that the run does not know.
    """
    if not directory.model_path.exists():
        raise CorpusError(
            f"The run in {directory.path} has no model yet, so no vocabulary to read "
            "another text in.",
            REMEDY,
        )
    tokenizer = load_checkpoint(directory.model_path).tokenizer
    encoding = spec.config.text.encoding
    return encode_with(source, tokenizer, encoding, cache=default_cache())
