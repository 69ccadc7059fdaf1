# make demo: create .venv, install hwsearch without extras, run the main job on this machine's CPU
# make test: create .venv, install the locked versions of everything the tests need, run them
# make lock: resolve the dependencies anew into requirements/lock.txt
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check
CONSTRAINTS := requirements/constraints.txt
LIBRARIES := requirements/libraries.txt
LOCK := requirements/lock.txt
UV := build/uv/bin/uv
UV_VERSION := 0.13.8
DEMO := runs/demo

.PHONY: demo test lint lock clean

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

# What is locked stays as it is where it still fits; make lock LOCK_OPTIONS=--upgrade takes the newest versions.
# uv has no configuration of pip's, so it is told where pip looks for wheels and whom it trusts.
lock: export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
lock: export SSL_CERT_FILE ?= $(PIP_CERT)
lock: COMPILE = $(UV) pip compile --quiet --generate-hashes --python-version 3.11 --no-header --no-emit-index-url $(LOCK_OPTIONS)
lock: $(UV)
	cp $(LOCK) build/lock.txt && cp $(LOCK) build/libraries.txt
	$(COMPILE) --extra test --no-emit-package hwsearch -c $(CONSTRAINTS) -o build/lock.txt pyproject.toml
	$(COMPILE) --no-deps -o build/libraries.txt $(LIBRARIES)
	sed 's/^/# /' requirements/lock-header.txt | cat - build/lock.txt build/libraries.txt > $(LOCK)

$(UV):
	$(PYTHON) -m venv build/uv
	build/uv/bin/pip --disable-pip-version-check install --quiet uv==$(UV_VERSION)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml $(CONSTRAINTS)
	$(PIP) install --quiet -c $(CONSTRAINTS) -e .
	touch $@

# The lock is complete, and holds the build backend too: nothing is resolved, nothing else is fetched. It is for Linux
# x86-64, CPython 3.11 and an index with PyTorch's CPU build; elsewhere the constraints choose the versions.
$(VENV)/.all: $(VENV)/bin/python pyproject.toml $(LOCK)
	if $(PIP) install --quiet --no-deps --require-hashes -r $(LOCK); then \
	  $(PIP) install --quiet --no-deps --no-build-isolation -e . && touch $(VENV)/.locked; \
	else \
	  echo "$(LOCK) does not fit this platform or index: installing by $(CONSTRAINTS)" && rm -f $(VENV)/.locked && \
	  $(PIP) install --quiet -c $(CONSTRAINTS) -e '.[test]' && $(PIP) install --quiet --no-deps -r $(LIBRARIES); \
	fi
	touch $@
