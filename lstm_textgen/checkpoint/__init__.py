"""Checkpoints: one safetensors file, and the directory of a run."""
