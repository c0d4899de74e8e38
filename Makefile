# The commands people and scripts rely on; what each must do is told in README.md. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Bytecode lies in .venv: the tree stays clean, and a run of many commands does not compile the node for each of them.
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/$(VENV)/pycache
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup setup-js setup-browser setup-token demo smoke test bench fuzz lint format clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "%-10s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## make .venv with everything pinned in requirements.lock

$(VENV)/.ready: requirements.lock setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

setup-js: node_modules/.ready

node_modules/.ready: package.json package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund && touch $@; \
	else echo "npm is not here: the JavaScript checks and the PouchDB peer tests will say that they were not run"; fi

setup-browser: # Chromium for the browser tests, where the system can install it
	@deploy/ensure-chromium

setup-token: # SoftHSM for the tests of CA keys in a token, where the system can install it
	@deploy/ensure-softhsm

demo: setup ## a commune, a district and a province on loopback, with a weak link between them, until Ctrl-C
	@$(BIN)/python -m deploy.demo

smoke: setup ## the same job unattended; the last line is one JSON object
	@$(BIN)/python -m deploy.smoke

test: setup setup-js setup-browser setup-token ## every test; says what it could not run and why
	@$(BIN)/python -m pytest tests
	@deploy/run-node-tests

bench: setup setup-js ## the benchmarks, peers in the same run; ONLY=name runs one
	@$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

fuzz: setup ## the parsers that meet foreign bytes, damaged samples for SECONDS=180
	@$(BIN)/python -m tests.fuzz.test_parsers $(or $(SECONDS),180)

lint: setup setup-js ## ruff, mypy --strict, tsc --checkJs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@deploy/run-tsc

format: setup ## ruff format
	@$(BIN)/ruff format .

clean: ## remove what the commands above made
	rm -rf $(VENV) .demo .smoke node_modules build *.egg-info
