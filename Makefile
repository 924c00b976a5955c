# Each target makes what it needs in .venv; nothing else has to be installed but Python.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo check test lint types unit crash-test fuzz bench pictures clean

FILES ?= 100000

demo: .venv/installed ## learn from a bundled text for a minute, then write
	$(BIN)/textgen train fables --minutes 1
	@echo
	$(BIN)/textgen sample --prompt "The fox" --length 600

PYTEST := $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: .venv/dev ## lint, types and unit tests side by side, within two minutes
	@$(MAKE) --no-print-directory -j2 lint types unit

test: .venv/dev lint types ## everything; what CI runs
	$(PYTEST)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

unit: .venv/dev
	$(PYTEST) -m "not slow"

crash-test: .venv/dev ## about half an hour: 200 kills at random
	$(BIN)/python tests/crash/kill.py --kills 200

fuzz: .venv/dev ## hostile checkpoints, about ten minutes; FILES=1000 for a look
	$(BIN)/python -m tests.fuzzing $(FILES)
	@if $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt atheris; \
	then $(BIN)/python -m tests.fuzzing.guided -runs=$(FILES); \
	else echo "atheris does not install here, so nothing is guided"; fi

bench: .venv/installed ## a few minutes on an idle machine; see benchmarks/README.md
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/encoding.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/threads.py
	$(BIN)/python benchmarks/sampling.py

pictures: .venv/installed ## those of docs/how-it-works.md, about forty minutes
	$(BIN)/python docs/pictures.py

clean:
	rm -rf .venv

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@
