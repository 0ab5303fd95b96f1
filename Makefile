# The same verbs on a laptop and in CI. `make` alone prints them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STATE ?= .storymill
INSTALLED := $(VENV)/.installed
TEST_PROCESSES ?= 2

help: ## Print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

console: ## Build the web console anew from its lock file (needs Node 20)
	@cd console && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build

console-pictures: setup ## Take the pictures of docs/console.md, on a seeded mill (needs chromium)
	@$(BIN)/python -m tests.support.console_pages --out docs/images/console

screens: setup ## Write tests/fixtures/screens anew: what commands print on every terminal; read the difference
	@$(BIN)/python -m tests.support.screens

pages: setup ## Run pages of the documentation, and write what they print into them: PAGES="docs/tour.md …"
	@$(BIN)/python -m tests.support.pages $(or $(PAGES),docs/tour.md docs/cost.md)

setup: $(INSTALLED) ## Install everything, pinned, into .venv

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Storymill needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing about 130 pinned packages into $(VENV): 0.7 GB to download, 2.1 GB on disk, 2 to 4 minutes ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]' 2> >(grep -vE 'WARNING: Location' >&2)
	@touch $@

demo: setup ## Start everything and run the article's flow, to a streamed story; KEEP=1 leaves it up
	@$(BIN)/storymill demo --state-dir $(STATE) $(if $(KEEP),--keep-running)

up: setup ## Start everything on this machine, until Ctrl-C
	@$(BIN)/storymill up --state-dir $(STATE)

# What needs no client environment, model, container file, engine or mill.
FAST_TESTS := tests/unit tests/contract $(foreach part,unit/engine contract/engine contract/clients contract/compose contract/docs,--ignore tests/$(part))
# Files in their own order: by default those of few tests come last, which are the longest, and one process idles.
PYTEST = $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

test-fast: setup ## Run unit and contract tests alone, in under a minute: the habit while working
	@$(PYTEST) $(FAST_TESTS) -m "not slow and not soak and not client_env and not real_model" $(ARGS)

test: setup ## Run the tests, on real Postgres, Redis, workers and model (not the slow ones)
	@$(PYTEST) -m "not slow and not soak" --durations 30 --durations-min 10 $(ARGS)

test-slow: setup ## Run the long tests: all model families, other clients, faults one by one, full fuzz
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup -m "slow and not soak" --durations 30 --durations-min 10 $(ARGS)

soak: setup ## Run what wants the machine for itself, or ten minutes and more: attacks, outages
	@$(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS) || test $$? -eq 5 # 5: there are none

format: setup ## Format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: setup ## Check format and lint
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: setup ## Check types (mypy, strict)
	@$(BIN)/mypy

imports: setup ## Check the dependency contracts
	@$(BIN)/lint-imports

check: lint types imports test ## All of the above: format, lint, types, imports, tests

chaos: setup ## Kill each process in turn while it works, and check that nothing is lost
	@STORYMILL_KILL_RUNS=210 $(BIN)/python -m pytest tests/e2e -k killed $(ARGS)
	@STORYMILL_CHAOS_RUNS=420 $(BIN)/python -m pytest tests/integration/workers/fine_tuning -k 'crash and not real' --timeout 1800

storyteller: setup ## Train the shipped storyteller adapter again from data/samples and data/tales
	@$(BIN)/python -m services.engine.training.storyteller

bench-engine: setup ## Measure the engine: serving and training, beside peers in the same run
	@$(BIN)/python -m benchmarks.engine_serving && $(BIN)/python -m benchmarks.engine_training

bench-volume: setup ## Measure volume generation beside a bare client loop in the same run
	@$(BIN)/python -m benchmarks.volume

bench-streams: setup ## Measure token streams beside a bare server in the same run
	@$(BIN)/python -m benchmarks.streams

bench-interactive: setup ## Measure what an interactive text costs, beside a pass-through in the same run
	@$(BIN)/python -m benchmarks.interactive $(ARGS)

bench-datasets: setup ## Measure dataset preparation beside the public tool in the same run
	@$(BIN)/python -m benchmarks.datasets --rows 10000 100000 --public-tool

constraints: setup ## Write constraints.txt anew from the packages in .venv
	@{ echo "# Every package that an install of this project may bring, pinned. Remade with: make constraints"; \
	   $(BIN)/pip list --format=freeze --exclude-editable | grep -vE '^(pip|setuptools|wheel)==' | sed -E 's/^(torch==[0-9.]+)\+.*/\1/' | sort -f; \
	   echo "# Of redis, below Python 3.11.3 only:"; echo "async-timeout==5.0.1"; } > constraints.txt.new
	@mv constraints.txt.new constraints.txt

clean: ## Remove caches and build leftovers (not .storymill)
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .cache *.egg-info

.PHONY: help console console-pictures screens pages setup demo up test-fast test test-slow soak format lint types imports check chaos storyteller bench-engine bench-volume \
	bench-streams bench-interactive bench-datasets constraints clean
