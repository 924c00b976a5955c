"""Small good files of every kind, from which the others are made."""

import numpy as np
import torch

from lstm_textgen.checkpoint.container import BF16, pack
from lstm_textgen.checkpoint.format import MODEL, to_metadata
from lstm_textgen.runs.directory import STATE
from lstm_textgen.text.tokenizer import ByteTokenizer, CharTokenizer
from tests.builders import RECORD, char_tokenizer, tiny_model, to_checkpoint

KINDS = (
    ("lstm", 2, "learned", char_tokenizer("hällo\0"), torch.float32),
    ("gru", 1, "zeros", ByteTokenizer(), torch.bfloat16),
    ("rnn", 1, "learned", CharTokenizer("\nab\u202e", "\u202e"), torch.float32),
)
"""Cell, layers, initial state, vocabulary and type of numbers."""


def good_files() -> list[bytes]:
    """A checkpoint of each kind, with random weights that are always the same."""
    files = []
    for cell, layers, initial, tokenizer, dtype in KINDS:
        shape = {"cell": cell, "layers": layers, "initial_state": initial}
        model = tiny_model(tokenizer.size, **shape)
        about = {"licence": "CC0-1.0", "note": "😀"}
        checkpoint = to_checkpoint(model, tokenizer, RECORD, dtype=dtype, **about)
        files.append(pack(checkpoint.tensors, MODEL, to_metadata(checkpoint)))
    return files


def good_states() -> list[bytes]:
    """The state of a run: tensors of every type, and free JSON beside them."""
    tensors = {
        "model.head.bias": np.arange(3, dtype=np.float32),
        "memory.0": np.zeros((2, 3), BF16),
        "moments": np.ones(2),
        "step": np.array(7),
        "generator": np.arange(40, dtype=np.uint8),
    }
    return [pack(tensors, STATE, {"position": {"step": 7, "text": "é"}})]
