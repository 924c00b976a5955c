"""How fast a machine computes, and the choice of precision and threads by that."""

import copy
import time
from dataclasses import replace
from statistics import median

import torch

from lstm_textgen.checkpoint.format import SIZE_CAP
from lstm_textgen.checkpoint.schema import parameter_count
from lstm_textgen.config import (
    BudgetConfig,
    ModelConfig,
    OptimizerConfig,
    Precision,
    TrainConfig,
)
from lstm_textgen.errors import ConfigError, is_out_of_memory
from lstm_textgen.evaluation.perplexity import summed_loss
from lstm_textgen.model.machine import Machine, explain_out_of_memory
from lstm_textgen.model.matrix_speed import BFLOAT16_GAIN, products_pay, wait_for
from lstm_textgen.model.network import CharModel, initialize
from lstm_textgen.training.optimizer import Optimizer

READ_AT_ONCE = 512
"""Characters of a measurement of reading."""

FEWER_PAY = 1.15
"""Minimum speed-up for halving the threads."""


def choose_threads(
    machine: Machine, model: CharModel, config: OptimizerConfig, seconds: float = 0.4
) -> tuple[Machine, float]:
    """
    Halve the threads for as long as that is clearly faster, and set them in torch.

    Threads wait for one another some hundred times in a window. On many cores a small
    model waits longer than it computes; so does any model on cores that others use.

    Args:
        machine: Where to compute. Threads that the user set are left.
        model: Stays as it is; the steps are made with copies.
        config: Streams and window of a step.
        seconds: How long to measure each number of threads.

    Returns:
        The machine with its threads, and characters a second.
    """
    speed = training_speed(machine, model, config, seconds)
    if machine.device.type != "cpu" or not machine.threads_open:
        return machine, speed
    while machine.threads > 1:
        fewer = replace(machine, threads=machine.threads // 2)
        speed_of_fewer = _speed_with(fewer, model, config, seconds)
        if speed_of_fewer > FEWER_PAY * speed:  # or was it a moment's disturbance?
            speed = max(speed, _speed_with(machine, model, config, seconds))
        if speed_of_fewer <= FEWER_PAY * speed:
            break
        machine, speed = fewer, speed_of_fewer
    torch.set_num_threads(machine.threads)
    return machine, speed


def _speed_with(
    machine: Machine, model: CharModel, config: OptimizerConfig, seconds: float
) -> float:
    torch.set_num_threads(machine.threads)
    return training_speed(machine, model, config, seconds)


def choose_precision(
    machine: Machine, precision: Precision, model: CharModel, config: OptimizerConfig
) -> tuple[Machine, float]:
    """
    Decide on float32 or bfloat16, and on the threads, by running real steps.

    Args:
        machine: Where to compute. Threads that the user set are left.
        precision: What was asked for; `auto` decides by the clock.
        model: Stays as it is; the steps are made with a copy.
        config: Streams and window of a step.

    Returns:
        The machine with precision and threads chosen, and characters a second.

    Raises:
        ConfigError: Bfloat16 was asked for and does not run here.
    """
    half = replace(machine, dtype=torch.bfloat16)
    if precision == "bfloat16":
        try:
            return choose_threads(half, model, config)
        except RuntimeError as error:
            _raise_unless_no_kernel(error)
            raise ConfigError(
                "bfloat16 does not run on this machine.", "Take --precision auto."
            ) from error
    plain = replace(machine, dtype=torch.float32)
    plain, plain_speed = choose_threads(plain, model, config)
    if precision == "float32" or not products_pay(machine):
        return plain, plain_speed
    half = replace(half, threads=plain.threads)
    try:
        half_speed = training_speed(half, model, config)
    except RuntimeError as error:
        _raise_unless_no_kernel(error)
        return plain, plain_speed
    if half_speed > BFLOAT16_GAIN * plain_speed:
        return half, half_speed
    return plain, plain_speed


def choose_machine_again(
    machine: Machine, config: TrainConfig, vocabulary: int
) -> Machine:
    """
    Where a run that was stopped computes from now on.

    Precision is that of the run, or float32 where bfloat16 does not run; threads are
    measured again where the budget is in minutes and the user set none.

    Args:
        machine: Where to compute.
        config: The settings of the run.
        vocabulary: Different ids.

    Raises:
        ConfigError: No checkpoint holds the model, or there is not enough memory.
    """
    check_parameters(config.model, vocabulary)
    dtype = torch.bfloat16 if config.precision == "bfloat16" else torch.float32
    threads_open = machine.threads_open and config.budget.minutes is not None
    machine = replace(machine, dtype=dtype, threads_open=threads_open)
    if dtype == torch.float32 and not threads_open:
        return machine
    seconds = measuring_seconds(config.budget)
    with explain_out_of_memory(config.model, config.optimizer):
        network = new_network(config.model, vocabulary, machine)
        try:
            return choose_threads(machine, network, config.optimizer, seconds)[0]
        except RuntimeError as error:
            if dtype == torch.float32:
                raise
            _raise_unless_no_kernel(error)
    config = replace(config, precision="float32")
    return choose_machine_again(machine, config, vocabulary)


def measuring_seconds(budget: BudgetConfig) -> float:
    """How long to measure: a choice for an hour is worth three seconds."""
    return min(3.0, max(0.4, 0.2 * (budget.minutes or 0.0)))


def new_network(config: ModelConfig, vocabulary: int, machine: Machine) -> CharModel:
    """
    A network to measure with.

    Raises:
        ConfigError: No checkpoint holds it.
    """
    check_parameters(config, vocabulary)
    network = CharModel(config, vocabulary).to(machine.device)
    initialize(network, torch.Generator().manual_seed(0))
    return network


def check_parameters(config: ModelConfig, vocabulary: int) -> None:
    """
    A model must fit into a checkpoint; refuse it before it is built and trained.

    Raises:
        ConfigError: It does not.
    """
    parameters = parameter_count(config, vocabulary)
    if 4 * parameters > SIZE_CAP:
        raise ConfigError(
            f"The model has {parameters:,} parameters; a checkpoint holds at most "
            f"{SIZE_CAP // 4:,}.",
            "Set hidden or layers lower.",
        )


def _raise_unless_no_kernel(error: RuntimeError) -> None:
    """A processor without a kernel for a type is not an error; too little memory is."""
    if is_out_of_memory(error):
        raise error


def training_speed(
    machine: Machine, model: CharModel, config: OptimizerConfig, seconds: float = 0.4
) -> float:
    """
    Characters a second in real steps, made with a copy of *model*.

    A step that refreshes the optimizer's basis takes longer than one that does not:
    as many of both are timed, and weighted as they come in a run. Dropout and gradient
    clipping are left out.
    """
    model = copy.deepcopy(model)
    optimizer = Optimizer(model, config)
    ids = torch.zeros(
        config.window, config.streams, dtype=torch.int64, device=machine.device
    )

    def step() -> float:
        began_s = time.perf_counter()
        with machine.autocast():
            logits, _ = model(ids, model.initial_state(config.streams))
            nats = summed_loss(logits, ids)
        torch.autograd.backward(nats / ids.numel())
        optimizer.step(config.learning_rate)
        wait_for(next(model.parameters()))
        return time.perf_counter() - began_s

    step()  # sets things up
    every = config.basis_every or 1
    refreshing_s: list[float] = []
    plain_s: list[float] = []
    while not plain_s or sum(refreshing_s) + sum(plain_s) < seconds:
        optimizer.steps = 1000 * every - 1  # far from the beginning of a run
        refreshing_s.append(step())
        plain_s.append(step())
    # medians: another program that is busy for a moment does not count
    mean_s = (median(refreshing_s) + (every - 1) * median(plain_s)) / every
    return ids.numel() / mean_s


@torch.inference_mode()
def reading_speed(machine: Machine, model: CharModel, seconds: float = 0.1) -> float:
    """Characters a second of one stream that is only read, as in exact evaluation."""
    ids = torch.zeros(READ_AT_ONCE, 1, dtype=torch.int64, device=machine.device)

    def read() -> float:
        began_s = time.perf_counter()
        logits, _ = model(ids, model.initial_state(1))
        wait_for(summed_loss(logits, ids))
        return time.perf_counter() - began_s

    read()  # sets things up
    taken_s = [read()]
    while sum(taken_s) < seconds:
        taken_s.append(read())
    return ids.numel() / median(taken_s)
