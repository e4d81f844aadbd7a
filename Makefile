# Everything runs from a virtual environment in .venv, made on first use from the locks (every file by its hash).
# Needs GNU make and Python 3.11 or newer; PYTHON=/path/to/python chooses one.

VENV := .venv
BIN := $(VENV)/bin
# The first of these that is new enough and can make virtual environments.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14 python; do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Bytecode is written when a module is first imported: most of what the CRM clients bring never is.
INSTALL := $(PIP) install --require-hashes --only-binary=:all: --no-compile --requirement
UV ?= $(shell command -v $(BIN)/uv || command -v uv)
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11.0 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links $(UPGRADE) --group build
# One file stays in one process, so that the servers it kills are its own.
PYTEST := $(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

.DEFAULT_GOAL := help
.PHONY: help install demo test lint lint-deploy format unit browser chaos fuzz sbom audit contract-live bench lock clean remake

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(VENV)/demo.stamp ## the leadgauge command in .venv, with servers of its own and the practice CRMs

demo: $(VENV)/demo.stamp ## practice CRMs, servers, workers: the whole product; ONCE=1 stops after one verified pass
	$(BIN)/leadgauge demo $(if $(ONCE),--once)

test: lint unit ## everything that must hold: lint, then all tests

lint: $(VENV)/dev.stamp ## style, types, import rules, unused and missing dependencies
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

lint-deploy: $(VENV)/lint.stamp ## what deploys it: Dockerfile, Compose, units, Helm chart, PromQL; installs 120 MB
	$(BIN)/python deploy/lint.py

unit: $(VENV)/dev.stamp ## the tests alone; ARGS="-k words path" narrows them
	$(PYTEST) $(ARGS)

browser: $(VENV)/dev.stamp ## the console in a real Chromium (apt install chromium); pictures for the README
	BROWSER=1 SHOTS=docs/images $(BIN)/python -m pytest --numprocesses=0 tests/browser

chaos: $(VENV)/dev.stamp ## break everything under the product; SEEDS=1-50; root for the small disk
	$(BIN)/python -m tests.chaos $(or $(SEEDS),1-5)

fuzz: $(VENV)/dev.stamp ## 10,000 malformed inputs; COUNT=n
	$(BIN)/python -m tests.fuzz $(or $(COUNT),10000)

sbom: $(VENV)/dev.stamp ## CycloneDX of the production lock, sbom.json
	$(BIN)/python deploy/sbom.py > sbom.json

audit: $(VENV)/dev.stamp ## advisories on the locked packages; ends with 3 where nobody answers
	$(BIN)/python deploy/advisories.py

contract-live: $(VENV)/dev.stamp ## the connectors' reading laws over a real org or portal; see docs/connectors.md
	$(BIN)/python -m pytest -rs -m live tests/contract/connectors/test_live.py

format: $(VENV)/dev.stamp ## rewrite what ruff can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/bench.stamp ## the benchmarks against their goals; ONLY=name runs one
	$(BIN)/python -m benchmarks $(ONLY)

lock: ## resolve the locks again; UPGRADE=--upgrade takes newer versions
	@test -n "$(UV)" || { echo "make lock needs uv: pip install uv, or UV=/path/to/uv" >&2; exit 1; }
	$(COMPILE) pyproject.toml --all-extras --output-file requirements-dev.lock
	$(COMPILE) pyproject.toml --extra embedded --extra sandbox --constraint requirements-dev.lock --output-file requirements.lock
	$(COMPILE) pyproject.toml --constraint requirements-dev.lock --output-file requirements-prod.lock
	$(COMPILE) --group lint --constraint requirements-dev.lock --output-file requirements-lint.lock
	$(COMPILE) pyproject.toml --all-extras --group rivals --constraint requirements-dev.lock --output-file requirements-bench.lock

clean: ## stop the embedded servers and delete the environment and all caches; data in .leadgauge stay
	@if test -x $(BIN)/leadgauge && test -d .leadgauge; then $(BIN)/leadgauge down; fi
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist benchmarks/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment does not survive being moved, nor the Python under it going away: then it is made again.
ifneq ($(shell $(BIN)/python -c 'print(open("$(VENV)/place").read())' 2>/dev/null),$(CURDIR))
$(VENV)/pyvenv.cfg: remake
endif
remake: ;

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "Leadgauge needs Python 3.11 or newer with the module venv" \
		"(Debian, Ubuntu: apt install python3-venv), or make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@printf '%s' '$(CURDIR)' > $(VENV)/place

$(VENV)/%.stamp: $(VENV)/pyvenv.cfg pyproject.toml
	@echo "installing $(filter %.lock,$^) into $(VENV)"
	@$(INSTALL) $(filter %.lock,$^)
	@$(PIP) install --no-build-isolation --no-deps --no-index --editable .
	@touch $@

$(VENV)/demo.stamp: requirements.lock
$(VENV)/dev.stamp: requirements-dev.lock
$(VENV)/bench.stamp: requirements-bench.lock
$(VENV)/lint.stamp: requirements-lint.lock
