"""Bytes, characters, ids and streams: from files to training windows, numpy only."""
