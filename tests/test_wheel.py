"""The wheel: what `pip install` brings, used with the checkout out of the way."""

import json
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
    assert "lstm_textgen/inspect/page/page.html" in files
    assert "lstm_textgen/export/webpage/page.html" in files
    assert any(name.endswith("licenses/LICENSE") for name in files)
    for name in ("fables", "cuentos", "favole"):
        bundled = unpacked / f"lstm_textgen/_bundled/corpora/{name}.txt"
        assert bundled.read_bytes() == (ROOT / f"corpora/{name}.txt").read_bytes()
    models = {"shakespeare.safetensors", "fables.safetensors"}
    inside = unpacked / "lstm_textgen/_bundled/checkpoints"
    assert {path.name for path in inside.iterdir()} == models


@pytest.fixture
def installed(unpacked, tmp_path):
    """Runs Python with the wheel alone, far away from any checkout."""
    environment = os.environ | {
        "PYTHONPATH": str(unpacked),
        "TEXTGEN_CACHE": str(tmp_path / "cache"),
    }

    def run(*words):
        return subprocess.run(
            [sys.executable, "-P", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )

    return run


def test_its_texts_are_found_by_name(unpacked, installed, tmp_path):
    """`textgen train fables` works far away from any checkout."""
    run = installed(
        *("-m", "lstm_textgen", "train", "fables"),
        *("--steps", "1", "--preset", "tiny", "--threads", "1", "--json"),
    )
    where = installed("-c", "import lstm_textgen; print(lstm_textgen)")

    assert run.returncode == 0, run.stderr
    assert (tmp_path / "checkpoints/fables/model.safetensors").is_file()
    assert str(unpacked) in where.stdout


def nats_on_the_page(model):
    """What `checkpoints/README.md` says of a model."""
    page = (ROOT / "checkpoints/README.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if f"`{model}.safetensors`" in line)
    return float(row.split("|")[-2])


@pytest.mark.parametrize(
    ("model", "prompt"), [("shakespeare", "ROMEO:"), ("fables", "The fox")]
)
def test_its_models_write_straight_after_installation(installed, model, prompt):
    """Small enough to travel, with a card, and as good as their page says."""
    words = ("-m", "lstm_textgen", "sample", "-p", prompt, "-n", "60", "--seed", "1")
    named = installed(*words, model)
    unnamed = installed(*words)
    info = installed("-m", "lstm_textgen", "info", model, "--json")
    card = json.loads(info.stdout)

    assert named.returncode == unnamed.returncode == 0, named.stderr
    assert named.stdout.startswith(prompt)
    assert (named.stdout == unnamed.stdout) == (model == "shakespeare")
    nats = card["training"]["validation_nats_per_char"]
    assert nats == pytest.approx(nats_on_the_page(model), abs=5e-5)
    assert "textgen train" in card["note"]
    assert card["licence"] == "CC0-1.0"
    assert (ROOT / f"checkpoints/{model}.safetensors").stat().st_size <= 8e6


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
