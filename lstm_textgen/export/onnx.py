"""
One step of a model as an ONNX graph: character and memory in, logits and memory out.

It is put together by hand from the equations of `model.cells`, a dozen operators of
old standing, so that every runtime takes it. An exporter that traces torch would need
more packages and give a graph over time, with its memory inside.

Needs onnx, the extra of that name.

Shapes: N samples, V vocabulary, H hidden units.
"""

from dataclasses import dataclass, field

from onnx import NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from lstm_textgen import __version__
from lstm_textgen.checkpoint.format import Checkpoint, to_metadata
from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.errors import CheckpointError
from lstm_textgen.export.arrays import Arrays, float_arrays
from lstm_textgen.strict_json import canonical

OPSET, IR_VERSION = 17, 8
"""Of 2022: what is newer brings nothing that is needed here."""

LARGEST_BYTES = 2**31 - 2**24
"""Of the weights: a file of this kind is one message of at most 2 GiB."""


def onnx_bytes(checkpoint: Checkpoint) -> bytes:
    """
    The graph of one step.

    Inputs are `id` (N), int64, and for each layer n its memory `hidden_n` (N, H), for
    an LSTM also `cell_n`; outputs are `logits` (N, V) and the memory after the step,
    `hidden_n_after` and `cell_n_after`. A text begins with a memory of zeros: a memory
    here is the distance from the model's initial state. What the checkpoint says of
    itself is in the metadata, under `lstm_textgen`. The mark for unknown characters has
    a logit as any other; it is for the caller not to draw it.

    Raises:
        CheckpointError: It is larger than such a file can be.
    """
    vocabulary = checkpoint.tokenizer.size
    size_bytes = 4 * parameter_count(checkpoint.model, vocabulary)
    if size_bytes > LARGEST_BYTES:
        raise CheckpointError(
            f"The weights take {size_bytes:,} bytes, and an ONNX file holds 2 GiB.",
            "Take --format npz, which has no such limit.",
        )
    drawing = _step(checkpoint)
    graph = helper.make_graph(
        drawing.nodes + drawing.later,
        "one step of a character model",
        drawing.inputs,
        drawing.outputs,
        [numpy_helper.from_array(array, k) for k, array in drawing.constants.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="lstm_textgen",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    about = canonical(to_metadata(checkpoint))
    helper.set_model_props(model, {"lstm_textgen": about})
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


@dataclass(slots=True)
class _Drawing:
    """A graph in the making; operators are called by their names."""

    constants: Arrays
    nodes: list[NodeProto] = field(default_factory=list)
    inputs: list[ValueInfoProto] = field(default_factory=list)
    outputs: list[ValueInfoProto] = field(default_factory=list)
    later: list[NodeProto] = field(default_factory=list)
    """What comes after all *nodes*."""

    def __call__(self, operator: str, *inputs: str, name: str = "") -> str:
        """Add a node with one output, called *name* or by its number."""
        name = name or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name]))
        return name

    def product(self, x: str, weight: str, bias: str, name: str = "") -> str:
        """weight x + bias, for every sample."""
        name = name or f"product_{len(self.nodes)}"
        node = helper.make_node("Gemm", [x, weight, bias], [name], transB=1)
        self.nodes.append(node)
        return name

    def remembers(self, name: str, initial: str, size: int) -> tuple[str, str]:
        """
        A memory: where it is to be read, and the name under which to make the next.

        Outside it is told as the distance from *initial*, if the model learned one.
        """
        before, after = self.reads(name, size), self.tells(f"{name}_after", size)
        if initial not in self.constants:
            return before, after
        made = f"{name}_made"
        self.later.append(helper.make_node("Sub", [made, initial], [after]))
        return self("Add", before, initial), made

    def split(self, x: str, parts: int) -> list[str]:
        """The blocks of H columns."""
        names = [f"block_{len(self.nodes)}_{part}" for part in range(parts)]
        if parts == 1:
            return [x]
        self.nodes.append(helper.make_node("Split", [x], names, axis=1))
        return names

    def reads(self, name: str, size: int) -> str:
        """An input (N, size)."""
        self.inputs.append(_matrix(name, size))
        return name

    def tells(self, name: str, size: int) -> str:
        """An output (N, size), to be made under this name."""
        self.outputs.append(_matrix(name, size))
        return name


def _step(checkpoint: Checkpoint) -> _Drawing:
    """The network, layer by layer."""
    model, vocabulary = checkpoint.model, checkpoint.tokenizer.size
    draw = _Drawing(float_arrays(checkpoint))
    draw.inputs.append(helper.make_tensor_value_info("id", TensorProto.INT64, ["N"]))
    logits = draw.tells("logits", vocabulary)
    x = draw("Gather", "embedding.weight", "id")
    for depth in range(model.layers):
        initial = f"initial.{depth}"
        hidden, after = draw.remembers(
            f"hidden_{depth}", f"{initial}.hidden", model.hidden
        )
        weights = f"layers.{depth}"
        a = draw.product(x, f"{weights}.weight_ih_l0", f"{weights}.bias_ih_l0")
        m = draw.product(hidden, f"{weights}.weight_hh_l0", f"{weights}.bias_hh_l0")
        if model.cell == "lstm":
            cell, kept = draw.remembers(
                f"cell_{depth}", f"{initial}.cell", model.hidden
            )
            _lstm(draw, a, m, cell, kept, after)
        elif model.cell == "gru":
            _gru(draw, a, m, hidden, after)
        else:
            draw("Tanh", draw("Add", a, m), name=after)
        x = draw("Add", x, after) if depth > 0 and model.residual else after
    draw.product(x, "head.weight", "head.bias", name=logits)
    return draw


def _lstm(draw: _Drawing, a: str, m: str, cell: str, kept: str, after: str) -> None:
    """As `cells.lstm_update`; *kept* and *after* name the memory after the step."""
    i, f, g, o = draw.split(draw("Add", a, m), 4)
    old = draw("Mul", draw("Sigmoid", f), cell)
    new = draw("Mul", draw("Sigmoid", i), draw("Tanh", g))
    draw("Add", old, new, name=kept)
    draw("Mul", draw("Sigmoid", o), draw("Tanh", kept), name=after)


def _gru(draw: _Drawing, a: str, m: str, hidden: str, after: str) -> None:
    """As `cells.gru_update`, with h' = n + z (h - n)."""
    r_input, z_input, n_input = draw.split(a, 3)
    r_memory, z_memory, n_memory = draw.split(m, 3)
    reset = draw("Sigmoid", draw("Add", r_input, r_memory))
    update = draw("Sigmoid", draw("Add", z_input, z_memory))
    new = draw("Tanh", draw("Add", n_input, draw("Mul", reset, n_memory)))
    draw("Add", new, draw("Mul", update, draw("Sub", hidden, new)), name=after)


def _matrix(name: str, columns: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", columns])
