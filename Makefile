# Every target sets itself up: all it takes is make and Python 3.11 or newer.
PYTHON ?= python3
# DATA=embedded downloads nothing; its experiments are stored under names that end in _embedded.
DATA ?= recorded
EXPERIMENTS ?= $(filter-out real_% model_limit,$(basename $(notdir $(wildcard conf/experiment/*.yaml))))
# Real runs on this machine's CPU: `make real`.
REAL ?= real_vs_predicted model_limit real_vs_predicted_trace
PRECISION ?= full
COMMA := ,
EMPTY :=
LISTED = $(subst $(EMPTY) $(EMPTY),$(COMMA),$(1))
SWEEP = $(VENV)/bin/python run.py -m experiment=$(call LISTED,$(1)) data=$(DATA) precision=$(PRECISION)
STORED = $(if $(filter embedded,$(DATA)),$(addsuffix _embedded,$(1)),$(1))

VENV := .venv
# One environment for all targets: the test tools add seconds to the first set-up, and no target ever waits for another.
INSTALLED := $(VENV)/installed
EXTRAS := dev,bench,runtime
# What only `make launchers` needs, 80 MB.
LAUNCHERS := $(VENV)/launchers
LAUNCHER_EXTRAS := slurm,ray

# The experiments that `make verify` computes again, on embedded data, and compares with the committed rows.
VERIFIED ?= fig1 fig2 fig3b fig6a table1

.PHONY: reproduce real report verify test validate launchers browser lint bench constraints clean

# The main job. What a sweep could do is drawn even if some of its points failed; the failure is still reported.
reproduce: $(INSTALLED)
	@trap 'exit 130' INT; status=0; begin=$$(date +%s); \
	$(call SWEEP,$(EXPERIMENTS)) || status=$$?; \
	swept=$$(date +%s); \
	$(VENV)/bin/python plot.py --rows outputs/rows || status=$$?; \
	echo "wall time: $$((swept - begin)) s of sweeps, $$(($$(date +%s) - swept)) s of figures, claims and rows"; \
	exit $$status

# Transformer blocks really run, beside what was predicted: measurements, one point at a time with the machine to itself.
real: $(INSTALLED)
	$(call SWEEP,$(REAL))
	$(VENV)/bin/python plot.py $(call STORED,$(REAL)) --rows outputs/rows

# One page of what `make reproduce` and plan.py left in outputs/, to be read without a network.
report: $(INSTALLED)
	$(VENV)/bin/python plot.py report

# A stated part again, from nothing and without any download, against the committed rows; fails where they disagree.
verify: override DATA := embedded
verify: override PRECISION := full
verify: $(INSTALLED)
	@rm -rf outputs/verify
	$(call SWEEP,$(VERIFIED)) store=outputs/verify
	$(VENV)/bin/python plot.py --store outputs/verify --verify results/rows

test: $(INSTALLED)
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile

# The claims that take minutes: simulation against exact values on 200 systems, intervals within 1 %.
validate: $(INSTALLED)
	$(VENV)/bin/python -m pytest -m slow tests

# The report in Chromium, which has to be there (on Debian the package chromium).
browser: $(INSTALLED)
	$(VENV)/bin/python -m pytest -m browser tests

# Sweeps through joblib, submitit and Ray, and through SLURM where its daemons are installed; workers are killed.
launchers: $(LAUNCHERS)
	$(VENV)/bin/python -m pytest -v -m launchers tests/launchers

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy .

bench: $(INSTALLED)
	$(VENV)/bin/python -m tests.benchmarks

# Removed and made anew where the Python or the requirements changed, so that no package of before stays behind.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'PYTHON = $(PYTHON): must be Python 3.11 or newer with the venv module (on Debian the package python3-venv);' \
	    'name another, such as make PYTHON=python3.12' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $@

$(LAUNCHERS): $(INSTALLED)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(LAUNCHER_EXTRAS)]"
	@touch $@

# The newest versions that pyproject.toml allows, from an environment of their own. Use the oldest Python supported.
constraints: FRESH := $(VENV)/fresh
constraints:
	$(PYTHON) -m venv --clear $(FRESH)
	$(FRESH)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[$(EXTRAS),$(LAUNCHER_EXTRAS)]"
	grep '^#' constraints.txt > $(FRESH)/constraints.txt
	$(FRESH)/bin/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+[a-z0-9.]*$$//' >> $(FRESH)/constraints.txt
	mv $(FRESH)/constraints.txt constraints.txt
	rm -rf $(FRESH)

# Results stay: outputs/ holds what took hours.
clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
