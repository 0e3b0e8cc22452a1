# Everything a person or a CI needs; each target prepares .venv by itself.
#
#   make demo DEMO_ARGS="--headless --events 20000 --summary out.json"
#   make test TEST_ARGS="-k topics"        make kafka KAFKA_PORT=9093
#
# TORCH_INDEX_URL: an index with other builds of torch, such as the much smaller ones without CUDA.

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
TORCH_INDEX_URL ?=
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=
DATA ?=
KAFKA_PORT ?= 9092
KAFKA_DATA ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test nightly lint bench bench-learning docs kafka compose-test clean

help:
	@sed -n '/^[a-z-]*:.*## /s/:.*## /\t/p' Makefile | expand -t 16

setup: $(STAMP)  ## make .venv with everything in it

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		$(if $(TORCH_INDEX_URL),--extra-index-url $(TORCH_INDEX_URL)) --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## watch simulated events become adapted recommendations (DEMO_ARGS)
	@$(BIN)/streamproc demo $(DEMO_ARGS)

test: $(STAMP)  ## run the tests (TEST_ARGS); those on a real Kafka need Java 17 and Maven, the container ones Docker
	@$(BIN)/python -m pytest $(TEST_ARGS)

nightly: $(STAMP)  ## the tests at size: a million lists against the rules (TEST_ARGS)
	@$(BIN)/python -m pytest -m nightly tests $(TEST_ARGS)

lint: $(STAMP)  ## style, types, import layers, generated files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m schemas.generate --check
	$(BIN)/python -m streamproc.configuration_page --check

bench: $(STAMP)  ## measure speed beside other systems, on a real Kafka (BENCH_ARGS, try --help)
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-learning: $(STAMP)  ## measure the learning loop: drift, recovery, splices of DATA="FILES...", swaps, rollbacks (BENCH_ARGS)
	@$(BIN)/python -m benchmarks.learning $(BENCH_ARGS) $(DATA)

quality: $(STAMP)  ## evaluate event files, whole and their first 50,000 rows, and fill docs/quality.md (DATA="FILES...")
	@test -n "$(DATA)" || { echo 'error: make quality DATA="FILE..."' >&2; exit 2; }
	@mkdir -p build/quality && rm -f build/quality/*.json
	@for file in $(DATA); do for limit in 50000 1000000000; do \
		$(BIN)/streamproc evaluate "$$file" --limit $$limit --arms last_item_only,no_fast_weights \
			--summary "build/quality/$$(basename "$$file").$$limit.json" || exit; done; done
	@$(BIN)/python -m streamproc.quality_page build/quality/*.json

docs: $(STAMP)  ## write the generated files again
	$(BIN)/python -m schemas.generate
	$(BIN)/python -m streamproc.configuration_page

kafka: $(STAMP)  ## a real Apache Kafka on 127.0.0.1:KAFKA_PORT until Ctrl-C (KAFKA_DATA keeps its topics)
	@$(BIN)/python -m streamproc.brokers.kafka --port $(KAFKA_PORT) $(if $(KAFKA_DATA),--data-dir $(KAFKA_DATA))

compose-test: $(STAMP)  ## bring the containers up, wait until recommendations flow, take them down
	@$(BIN)/python tests/compose/check_stack.py

clean:  ## remove what was built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
