# Two commands do all the set-up: `make app` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PORT ?= 8501

.PHONY: app test test-slow test-all lint format lock benchmark clean

app: $(READY)
	$(BIN)/pilots serve --demonstration --port $(PORT)

test: $(READY) lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

test-slow: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

test-all: test test-slow

# Peers beyond linearmodels and statsmodels are named as missing unless they are installed: see benchmarks/README.md.
benchmark: $(READY)
	$(BIN)/python -m benchmarks.panel

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy evaluation data_contracts pilots

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY)
	$(BIN)/uv pip compile --quiet --extra dev --generate-hashes --strip-extras --no-header --no-emit-index-url --no-emit-find-links \
		--python-version 3.11 --output-file requirements.lock pyproject.toml

# The environment is made once, and again when the lock or the package's own description changes.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

clean:
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .hypothesis
