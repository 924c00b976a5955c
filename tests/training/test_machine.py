"""Where and how fast to compute; no test here trusts a stopwatch."""

import copy
import os

import pytest
import torch

from lstm_textgen.config import ModelConfig, OptimizerConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.model.init import initialise
from lstm_textgen.model.network import CharModel
from lstm_textgen.training import machine as machines
from lstm_textgen.training.machine import (
    Machine,
    choose_machine,
    choose_precision,
    matrix_rate,
    reading_speed,
    training_speed,
    usable_cores,
)

CPU = Machine(torch.device("cpu"), 1)
CONFIG = OptimizerConfig(streams=2, window=4)


@pytest.fixture
def model():
    model = CharModel(ModelConfig(layers=2, hidden=4, embedding=3), 5)
    initialise(model, torch.Generator().manual_seed(7))
    return model


@pytest.fixture
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def speeds(monkeypatch):
    """Make the probes say what the test wants; an error is raised."""

    def set_speeds(*, steps, products=(1.0, 1.0)):
        """Each of float32 and bfloat16, in this order."""

        def of(values):
            def probe(machine, *args, **options):
                value = values[machine.dtype == torch.bfloat16]
                if isinstance(value, Exception):
                    raise value
                return value

            return probe

        monkeypatch.setattr(machines, "training_speed", of(steps))
        monkeypatch.setattr(machines, "matrix_rate", of(products))

    return set_speeds


def test_usable_cores():
    """At least one, and no more than this process may use or the machine has."""
    cores = usable_cores()

    assert 1 <= cores <= os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        assert cores <= len(os.sched_getaffinity(0))


@pytest.mark.usefixtures("_threads")
class TestChooseMachine:
    def test_threads_are_set(self):
        """The number asked for is what torch computes with, and what is told."""
        machine = choose_machine("cpu", 2)

        assert (machine.threads, torch.get_num_threads()) == (2, 2)
        assert machine == Machine(torch.device("cpu"), 2, torch.float32)
        assert machine.describe() == "cpu, 2 threads, float32"
        assert choose_machine("cpu", 1).describe() == "cpu, 1 thread, float32"

    def test_threads_of_their_own(self):
        """Not more than there are cores."""
        assert 1 <= choose_machine("cpu").threads <= usable_cores()

    @pytest.mark.parametrize("threads", [0, -3])
    def test_no_threads(self, threads):
        """No threads cannot compute; the error says what was found."""
        before = torch.get_num_threads()

        with pytest.raises(ConfigError, match=f"threads is {threads}"):
            choose_machine("cpu", threads)
        assert torch.get_num_threads() == before

    @pytest.mark.parametrize("device", ["toaster", "", "cpu:x", "cuda:99", "meta"])
    def test_unknown_devices(self, device):
        """
        What torch does not know, what is not here, and what cannot compute.

        The last is torch's `meta`, which takes tensors and has no numbers.
        """
        with pytest.raises(ConfigError, match="cannot be used") as caught:
            choose_machine(device, 1)
        assert repr(device) in caught.value.problem
        assert "--device" in caught.value.remedy


def test_autocast_is_on_where_bfloat16_was_chosen():
    """Matrix products change their type under bfloat16, and only there."""
    a = torch.ones(2, 2)
    half = Machine(torch.device("cpu"), 1, torch.bfloat16)

    with CPU.autocast():
        assert (a @ a).dtype == torch.float32
    with half.autocast():
        assert (a @ a).dtype == torch.bfloat16


class TestProbing:
    def test_rates_are_positive(self, model):
        """Even the shortest measurement makes a product, and a step."""
        assert matrix_rate(CPU, seconds=0.001, size=8) > 0
        assert training_speed(CPU, model, CONFIG, seconds=0.0) > 0
        assert reading_speed(CPU, model, seconds=0.0) > 0

    def test_leaves_no_trace(self, model, monkeypatch):
        """The model keeps every bit, and the global random numbers are not touched."""
        speed = training_speed
        short = lambda *args: speed(*args, seconds=0.0)  # noqa: E731
        monkeypatch.setattr(machines, "training_speed", short)
        monkeypatch.setattr(machines, "products_pay", lambda here: pay(here) or True)
        before, noise = copy.deepcopy(model.state_dict()), torch.get_rng_state()
        machine, measured = choose_precision(CPU, "auto", model, CONFIG)

        assert measured > 0
        assert machine.dtype in (torch.float32, torch.bfloat16)
        assert torch.equal(torch.get_rng_state(), noise)
        assert all(torch.equal(model.state_dict()[k], v) for k, v in before.items())
        assert all(p.grad is None for p in model.parameters())


pay = machines.products_pay


class TestChoosePrecision:
    @pytest.mark.parametrize(
        ("steps", "products", "dtype"),
        [
            ((100.0, 200.0), (1.0, 2.0), torch.bfloat16),
            ((100.0, 105.0), (1.0, 2.0), torch.float32),  # hardly faster
            ((100.0, 200.0), (1.0, 0.5), torch.float32),  # not even tried
            ((100.0, RuntimeError("no kernel")), (1.0, 2.0), torch.float32),
        ],
    )
    def test_auto(self, model, speeds, steps, products, dtype):
        """
        Bfloat16 where products and steps are clearly faster, else float32.

        A kernel that has no such type is no error, and the speed that is told is
        that of the type that was chosen.
        """
        speeds(steps=steps, products=products)
        machine, speed = choose_precision(CPU, "auto", model, CONFIG)

        assert machine.dtype == dtype
        assert speed == steps[dtype == torch.bfloat16]

    def test_what_is_asked_for_is_taken(self, model, speeds):
        """However slow it is."""
        speeds(steps=(100.0, 1.0))

        machine, speed = choose_precision(CPU, "bfloat16", model, CONFIG)
        assert (machine.dtype, speed) == (torch.bfloat16, 1.0)

        speeds(steps=(1.0, 100.0))
        machine, speed = choose_precision(CPU, "float32", model, CONFIG)
        assert (machine.dtype, speed) == (torch.float32, 1.0)

    def test_bfloat16_that_does_not_run(self, model, speeds):
        """Asked for by name it is an error with a way out, not a quiet float32."""
        speeds(steps=(100.0, RuntimeError("no kernel")))

        with pytest.raises(ConfigError, match="bfloat16 does not run") as caught:
            choose_precision(CPU, "bfloat16", model, CONFIG)
        assert "auto" in caught.value.remedy
