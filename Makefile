# make demo | test | dev | setup | lint | types | format | benchmark | pictures | constraints | clean
# Everything happens inside this folder; the only thing fetched is Python packages.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCE ?=
PORT ?= 3000

# Hundreds of processes import the project; a machine that is told to keep no bytecode compiles it anew in each of them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test dev setup lint types format benchmark pictures constraints clean

demo: $(STAMP)
	@$(BIN)/laion-assets demo

dev: $(STAMP)
	@$(BIN)/laion-assets dev --port $(PORT) $(if $(SOURCE),--source "$(SOURCE)")

# Memory is kept rather than given back and asked for again: a third less time in the kernel.
test: export MALLOC_TRIM_THRESHOLD_ = 1000000000
test: export MALLOC_MMAP_THRESHOLD_ = 1000000000
test: export MALLOC_TOP_PAD_ = 67108864
test: $(STAMP)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

setup: $(STAMP)

# Installed anew only when what is to be installed has changed.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "laion-assets needs Python 3.10 to 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "$(PYTHON) cannot make a virtual environment. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (a minute or two; later runs skip this) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: $(STAMP)
	@for claim in metadata probe download; do $(BIN)/python -m benchmarks.$$claim --quick || exit 1; done

# The pictures in the README and in docs/, from a demo run here.
pictures: $(STAMP)
	@$(BIN)/laion-assets demo
	@LAION_ASSETS_PICTURES=docs $(BIN)/python -m pytest -q laion_assets_tests/test_browser.py
	@cp demo/laion_hr_analysis.png docs/laion_hr_analysis.png

# Newest versions of everything, for every supported Python, in one file. uv only resolves here; pip installs.
constraints: $(STAMP)
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade --no-header --no-annotate --universal --python-version 3.10 \
	  --extra dev pyproject.toml --output-file constraints.txt

clean:
	rm -rf demo lake dagster_home build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
