"""The house: imports go down, files and functions are small, nothing is pickled."""

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

FLOORS = [
    {"errors", "bundled"},
    {"config"},
    {"text"},
    {"model"},
    {"checkpoint"},
    {"evaluation", "sampling", "sharing"},
    {"training"},
    {"insight"},
    {"report"},
    {"cli"},
    {"__init__", "__main__"},
]
HEIGHT = {part: height for height, parts in enumerate(FLOORS) for part in parts}

PICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib"}
PICKLERS |= {"marshal", "shelve", "copyreg"}
PICKLING_CALLS = {"torch.load", "torch.save", "np.load", "numpy.load"}


def part_of(path: Path) -> str:
    """`lstm_textgen/text/corpus.py` belongs to the part `text`."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


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


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the end."""
    body = function.body
    body = body[1:] if ast.get_docstring(function) is not None else body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@every_module
def test_imports_go_down(path):
    """Every import points to a lower floor, so no two parts can form a cycle."""
    height = HEIGHT[part_of(path)]

    assert {p for p in imported_parts(path) if HEIGHT[p] >= height} == set()


@every_module
def test_a_file_fits_on_a_few_screens(path):
    """No module has more than 300 lines, and its first says what it is for."""
    lines = path.read_text(encoding="utf-8").count("\n")

    assert lines <= 300
    assert ast.get_docstring(tree_of(path))


@every_module
def test_a_function_fits_on_one_screen(path):
    """No body has more than 40 lines, signature and docstring not counted."""
    functions = (
        node
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    lengths = {function.name: body_lines(function) for function in functions}

    assert {name: n for name, n in lengths.items() if n > 40} == {}


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


def test_text_knows_no_torch():
    """The floor of text works on numpy alone."""
    program = "import sys, pkgutil, importlib, lstm_textgen.text as text\n"
    program += "for module in pkgutil.iter_modules(text.__path__):\n"
    program += "    importlib.import_module(f'lstm_textgen.text.{module.name}')\n"
    program += "print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == "False\n"
