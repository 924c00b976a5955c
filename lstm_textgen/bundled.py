"""What travels with the package: texts in `corpora`, models in `checkpoints`."""

from pathlib import Path


def bundled_folder(kind: str) -> Path:
    """Where the files of a kind lie: in the wheel, or at the top of a checkout."""
    package = Path(__file__).parent
    in_wheel = package / "_bundled" / kind
    # The wheel goes first: beside an installed package, `corpora` may be a stranger.
    return in_wheel if in_wheel.is_dir() else package.parent / kind
