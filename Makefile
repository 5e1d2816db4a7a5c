# The two commands of a fresh machine are `make run` and `make test`; both need python3 (3.11 or later), make and git.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test check soak mutate bench bench-growth bench-parts lock demo-reset openapi states calendar clean

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

run: $(VENV)/.runtime ## Serve the registry with a demo sandbox on 127.0.0.1:8000
	@$(BIN)/migcard migrate
	@exec $(BIN)/migcard serve

test: $(VENV)/.dev ## Run every test, on both databases
	$(BIN)/python -m pytest -n auto --cov --cov-report=
	$(BIN)/coverage report --skip-covered --include="app/domain/*,app/db/*,app/services/*" --fail-under=95

check: $(VENV)/.dev ## Lint, format, types, layers and the fast tests, in under a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry app
	HISTORIES=200 $(BIN)/python -m pytest -n auto tests/domain tests/policies

SCALE ?= full
soak: $(VENV)/.dev ## Long proofs, run by hand; SCALE=small takes minutes
	SCALE=$(SCALE) $(BIN)/python -m tests.soak

mutate: $(VENV)/.mutation ## Mutation testing of the rules of stay: are the tests awake
	$(BIN)/mutmut run
	$(BIN)/mutmut results

bench: $(VENV)/.dev $(VENV)/.rivals ## Measure beside bare routes, pgbench and rivals; report in build/bench; BENCH_SCALE=small
	$(BIN)/python -m bench

bench-growth: $(VENV)/.dev ## Measure as the registry grows to ten million cards; it wants 75 GB of TMPDIR
	$(BIN)/python -m bench.growth

bench-parts: $(VENV)/.dev ## Measure stays, comparisons, announcements, webhooks, imports and exports
	$(BIN)/python -m bench.stays
	$(BIN)/python -m bench.announcements
	$(BIN)/python -m bench.imports
	$(BIN)/python -m bench.exports

demo-reset: $(VENV)/.runtime ## Make the demo sandbox anew
	@$(BIN)/migcard migrate
	@$(BIN)/migcard sandboxes reset-demo

openapi: $(VENV)/.dev ## Write docs/openapi.json
	$(BIN)/migcard openapi > docs/openapi.json

states: $(VENV)/.dev ## Draw docs/states.md from the table of transitions
	$(BIN)/python -m tests.domain.state_diagram

calendar: $(VENV)/.dev ## Freeze the Russian production calendar into app/policies/
	$(BIN)/python -m tests.policies.production_calendar

LOCK := $(BIN)/uv pip compile --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate --quiet pyproject.toml --group pyproject.toml:build

lock: $(VENV)/.dev ## Resolve the dependencies anew into requirements/
	$(LOCK) --upgrade -o requirements/runtime.txt
	$(LOCK) --upgrade --group pyproject.toml:dev -c requirements/runtime.txt -o requirements/dev.txt
	$(LOCK) --upgrade --group pyproject.toml:mutation -c requirements/dev.txt -o requirements/mutation.txt
	$(LOCK) --upgrade --group pyproject.toml:bench -c requirements/dev.txt -o requirements/bench.txt

clean: ## Remove the environment and what was generated, not var/
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* *.egg-info

$(VENV)/.base:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Install Python 3.11 or later, or name it: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Install Python's venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# the project itself is installed in place, without asking a registry again
INSTALL = $(PIP) install --require-hashes -r $< && $(PIP) install --no-build-isolation --no-deps -e . && touch $@

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/.base
	@[ -e $(VENV)/.dev ] || echo "Installing the environment …"
	@$(INSTALL)

$(VENV)/.mutation: requirements/mutation.txt $(VENV)/.dev
	$(PIP) install --require-hashes -r $< && touch $@

# what is measured beside us stays out of our own environment
$(VENV)/.rivals: requirements/bench.txt bench/rivals/json_server/package-lock.json | $(VENV)/.dev
	@$(PYTHON) -m venv $(VENV)/rivals
	$(VENV)/rivals/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@if command -v node npm >/dev/null; then npm ci --prefix bench/rivals/json_server --no-audit --no-fund --ignore-scripts; \
	else echo "NOT MEASURED: json-server, since node and npm are not installed (Debian: apt-get install nodejs npm)" >&2; fi
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/.base
	@echo "Installing the development environment …"
	@$(INSTALL) $(VENV)/.runtime
