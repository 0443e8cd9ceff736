# Two commands do everything on a fresh machine: `make demo` and `make test`.
# They need Python 3.10 or newer, pip and make; everything else is installed into .venv.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test lint tools soak weather fuzz audit matrix setup clean

demo: $(READY)
	$(BIN)/clipstitch demo

test: lint
	$(BIN)/python -m pytest -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tools: $(READY)  ## the foreign validators: Serverless Devs and the ROS classes, kept below build/
	$(BIN)/python -m tests.deploy.tools

soak: $(READY)  ## 100,000 simulated schedules
	$(BIN)/python -m tests.simulation --schedules 100000

fuzz: $(READY)  ## a minute of hunting for inputs that get something else than our own errors out of a door
	$(BIN)/python -m tests.fuzz --seconds 64

audit: $(READY)  ## known vulnerabilities of what is pinned; says so where the registry cannot be asked
	$(BIN)/python -m tests.audit || [ $$? -eq 3 ]

weather: $(READY)  ## 500 manifests on the real stack in bad weather, the local cloud killed again and again
	$(BIN)/python -m tests.faults --manifests 500

matrix: $(READY)  ## unit and contract tests on every supported interpreter of this machine
	$(BIN)/python tests/matrix.py

setup: $(READY)

# `python -m venv` needs ensurepip, which some distributions leave out; virtualenv does not.
$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): about a minute, once."
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
	  $(PYTHON) -m pip install --quiet --target $(VENV)-tool virtualenv && \
	  PYTHONPATH=$(VENV)-tool $(PYTHON) -m virtualenv --quiet $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
# oss2 asks for crcmod, which falls back to slow Python without a compiler; crcmod-plus is the same module with wheels.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps --force-reinstall crcmod-plus
	@touch $(READY)

clean:
	rm -rf $(VENV) $(VENV)-tool out build
