# `make demo` and `make test` need Python 3.11+ and make, nothing else; the first run sets everything up.
#   make demo              pgLoupe with a badly written shop under load, to look at
#   make up DSN=...        pgLoupe for your own database (several DSNs: separate them by spaces)
#   make test [ARGS=...]   the tests, on real servers      make test-fast             without servers and pages, in a minute
#   make test-all          also on earlier versions of PostgreSQL and with processes killed, as CI does
#   make test-pythons      test-fast on each newer Python found     make lint, make types      what CI checks besides
#   make bench             the figures of docs/performance.md      make screenshots       README's pictures, from the demo
# Another Python: make test PYTHON=python3.12. Another port: make demo PORT=9000.

PYTHON ?= python3
PORT ?= 8000
JOBS ?= 3  # of the tests: they wait about as much as they compute, so more than there are cores
ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python
# A stamp per content of the requirements: a second run starts at once, a changed pin installs again.
READY := $(VENV)/.ready-$(shell cat requirements.txt | cksum | tr -d ' ')
READY_DEV := $(VENV)/.ready-dev-$(shell cat requirements.txt requirements-dev.txt | cksum | tr -d ' ')
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo up test test-all test-fast test-pythons bench screenshots lint types clean
.DEFAULT_GOAL := help

.PHONY: help
help:
	@sed -n '2,8s/^# //p' Makefile

demo: $(READY)
	@exec $(RUN) manage.py demo --port $(PORT) $(ARGS)

# The DSN goes through the environment: on a command line its password would show in every process list. As it was
# typed: make would take a $ in it for a variable of its own.
up: export PGLOUPE_DSN := $(value DSN)
up: $(READY)
	@exec env -u DSN -u MAKEFLAGS -u MAKEOVERRIDES -u MFLAGS $(RUN) manage.py up --port $(PORT) $(ARGS)

test: $(READY_DEV)
	$(RUN) -m pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder -m "not long" $(ARGS)

test-all: $(READY_DEV)
	$(RUN) -m pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder $(ARGS)

# Which tests are slow is decided by what they ask for: tests/conftest.py.
test-fast: $(READY_DEV)
	$(RUN) -m pytest -q -n 2 --dist loadgroup --no-loadscope-reorder -m "not slow" $(ARGS)

# In environments of their own under var/. A Python is one on the PATH or one of pyenv's.
test-pythons:
	@for version in 3.14 3.13 3.12; do \
	  found=; \
	  for python in python$$version "$$HOME"/.pyenv/versions/$$version.*/bin/python; do \
	    "$$python" -c "" 2>/dev/null && found=$$python && break; \
	  done; \
	  if [ -z "$$found" ]; then echo "Python $$version: not run, there is none here"; continue; fi; \
	  echo "Python $$version: $$found"; \
	  $(MAKE) --no-print-directory test-fast VENV=var/.venv-$$version PYTHON="$$found" || exit 1; \
	  if [ -n "$(NEWEST)" ]; then break; fi; \
	done

bench: $(READY_DEV)
	$(RUN) -m bench $(ARGS)

screenshots: $(READY_DEV)
	$(RUN) -m tests.screenshots

lint: $(READY_DEV)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check --quiet .
	$(VENV)/bin/lint-imports --no-cache --no-logo

types: $(READY_DEV)
	$(RUN) -m mypy

# What make made. The data under var/ stays.
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

$(RUN):
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON); name a Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -I analyzer/runtime/make_venv.py $(VENV)

$(READY): $(RUN)
	@echo "Installing what pgLoupe needs into $(VENV) (about a minute, once)"
	@$(RUN) -m pip install --quiet -r requirements.txt
	@$(RUN) -m compileall -q analyzer dashboard
	@rm -f $(VENV)/.ready-[0-9]* && touch $@

$(READY_DEV): $(RUN)
	@echo "Installing what the tests need into $(VENV) (about a minute, once)"
	@$(RUN) -m pip install --quiet -r requirements-dev.txt
	@$(RUN) -m compileall -q analyzer dashboard
	@rm -f $(VENV)/.ready-* && touch $@ $(READY)
