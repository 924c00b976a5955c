"""
Draw the pictures of `docs/how-it-works.md` again, by the commands that it names.

    make pictures

Most of the time is the comparison's; one that was interrupted is continued.
"""

import shutil
import subprocess
import sys
from pathlib import Path

PICTURES = Path(__file__).with_name("pictures")
COMPARISON = Path("comparisons/pictures")
PLAY = """ROMEO:
But soft, what light through yonder window breaks?
It is the east, and Juliet is the sun.
"""
TALE = """The fox looked up at the crow. "I am not hungry," said he, "but
your song would do me good." And the cheese fell down.
"""
HEATMAPS = {
    "quotes": ("fables", TALE, ["1:22"]),
    "memories": ("fables", TALE, ["1:22", "0:14", "0:122", "1:77"]),
    "line": ("shakespeare", PLAY, ["0:112"]),
}
"""Model, text and units of each heatmap."""

PLOTS = (
    "recall-agreement",
    "recall-copy",
    "gradient-reach-untrained",
    "useful-context",
)
"""What is copied from the comparison."""


def textgen(*words: str | Path) -> None:
    command = [sys.executable, "-m", "lstm_textgen", *map(str, words)]
    subprocess.run(command, check=True)


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    for name, (model, text, units) in HEATMAPS.items():
        chosen = [word for unit in units for word in ("--unit", unit)]
        picture = PICTURES / f"{name}.svg"
        textgen("inspect", model, "--text", text, *chosen, "--svg", picture, "--force")
    textgen("compare", "fables", "--svg", "-o", COMPARISON)
    for name in PLOTS:
        shutil.copyfile(COMPARISON / f"{name}.svg", PICTURES / f"{name}.svg")


if __name__ == "__main__":
    main()
