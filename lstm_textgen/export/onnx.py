"""
One step of a model as an ONNX graph: character and state in, logits and state out.

The graph is built by hand from ONNX's own LSTM, GRU and RNN operators, so that every
runtime takes it. An exporter that traces torch would need more packages and give a
graph over time, with its state inside.

Needs onnx, the extra of that name.

Shapes: N samples, V vocabulary, E inputs, H hidden units, G gate rows.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32
from onnx import NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from lstm_textgen import __version__
from lstm_textgen.checkpoint.container import Array
from lstm_textgen.checkpoint.format import Checkpoint, to_metadata
from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.config import GATES, Cell
from lstm_textgen.errors import CheckpointError
from lstm_textgen.export.arrays import float_arrays
from lstm_textgen.strict_json import canonical

OPSET, IR_VERSION = 17, 8
"""Of 2022: nothing newer is needed here."""

MAX_WEIGHT_BYTES = 2**31 - 2**24
"""A file of this kind is one message of at most 2 GiB."""

GATE_ORDER: dict[Cell, tuple[str, ...]] = {
    "lstm": ("input", "output", "forget", "candidate"),
    "gru": ("update", "reset", "candidate"),
    "rnn": ("candidate",),
}
"""The gates of a cell in the order of ONNX's operators."""


def onnx_bytes(checkpoint: Checkpoint) -> bytes:
    """
    The graph of one step.

    Inputs are `id` (N), int64, and for each layer n its hidden state `hidden_n` (N, H),
    for an LSTM also `cell_n`; outputs are `logits` (N, V) and the state after the step,
    `hidden_n_after` and `cell_n_after`. A text begins with a state of zeros: a state
    here is the difference from the model's initial state. The metadata of the
    checkpoint is in that of the graph, under `lstm_textgen`. The mark for unknown
    characters has a logit like any other; it is for the caller not to draw it.

    Raises:
        CheckpointError: The weights are larger than such a file can be.
    """
    vocabulary = checkpoint.tokenizer.size
    size_bytes = 4 * parameter_count(checkpoint.model, vocabulary)
    if size_bytes > MAX_WEIGHT_BYTES:
        raise CheckpointError(
            f"The weights take {size_bytes:,} bytes, and an ONNX file holds 2 GiB.",
            "Take --format npz, which has no such limit.",
        )
    step = _step(checkpoint)
    graph = helper.make_graph(
        step.nodes,
        "one step of a character model",
        step.inputs,
        step.outputs,
        [
            numpy_helper.from_array(array, name)
            for name, array in step.constants.items()
        ],
    )
    model = helper.make_model(
        graph,
        producer_name="lstm_textgen",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    metadata = canonical(to_metadata(checkpoint))
    helper.set_model_props(model, {"lstm_textgen": metadata})
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


@dataclass(slots=True)
class _Graph:
    """A graph under construction. Every value in it goes by its name."""

    constants: dict[str, Array]
    nodes: list[NodeProto] = field(default_factory=list)
    inputs: list[ValueInfoProto] = field(default_factory=list)
    outputs: list[ValueInfoProto] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, output: str = "", **options: Any) -> str:
        """Add a node with one output, and return the name of that."""
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **options))
        return output


def _step(checkpoint: Checkpoint) -> _Graph:
    """The network, layer by layer; inside, the first axis is a time of one step."""
    model, arrays = checkpoint.model, float_arrays(checkpoint)
    ends = ("embedding.weight", "head.weight", "head.bias")
    graph = _Graph({"time": np.zeros(1, np.int64)} | {k: arrays[k] for k in ends})
    graph.inputs.append(helper.make_tensor_value_info("id", TensorProto.INT64, ["N"]))
    graph.outputs.append(_matrix("logits", checkpoint.tokenizer.size))
    x = graph.add("Gather", "embedding.weight", "id")
    x = graph.add("Unsqueeze", x, "time")  # (1, N, E)
    for depth in range(model.layers):
        output = _layer(graph, model.cell, depth, x, arrays)
        x = graph.add("Add", x, output) if depth and model.residual else output
    x = graph.add("Squeeze", x, "time")
    graph.add("Gemm", x, "head.weight", "head.bias", output="logits", transB=1)
    return graph


def _layer(
    graph: _Graph, cell: Cell, depth: int, x: str, arrays: dict[str, Array]
) -> str:
    """Add a layer that reads *x* (1, N, E), and return its output (1, N, H)."""
    layer = f"layers.{depth}"
    biases = [_reordered(arrays[f"{layer}.bias_{of}_l0"], cell) for of in ("ih", "hh")]
    weights = {
        f"{layer}.weight_ih": _reordered(arrays[f"{layer}.weight_ih_l0"], cell),
        f"{layer}.weight_hh": _reordered(arrays[f"{layer}.weight_hh_l0"], cell),
        f"{layer}.biases": np.concatenate(biases),
    }
    graph.constants |= {name: array[None] for name, array in weights.items()}
    hidden_size = arrays[f"{layer}.weight_hh_l0"].shape[1]
    names = [f"hidden_{depth}", f"cell_{depth}"][: 2 if cell == "lstm" else 1]
    before = []
    for name in names:
        part, _, _ = name.partition("_")
        zeros = np.zeros(hidden_size, np.float32)
        initial = arrays.get(f"initial.{depth}.{part}", zeros)
        graph.constants[f"{name}_initial"] = initial
        graph.inputs.append(_matrix(name, hidden_size))
        state = graph.add("Add", name, f"{name}_initial")
        before.append(graph.add("Unsqueeze", state, "time"))
    options: dict[str, Any] = {"linear_before_reset": 1} if cell == "gru" else {}
    node = helper.make_node(
        cell.upper(),
        [x, *weights, "", *before],  # "": all samples have the same length
        ["", *(f"{name}_next" for name in names)],  # "": the outputs of all steps
        hidden_size=hidden_size,
        **options,
    )
    graph.nodes.append(node)
    for name in names:
        graph.outputs.append(_matrix(f"{name}_after", hidden_size))
        state = graph.add("Squeeze", f"{name}_next", "time")
        graph.add("Sub", state, f"{name}_initial", output=f"{name}_after")
    return f"hidden_{depth}_next"


def _reordered(rows: Float32[np.ndarray, "G *E"], cell: Cell) -> Array:
    """The gate rows of a weight or a bias in the order of ONNX."""
    blocks = dict(zip(GATES[cell], np.split(rows, len(GATES[cell])), strict=True))
    return np.concatenate([blocks[name] for name in GATE_ORDER[cell]])


def _matrix(name: str, columns: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", columns])
