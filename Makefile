# make demo: create .venv, install hwsearch without extras, run the main job on this machine's CPU
# make test: create .venv, install everything the tests need, run them
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check
CONSTRAINTS := requirements/constraints.txt
DEMO := runs/demo

.PHONY: demo test lint clean

demo: $(VENV)/.core
	$(VENV)/bin/hwsearch run --target cpu -o $(DEMO)

test: $(VENV)/.all
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q

lint: $(VENV)/.all
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml $(CONSTRAINTS)
	$(PIP) install --quiet -c $(CONSTRAINTS) -e .
	touch $@

$(VENV)/.all: $(VENV)/.core requirements/libraries.txt
	$(PIP) install --quiet -c $(CONSTRAINTS) -e '.[test]'
	$(PIP) install --quiet --no-deps -r requirements/libraries.txt
	touch $@
