"""
The pieces of a comparison, each with its settings, and what came of it in a file.

A piece is found again by all that decides its result, so that a broken run goes on
and nothing is trained twice.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from lstm_textgen.config import Cell, ModelConfig, OptimizerConfig
from lstm_textgen.files import translated_errors, write_durably
from lstm_textgen.strict_json import canonical, parse

EDITION = 1
"""Goes up when pieces of the same settings would come out differently."""

Result = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class TextPiece:
    """A network that reads the text."""

    kind: ClassVar[str] = "text"
    model: ModelConfig
    optimizer: OptimizerConfig
    seed: int
    device: str
    steps: int
    sample: int
    """Held-out characters that each look during the run counts."""
    places: int
    """Held-out characters where useful context is measured; with 0 neither that nor
    the reach of gradients is."""
    text: str
    """The digest of the text."""

    @property
    def cell(self) -> Cell:
        return self.model.cell

    @property
    def characters(self) -> int:
        """About as many as are learned from."""
        return self.steps * self.optimizer.streams * self.optimizer.window

    @property
    def label(self) -> str:
        return f"text-{self.cell}-rate{self.optimizer.learning_rate:g}-seed{self.seed}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskPiece:
    """A network that learns one recall task."""

    kind: ClassVar[str] = "task"
    task: str
    model: ModelConfig
    optimizer: OptimizerConfig
    seed: int
    device: str
    steps: int
    questions: int
    """That it is judged by, at each distance."""

    @property
    def cell(self) -> Cell:
        return self.model.cell

    @property
    def label(self) -> str:
        rate = f"rate{self.optimizer.learning_rate:g}"
        return f"{self.task}-{self.cell}-{rate}-seed{self.seed}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanPiece:
    """How fast this machine is, and what was planned by that."""

    kind: ClassVar[str] = "plan"
    wishes: dict[str, Any]
    text: str

    @property
    def label(self) -> str:
        return "plan"


Trained = TextPiece | TaskPiece

Piece = Trained | PlanPiece


def experiment_settings(piece: Piece) -> dict[str, Any]:
    """All that decides a result, as plain JSON."""
    return {"edition": EDITION, "kind": piece.kind} | dataclasses.asdict(piece)


@dataclass(frozen=True, slots=True)
class ResultStore:
    """A folder with a file for every piece that is done."""

    folder: Path

    def find(self, piece: Piece) -> Result | None:
        """What came of *piece*; None if that is not known, or the file is damaged."""
        try:
            kept = parse(self._path(piece).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(kept, dict) or kept.get("settings") != _plain(piece):
            return None
        result = kept.get("result")
        return result if isinstance(result, dict) else None

    def keep(self, piece: Piece, result: Result) -> None:
        """
        Write down what came of *piece*.

        Raises:
            OutputError: The folder may not be written to.
            StorageError: The disk is full or fails.
        """
        with translated_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        kept = {"settings": experiment_settings(piece), "result": result}
        text = json.dumps(kept, indent=1, allow_nan=False)
        write_durably(self._path(piece), text.encode("ascii") + b"\n")

    def _path(self, piece: Piece) -> Path:
        digest = hashlib.sha256(
            canonical(experiment_settings(piece)).encode()
        ).hexdigest()
        return self.folder / f"{piece.label}-{digest[:12]}.json"


def _plain(piece: Piece) -> Any:
    """The settings as they come out of a file: lists where there were tuples."""
    return json.loads(canonical(experiment_settings(piece)))
