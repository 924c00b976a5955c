"""Runs on disk: their folders, and how to find them."""
