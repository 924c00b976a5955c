"""Folders: bundled texts and models, downloaded corpora, the cache."""

import os
from pathlib import Path

import platformdirs


def bundled_folder(kind: str) -> Path:
    """The folder of bundled files: in the wheel, or at the top of a checkout."""
    package = Path(__file__).parent
    in_wheel = package / "_bundled" / kind
    # The wheel goes first: beside an installed package, `corpora` may be a stranger.
    return in_wheel if in_wheel.is_dir() else package.parent / kind


def data_folder() -> Path:
    """The folder of downloaded corpora; TEXTGEN_DATA moves it. It need not exist."""
    chosen = os.environ.get("TEXTGEN_DATA")
    if chosen:
        return Path(chosen).expanduser() / "corpora"
    return platformdirs.user_data_path("lstm_textgen") / "corpora"


def default_cache() -> Path:
    """The cache folder: TEXTGEN_CACHE, else that of the user's system."""
    given = os.environ.get("TEXTGEN_CACHE")
    return Path(given) if given else platformdirs.user_cache_path("lstm_textgen")
