"""Push a model to a hub with its card, and pull one, built on `remote`."""
