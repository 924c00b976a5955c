"""The wheel: what `pip install` brings, used with the checkout out of the way."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A folder with what the wheel holds."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_it_holds_the_package_and_the_bundled_texts_and_nothing_else(unpacked):
    """Types, texts and licence travel; tests and benchmarks stay."""
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*")}
    tops = {path.name.split("-")[0] for path in unpacked.iterdir()}

    assert tops == {"lstm_textgen"}
    assert "lstm_textgen/py.typed" in files
    assert any(name.endswith("licenses/LICENSE") for name in files)
    for name in ("fables", "cuentos", "favole"):
        bundled = unpacked / f"lstm_textgen/_bundled/corpora/{name}.txt"
        assert bundled.read_bytes() == (ROOT / f"corpora/{name}.txt").read_bytes()


def test_its_texts_are_found_by_name(unpacked, tmp_path):
    """`textgen train fables` works far away from any checkout."""
    environment = os.environ | {
        "PYTHONPATH": str(unpacked),
        "TEXTGEN_CACHE": str(tmp_path / "cache"),
    }
    run = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "lstm_textgen", "train", "fables"),
            *("--steps", "1", "--preset", "tiny", "--threads", "1", "--json"),
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import lstm_textgen; print(lstm_textgen)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert run.returncode == 0, run.stderr
    assert (tmp_path / "checkpoints/fables/model.safetensors").is_file()
    assert str(unpacked) in where.stdout


def test_the_bundled_texts_are_what_they_say():
    """Long enough, in their languages, and in the form that their page describes."""
    least = {"fables": 200_000, "cuentos": 60_000, "favole": 60_000}
    needed = {"fables": "?!\"'", "cuentos": "áéíóúñü¿¡—«»", "favole": "àèéìòù«»"}
    for name, characters in least.items():
        text = (ROOT / f"corpora/{name}.txt").read_text(encoding="utf-8")
        pieces = text.split("\n\n\n")

        assert len(text) >= characters
        assert set(needed[name]) <= set(text)
        assert max(len(line) for line in text.splitlines()) <= 72
        assert len({piece.split("\n")[0] for piece in pieces}) == len(pieces) > 45
        assert all(piece.split("\n")[0].isupper() for piece in pieces)
