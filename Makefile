# Everything that a developer and CI run. Needs Python 3.11 to 3.13 and make; the rest it installs.

PYTHON     ?= python3
UV_LEAST   := 0.9
UV_VERSION := 0.13.8

export UV_PYTHON_DOWNLOADS  ?= never
export UV_PYTHON_PREFERENCE ?= system
export TF_CPP_MIN_LOG_LEVEL ?= 2

# uv from PATH where it is new enough, else one of our own in .bin
UV := $(shell have=$$(uv --version 2>/dev/null | cut -d' ' -f2); \
        least=$$(printf '%s\n%s\n' $(UV_LEAST) "$$have" | sort -V | head -n 1); \
        if [ -n "$$have" ] && [ "$$least" = $(UV_LEAST) ]; then command -v uv; else echo .bin/uv/bin/uv; fi)
RUN := $(UV) run --frozen --no-sync

WORKERS    ?= 2
KILLS      ?= 2
OF_KERAS   := $(foreach part,keras_callbacks inexact,tests/unit/library_fitting/test_$(part).py)
WITH_KERAS := $(OF_KERAS) $(foreach part,cases fits notice ways,tests/integration/exact_resume/test_$(part).py)
OLDEST     := .venv-oldest
OLDEST_RUN := PATH="$(CURDIR)/$(OLDEST)/bin:$$PATH" $(OLDEST)/bin/python
SHARD      ?= 1/1
JOB        ?= deploy/examples/digits/job.yaml
ARGS       ?=
NODES      ?= 2
DEMO       := --kill-after "40 steps" --preempt-after "60 steps" --kill-after "80 steps" --kill-after "60 steps"

.DEFAULT_GOAL := help
.PHONY: help install lint locked unit test oldest prove demo run cluster cluster-down fmt clean

help: ## Say what can be made
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'

install: $(UV) ## Install everything into .venv, at the versions of uv.lock
	@$(UV) sync --frozen --quiet

lint: install ## Check style, formatting, types and the layers
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) lint-imports

locked: $(UV) ## Check that uv.lock belongs to the pyproject.toml files
	@$(UV) lock --check --quiet

unit: install ## Run the fast tests, which start no training
	$(RUN) pytest tests/unit -m "not slow" -q -n $(WORKERS)

test: install ## Run all tests that this machine can run; say what was left out and why
	@rm -f .pytest_cache/tests.xml .pytest_cache/cluster.xml; status=0; \
	  $(RUN) pytest -m "not cluster" -n $(WORKERS) --dist worksteal --disturbances $(KILLS) \
	    --durations=25 --junitxml=.pytest_cache/tests.xml || status=$$?; \
	  $(RUN) pytest -m cluster --junitxml=.pytest_cache/cluster.xml || status=$$?; \
	  $(RUN) python .ci/left_out.py .pytest_cache/tests.xml .pytest_cache/cluster.xml && exit $$status

oldest: $(UV) ## Run the tests that train with the oldest Keras and TensorFlow supported
	@UV_PROJECT_ENVIRONMENT=$(OLDEST) $(UV) sync --frozen --quiet --no-default-groups \
	  --group dev --group test --group oldest
	@$(OLDEST_RUN) -c "from importlib.metadata import version as v; \
	  print('Keras', v('keras'), 'TensorFlow', v('tensorflow-cpu'))"
	$(OLDEST_RUN) -m pytest $(WITH_KERAS) tests/integration/snapshots -q -n $(WORKERS) --dist worksteal --disturbances 1

prove: install ## Play the covering set of kills, or the part SHARD=1/4 of it; goes on where it was stopped
	@PYTHONPATH=tests $(RUN) python tests/prove.py --shard $(SHARD)

demo: install ## Train the digits, kill the training again and again, prove the result identical
	@$(RUN) perdure run deploy/examples/digits/job.yaml $(DEMO) --prove

run: install ## Run the manifest JOB with the options ARGS of `perdure run`
	@$(RUN) perdure run $(JOB) $(ARGS)

cluster: install ## Start a real Kubernetes cluster on this machine; say how to reach it
	@PYTHONPATH=tests $(RUN) python -m cluster up --nodes $(NODES)

cluster-down: ## Stop the cluster and remove what it made
	@PYTHONPATH=tests $(RUN) python -m cluster down

fmt: install ## Format the code and repair what ruff can repair
	$(RUN) ruff format
	$(RUN) ruff check --fix

clean: ## Remove what make and the examples have made
	rm -rf .bin .venv $(OLDEST) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	rm -rf .perdure deploy/examples/*/.perdure deploy/examples/*/*.keras
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment where Python can make one (Debian: python3-venv), else pip's target folder;
# both put the program at the same path.
.bin/uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "make: expected $(PYTHON) to be Python 3.11 to 3.13, received $$($(PYTHON) --version 2>&1);" \
	       "name another one with make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "installing uv $(UV_VERSION) into .bin"
	@rm -rf .bin/uv
	@$(PYTHON) -m venv .bin/uv >/dev/null 2>&1 && .bin/uv/bin/python -m pip install --quiet uv==$(UV_VERSION) \
	  || { rm -rf .bin/uv; $(PYTHON) -m pip install --quiet --target .bin/uv uv==$(UV_VERSION); } \
	  || { echo "make: uv could not be installed; expected the venv or the pip module of $(PYTHON)" \
	            "(Debian: apt install python3-venv) and a reachable package index" >&2; exit 1; }
