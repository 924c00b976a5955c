"""Insight: gates, memory, comparing cells. Arrays out, no drawing."""
