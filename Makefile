.DEFAULT_GOAL := help
.PHONY: help setup kube-proxy demo test check format lint types layers unit fix bench lock

BIN := .venv/bin
PYTEST_ARGS ?=

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 17

setup:  ## install what is missing: Debian packages (root), .venv from requirements.lock
	@scripts/setup

kube-proxy:  ## build the real kube-proxy that tests run, from Debian's sources; print its path
	@scripts/kube-proxy

demo: setup  ## build every scenario, check it, print the report
	@$(BIN)/labkit run scenarios/

test: setup  ## every test; PYTEST_ARGS="-k nodeport" for some
	@scripts/kube-proxy --once >/dev/null || :
	@$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: format lint types layers unit  ## the fast loop, these five; make -k check goes on after a failure

format: setup  ## are all files formatted
	@$(BIN)/ruff format --check --quiet .

lint: setup  ## ruff
	@$(BIN)/ruff check --quiet .

types: setup  ## mypy --strict
	@$(BIN)/mypy

layers: setup  ## the direction of imports, and pure packages that stay pure
	@$(BIN)/lint-imports --no-logo

unit: setup  ## the tests that need no root and no kernel
	@$(BIN)/pytest -q -n 2 tests/unit $(PYTEST_ARGS)

fix: setup  ## let ruff format and mend what it can
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

bench: setup  ## what labs, probes and rules cost here, in short; labkit bench --help has the rest
	@$(BIN)/labkit bench lab --pods 10,100 --nodes 1,10 --rounds 3
	@$(BIN)/labkit bench probe --rounds 3 --services 10
	@$(BIN)/labkit bench sync --services 10,1000 --rounds 3

lock: setup  ## write requirements.lock anew from pyproject.toml
	@scripts/lock
