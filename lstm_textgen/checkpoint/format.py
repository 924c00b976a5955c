"""
Format 1: a trained model as one file, with everything that sampling needs.

The tensors are the parameters of `CharModel` under the names that torch gives them,
and the text beside them says what the model is, which characters it knows and how
it was trained. No paths, and no names of hosts or users.
"""

import dataclasses
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from reprlib import repr as shorten
from typing import Any

import torch
from torch import Tensor

from lstm_textgen.checkpoint.container import DTYPES, Kind, TensorSpec, pack
from lstm_textgen.checkpoint.durable import write_durably
from lstm_textgen.checkpoint.ranges import out_of_range
from lstm_textgen.checkpoint.reader import AGAIN, Container, open_container
from lstm_textgen.checkpoint.record import TrainingRecord, check_text
from lstm_textgen.checkpoint.skeleton import parameter_count, skeleton
from lstm_textgen.checkpoint.version import FORMAT, check_format
from lstm_textgen.config import ModelConfig, from_json, to_json
from lstm_textgen.errors import CheckpointError, ConfigError, VocabularyError
from lstm_textgen.model.network import CharModel
from lstm_textgen.text.tokenizer import Tokenizer, tokenizer_from_json

SIZE_CAP = 2 * 2**30
"""Bytes of the largest model."""

VOCABULARY_CAP = 200_000
"""Characters of the largest vocabulary: all of them must fit into the header."""

MODEL = Kind(
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
"""What the text of format 1 says, apart from its checksums."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Checkpoint:
    """A trained model as values, the same in a file and in memory."""

    model: ModelConfig
    tokenizer: Tokenizer
    training: TrainingRecord
    tensors: dict[str, Tensor]
    """The parameters on the CPU, all of them float32 or all bfloat16."""

    made_by: dict[str, str]
    """Versions of the programs that wrote it, by name."""

    licence: str = ""
    """What others may do with the model."""

    note: str = ""
    """Anything that its maker wants to tell."""

    def __post_init__(self) -> None:
        check_text("licence", self.licence)
        check_text("note", self.note)
        check_text("made_by", " ".join([*self.made_by, *self.made_by.values()]))


def checkpoint_of(
    model: CharModel,
    tokenizer: Tokenizer,
    training: TrainingRecord,
    *,
    licence: str = "",
    note: str = "",
    dtype: torch.dtype = torch.float32,
) -> Checkpoint:
    """
    Photograph a model: what is learned afterwards does not change the picture.

    Args:
        dtype: How the numbers are kept: float32, or bfloat16 for half the size.
    """
    return Checkpoint(
        model=model.config,
        tokenizer=tokenizer,
        training=training,
        tensors={
            name: tensor.detach().to("cpu", dtype, copy=True)
            for name, tensor in model.state_dict().items()
        },
        made_by=versions(),
        licence=licence,
        note=note,
    )


def versions() -> dict[str, str]:
    """Of this program and what it stands on: what made a model."""
    try:
        own = version("lstm-textgen")
    except PackageNotFoundError:  # run from a checkout
        own = "unknown"
    python = platform.python_version()
    return {"lstm_textgen": own, "torch": torch.__version__, "python": python}


def build_model(
    checkpoint: Checkpoint,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    *,
    requires_grad: bool = False,
) -> CharModel:
    """
    The network with the weights of *checkpoint*, as a copy.

    Args:
        device: Where it shall be; None is the CPU.
        dtype: What it shall compute in.
        requires_grad: Whether it is to learn on.
    """
    size = checkpoint.tokenizer.size
    model = skeleton(checkpoint.model, size, device or "cpu").to(dtype)
    model.load_state_dict(checkpoint.tensors)
    return model.requires_grad_(requires_grad).eval()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """
    Write a model so that *path* is always a whole one, the old or the new.

    Raises:
        CheckpointError: The tensors are not those of the settings, or not finite.
        OutputError: The file cannot be created there.
        StorageError: The disk is full or fails.
    """
    specs = {name: TensorSpec.of(t) for name, t in checkpoint.tensors.items()}
    remedy = "Save the weights of a model with exactly these settings."
    _check_specs("The model to save", checkpoint, specs, remedy)
    _check_numbers("The model to save", checkpoint.tensors)
    write_durably(path, pack(checkpoint.tensors, MODEL, describe(checkpoint)))


def load_checkpoint(path: Path) -> Checkpoint:
    """
    Read a model that a stranger may have made.

    Raises:
        MissingError: There is no such file, or it may not be read.
        CheckpointError: It is not a model of ours, damaged, or too new.
        StorageError: The disk fails.
    """
    with open_container(path, MODEL) as container:
        checkpoint = _card(container)
        tensors = container.read_tensors()
    _check_numbers(str(path), tensors)
    return dataclasses.replace(checkpoint, tensors=tensors)


def read_card(path: Path) -> Checkpoint:
    """
    Read what a model says of itself; it has no tensors, and they are not checked.

    Raises:
        MissingError, CheckpointError, StorageError: As `load_checkpoint`.
    """
    with open_container(path, MODEL) as container:
        return _card(container)


def _card(container: Container) -> Checkpoint:
    """A model without its tensors, which are there under the right names."""
    checkpoint = _understood(container.metadata, container.path)
    _check_specs(str(container.path), checkpoint, container.specs, AGAIN)
    return checkpoint


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """The text about the tensors; `_understood` is the way back."""
    return {
        "format": FORMAT,
        "min_reader": FORMAT,
        "model": _told(checkpoint.model),
        "vocabulary": checkpoint.tokenizer.to_json(),
        "training": to_json(checkpoint.training),
        "made_by": checkpoint.made_by,
        "licence": checkpoint.licence,
        "note": checkpoint.note,
    }


def _told(model: ModelConfig) -> dict[str, Any]:
    """The settings; of an initial state only if there is one."""
    told = to_json(model)
    if model.initial_state == "zeros":
        del told["initial_state"]
    return told


def _understood(metadata: dict[str, Any], path: Path) -> Checkpoint:
    """Everything but the tensors."""
    check_format(metadata, path)
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
            training=from_json(TrainingRecord, metadata["training"], "training"),
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
    odd = _told(model).keys() ^ data.keys()
    if odd:
        problem = f"model lacks or should not have {', '.join(sorted(odd))}."
        raise ConfigError(problem, "Say what is there, and nothing else.")
    return model


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
    wanted_tensors = skeleton(model, vocabulary).state_dict()
    expected = {k: TensorSpec(dtype, tuple(v.shape)) for k, v in wanted_tensors.items()}
    for key in sorted(expected.keys() | specs.keys()):
        if specs.get(key) != expected.get(key):
            raise CheckpointError(
                f"{name} holds {specs.get(key, 'nothing')} under {shorten(key)}; its "
                f"settings imply {expected.get(key, 'nothing')}.",
                remedy,
            )


def _check_numbers(name: str, tensors: dict[str, Tensor]) -> None:
    found = out_of_range(tensors)
    if found is not None:
        raise CheckpointError(
            f"{name} holds a weight that is {found}.",
            "Train it again with a lower learning rate, or take an earlier one.",
        )
