# `make demo` and `make test` need python3 (3.11 or newer), git and make; nothing else.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# 3.11 first: the lock was resolved for it. Evaluated lazily, only by `setup`.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
# uv would use its built-in CA certificates; pip, git and Maven use the system's, and a company's.
export UV_SYSTEM_CERTS ?= true
# Where it is set, each process would compile torch and transformers again: half a minute.
unexport PYTHONDONTWRITEBYTECODE
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help setup demo images test test-all test-faults lint audit-deps sbom tools lock format clean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

setup: $(STAMP) ## Make .venv with the packages of requirements.lock, and Penstock itself.

# The lock holds a hash of each file: what gets installed is what was tested.
$(STAMP): requirements.lock pyproject.toml
	@$(or $(PYTHON),false) -c '$(NEW_ENOUGH)' || { echo "make setup: Python 3.11 or newer is needed:" \
		"install it, or name one that is there: make PYTHON=/path/to/python3" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/python -m pip install -q --disable-pip-version-check uv
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --compile-bytecode --require-hashes -r requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install -q --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## Run the whole job for a minute; DATA=DIR takes real data from a folder.
	$(BIN)/penstock demo $(if $(DATA),--data $(DATA))

images: setup ## Make the README's pictures from a run of the demo.
	$(BIN)/penstock demo
	cd out && cp detections.png tracks.png segments.png classes.png anomalies.png clusters.png recommendations.png spoken-alert.png ../docs/images/

# Each test belongs to exactly one of the three (tests/deploy/test_makefile.py checks it).
QUICK := end_to_end or not (slow or kafka or faults)
REST := (slow or kafka) and not (end_to_end or faults)
FAULTS := faults and not end_to_end
# N=1..: how many processes; N=0: none but pytest's, as `--pdb` needs it.
PYTEST := $(BIN)/pytest -n $(or $(N),3) --dist loadgroup

test: lint ## Check style and types, run the quick tests; ARGS="-k name" goes to pytest.
	$(PYTEST) -m "$(QUICK)" $(ARGS)

test-all: setup ## Run what `make test` leaves out, but for faults: slow tests, Apache Kafka.
	$(PYTEST) -m "$(REST)" $(ARGS)

test-faults: setup ## Test every fault against Apache Kafka, 45 minutes; report in out/.
	$(BIN)/pytest -m "$(FAULTS)" $(ARGS)

lint: setup ## Check style, types and the direction of imports.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

audit-deps: setup ## Look for known vulnerabilities in the locked packages; skipped without network.
	@BIN=$(BIN) .ci/audit-deps

sbom: setup ## Write the packages of the images as CycloneDX to out/sbom.cdx.json.
	@mkdir -p out
	$$(deploy/tools/install python)/python/bin/cyclonedx-py requirements deploy/image.lock \
		--pyproject pyproject.toml --output-reproducible --output-file out/sbom.cdx.json

tools: setup ## Install the tools that tests use beside Python: Java, Maven, Prometheus, Alertmanager, Kafka's jars, Helm.
	@absent=""; \
	command -v java >/dev/null || absent+=" default-jre-headless"; \
	command -v mvn >/dev/null || absent+=" maven"; \
	command -v promtool >/dev/null || absent+=" prometheus"; \
	command -v prometheus-alertmanager >/dev/null || absent+=" prometheus-alertmanager"; \
	command -v go >/dev/null || absent+=" golang-go"; \
	command -v npm >/dev/null || absent+=" npm"; \
	test -z "$$absent" || { $(SUDO) apt-get update -q && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive \
			apt-get install -q -y --no-install-recommends $$absent; }
	$(BIN)/python -c 'from agents.commands.broker import kafka_libs; print("Kafka is in", kafka_libs())'
	@echo "The deployment's tools are in $$(deploy/tools/install)"

lock: setup ## Resolve pyproject.toml again into requirements.lock, and from that deploy/image.lock.
	$(BIN)/uv pip compile -q pyproject.toml --extra demo --extra video --extra vision --extra sentencepiece --extra train-names --extra dev \
		--python-version 3.11 --generate-hashes --no-annotate --no-header \
		--output-file requirements.lock
	$(BIN)/uv pip compile -q pyproject.toml --extra video --extra vision --extra sentencepiece --extra tracing --extra gpu \
		--constraint requirements.lock --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--output-file deploy/image.lock

format: setup ## Format the code.
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

clean: ## Remove .venv, caches and out/.
	rm -rf .venv out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache .tools
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
