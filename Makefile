# Thin on purpose: the work is in `cargo xtask` (see xtask/src).
.DEFAULT_GOAL := help
SHELL := /bin/bash

# Built things lie outside the checkout, so that only the first run on a machine pays.
export FORESAIL_CACHE ?= $(HOME)/.cache/foresail
export CARGO_TARGET_DIR ?= $(FORESAIL_CACHE)/target

XTASK := cargo xtask
CLUSTER := $(if $(CONTEXT),--context $(CONTEXT) --registry "$(REGISTRY)" --kafka "$(KAFKA)" --s3 "$(S3)" --redis "$(REDIS)")

.PHONY: help try demo test soak bench-loop bench-features bench-files bench-providers bench-serve bench-train check check-charts generate down status rust

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

rust:
	@command -v cargo >/dev/null || { echo "error: Rust is missing: install Rust >= 1.95 from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "error: a C compiler is missing: install one (Debian: apt install build-essential)" >&2; exit 1; }
	@# Cargo takes a file that is older than its product for built: where another checkout has built
	@# since, this one's files are made newer, or its changes would be missing without a word.
	@mkdir -p $(CARGO_TARGET_DIR); last=$(CARGO_TARGET_DIR)/checkout; \
	[ "$$(cat $$last 2>/dev/null)" = "$(CURDIR)" ] || { git ls-files -z | xargs -0 touch -c; echo "$(CURDIR)" > $$last; }

try: rust ## Forecasts of a file of daily bars, without root and without a cluster; FILE=path PIPELINE=path
	@$(XTASK) try $(if $(FILE),"$(FILE)") $(if $(PIPELINE),--pipeline "$(PIPELINE)")

demo: rust ## From nothing to forecasts; CONTEXT=name REGISTRY=host/repo KAFKA= S3= REDIS= for an existing cluster
	@$(XTASK) demo $(CLUSTER)

test: rust ## Every test on a real node with Kafka, Redis and S3; with CONTEXT= and the rest the suites on that cluster
	@$(XTASK) test $(CLUSTER)

soak: rust ## The same with the long versions: ten idle minutes, twenty calm years, more kills
	@$(XTASK) test --soak

bench-loop: rust ## Times, memory and sizes of the whole loop, with released (dist) images
	@$(XTASK) bench-loop

check: rust ## Formatting, layers, dependencies, lints, generated files, unit tests: no root, no node
	@$(XTASK) check

check-charts: rust ## The charts, checked by Helm and a real API server
	@$(XTASK) check-charts

generate: rust ## Writes the CRDs from their Rust types, and the calendars from PyPI
	@$(XTASK) generate

bench-features: rust ## 24 features beside Polars, DuckDB and Spark, one bar and 29 million (peers from PyPI)
	@python3 bench/features.py $(ARGS)

bench-files: rust ## A CSV file of 5 GB beside Polars and DuckDB, one core each (peers from PyPI); ARGS="--bytes 1e8" to try
	@python3 bench/files.py $(ARGS)

bench-providers: rust ## Answers of providers judged, 500 symbols of 20 years read, and how soon a new bar is forecast, beside Python (peers from PyPI)
	@$(XTASK) setup && python3 bench/providers.py $(ARGS)

bench-serve: rust ## Predictions over HTTP beside FastAPI, KServe and PyTriton (peers from PyPI, 3 GB; needs wrk); ARGS="--parts start" to try
	@python3 bench/serve.py $(ARGS)

bench-train: rust ## Recurrent training and inference beside Keras, TensorFlow, PyTorch and ONNX Runtime (peers from PyPI, 7 GB)
	@python3 bench/train.py $(ARGS)

status: rust ## What runs
	@for name in demo test; do echo "node $$name"; $(XTASK) status --name $$name; done

down: rust ## Removes both nodes: every process, mount, network namespace and cgroup
	@$(XTASK) down $(if $(NAME),--name $(NAME))
