"""Where to compute."""

import os
from pathlib import Path

import pytest
import torch

from lstm_textgen.errors import ConfigError
from lstm_textgen.model.machine import Machine, choose_machine, usable_cores

CPU = Machine(torch.device("cpu"), 1)


@pytest.fixture
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 6), ("250000 100000", 2), ("1 100000", 1)]
)
def test_usable_cores(monkeypatch, quota, cores):
    """The cores of this process by its affinity, and as many as its group may use."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(6)))
    monkeypatch.setattr(Path, "read_text", lambda path: quota)

    assert usable_cores() == cores


@pytest.mark.usefixtures("_threads")
class TestChooseMachine:
    def test_threads_are_set(self):
        """The number asked for is what torch computes with, and what is told."""
        machine = choose_machine("cpu", 2)

        assert (machine.threads, torch.get_num_threads()) == (2, 2)
        assert machine == Machine(torch.device("cpu"), 2, torch.float32)
        assert machine.describe() == "cpu, 2 threads, float32"
        assert choose_machine("cpu", 1).describe() == "cpu, 1 thread, float32"

    def test_what_was_set_stays(self, monkeypatch):
        """Fewer threads may be taken later, unless somebody has said how many."""
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        assert choose_machine("cpu").threads_open
        assert not choose_machine("cpu", 2).threads_open

        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        assert not choose_machine("cpu").threads_open

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
