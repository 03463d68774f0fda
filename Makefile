# `make` lists the targets. Everything runs in .venv, which `make setup` builds with pip and nothing else.

PYTHON3 ?= python3
PYTHON  := .venv/bin/python
STAMP   := .venv/.installed

# Three workers of one thread each: on two cores a test waits for processes that it started a sixth of the time.
TEST_ENVIRONMENT := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 WANDB_MODE=offline
PYTEST := $(TEST_ENVIRONMENT) $(PYTHON) -m pytest -q -n 3

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-engines test-slurm test-postgres test-hosts test-ray test-triton test-gpu test-newest test-oldest test-ends trust lint format catalogue docs docs-serve tutorial reproduce-quick check clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | while IFS='	' read -r name text; do \
		printf '  make %-15s %s\n' "$$name" "$$text"; done

setup: $(STAMP)  ## build .venv and install gatelab with its tools into it; does nothing the second time

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON3) >/dev/null || { echo "setup: no '$(PYTHON3)' found; gatelab needs Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON3) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "setup: $$($(PYTHON3) --version) is too old, gatelab needs 3.11 or newer; name another with make setup PYTHON3=…" >&2; exit 1; }
	@$(PYTHON3) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "setup: $(PYTHON3) comes without venv (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { echo "setup: creating .venv"; $(PYTHON3) -m venv --clear .venv; }
	@echo "setup: installing gatelab and its tools into .venv (the first time: a few minutes, about 2 GB)"
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Four variants, ten seeds each, on handwritten digits read pixel by pixel. Three comparisons take seven seeds or more to
# decide anything; ten train as one stack a variant, in 145 seconds of CPU time altogether.
DEMO := -m variant=lstm,cifg,gru,peephole task=digits 'seed=range(10)' optimizer.lr=6e-3 training.max_steps=700 \
	training.validate_every=100 runs_dir=runs/demo

demo: setup  ## compare the four core variants on a real task, in about two minutes
	@echo "python scripts/train.py $(DEMO)"
	@# its tables are shown once, by the comparison
	@$(PYTHON) scripts/train.py $(DEMO) >/dev/null
	@echo "every run with its history and checkpoints: runs/demo"
	@echo "python scripts/compare.py runs=runs/demo baseline=lstm out=report/demo"
	@$(PYTHON) scripts/compare.py runs=runs/demo baseline=lstm out=report/demo

test: setup  ## run the tests, without the slow ones
	@$(PYTEST) -m 'not slow and not engine and not triton and not gpu'

trust: setup  ## kills, full disks, damaged files: a night of it, and docs/reliability.md; PART=kills for a part
	@$(TEST_ENVIRONMENT) $(PYTHON) -m tests.trust.run '$(or $(PART),all)' '$(TRIALS)'

# Both ends of every range in pyproject.toml, each in an environment of its own; ROOMS='tests/paths tests/training' takes
# a part. Packages come from where pip is set up to look; a torch with CUDA is 3 GB to fetch and 6 GB on the disk.
ROOMS ?= tests

test-newest:  ## run the tests with the newest of all dependencies, in .venv-newest (gigabytes, with CUDA)
	@$(MAKE) --no-print-directory test-ends END=newest

test-oldest: setup  ## run the tests with the oldest of all dependencies, in .venv-oldest (gigabytes, with CUDA)
	@$(PYTHON) -m tests.packaging.ranges > .venv/oldest.txt
	@$(MAKE) --no-print-directory test-ends END=oldest CONSTRAINTS='--constraint .venv/oldest.txt'

test-ends:
	@test -x .venv-$(END)/bin/python || $(PYTHON3) -m venv .venv-$(END)
	@echo "installing the $(END) of all ranges into .venv-$(END): up to 3 GB to fetch and 6 GB on the disk, which has" \
		"$$(df -Ph . | awk 'NR == 2 {print $$4}') free"
	@.venv-$(END)/bin/python -m pip install -qq --disable-pip-version-check --upgrade --upgrade-strategy eager \
		$(CONSTRAINTS) --editable '.[dev]'
	@.venv-$(END)/bin/python -m pip list --disable-pip-version-check > .venv-$(END)/installed.txt
	@grep -iE '^(torch|numpy|pytorch-lightning) ' .venv-$(END)/installed.txt
	@$(TEST_ENVIRONMENT) .venv-$(END)/bin/python -m pytest -q -n 2 -m 'not slow and not engine and not triton and not gpu' $(ROOMS)

test-slow: setup  ## run the slow tests
	@$(PYTEST) -m 'slow and not engine and not triton and not gpu'

test-engines: setup  ## as root: the tests of SLURM, Ray, PostgreSQL and several hosts that CI can run
	@tests/engines/stage.sh

test-slurm: setup  ## install SLURM as root, start a cluster of one node and run sweeps on it
	@tests/engines/slurm/cluster.sh install
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[submitit]'
	@$(TEST_ENVIRONMENT) $(PYTHON) -m pytest -q -m engine tests/engines/slurm

test-postgres: setup  ## install PostgreSQL as root, start a server and search studies that it keeps
	@tests/engines/postgres/server.sh install
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[postgres]'
	@$(TEST_ENVIRONMENT) $(PYTHON) -m pytest -q -m engine tests/engines/postgres

test-ray: setup  ## install Ray and run sweeps on a cluster of three nodes on this machine
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[ray]'
	@$(TEST_ENVIRONMENT) $(PYTHON) -m pytest -q -m engine tests/engines/ray

test-hosts: setup  ## as root: machines with names and clocks of their own, made up on this one, over one store
	@tests/engines/hosts/shared.sh install
	@$(TEST_ENVIRONMENT) $(PYTHON) -m pytest -q -m engine tests/engines/hosts

# Beside .venv, not in it: it takes 1 GB, and torch would look at it in every other test. KIND=slow runs every variant with
# weights read at every step, and random programs.
TRITON := .venv-triton
KIND ?= not slow

$(TRITON)/triton/__init__.py:
	@echo "test-triton: installing Triton into $(TRITON) (300 MB to fetch, 1 GB on the disk)"
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --no-deps --upgrade --target $(TRITON) triton==3.9.0

test-triton: setup $(TRITON)/triton/__init__.py  ## run the kernels for GPUs by Triton's interpreter, against the loop
	@PYTHONPATH=$(TRITON) TRITON_INTERPRET=1 $(PYTEST) -m 'triton and ($(KIND))' tests/paths

test-gpu: setup  ## run what needs a CUDA device, on one
	@$(TEST_ENVIRONMENT) $(PYTHON) -m pytest -q -m gpu tests/paths/test_on_a_gpu.py tests/training/test_on_a_gpu.py

lint: setup  ## ruff, mypy, import-linter
	@$(PYTHON) -m ruff check --quiet .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy --no-error-summary
	@.venv/bin/lint-imports --no-logo

format: setup  ## let ruff mend what it can
	@$(PYTHON) -m ruff check --quiet --fix --exit-zero .
	@$(PYTHON) -m ruff format --quiet .

tutorial: setup  ## train the runs of docs/tutorial and write its numbers, figures and page anew (under ten minutes)
	@PYTHONPATH=. WANDB_MODE=disabled OMP_NUM_THREADS=1 $(PYTHON) -m docs.tutorial.tutorial

# A verdict that differs from the one in results/quick is told, and is an error.
reproduce-quick: setup  ## run the quick profile of every paper and check its claims (about twenty minutes)
	@$(TEST_ENVIRONMENT) $(PYTHON) scripts/reproduce.py experiment=all profile=quick runs=runs/reproduce check=true

catalogue: setup  ## write the pages of docs/ that are derived, and the keys of conf/train.yaml, anew
	@$(PYTHON) scripts/catalogue.py keys=conf/train.yaml
	@$(PYTHON) scripts/catalogue.py pages=docs
	@$(PYTHON) scripts/kernel_page.py
	@$(PYTHON) scripts/api_page.py

# From nothing each time: what Sphinx keeps of a page that has not changed would keep its warnings back.
docs: setup  ## build the documentation into site/: a link to nowhere, a page outside the menu, any warning is an error
	@rm -rf site
	@$(PYTHON) -m docs._site.equations
	@$(PYTHON) -m sphinx --fail-on-warning --keep-going --fresh-env -q -b html -d build/doctrees docs site
	@echo "docs: site/index.html ($$(find site -name '*.html' | wc -l) pages, $$(du -sh site | cut -f1))"

docs-serve: docs  ## the same, and show it at http://127.0.0.1:8000
	@$(PYTHON) -m http.server --bind 127.0.0.1 --directory site 8000

check: lint docs test  ## what CI runs

clean:  ## remove caches and builds; keeps .venv and runs/
	@rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
