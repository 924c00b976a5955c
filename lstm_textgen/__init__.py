"""Train a small recurrent network on any text, character by character."""

__version__ = "0.1.0"
