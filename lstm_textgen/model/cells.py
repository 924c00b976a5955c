"""
One step of each cell as plain equations: the reference for every faster path.

A step multiplies its input and its hidden state by a matrix each,

    a = W x + b        from the input
    m = U h + d        from the hidden state

and each cell computes the next state from these two in its own way.

Shapes: B streams, E inputs, H hidden units, G gate rows: 4H for the LSTM, 3H for
the GRU, H for the RNN. The order of the gates is that of torch, so that the
weights of `nn.LSTM`, `nn.GRU` and `nn.RNN` fit unchanged.
"""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from lstm_textgen.config import Cell
from lstm_textgen.model.recurrent import LayerState


@dataclass(frozen=True, slots=True)
class CellWeights:
    """Parameters of one layer, gates stacked row over row."""

    inputs: Float[Tensor, "G E"]
    recurrent: Float[Tensor, "G H"]
    bias: Float[Tensor, " G"]
    recurrent_bias: Float[Tensor, " G"]
    """Separate from `bias`, because the GRU's reset gate acts on this one."""


@dataclass(frozen=True, slots=True)
class LSTMGates:
    """The gates of an LSTM, 0 to 1, and its candidate."""

    input: Float[Tensor, "B H"]
    forget: Float[Tensor, "B H"]
    candidate: Float[Tensor, "B H"]
    """New content of the cell state, -1 to 1, scaled by the input gate."""

    output: Float[Tensor, "B H"]


@dataclass(frozen=True, slots=True)
class GRUGates:
    """The gates of a GRU, 0 to 1, and its candidate."""

    reset: Float[Tensor, "B H"]
    """How much of the hidden state enters the candidate."""

    update: Float[Tensor, "B H"]
    """How much of the hidden state is kept; the candidate replaces the remainder."""

    candidate: Float[Tensor, "B H"]
    """New content of the hidden state, -1 to 1."""


def from_input(x: Float[Tensor, "B E"], weights: CellWeights) -> Float[Tensor, "B G"]:
    """The contribution of the input to every gate: a = W x + b."""
    return x @ weights.inputs.T + weights.bias


def from_hidden(
    hidden: Float[Tensor, "B H"], weights: CellWeights
) -> Float[Tensor, "B G"]:
    """The contribution of the hidden state to every gate: m = U h + d."""
    return hidden @ weights.recurrent.T + weights.recurrent_bias


def lstm_gates(a: Float[Tensor, "B G"], m: Float[Tensor, "B G"]) -> LSTMGates:
    """
    The gates of an LSTM.

        i, f, g, o = split(a + m)

    with a sigmoid over i, f, o (input, forget, output) and tanh over g.
    """
    i, f, g, o = (a + m).chunk(4, dim=-1)
    return LSTMGates(i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid())


def lstm_update(
    a: Float[Tensor, "B G"], m: Float[Tensor, "B G"], state: LayerState
) -> LayerState:
    """
    The LSTM: gates decide what to forget, what to add and what to output.

        c' = f * c + i * g
        h' = o * tanh(c')

    Source:
        Hochreiter and Schmidhuber (1997), Long Short-Term Memory. Neural
        Computation 9(8). The forget gate: Gers, Schmidhuber and Cummins (2000),
        Learning to Forget. Neural Computation 12(10).
    """
    assert state.cell is not None, "an LSTM has a cell state"
    gates = lstm_gates(a, m)
    cell = gates.forget * state.cell + gates.input * gates.candidate
    return LayerState(gates.output * cell.tanh(), cell)


def gru_gates(a: Float[Tensor, "B G"], m: Float[Tensor, "B G"]) -> GRUGates:
    """
    The gates of a GRU.

        r, z = sigmoid(split(a + m))
        n    = tanh(a_n + r * m_n)

    The reset gate r acts after the product with U, as in cuDNN and torch.
    """
    r_input, z_input, n_input = a.chunk(3, dim=-1)
    r_memory, z_memory, n_memory = m.chunk(3, dim=-1)
    reset = (r_input + r_memory).sigmoid()
    new = (n_input + reset * n_memory).tanh()
    return GRUGates(reset, (z_input + z_memory).sigmoid(), new)


def gru_update(
    a: Float[Tensor, "B G"], m: Float[Tensor, "B G"], state: LayerState
) -> LayerState:
    """
    The GRU: one gate resets, the other chooses between old and new.

        h' = (1 - z) * n + z * h

    Source:
        Cho et al. (2014), Learning Phrase Representations using RNN
        Encoder-Decoder. https://arxiv.org/abs/1406.1078
    """
    gates = gru_gates(a, m)
    kept = gates.update * state.hidden
    return LayerState((1 - gates.update) * gates.candidate + kept)


def rnn_update(
    a: Float[Tensor, "B G"], m: Float[Tensor, "B G"], state: LayerState
) -> LayerState:
    """
    The Elman network: the whole state is replaced at every step.

        h' = tanh(a + m)

    Source:
        Elman (1990), Finding Structure in Time. Cognitive Science 14(2).
    """
    return LayerState((a + m).tanh())


Update = Callable[[Tensor, Tensor, LayerState], LayerState]

UPDATES: dict[Cell, Update] = {
    "lstm": lstm_update,
    "gru": gru_update,
    "rnn": rnn_update,
}
"""From both contributions and the state before to the state after."""


def cell_step(
    cell: Cell, x: Float[Tensor, "B E"], state: LayerState, weights: CellWeights
) -> LayerState:
    """Advance a layer by one character."""
    a, m = from_input(x, weights), from_hidden(state.hidden, weights)
    return UPDATES[cell](a, m, state)
