"""Sharing: corpora that travel with the package or come over the network."""
