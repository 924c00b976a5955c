"""Share a model on a hub."""
