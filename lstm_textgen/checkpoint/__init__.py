"""Checkpoints: one safetensors file, read strictly; NumPy, no torch."""
