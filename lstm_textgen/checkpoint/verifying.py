"""Read models and runs whole, and say of every file whether it is fine."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lstm_textgen.checkpoint.container import tensors_sha256
from lstm_textgen.checkpoint.finding import resolve_checkpoint
from lstm_textgen.checkpoint.format import load_checkpoint
from lstm_textgen.checkpoint.reader import AGAIN, open_container
from lstm_textgen.checkpoint.store import STATE, RunDirectory
from lstm_textgen.errors import CheckpointError, TextgenError

NAMED = 5
"""How many bad files an error names; all of them were told before."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about a file."""

    path: Path | str
    """The file, or what was asked for where there is none."""

    sha256: str = ""
    """Digest of the tensors."""

    error: TextgenError | None = None
    """What is wrong; None if nothing is."""


def verify(argument: str) -> list[Verdict]:
    """
    Read a model, and of a run its states too, also before it has a model.

    Args:
        argument: As for `resolve_checkpoint`.
    """
    try:
        found = [_of_model(resolve_checkpoint(argument))]
    except TextgenError as error:
        found = [Verdict(argument, error=error)]
    run = RunDirectory(Path(argument))  # of a file, nothing is below it
    states = run.state_path, run.previous_state_path
    return found + [_of_state(state) for state in states if os.path.exists(state)]


def summary(verdicts: Sequence[Verdict]) -> TextgenError:
    """
    The error that stands for all that is bad, of which there is some.

    Of a single file it is its own. Of several, one that is missing counts less than
    one that was read and is bad.
    """
    bad = [each for each in verdicts if each.error is not None]
    errors = [each.error for each in bad if each.error is not None]
    if len(verdicts) == 1:
        return errors[0]
    kinds = [type(error) for error in errors]
    kind = CheckpointError if CheckpointError in kinds else kinds[0]
    more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    names = ", ".join(str(each.path) for each in bad[:NAMED])
    problem = f"{len(bad)} of {len(verdicts)} files are bad: {names}{more}."
    return kind(problem, AGAIN)


def _of_model(path: Path) -> Verdict:
    try:
        return Verdict(path, tensors_sha256(load_checkpoint(path).tensors))
    except TextgenError as error:
        return Verdict(path, error=error)


def _of_state(path: Path) -> Verdict:
    """Whether it is whole and its numbers are finite; not whether it fits the run."""
    try:
        with open_container(path, STATE) as container:
            tensors = container.read_tensors()
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                raise CheckpointError(
                    f"{path} holds something that is no finite number: {name}.",
                    "Restore it from a copy, or train with a lower learning rate.",
                )
    except TextgenError as error:
        return Verdict(path, error=error)
    return Verdict(path, tensors_sha256(tensors))
