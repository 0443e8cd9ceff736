# On a fresh machine start with `make demo` or `make test`.
# Both need Python 3.10 or newer, pip and make; everything else is installed into .venv.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Parallel tests: one more than the processors, since many of them wait.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# The tests that measure coverage.
RINGS  := tests/unit tests/contract

.PHONY: demo help test lint coverage tools soak faults conformance fuzz audit matrix setup clean

demo: $(READY)  ## merge the demo's clips on the local cloud
	$(BIN)/clipstitch demo

help:  ## print the targets
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

# Under CI every test runs once: those that measure coverage first, then the others.
test: lint  ## linters and all tests; under CI=true with branch coverage
ifdef CI
	$(MAKE) coverage
	$(BIN)/python -m pytest -n $(WORKERS) -m hypothesis $(RINGS)
	$(BIN)/python -m pytest -n $(WORKERS) $(RINGS:%=--ignore=%)
else
	$(BIN)/python -m pytest -n $(WORKERS)
endif

lint: $(READY)  ## style, types, import contracts, words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/check_words.py

# Property tests are left out: measuring makes them three times slower, and examples must cover every branch anyway.
coverage: $(READY)  ## branch coverage of what is deployed, by unit and contract tests; fails below 95 %
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS) -m "not hypothesis" $(RINGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

tools: $(READY)  ## download the validators of s.yaml and template.yml, and the FC client for Node, into build/
	$(BIN)/python -m tests.deploy.tools

soak: $(READY)  ## 100,000 simulated schedules
	$(BIN)/python -m tests.simulation --schedules 100000

faults: $(READY)  ## 500 manifests with fault injection, the local cloud killed repeatedly
	$(BIN)/python -m tests.faults --manifests 500

conformance: $(READY)  ## the vendor's own test suites for Go against the local cloud
	$(BIN)/python -m tests.conformance

fuzz: $(READY)  ## one minute of inputs that might raise unexpected exceptions
	$(BIN)/python -m tests.fuzz --seconds 64

audit: $(READY)  ## known vulnerabilities of the pinned packages; passes if the registry cannot be queried
	$(BIN)/python -m tests.audit || [ $$? -eq 3 ]

matrix: $(READY)  ## unit and contract tests on every supported Python of this machine
	$(BIN)/python tests/matrix.py

setup: $(READY)  ## create .venv

# `python -m venv` needs ensurepip, which some distributions leave out; virtualenv does not.
$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): about a minute, once."
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
	  $(PYTHON) -m pip install --quiet --target $(VENV)-tool virtualenv && \
	  PYTHONPATH=$(VENV)-tool $(PYTHON) -m virtualenv --quiet $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
# oss2 requires crcmod, which falls back to slow Python without a compiler; crcmod-plus is the same module with wheels.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps --force-reinstall crcmod-plus
	@touch $(READY)

clean:  ## delete everything that make created
	rm -rf $(VENV) $(VENV)-tool out build
