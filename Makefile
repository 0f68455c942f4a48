# Five verbs for people and CI; each does what it needs first. See README.md.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test test-fast lint bench generate clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@tools/install

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-fast: install
	$(BIN)/python -m pytest -q -n 2 -m "not cluster and not slow" tests

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis
