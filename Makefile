# All set-up is done by the targets themselves; `make` alone says what there is.

PYTHON ?= python3
ARGS ?=
PARALLEL ?= 2

VENV := .venv
RUN := $(VENV)/bin/python -m
PIP := $(RUN) pip --quiet --disable-pip-version-check --no-input
READY := $(VENV)/.ready
TOOLS := $(VENV)/.tools

COMPILE := $(RUN) uv pip compile --quiet --no-header --no-emit-index-url --universal --python-version 3.11 \
	--generate-hashes $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: node screenshots help demo test faults hostile soak bench profile lint format schemas sbom lock clean python ruff-check ruff-format mypy schemas-check system pytest

help:  ## Says what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## Starts the receiver with a simulated DRS pushing a day's work at it, until Ctrl-C
	@$(RUN) receiver demo $(ARGS)

test: $(TOOLS)  ## Runs everything: lint, formatting, types, schemas and tests (ARGS="-k name" for some of the tests)
	@$(MAKE) --no-print-directory --keep-going lint schemas-check system pytest

faults: $(TOOLS)  ## Breaks a running receiver in every way, at full size (ARGS="-k kills" for one of the ways)
	@$(MAKE) --no-print-directory system
	FAULTS=full $(RUN) pytest tests/faults --capture=no $(ARGS)

soak: $(TOOLS)  ## Keeps a receiver under a steady load and watches what it uses (ARGS="--minutes 60"; ARGS=--help)
	@$(MAKE) --no-print-directory system
	@$(RUN) tests.faults.soak $(ARGS)

hostile: $(TOOLS) system  ## Drives a million hostile documents through the corridor (ARGS="--help" says more)
	@$(RUN) tests.hostile.campaign $(ARGS)

slow: $(TOOLS)  ## Measures a normal load beside 200 slow connections (ARGS=--nginx for the same through nginx)
	$(RUN) tests.slow $(ARGS)

bench: $(TOOLS)  ## Measures the receiver beside the floor and its peers, as ratios (ARGS="--only floor"; ARGS=--help)
	@$(MAKE) --no-print-directory system
	@$(RUN) tests.performance $(ARGS)

profile: $(TOOLS)  ## Says where the microseconds of one push go (ARGS=--sqlite; ARGS=--help)
	@$(MAKE) --no-print-directory system
	@$(RUN) tests.performance.profile $(ARGS)

screenshots: $(TOOLS)  ## Takes the pictures in docs/admin.md anew
	SCREENSHOTS=write $(RUN) pytest tests/admin/test_screenshots.py

lint: ruff-check ruff-format mypy  ## Checks style, formatting and types

format: $(TOOLS)  ## Puts style and formatting right
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

schemas: $(READY)  ## Writes schemas/ from the field table
	$(RUN) receiver schemas

# Its own warning, that a lock does not say which package needs which, would come every time.
sbom: $(READY)  ## Writes dist/sbom.cdx.json: the receiver and all that is installed with it, by version and hash
	@mkdir -p dist
	@$(VENV)/bin/python -W ignore::UserWarning -m cyclonedx_py requirements --pyproject pyproject.toml \
		--spec-version 1.6 --short-PURLs --output-reproducible --output-file dist/sbom.cdx.json requirements.lock

lock: $(TOOLS)  ## Writes the locks from pyproject.toml, keeping versions where it can (UPGRADE=1 for the newest)
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --group build -c requirements.lock -o requirements-build.lock
	$(COMPILE) pyproject.toml --group dev -c requirements.lock -c requirements-build.lock -o requirements-dev.lock

clean:  ## Removes what these targets have made
	rm -rf $(VENV) .bench build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

ruff-check: $(TOOLS)
	$(RUN) ruff check .

ruff-format: $(TOOLS)
	$(RUN) ruff format --check .

mypy: $(TOOLS)
	$(RUN) mypy

schemas-check: $(READY)
	$(RUN) receiver schemas --check

system: $(TOOLS)
	$(RUN) tests.support.system

# Most tests wait for a disk or a process, so two at a time; the tests of a file share what it starts.
pytest: $(TOOLS)
	$(RUN) pytest -n $(PARALLEL) --dist loadfile $(ARGS)

$(READY): pyproject.toml requirements.lock requirements-build.lock build_pages.py $(wildcard pages/*.*) | python node
	@echo "Setting up $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock -r requirements-build.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(TOOLS): $(READY) requirements-dev.lock
	@echo "Adding the tools to $(VENV)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# Looked at only when the environment is about to be made. The pages' styles are built by npm.
node:
	@command -v npm >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y npm >/dev/null; fi; \
		command -v npm >/dev/null || \
		{ echo "npm is not there, and the pages' styles are built by it: install Node.js 20 or newer" >&2; exit 1; }; }

python:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) is not there: Python 3.11 or newer is needed" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is too old: Python 3.11 or newer is needed (make PYTHON=... names another)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv >/dev/null; fi; \
		"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments: install Debian's python3-venv" >&2; exit 1; }; }
