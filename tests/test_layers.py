"""The layers: imports go down, features stay apart, nothing is pickled."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lstm_textgen"
MODULES = sorted(PACKAGE.rglob("*.py"))
every_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE))
)

LAYERS = [
    {"errors", "signals", "paths", "files", "strict_json"},
    {"config"},
    {"text"},
    {"checkpoint"},
    {"model", "remote"},
    {"runs", "evaluation"},
    {"sampling"},
    {"training"},
    {"ui"},
    {"inspect", "compare", "hub", "corpora", "export"},  # the features
    {"cli"},
    {"__init__", "__main__"},
]
"""Lowest first. A module imports from lower layers and from its own package."""

BOTTOM = LAYERS[0]
HEIGHT = {part: height for height, parts in enumerate(LAYERS) for part in parts}

PICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib"}
PICKLERS |= {"marshal", "shelve", "copyreg"}
PICKLING_CALLS = {"torch.load", "torch.save", "np.load", "numpy.load"}


def part_of(path: Path) -> str:
    """`lstm_textgen/text/corpus.py` belongs to the part `text`."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def module_name(path: Path) -> str:
    """`lstm_textgen.text.streams`; a package goes by its own name."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_names(path: Path) -> set[str]:
    """Everything that *path* imports, at the top or inside a function."""
    names = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_parts(path: Path) -> set[str]:
    """Other parts of the package that *path* imports."""
    ours = (name.split(".") for name in imported_names(path))
    parts = {name[1] for name in ours if name[0] == "lstm_textgen" and name[1:]}
    named = {part for part in parts if (PACKAGE / part).exists()}
    named |= {part for part in parts if (PACKAGE / f"{part}.py").exists()}
    return named - {part_of(path)}


@every_module
def test_imports_go_down(path):
    """
    Every import points to a lower layer, so features never import each other.

    At the bottom, plain modules may import one another.
    """
    height = HEIGHT[part_of(path)]
    level = {p for p in imported_parts(path) if HEIGHT[p] >= height}

    assert level - (BOTTOM if height == 0 else set()) == set()


def test_no_module_imports_itself_in_the_end():
    """Within a package too there is no cycle, not even inside functions."""
    names = {path: module_name(path) for path in MODULES}
    paths = {name: path for path, name in names.items()}
    arrows = {
        name: {
            target if target in paths else target.rpartition(".")[0]
            for target in imported_names(path)
        }
        & paths.keys()
        for path, name in names.items()
    }
    while leaves := {name for name, targets in arrows.items() if not targets}:
        arrows = {n: t - leaves for n, t in arrows.items() if n not in leaves}

    assert arrows == {}


@every_module
def test_a_module_says_what_it_is_for(path):
    """Its docstring is also its line in `docs/architecture.md`."""
    assert ast.get_docstring(tree_of(path))


@every_module
def test_nothing_is_pickled(path):
    """No module imports anything that pickles, or calls what pickles inside."""
    roots = {name.split(".")[0] for name in imported_names(path)}
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
    }

    assert roots & PICKLERS == set()
    assert calls & PICKLING_CALLS == set()


@pytest.mark.parametrize("part", ["cli", "config", "errors", "__main__"])
def test_help_does_not_wait_for_torch(part):
    """The way to `--help` loads neither torch nor numpy, which take a second."""
    program = (
        f"import sys, lstm_textgen.{part}\n"
        "print([name for name in ('torch', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == "[]\n"


@pytest.mark.parametrize("part", ["text", "checkpoint", "runs", "remote"])
def test_files_need_no_torch(part):
    """Texts, checkpoints, runs and hubs are read with NumPy alone."""
    program = f"import sys, pkgutil, importlib, lstm_textgen.{part} as part\n"
    program += "for module in pkgutil.iter_modules(part.__path__):\n"
    program += "    importlib.import_module(f'{part.__name__}.{module.name}')\n"
    program += "print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == "False\n"
