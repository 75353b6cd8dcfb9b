.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench lock

BIN := .venv/bin
PYTEST_ARGS ?=

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 12

setup:  ## install what is missing: Debian packages (root), .venv from requirements.lock
	@scripts/setup

demo: setup  ## build every scenario, check it, print the report
	@$(BIN)/labkit run scenarios/

test: setup  ## every test; PYTEST_ARGS="-k nodeport" for some
	@$(BIN)/pytest -n 2 --dist loadfile $(PYTEST_ARGS)

check: setup  ## the fast loop: format, lint, types, layers, unit tests
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pytest -q tests/unit $(PYTEST_ARGS)

bench: setup  ## what labs and probes cost here, against the kernel's own time
	@for benchmark in bench/bench_*.py; do $(BIN)/python "$$benchmark" || exit 1; done

lock: setup  ## write requirements.lock anew from pyproject.toml
	@scripts/lock
