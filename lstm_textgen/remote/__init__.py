"""Names of models on a hub, and their download; any command can use it."""
