"""Report: draws events and results for people."""
