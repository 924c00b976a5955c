"""
Rewrite the list of modules in `docs/architecture.md`.

    python docs/architecture.py

Each line is the first sentence of a module's docstring.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lstm_textgen"
PAGE = ROOT / "docs" / "architecture.md"
BLOCK = re.compile(r"```text\n.*?```", re.DOTALL)


def module_list() -> str:
    """One line per module, files before folders, as the page shows it."""
    lines = _lines(PACKAGE, 0)
    width = max(len(name) for name, _ in lines) + 2
    return "\n".join(f"{name:{width}}{line}".rstrip() for name, line in lines)


def _lines(folder: Path, depth: int) -> list[tuple[str, str]]:
    indent = "  " * depth
    lines = []
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py" or depth == 0:
            lines.append((indent + path.name, _summary(path)))
    for path in sorted(folder.iterdir()):
        init = path / "__init__.py"
        if init.exists():
            lines.append((f"{indent}{path.name}/", _summary(init)))
            lines += _lines(path, depth + 1)
    return lines


def _summary(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    block = f"```text\n{module_list()}\n```"
    PAGE.write_text(BLOCK.sub(lambda _: block, page, count=1), encoding="utf-8")
