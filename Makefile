.PHONY: demo test test-slow test-all fuzz lint types signatures docs clean

PYTHON ?= python3
BIN = .venv/bin
PYTEST = $(BIN)/python -m pytest -n 2 --dist worksteal

demo: .venv/ready
	$(BIN)/python -m examples.first_steps.demo

test: .venv/ready
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: .venv/ready
	$(PYTEST) -m slow $(ARGS)

test-all: .venv/ready
	$(PYTEST) $(ARGS)

fuzz: .venv/ready
	$(BIN)/python -m benchmarks.fuzz $(ARGS)

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

signatures: .venv/ready
	$(BIN)/python -m docs.signatures

docs: .venv/ready
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

# The constraints pin what development was tested with; torch resolves to one exact version.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install --quiet --editable '.[dev]' -c constraints.txt
	touch $@

clean:
	rm -rf .venv build dist docs/_build docs/api output .mypy_cache .pytest_cache .ruff_cache
