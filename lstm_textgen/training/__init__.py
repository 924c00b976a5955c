"""Training: truncated backpropagation through time, as a stream of events."""
