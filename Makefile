# The front door. `make help` lists the commands; CI runs what .ci/run says.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
# Test processes: on two cores a third one made it slower.
WORKERS ?= 2
# How often `make faults` kills each kind of process.
KILLS ?= 20
# How many examples of each operation `make fuzz` sends; `make test` sends a tenth of them.
EXAMPLES ?= 100
BIN := $(VENV)/bin
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-strip-extras --quiet
.DEFAULT_GOAL := help

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## Install the locked dependencies into .venv

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; got $$($(PYTHON) --version). Set PYTHON=python3.11 or similar."; exit 1; }
	@echo "Installing the locked dependencies into $(VENV) (once; one to two and a half minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/factorloom manifest
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	@echo "Installing the tools for checks and tests"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

dev: $(VENV)/.installed-dev ## Install the tools for checks and tests as well

run: install ## Run the whole pipeline once, from market data to ranking and backtest
	@$(BIN)/factorloom refresh

up: install ## Dagster UI on 127.0.0.1:3000 and API on 127.0.0.1:8000, until Ctrl-C
	@$(BIN)/factorloom up

doctor: install ## Say what is wrong with this installation and what to do
	@$(BIN)/factorloom doctor

check: dev ## Format, lint, types, import contracts, SQL lint, definitions load, docs are current
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --processes 2 dbt_project/models
	$(BIN)/python -m pytest -q tests/test_definitions.py tests/test_documents.py

test: dev ## Everything but faults, offline, with coverage
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not faults" --cov --cov-report= --durations=25
	$(BIN)/python -m coverage report --skip-covered --fail-under=85
	$(BIN)/python -m coverage report --include='warehouse/*' --fail-under=95

test-fast: dev ## The tests that need neither a daemon nor a whole pipeline
	$(BIN)/python -m pytest -q -m "not slow and not faults" -n $(WORKERS)

fuzz: dev ## Send the API all that its document allows, and what it does not: EXAMPLES of each operation
	FACTORLOOM_TEST_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q tests/api/test_schema.py

faults: dev ## Kill pipelines, API, database, worker and receiver at KILLS random moments each
	FACTORLOOM_TEST_KILLS=$(KILLS) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup -m faults

skill: dev ## Look for what is planted in five simulated markets of the default size
	FACTORLOOM_TEST_COMPANIES=500 $(BIN)/python -m pytest -q -s tests/skill

soak: dev ## Ask the API at a constant rate for half an hour: SOAK_SECONDS, SOAK_RATE
	$(BIN)/python -m benchmarks.soak

bench: dev ## Measure the pipeline and its kernels
	$(BIN)/python -m benchmarks.pipeline
	$(BIN)/python -m benchmarks.kernels
	$(BIN)/python -m benchmarks.simulated
	$(BIN)/python -m benchmarks.vendors
	$(BIN)/python -m benchmarks.alerts
	$(BIN)/python -m benchmarks.deliveries
	$(BIN)/python -m benchmarks.sensor
	$(BIN)/python -m benchmarks.writes
	$(BIN)/python -m benchmarks.features
	$(BIN)/python -m benchmarks.api
	$(BIN)/python -m benchmarks.quant $(if $(PEERS),--peers $(PEERS))
	$(BIN)/python -m benchmarks.research $(if $(PEERS),--peers $(PEERS))

format: dev ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

manifest: install ## Parse the dbt project
	@$(BIN)/python -m orchestration.dbt

lock: dev ## Resolve the dependencies anew into the lock files, without addresses
	$(COMPILE) --extra build -o requirements.lock
	$(COMPILE) --extra build --extra dev --extra oracles -c requirements.lock -o requirements-dev.lock

clean: ## Remove what this installation has stored (asks first)
	@read -p "Remove .factorloom with everything in it? [y/N] " answer; \
	if [ "$$answer" = y ]; then $(BIN)/factorloom db stop; rm -rf .factorloom; fi

.PHONY: help install dev run up doctor check test test-fast fuzz faults skill soak bench format manifest lock clean
