# `make bench` and `make test` do everything on a bare Debian or Ubuntu machine with Python 3.11 or newer.
#
#   ARGS=...     passed on to `harness run default`, pytest or the benchmarks: make bench ARGS='--repeat 3'
#   DOCKER=no    neither install nor start nor demand a Docker engine
#   PYTHON=...   the interpreter for .venv

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup bench gallery test lint types docs bench-harness doctor lock clean

DOCKER ?= yes
ARGS ?=
export DOCKER PYTHON

BIN := .venv/bin
UV := .cache/uv/bin/uv
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate --no-header

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)$$/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: ## Set up .venv with every development tool, and a Docker engine where possible
	@scripts/setup.sh dev

bench: ## Set up everything and run the default comparison
	@scripts/setup.sh runtime
	@$(BIN)/harness run default $(ARGS)

gallery: setup ## Run each line of "Batch vs Lambda" and build results/gallery/index.html
	@$(BIN)/harness gallery $(ARGS)

# Where an engine should be there, tests that need it may not be skipped.
test: setup ## Set up everything and run all tests
	@if [ "$$DOCKER" != no ] && { [ "$${CI:-}" = true ] || PYTHON=$(BIN)/python scripts/docker.sh check; }; then \
		export HARNESS_REQUIRE_DOCKER=1; \
	fi; \
	$(BIN)/python -m pytest --benchmark-disable -m 'not timed' $(ARGS)

lint: setup ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup ## Check types
	@$(BIN)/mypy

docs: setup ## Make the reference pages from the code, and build the site into .cache/site
	@$(BIN)/python -m scripts.reference
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --nitpicky -d .cache/doctrees docs .cache/site
	@echo 'Open .cache/site/index.html'

bench-harness: setup ## Measure the harness itself, against its peers and its own last measurement
	@scripts/peers.sh
	@$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-autosave --benchmark-save-data \
		--benchmark-columns=min,median,iqr,rounds $(ARGS)
	@$(BIN)/python -m tests.benchmarks.regressions .benchmarks

doctor: ## Tell what this machine can and cannot measure
	@scripts/setup.sh runtime
	@$(BIN)/harness doctor $(ARGS)

# Development versions follow the runtime's, so that one .venv serves both.
lock: ## Bring the lock files up to date (UPGRADE=1: to the newest versions)
	@[ -x $(UV) ] || { $${PYTHON:-python3} -m venv .cache/uv && .cache/uv/bin/pip install -qq uv; }
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --extra build -o requirements.lock
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --extra build --extra dev \
		--constraints requirements.lock -o requirements-dev.lock
	@for file in workloads/*/requirements.in; do \
		$(COMPILE) $(if $(UPGRADE),--upgrade) $$file --constraints requirements.lock -o $${file%.in}.lock; \
	done
	@$(COMPILE) $(if $(UPGRADE),--upgrade) tests/conformance/python/requirements.in \
		--constraints requirements.lock -o tests/conformance/python/requirements.lock
	@$(COMPILE) $(if $(UPGRADE),--upgrade) tests/benchmarks/requirements.in -o tests/benchmarks/requirements.lock
	@$(COMPILE) $(if $(UPGRADE),--upgrade) tests/benchmarks/sam.in -o tests/benchmarks/sam.lock

clean: ## Remove leftover containers and all caches; results, benchmarks and .venv stay
	@if [ -x $(BIN)/harness ] && PYTHON=$(BIN)/python scripts/docker.sh check; then $(BIN)/harness doctor --clean; fi
	@rm -rf .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
	@find . -path ./.venv -prune -o -path ./results -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
