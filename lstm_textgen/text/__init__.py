"""Text: from files to characters, ids and training windows; NumPy, no torch."""
