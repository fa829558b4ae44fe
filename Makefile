# make demo    train a small network on the embedded pictures and write designs/ (at most 5 minutes on 2 cores)
# make test    everything that CI runs
# make check   for daily work, in about two minutes: export in step, format, lint, the rules of the house, quick tests
# make lab     JupyterLab on the notebooks
# make export  README.md, format, small figures, then notebooks -> fashion_style/
# make bench   measure speed and memory into benchmarks/results/ (about an hour; an idle machine, please)
# make ablations  train without each part of the method and score the rest, for the tutorial (about half an hour of two idle cores)
# make fuzz    open two thousand spoilt files as a user would (about five minutes)
# make faults  kill, tear and fill up training runs a hundred times (about twenty minutes)
#
# demo and lab install the package alone; everything else installs the developer's tools too.
# PYTHON=python3.12 names the interpreter, EXTRAS=gpu adds TensorFlow's CUDA libraries, VGG=FILE gives bench VGG19's weights,
# TORCH= leaves PyTorch out of bench.

.DEFAULT_GOAL := help
.PHONY: help install check demo test lab export bench ablations faults fuzz check-house check-export check-format check-notebooks check-wheel check-quick pytest clean

PYTHON ?=
EXTRAS ?=
VENV := .venv
BIN := $(VENV)/bin
PACKAGE := $(VENV)/.package
STAMP := $(VENV)/.installed
# Two notebooks, or files of tests, at a time, one TensorFlow thread each: faster on two cores than one with two threads.
WORKERS ?= 2
ONE_THREAD := MPLBACKEND=agg TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1

export TF_CPP_MIN_LOG_LEVEL ?= 3
export PYTHONUTF8 := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# $(call timed,WORDS,COMMAND): does it, and says how long it took; the command's failure is the recipe's.
timed = @started=$$(date +%s); $(2); code=$$?; echo "$(1): $$(($$(date +%s) - started)) s"; exit $$code

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

install: $(STAMP)

# Editable, so that the command, the tests and the notebooks all see a change at once; what a user gets from the
# wheel is checked apart, by check-wheel. Done again when the requirements change.
comma := ,
$(PACKAGE): settings.ini setup.py
	@python=$$(sh tools/find_python.sh $(PYTHON)) && sh tools/make_venv.sh "$$python" $(VENV)
	$(BIN)/python -m pip install --no-input --editable '.$(if $(EXTRAS),[$(EXTRAS)])'
	@touch $@

$(STAMP): settings.ini setup.py
	@python=$$(sh tools/find_python.sh $(PYTHON)) && sh tools/make_venv.sh "$$python" $(VENV)
	$(BIN)/python -m pip install --no-input --editable '.[dev$(if $(EXTRAS),$(comma)$(EXTRAS))]'
	@touch $(PACKAGE) $@

demo: $(PACKAGE)
	$(BIN)/fashion-style demo

lab: $(PACKAGE)
	$(BIN)/python -m jupyterlab nbs

export: $(STAMP)
	$(BIN)/python tools/make_readme.py
	$(BIN)/ruff format .
	$(BIN)/nbdev_clean
	$(BIN)/python tools/slim_figures.py
	$(BIN)/nbdev_export

# PyTorch lives in an environment of its own, for the comparison only. TORCH= leaves its rows out.
TORCH ?= .venv-torch
VGG ?=
TORCH_STAMP := $(if $(TORCH),$(TORCH)/.installed)

$(TORCH)/.installed:
	@python=$$(sh tools/find_python.sh $(PYTHON)) && sh tools/make_venv.sh "$$python" $(TORCH)
	$(TORCH)/bin/python -m pip install --no-input torch==2.13.0 numpy
	@touch $@

bench: $(STAMP) $(TORCH_STAMP)
	$(BIN)/python benchmarks/speed.py $(if $(TORCH),--torch-python $(TORCH)/bin/python) $(if $(VGG),--vgg-weights $(VGG))
	$(BIN)/python benchmarks/speed.py --first-steps --processor-time $(if $(VGG),--vgg-weights $(VGG))
	$(BIN)/python benchmarks/memory.py $(if $(VGG),--vgg-weights $(VGG))
	$(BIN)/python benchmarks/live.py
	$(BIN)/python benchmarks/precision.py
	$(BIN)/python benchmarks/panels.py

ablations: $(STAMP)
	$(BIN)/python benchmarks/ablations.py

faults: $(STAMP)
	$(BIN)/python tests/faults/harness.py --kills 100

fuzz: $(STAMP)
	$(BIN)/python tests/fuzz.py --files 2000

# One after the other, also under "make -j"; but the wheel is installed, which is the disk's work, while notebooks run.
# pytest last, so that its summary closes the log.
test: $(STAMP)
	@$(MAKE) --no-print-directory -j1 check-house
	@$(MAKE) --no-print-directory -j2 check-notebooks check-wheel
	@$(MAKE) --no-print-directory -j1 pytest

# Tests of rooms that need no training; the whole is make test.
QUICK := $(addprefix tests/test_,house.py package.py images.py files.py garments.py patterns.py drawing_digests.py bounded_files.py worker.py)

check: $(STAMP)
	$(call timed,make check,$(MAKE) --no-print-directory check-house && $(MAKE) --no-print-directory check-quick)

check-house: $(STAMP)
	@$(MAKE) --no-print-directory check-export
	@$(MAKE) --no-print-directory check-format
	$(call timed,rules of the house,$(BIN)/python tools/check_house.py)

check-format: $(STAMP)
	$(call timed,format and lint,$(BIN)/ruff format --check . && $(BIN)/ruff check .)

check-export: $(STAMP)
	$(call timed,export in step,$(BIN)/python tools/check_export.py)

check-quick: $(STAMP)
	$(call timed,quick tests,$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(QUICK))

check-notebooks: $(STAMP)
	$(ONE_THREAD) $(BIN)/nbdev_test --n_workers $(WORKERS) --timing --do_print

check-wheel: $(STAMP)
	$(BIN)/python tools/check_wheel.py

# A file of tests stays together, for what its tests share is costly; tests/conftest.py says which files come first.
pytest: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

clean:
	rm -rf build dist *.egg-info .pytest_cache designs
