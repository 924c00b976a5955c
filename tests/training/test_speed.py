"""How fast a machine is, and what follows from it; no test here trusts a stopwatch."""

import copy
from dataclasses import replace

import pytest
import torch

from lstm_textgen.config import BudgetConfig, ModelConfig, OptimizerConfig, TrainConfig
from lstm_textgen.errors import ConfigError
from lstm_textgen.model import matrix_speed
from lstm_textgen.model.machine import Machine
from lstm_textgen.model.matrix_speed import products_pay
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.training import speed as measuring
from lstm_textgen.training.speed import (
    choose_machine_again,
    choose_precision,
    choose_threads,
)

CPU = Machine(torch.device("cpu"), 1)
CONFIG = OptimizerConfig(streams=2, window=4)


@pytest.fixture
def model():
    model = CharModel(ModelConfig(layers=2, hidden=4, embedding=3), 5)
    initialize(model, torch.Generator().manual_seed(7))
    return model


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

        monkeypatch.setattr(measuring, "training_speed", of(steps))
        monkeypatch.setattr(matrix_speed, "matrix_rate", of(products))

    return set_speeds


def test_probing_leaves_no_trace(model, monkeypatch):
    """The model keeps every bit, and the global random numbers are not touched."""
    speed = measuring.training_speed
    short = lambda *args: speed(*args[:3], seconds=0.0)  # noqa: E731
    monkeypatch.setattr(measuring, "training_speed", short)
    monkeypatch.setattr(
        measuring, "products_pay", lambda here: products_pay(here) or True
    )
    before, noise = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    machine, measured = choose_precision(CPU, "auto", model, CONFIG)

    assert measured > 0
    assert machine.dtype in (torch.float32, torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), noise)
    assert all(torch.equal(model.state_dict()[k], v) for k, v in before.items())
    assert all(p.grad is None for p in model.parameters())


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

    @pytest.mark.parametrize("precision", ["auto", "bfloat16"])
    def test_too_little_memory(self, model, speeds, precision):
        """
        A CPU that has no memory left says so, and is not told that it has no kernel.

        Its allocator raises a plain RuntimeError, which was taken for a missing type.
        """
        full = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        speeds(steps=(100.0, full), products=(1.0, 2.0))

        with pytest.raises(RuntimeError, match="allocate"):
            choose_precision(CPU, precision, model, CONFIG)


class TestChooseThreads:
    @pytest.fixture
    def choose(self, model, monkeypatch):
        """Choose where each number of threads has its speeds, one a measurement."""

        def choose(speeds, **machine):
            left = {threads: list(values) for threads, values in speeds.items()}

            def probe(machine, *args):
                assert torch.get_num_threads() == machine.threads
                return left[machine.threads].pop(0)

            monkeypatch.setattr(measuring, "training_speed", probe)
            torch.set_num_threads(max(speeds))
            begun = Machine(torch.device("cpu"), max(speeds), threads_open=True)
            found, speed = choose_threads(replace(begun, **machine), model, CONFIG, 0.0)
            assert torch.get_num_threads() == found.threads
            return found.threads, speed

        before = torch.get_num_threads()
        yield choose
        torch.set_num_threads(before)

    @pytest.mark.parametrize(
        ("speeds", "threads", "speed"),
        [
            ({2: [100.0], 1: [60.0]}, 2, 100.0),
            ({2: [100.0, 100.0], 1: [200.0]}, 1, 200.0),
            ({2: [100.0], 1: [110.0]}, 2, 100.0),  # hardly faster
            ({8: [50.0, 60.0], 4: [90.0], 2: [70.0]}, 4, 90.0),
            ({6: [1.0, 1.0], 3: [2.0, 2.0], 1: [3.0]}, 1, 3.0),
            ({1: [5.0]}, 1, 5.0),
        ],
    )
    def test_fewer_where_they_are_faster(self, choose, speeds, threads, speed):
        """Halved for as long as it pays; torch computes with what is told."""
        assert choose(speeds) == (threads, speed)

    def test_a_disturbance_does_not_count(self, choose):
        """Slow for a moment, two threads are measured again before one is taken."""
        assert choose({2: [30.0, 100.0], 1: [60.0]}) == (2, 100.0)

    def test_what_was_set_is_left(self, choose):
        """Who sets the threads gets them, however slow they are; nothing else runs."""
        assert choose({4: [1.0]}, threads_open=False) == (4, 1.0)


class TestChooseMachineAgain:
    """Where a resumed run computes: nothing is measured that cannot change."""

    def again(
        self, *, minutes=None, precision="float32", layers=2, hidden=4, **machine
    ):
        budget = BudgetConfig(minutes=minutes, steps=None if minutes else 9)
        config = TrainConfig(
            model=ModelConfig(layers=layers, hidden=hidden, embedding=3),
            optimizer=CONFIG,
            budget=budget,
            precision=precision,
        )
        return choose_machine_again(replace(CPU, **machine), config, 5)

    def test_a_number_of_steps_in_float32(self, monkeypatch):
        """It computes as it was made, on the threads that there are."""
        monkeypatch.setattr(measuring, "training_speed", None)  # is not called
        machine = self.again(threads=4, threads_open=True)

        assert (machine.threads, machine.dtype) == (4, torch.float32)
        assert self.again(minutes=1.0, threads=4).threads == 4

    def test_threads_of_a_run_by_minutes(self, monkeypatch):
        """They are measured anew if the user set none."""
        monkeypatch.setattr("torch.set_num_threads", lambda threads: None)
        monkeypatch.setattr(
            measuring, "training_speed", lambda machine, *_: 1 / machine.threads
        )

        assert self.again(minutes=1.0, threads=4, threads_open=True).threads == 1

    def test_bfloat16(self, speeds):
        """Taken where it runs, however slowly."""
        speeds(steps=(9.0, 1.0))

        assert self.again(precision="bfloat16").dtype == torch.bfloat16

    def test_no_model_beyond_a_checkpoint(self):
        """A run.json that was edited is refused before memory is taken."""
        with pytest.raises(ConfigError, match="a checkpoint holds at most"):
            self.again(hidden=8192, layers=16)
