PYTHON ?= python3
VENV ?= .venv
ARGS ?=
WORKERS ?= auto

BIN := $(VENV)/bin
STAMP := $(VENV)/.lamina
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

# Pyright runs from its own wheel and on the node of another: no network.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
unexport PYRIGHT_PYTHON_FORCE_VERSION PYRIGHT_PYTHON_PYLANCE_VERSION
PYRIGHT := $(BIN)/pyright --project pyproject.toml --pythonpath $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help chat test check mutants bench format pins clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

chat: $(STAMP) ## talk to the bot (ARGS="...")
	@$(BIN)/lamina chat $(ARGS)

test: $(STAMP) ## run all tests (ARGS=tests/core, ARGS="-k redis", WORKERS=0, ...)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(ARGS)

check: $(STAMP) ## formatting, lint, types, and a test for each must; stops at the first failure
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(PYRIGHT)
	@$(BIN)/mypy tests/typing
	@$(BIN)/python tests/musts.py

mutants: $(STAMP) ## break the pure cores; fails if their tests do not notice (ARGS=breaker)
	@$(BIN)/python tests/mutation.py $(ARGS)

bench: $(STAMP) ## run the benchmarks (ARGS="...")
	@$(BIN)/python -m benchmarks $(ARGS)

format: $(STAMP) ## format the code and fix what lint can fix
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

pins: $(STAMP) ## renew requirements.txt from pyproject.toml (ARGS=--upgrade)
	@$(BIN)/uv pip compile pyproject.toml --extra all --extra servers --group dev --group bench \
		--universal --python-version 3.11 --fork-strategy fewest --quiet \
		--no-header --no-emit-index-url --annotation-style line \
		--output-file requirements.txt $(ARGS) >/dev/null

clean: ## remove the environment and all caches
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Everything here talks on stderr and reads no input: `make chat` owns stdin and stdout.
$(STAMP): requirements.txt pyproject.toml
	@{ $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "lamina needs Python 3.11 or newer, and $(PYTHON) is not:" \
			"try make PYTHON=python3.11"; \
		exit 1; }; } >&2 </dev/null
	@echo "Setting up $(VENV) (once, a minute or two)" >&2
	@$(PYTHON) -m venv $(VENV) >&2 </dev/null
	@$(PIP) install -r requirements.txt >&2 </dev/null
	@$(PIP) install --no-deps --no-build-isolation -e . >&2 </dev/null
	@touch $@
