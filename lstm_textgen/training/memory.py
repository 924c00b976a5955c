"""What is too large, where the memory is not enough."""

import contextlib
from collections.abc import Iterator

from lstm_textgen.config import ModelConfig, OptimizerConfig
from lstm_textgen.errors import ConfigError, is_out_of_memory


@contextlib.contextmanager
def enough_memory(model: ModelConfig, optimizer: OptimizerConfig) -> Iterator[None]:
    """
    Name the settings that decide how much memory is used, where there is too little.

    Raises:
        ConfigError: There was not enough.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        layers = f"{model.layers} layer{'s' if model.layers > 1 else ''}"
        raise ConfigError(
            f"There is not enough memory for {layers} of hidden {model.hidden} with "
            f"{optimizer.streams} streams and a window of {optimizer.window}.",
            "Lower --streams or --window, then --hidden or --layers.",
        ) from error
