"""Inspect a model while it reads: gates, memory and clamps, drawn or as arrays."""
