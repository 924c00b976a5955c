"""Evaluation: the loss of a model on a text."""
