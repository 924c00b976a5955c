"""Adam in the directions of the inputs: AdamW without them, and what they change."""

import copy

import pytest
import torch
from torch import nn

from lstm_textgen.config import ModelConfig, OptimizerConfig
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.training.optimizer import (
    MAX_INPUTS,
    Optimizer,
    is_rotated,
    next_basis,
)


@pytest.fixture(params=["lstm", "gru", "rnn"])
def model(request):
    config = ModelConfig(cell=request.param, layers=2, hidden=3, embedding=2)
    model = CharModel(config, 5).double()
    initialize(model, torch.Generator().manual_seed(7))
    for parameter in model.parameters():  # biases too, or there is nothing to decay
        parameter.data += 0.5
    return model


def give_gradients(model, generator):
    """Draw a gradient for every parameter."""
    for parameter in model.parameters():
        parameter.grad = torch.randn(
            parameter.shape, generator=generator, dtype=parameter.dtype
        )


@pytest.mark.parametrize("basis_every", [0, 2])
def test_only_matrices_decay(model, basis_every):
    """With a gradient of zero a matrix shrinks by rate times decay, a bias stays."""
    before = copy.deepcopy(model.state_dict())
    config = OptimizerConfig(weight_decay=0.1, basis_every=basis_every)
    optimizer = Optimizer(model, config)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step(0.5)

    for name, after in model.state_dict().items():
        factor = 1 - 0.5 * 0.1 if name.endswith("weight") or "weight_" in name else 1
        torch.testing.assert_close(after, factor * before[name], rtol=1e-14, atol=0)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_without_a_basis_it_is_adamw(model):
    """Steps with rates that change are those of torch's plain loop over parameters."""
    config = OptimizerConfig(weight_decay=0.02, beta2=0.9, basis_every=0)
    twin = copy.deepcopy(model)
    optimizer = Optimizer(model, config)
    plain = torch.optim.AdamW(
        [
            {"params": [p], "weight_decay": 0.02 if p.dim() == 2 else 0.0}
            for p in twin.parameters()
        ],
        betas=(0.9, 0.9),
        foreach=False,
        fused=False,
    )
    generator = torch.Generator().manual_seed(1)
    for rate in (0.1, 0.03, 0.0, 0.2):
        for group in plain.param_groups:
            group["lr"] = rate
        give_gradients(model, generator)
        for one, other in zip(model.parameters(), twin.parameters(), strict=True):
            other.grad = one.grad.clone()
        optimizer.step(rate)
        plain.step()

    for name, weight in model.state_dict().items():
        torch.testing.assert_close(
            weight, twin.state_dict()[name], rtol=1e-12, atol=1e-13
        )


class Reader(nn.Module):
    """One matrix that reads numbers."""

    def __init__(self, weight):
        super().__init__()
        self.layers = nn.ParameterDict({"matrix": nn.Parameter(weight.clone())})


def descend(inputs, wanted, *, steps, basis_every, basis=None):
    """Fit inputs @ W.T to what is wanted, full batch; returns weights and loss."""
    model = Reader(torch.zeros(wanted.shape[1], inputs.shape[1], dtype=torch.float64))
    weight = model.layers["matrix"]
    config = OptimizerConfig(weight_decay=0.0, basis_every=basis_every)
    optimizer = Optimizer(model, config)
    if basis is not None:
        optimizer.state["layers.matrix"]["basis"].copy_(basis)
    for step in range(steps):
        loss = (inputs @ weight.T - wanted).square().mean()
        loss.backward()
        optimizer.step(0.03 * (1 - step / steps))
    return weight.detach(), loss.item()


@pytest.fixture
def tangled():
    """Inputs that move together, as those of a recurrent layer do, and a target."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    common = draw(256, 1) @ draw(1, 12)
    inputs = common + 0.1 * draw(256, 12)
    return inputs, inputs @ draw(12, 16)


def test_inputs_that_move_together_slow_adamw_and_not_this(tangled):
    """The reason for the basis: a thousandth of the loss after as many steps."""
    _, plain = descend(*tangled, steps=400, basis_every=0)
    _, turned = descend(*tangled, steps=400, basis_every=1)

    assert turned < plain / 1000


def test_turning_the_inputs_turns_the_weights_along(tangled):
    """What a layer learns does not depend on the axes that its inputs are told in."""
    inputs, wanted = tangled
    generator = torch.Generator().manual_seed(5)
    drawn = torch.randn(12, 12, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(drawn).Q

    straight, loss = descend(inputs, wanted, steps=30, basis_every=3)
    turned, same_loss = descend(
        inputs @ turn, wanted, steps=30, basis_every=3, basis=turn.T
    )

    assert same_loss == pytest.approx(loss, rel=1e-6)
    torch.testing.assert_close(turned, straight @ turn, rtol=1e-5, atol=1e-7)


def test_the_basis_becomes_that_of_the_eigenvectors():
    """Orthogonal iteration, held to `eigh`; it stays orthogonal, even from nothing."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    gram = root @ torch.diag(torch.tensor([9.0, 4, 2, 1, 0.3, 0.1]).double()) @ root.T
    basis = torch.eye(6, dtype=torch.float64)
    for _ in range(300):
        basis = next_basis(gram, basis)

    values, vectors = torch.linalg.eigh(gram)
    found = (vectors.flip(1).T @ basis).abs()
    torch.testing.assert_close(found, torch.eye(6).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        (basis.T @ gram @ basis).diagonal(), values.flip(0), rtol=1e-9, atol=0
    )
    nothing = next_basis(torch.zeros(4, 4), torch.eye(4))
    torch.testing.assert_close(nothing.T @ nothing, torch.eye(4))


def test_the_basis_is_refreshed_at_first_and_then_seldom(model, monkeypatch):
    """At each of the first five steps, and at every fourth if that is asked for."""
    looked, generator = [], torch.Generator().manual_seed(1)
    optimizer = Optimizer(model, OptimizerConfig(basis_every=4))

    def look(gram, basis):
        looked.append(optimizer.steps)
        return next_basis(gram, basis)

    monkeypatch.setattr("lstm_textgen.training.optimizer.next_basis", look)
    for _ in range(13):
        give_gradients(model, generator)
        optimizer.step(0.01)

    assert sorted(set(looked)) == [1, 2, 3, 4, 5, 8, 12]
    assert len(looked) == 4 * 7


def test_what_is_turned(model):
    """Matrices of the layers: not embedding, head or biases, and nothing too wide."""
    turned = {n for n, p in model.named_parameters() if is_rotated(n, p)}

    assert turned == {
        *("layers.0.weight_ih_l0", "layers.0.weight_hh_l0"),
        *("layers.1.weight_ih_l0", "layers.1.weight_hh_l0"),
    }
    assert is_rotated("layers.0.weight_hh_l0", torch.zeros(1, MAX_INPUTS))
    assert not is_rotated("layers.0.weight_hh_l0", torch.zeros(1, MAX_INPUTS + 1))


def test_it_continues_from_its_tensors(model):
    """Six steps, a copy of what it keeps, three more: as nine in one go."""
    config = OptimizerConfig(basis_every=4)
    twin = copy.deepcopy(model)
    generator = torch.Generator()

    def steps(optimizer, model, seeds):
        for seed in seeds:
            give_gradients(model, generator.manual_seed(seed))
            optimizer.step(0.01)

    steps(Optimizer(model, config), model, range(9))
    first = Optimizer(twin, config)
    steps(first, twin, range(6))
    steps(Optimizer(twin, config, first.tensors()), twin, range(6, 9))

    for name, weight in model.state_dict().items():
        assert torch.equal(weight, twin.state_dict()[name]), name


def test_tensors_of_other_settings_are_refused(model):
    """Without a basis there is nothing to continue from."""
    tensors = Optimizer(model, OptimizerConfig(basis_every=0)).tensors()

    with pytest.raises(ValueError, match="other tensors"):
        Optimizer(model, OptimizerConfig(), tensors)
