"""The script that kills, as a module."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def kill():
    """`kill.py`; the tests' way of importing knows no neighbours."""
    path = Path(__file__).with_name("kill.py")
    spec = importlib.util.spec_from_file_location("lstm_textgen_kill", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # for its dataclass
    spec.loader.exec_module(module)
    return module
