# `make demo` and `make test` need python3 (3.11 or newer), git and make; nothing else.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# 3.11 first: the lock was resolved for it. Lazy, so that only `setup` goes looking.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
# uv brings authorities of its own; pip, git and Maven take the system's, and so a company's.
export UV_SYSTEM_CERTS ?= true
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help setup demo images test test-faults lint audit-deps tools lock format clean

help: ## Say what can be made.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

setup: $(STAMP) ## Make .venv with what requirements.lock names, and Penstock itself.

# The lock names each file by its hash: what gets installed is what was tested.
$(STAMP): requirements.lock pyproject.toml
	@$(or $(PYTHON),false) -c '$(NEW_ENOUGH)' || { echo "make setup: Python 3.11 or newer is needed:" \
		"install it, or name one that is there: make PYTHON=/path/to/python3" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/python -m pip install -q --disable-pip-version-check uv
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --require-hashes -r requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install -q --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## Run the main job for a minute; DATA=DIR takes real data from there.
	$(BIN)/penstock demo $(if $(DATA),--data $(DATA))

images: setup ## Make the README's pictures from a run of the demo.
	$(BIN)/penstock demo
	cp out/detections.png out/anomalies.png out/clusters.png docs/images/

test: lint ## Check and test everything; ARGS="-k name" goes to pytest.
	$(BIN)/pytest $(ARGS)

test-faults: setup ## Test every fault against Apache Kafka, half an hour; report in out/.
	$(BIN)/pytest -m faults $(ARGS)

lint: setup ## Check style, types and the direction of imports.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

audit-deps: setup ## Look for known weaknesses in what the lock pins; skipped where none can be asked.
	@BIN=$(BIN) .ci/audit-deps

tools: setup ## Install what the tests use beyond Python: Java, Maven, promtool, Kafka's jars.
	@absent=""; \
	command -v java >/dev/null || absent+=" default-jre-headless"; \
	command -v mvn >/dev/null || absent+=" maven"; \
	command -v promtool >/dev/null || absent+=" prometheus"; \
	test -z "$$absent" || { $(SUDO) apt-get update -q && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive \
			apt-get install -q -y --no-install-recommends $$absent; }
	$(BIN)/python -c 'from agents.commands.broker import kafka_libs; print("Kafka is in", kafka_libs())'

lock: setup ## Resolve pyproject.toml anew into requirements.lock.
	$(BIN)/uv pip compile -q pyproject.toml --extra demo --extra video --extra dev \
		--python-version 3.11 --generate-hashes --no-annotate --no-header \
		--output-file requirements.lock

format: setup ## Rewrite the code in the house style.
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

clean: ## Remove .venv, caches and out/.
	rm -rf .venv out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache .tools
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
