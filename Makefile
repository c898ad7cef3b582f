# `make demo` and `make test` do all the set-up a fresh Debian or Ubuntu needs: python3 (3.11 to 3.13), make and git.
# PYTHON=python3.12 make test   picks another interpreter.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check lint bench format clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/.installed ## run the daemon on the bundled clip for 20 s: detections printed, an MP4 recorded
	$(BIN)/streamd demo --seconds 20 --out recordings

test: $(VENV)/.installed-dev ## run the tests
	$(BIN)/pytest

check: lint test ## format, lint, types, architecture, tests

lint: $(VENV)/.installed-dev ## format, lint and types alone
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed ## measure the daemon against bare inference, on the bundled model
	$(BIN)/streamd bench

format: $(VENV)/.installed-dev ## rewrite the files as `make check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what the targets above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache recordings

# Debian's python3 cannot make a virtual environment without the package python3-venv, which a small install lacks.
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "streamd needs Python 3.11 to 3.13, $(PYTHON) is $$($(PYTHON) -V): make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "installing python3-venv"; $(AS_ROOT) apt-get update -qq && $(AS_ROOT) apt-get install -y -qq python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed
