"""
Settings as frozen values, checked when they are built; JSON both ways.

Defaults live here and nowhere else.
"""

from lstm_textgen.config.plain import from_json, to_json, unknown_key
from lstm_textgen.config.sampling import FormConfig, SampleConfig, Until
from lstm_textgen.config.training import (
    BudgetConfig,
    Cell,
    ModelConfig,
    OptimizerConfig,
    Precision,
    RunConfig,
    TextConfig,
    TokenizerKind,
)

__all__ = [
    "BudgetConfig",
    "Cell",
    "FormConfig",
    "ModelConfig",
    "OptimizerConfig",
    "Precision",
    "RunConfig",
    "SampleConfig",
    "TextConfig",
    "TokenizerKind",
    "Until",
    "from_json",
    "to_json",
    "unknown_key",
]
