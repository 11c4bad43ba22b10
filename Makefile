# The study's commands. `make` alone lists them.
PYTHON ?= python3
PROFILE ?= default
ARGS ?=

bin := .venv/bin
# One thread for each test process: two processes with two threads each would fight for the cores.
pytest := OMP_NUM_THREADS=1 $(bin)/python -m pytest -n 2 --durations=15

.DEFAULT_GOAL := help
.PHONY: help env reproduce bench test test-all test-gpu torture lint audit lab site

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

env:  ## make .venv with the locked versions (PYTHON=python3.12 chooses the interpreter)
	@PYTHON=$(PYTHON) env/make_env.sh

reproduce: env  ## run the study (PROFILE=smoke|default|full, ARGS='-p seed=0,1,2')
	$(bin)/dance reproduce --profile $(PROFILE) $(ARGS)

bench: env  ## time pruning against dense engines (ARGS='--quick --model r2plus1d_18')
	$(bin)/python -m pip install --constraint env/constraints.txt --editable '.[bench]'
	$(bin)/dance bench $(ARGS)

test: env  ## the tests that take minutes, with the smoke profile of every notebook
	$(pytest) -m "not slow and not torture" $(ARGS)

test-all: env  ## all tests but torture
	$(pytest) -m "not torture" $(ARGS)

test-gpu: env  ## the kernels for GPUs, in Triton's interpreter; adds the extra cuda
	$(bin)/python -m pip install --constraint env/constraints.txt --editable '.[cuda]'
	TRITON_INTERPRET=1 $(pytest) tests/executors/cuda $(ARGS)

torture: env  ## faults, hostile input and load, in half an hour; a table of what held
	$(pytest) --dist worksteal tests/torture -m torture --tally results/torture.md $(ARGS)

lint: env  ## style, format and types, notebooks too
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy

audit: env  ## known holes of the locked dependencies, by a public database
	@$(bin)/python env/audit.py

lab: env  ## read and explore the notebooks (as root: ARGS=--allow-root)
	$(bin)/jupyter lab notebooks $(ARGS)

site: env  ## pages of results/default, or of the committed run, for a browser without a network
	$(bin)/dance site $(ARGS)
