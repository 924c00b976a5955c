"""Export: a model for other programs."""
