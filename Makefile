# `make run` is all that a new user needs. The targets that CI runs are the ones here.

.DEFAULT_GOAL := help
.PHONY: help setup setup-test run demo test test-all check bench conformance
MAKEFLAGS += --no-print-directory

# make run PORT=8080: what is given on the command line becomes the setting of the same name.
$(foreach name,PORT HOST CONFIG DATA WORKERS,$(if $(filter command,$(firstword $(origin $(name)))),$(eval export STADTGRUND_$(name) := $($(name)))))

help: ## list the targets and variables
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: PORT (5000) HOST (127.0.0.1) CONFIG (pygeoapi-config/musterstadt) DATA WORKERS (2)"
	@echo "  Example:   make run PORT=8080"

setup: ## prepare everything to run; starts nothing
	@bin/setup run

setup-test:
	@bin/setup test

run: setup ## set up what is missing, load the demo city, serve it on http://localhost:5000
	@exec .venv/bin/stadtgrund run

demo: setup ## prepare the 15 minutes of docs/demo.md, or set them back to their beginning
	@.venv/bin/stadtgrund demo

test: setup-test ## run the tests, except the long proofs
	@.venv/bin/pytest -n 2 --dist worksteal -m "not slow"

test-all: setup-test ## run the long proofs, which `make test` leaves out, and all abstract tests of the standards
	@.venv/bin/pytest -n 2 --dist worksteal -m "slow or conformance"

check: setup-test ## lint, format, types, layers, contracts, generated files
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	for folder in pygeoapi-config/*/; do .venv/bin/stadtgrund check --config "$$folder" || exit 1; done
	for folder in pygeoapi-config/*/; do .venv/bin/stadtgrund render --check --config "$$folder" || exit 1; done
	.venv/bin/stadtgrund docs pygeoapi-config/*/ --check --output docs/datasets.md

bench: setup ## measure serving and loading on this machine
	@.venv/bin/python -m bench

conformance: ## run the OGC's own suites from CITE_HOME against URL (http://localhost:5000; several, parted by blanks)
	@bin/conformance
