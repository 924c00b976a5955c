"""Evaluation: how many nats a model needs for a text."""
