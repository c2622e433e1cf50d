# make evaluate   the main job: every study to HTML reports in reports/
# make test       the tests, and the notebooks' stored outputs compared exactly
# make check      format, lint, types and tests: what a change must pass
# Each makes its own environment in .venv from requirements.lock.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: evaluate test check lint unit nbval slow lab notebooks lock clean

evaluate: $(READY)
	$(BIN)/evalkit run

test: unit nbval

check: lint test

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile

nbval: $(READY)
	$(BIN)/python -m pytest --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg -n auto --dist loadfile notebooks

slow: $(READY)
	$(BIN)/python -m pytest -m slow -n auto --dist loadfile

# the environment's own kernels win over any that the user has registered
lab: $(READY)
	JUPYTER_PREFER_ENV_PATH=1 JUPYTER_PATH= $(BIN)/jupyter lab --notebook-dir=. notebooks/data_and_design.ipynb

# run the notebooks on the demonstration study and store their outputs
notebooks: $(READY)
	$(BIN)/python -m evalkit.report.refresh notebooks

# every version with hashes, for Python 3.11 to 3.13, without addresses
lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --no-emit-index-url --quiet --output-file requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else \
	  "evalkit needs Python 3.11 to 3.13 and found %d.%d; say: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
