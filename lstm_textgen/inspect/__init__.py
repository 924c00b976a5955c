"""Insight: what happens inside a model while it reads, as arrays."""
