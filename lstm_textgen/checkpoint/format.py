"""
Format 1: a trained model as one file, with everything that sampling needs.

The tensors are the parameters of the network under the names that torch gives them,
and the metadata beside them holds the settings of the model, its vocabulary and the
record of its training. No paths, and no names of hosts or users.
"""

import platform
import re
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from reprlib import repr as shorten
from typing import Any

import numpy as np

from lstm_textgen.checkpoint.container import (
    BF16,
    DTYPES,
    Array,
    ContainerKind,
    TensorSpec,
    pack,
    to_bfloat16,
    widen,
)
from lstm_textgen.checkpoint.reader import AGAIN, Container, open_container
from lstm_textgen.checkpoint.record import TrainingRecord, check_free_text
from lstm_textgen.checkpoint.schema import out_of_range, parameter_count, tensor_shapes
from lstm_textgen.config import ModelConfig, from_json, to_json
from lstm_textgen.errors import CheckpointError, ConfigError, VocabularyError
from lstm_textgen.files import write_durably
from lstm_textgen.text.tokenizer import Tokenizer, tokenizer_from_json

FORMAT = 1
"""
The format that is written, and the newest that is understood. A newer file whose
`min_reader` is not above it may have extra keys that can be ignored.
"""

SIZE_CAP = 2 * 2**30
"""Bytes of the largest model."""

VOCABULARY_CAP = 200_000
"""Characters of the largest vocabulary: all of them must fit into the header."""

MODEL = ContainerKind(
    key="lstm_textgen", dtypes=("F32", "BF16"), tensor_cap=256, size_cap=SIZE_CAP
)

KEYS = {
    "format",
    "min_reader",
    "model",
    "vocabulary",
    "training",
    "made_by",
    "licence",
    "note",
}
"""The keys of the metadata, apart from the two checksums."""

NEWLINE = {"newline": "lf"}
"""How lines end in the text of a training record. Only this value was ever written."""

HEAD = ("head.weight", "head.bias")
"""The tensors that a temperature divides."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Checkpoint:
    """A trained model as values, the same in a file and in memory."""

    model: ModelConfig
    tokenizer: Tokenizer
    training: TrainingRecord
    tensors: dict[str, Array]
    """The parameters, all of them float32 or all bfloat16 as raw uint16."""

    made_by: dict[str, str]
    """Versions of the programs that made it, by name."""

    licence: str = ""
    """The license of the model."""

    note: str = ""
    """Anything that its maker wants to say."""

    def __post_init__(self) -> None:
        check_free_text("licence", self.licence)
        check_free_text("note", self.note)
        check_free_text("made_by", " ".join([*self.made_by, *self.made_by.values()]))


def versions() -> dict[str, str]:
    """The versions of this program, of torch and of Python."""
    return {
        "lstm_textgen": _version("lstm-textgen"),
        "torch": _version("torch"),
        "python": platform.python_version(),
    }


def _version(distribution: str) -> str:
    """The version that is installed, found without importing anything."""
    try:
        return version(distribution)
    except PackageNotFoundError:  # run from a checkout
        return "unknown"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """
    Write a model so that *path* is always a whole one, the old or the new.

    Raises:
        CheckpointError: The tensors are not those of the settings, or not finite.
        OutputError: The file cannot be created there.
        StorageError: The disk is full or fails.
    """
    specs = {name: TensorSpec.of(a) for name, a in checkpoint.tensors.items()}
    remedy = "Save the weights of a model with exactly these settings."
    _check_specs("The model to save", checkpoint, specs, remedy)
    _check_numbers("The model to save", checkpoint.tensors)
    write_durably(path, pack(checkpoint.tensors, MODEL, to_metadata(checkpoint)))


def load_checkpoint(path: Path) -> Checkpoint:
    """
    Read a model that a stranger may have made.

    Raises:
        MissingError: There is no such file, or it may not be read.
        CheckpointError: It is not a model of ours, damaged, or too new.
        StorageError: The disk fails.
    """
    with open_container(path, MODEL) as container:
        checkpoint = _header(container)
        tensors = container.read_tensors()
    _check_numbers(str(path), tensors)
    return replace(checkpoint, tensors=tensors)


def read_header(path: Path) -> Checkpoint:
    """
    Read what a model says of itself; it has no tensors, and they are not checked.

    Raises:
        MissingError, CheckpointError, StorageError: As `load_checkpoint`.
    """
    with open_container(path, MODEL) as container:
        return _header(container)


def _header(container: Container) -> Checkpoint:
    """A model without its tensors, after checking that their names are right."""
    checkpoint = _from_metadata(container.metadata, container.path)
    _check_specs(str(container.path), checkpoint, container.specs, AGAIN)
    return checkpoint


def to_metadata(checkpoint: Checkpoint) -> dict[str, Any]:
    """The metadata, without its checksums; `_from_metadata` is the inverse."""
    return {
        "format": FORMAT,
        "min_reader": FORMAT,
        "model": _model_json(checkpoint.model),
        "vocabulary": checkpoint.tokenizer.to_json(),
        "training": _training_json(checkpoint.training),
        "made_by": checkpoint.made_by,
        "licence": checkpoint.licence,
        "note": checkpoint.note,
    }


def _training_json(training: TrainingRecord) -> dict[str, Any]:
    """The record, with the constant after the text's other facts, its usual place."""
    record = to_json(training)
    text = {key: record[key] for key in ("corpus", "characters", "sha256", "encoding")}
    return text | NEWLINE | record


def _model_json(model: ModelConfig) -> dict[str, Any]:
    """The settings; `initial_state` is left out where it is zeros."""
    settings = to_json(model)
    if model.initial_state == "zeros":
        del settings["initial_state"]
    return settings


def _from_metadata(metadata: dict[str, Any], path: Path) -> Checkpoint:
    """A checkpoint without its tensors."""
    _check_format(metadata, path)
    newer = metadata["format"] > FORMAT  # what it adds may be passed over
    odd = KEYS - metadata.keys() if newer else KEYS ^ metadata.keys()
    if odd:
        what = f"lacks or should not have {shorten(sorted(odd))}"
        raise CheckpointError(f"{path} is not as format 1 wants it: it {what}.", AGAIN)
    made_by = metadata["made_by"]
    texts = [metadata["licence"], metadata["note"]]
    texts += made_by.values() if isinstance(made_by, dict) else [made_by]
    if not isinstance(made_by, dict) or not all(isinstance(t, str) for t in texts):
        problem = f"{path} has something else where licence, note or made_by should be."
        raise CheckpointError(problem, AGAIN)
    try:
        return Checkpoint(
            model=_whole_model(metadata["model"]),
            tokenizer=tokenizer_from_json(metadata["vocabulary"]),
            training=_training_record(metadata["training"]),
            tensors={},
            made_by=made_by,
            licence=metadata["licence"],
            note=metadata["note"],
        )
    except (ConfigError, VocabularyError) as error:
        problem = f"{path} cannot be understood: {error.problem}"
        raise CheckpointError(problem, AGAIN) from error


def _whole_model(data: Any) -> ModelConfig:
    """The settings, none left to a default: defaults may change, files must not."""
    model = from_json(ModelConfig, data, "model")
    odd = _model_json(model).keys() ^ data.keys()
    if odd:
        problem = f"model lacks or should not have {', '.join(sorted(odd))}."
        raise ConfigError(problem, "Say what is there, and nothing else.")
    return model


def _training_record(data: Any) -> TrainingRecord:
    """The record, without the constant that stands in every file."""
    if isinstance(data, dict) and data.get("newline") == NEWLINE["newline"]:
        data = {key: value for key, value in data.items() if key not in NEWLINE}
    return from_json(TrainingRecord, data, "training")


def _check_specs(
    name: str, checkpoint: Checkpoint, specs: dict[str, TensorSpec], remedy: str
) -> None:
    """The tensors are those of the settings, counted before anything is built."""
    model, vocabulary = checkpoint.model, checkpoint.tokenizer.size
    dtypes = {spec.dtype for spec in specs.values()}
    if len(dtypes) != 1 or not dtypes <= set(MODEL.dtypes):
        found = ", ".join(sorted(dtypes)) or "no numbers"
        wanted = "all F32 or all BF16 are wanted"
        raise CheckpointError(f"{name} holds {found}; {wanted}.", remedy)
    dtype = dtypes.pop()
    implied = parameter_count(model, vocabulary) * DTYPES[dtype].itemsize
    found_bytes = sum(spec.size_bytes for spec in specs.values())
    if found_bytes != implied:
        problem = f"{name} holds {found_bytes} bytes of weights"
        raise CheckpointError(f"{problem}; its settings imply {implied}.", remedy)
    shapes = tensor_shapes(model, vocabulary)
    expected = {name: TensorSpec(dtype, shape) for name, shape in shapes.items()}
    for key in sorted(expected.keys() | specs.keys()):
        if specs.get(key) != expected.get(key):
            raise CheckpointError(
                f"{name} holds {specs.get(key, 'nothing')} under {shorten(key)}; its "
                f"settings imply {expected.get(key, 'nothing')}.",
                remedy,
            )


def _check_numbers(name: str, tensors: dict[str, Array]) -> None:
    problem = out_of_range(tensors)
    if problem is not None:
        raise CheckpointError(
            f"{name} holds a weight that is {problem}.",
            "Train it again with a lower learning rate, or take an earlier one.",
        )


def _check_format(metadata: dict[str, Any], path: Path) -> None:
    """Refuse a format that is too new, or a number that cannot be one."""
    written: Any = metadata.get("format")
    needed: Any = metadata.get("min_reader")
    numbers = type(written) is int and type(needed) is int
    if not (numbers and 1 <= needed <= written):
        found = f"format {shorten(written)}, to be read from {shorten(needed)} on"
        raise CheckpointError(f"{path} names a format that cannot be: {found}.", AGAIN)
    if needed > FORMAT:
        raise CheckpointError(
            f"{path} needs a textgen that reads format {shorten(needed)}; this one "
            f"reads format {FORMAT}.",
            _upgrade(metadata.get("made_by")),
        )


def _upgrade(made_by: Any) -> str:
    """How to get the version that wrote a file, whose word is not trusted."""
    wrote = made_by.get("lstm_textgen") if isinstance(made_by, dict) else None
    if isinstance(wrote, str) and re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}", wrote):
        return f"Upgrade: pip install 'lstm-textgen>={wrote}'"
    return "Upgrade: pip install --upgrade lstm-textgen"


def with_temperature(checkpoint: Checkpoint, temperature: float) -> Checkpoint:
    """
    The same model, with the head of its last step divided by *temperature*.

    Args:
        checkpoint: As training left it, or already divided by another temperature.
        temperature: Above 0; 1 restores the head of the last step.
    """
    divisor = temperature / (checkpoint.training.temperature or 1.0)
    head = {name: checkpoint.tensors[name] for name in HEAD}
    divided = {name: widen(array) / np.float32(divisor) for name, array in head.items()}
    if all(array.dtype == BF16 for array in head.values()):
        divided = {name: to_bfloat16(array) for name, array in divided.items()}
    return replace(
        checkpoint,
        tensors=checkpoint.tensors | divided,
        training=replace(checkpoint.training, temperature=temperature),
    )


def as_trained(model: ModelConfig) -> ModelConfig:
    """The settings before an initial state was learned, if one was."""
    return replace(model, initial_state="zeros")
