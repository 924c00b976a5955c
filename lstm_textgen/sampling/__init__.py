"""Sampling: logits to characters, one at a time."""
