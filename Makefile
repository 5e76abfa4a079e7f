# `make` alone lists what there is. Each target sets up what it needs on a fresh machine and is quick when that is done.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
NOTEBOOKS = $(BIN)/python -m tools.notebooks
TORCH  := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)

.PHONY: help lab tour check test bench results export readme nb stale hooks clean
.DEFAULT_GOAL := help

help:
	@echo "make lab      open your copy of the course in the browser (sets everything up the first time)"
	@echo "make tour     chapter 01's runs and tables, in the terminal"
	@echo "make check    style, layers, drift and quick tests, in under two minutes"
	@echo "make test     every test, and every notebook that changed since it was run; ALL=1: all notebooks, and the long browser tests"
	@echo "make bench    CASE=name: one side-by-side speed run, one JSON line; without CASE it lists them"
	@echo "make results  the stored tables: makes what is missing or stale; TABLE=name makes one anew"
	@echo "make export   notebooks -> ft_course/     make readme  nbs/index.ipynb -> README.md"
	@echo "make nb       NB=nbs/...: run and tidy a notebook, and leave a receipt     make stale  the notebooks that need it, and why"
	@echo "make hooks    let git run style and cleaning before each commit"
	@echo "make clean    remove the environment and what was built (not your copy of the course, not the model cache)"
	@echo "On Linux without an NVIDIA card: make lab TORCH_INDEX_URL=<the address that pytorch.org shows for CPU>  saves several gigabytes."

$(VENV)/.course: settings.ini setup.py pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The course needs Python 3.11 or newer and this is " + sys.version.split()[0] + ": make lab PYTHON=python3.12, say")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX_URL),$(PIP) install --index-url $(TORCH_INDEX_URL) $(TORCH))
	@rm -rf *.egg-info   # an older version's would be found before the new one's
	$(PIP) install -c constraints.txt -e ".[course]"
	@touch $@

$(VENV)/.dev: $(VENV)/.course
	$(PIP) install -c constraints.txt -e ".[course,dev]"
	@touch $@

lab: $(VENV)/.course
	$(BIN)/ft-course lab

tour: $(VENV)/.course
	$(BIN)/ft-course tour

# -n 2: two workers, a core and a torch thread each
check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/python -m pytest tests -q --check -n 2 --dist worksteal

test: $(VENV)/.dev
	$(BIN)/ft-course assets
	@$(NOTEBOOKS) stale
	$(BIN)/python -m pytest tests -q -n 2 --dist worksteal --durations=15 -m "not browser" $(if $(ALL),--all-notebooks)
	$(BIN)/python -m pytest tests -q -m browser $(if $(ALL),--all-notebooks)   # alone: they wait for a kernel, and say how long it may take

bench: $(VENV)/.dev
	@$(BIN)/ft-course assets > /dev/null
	@$(BIN)/python -m benchmarks $(CASE)

results: $(VENV)/.course
	$(BIN)/python -m tools.probes $(TABLE)

export: $(VENV)/.dev
	$(BIN)/nbdev-export
	$(NOTEBOOKS) solutions

readme: $(VENV)/.dev
	$(NOTEBOOKS) readme

nb: $(VENV)/.dev
	$(NOTEBOOKS) execute $(NB)

stale: $(VENV)/.dev
	@$(NOTEBOOKS) stale

hooks: $(VENV)/.dev
	$(BIN)/pre-commit install

clean:
	rm -rf $(VENV) build dist _docs _proc *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
