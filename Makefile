# `make app` and `make test` do everything on a fresh machine; see README.md.
PYTHON ?= python3.11
ifeq ($(shell command -v $(PYTHON) 2>/dev/null),)
PYTHON := python3
endif
VENV := .venv
PY := $(VENV)/bin/python
WORKSPACE ?= workspace
PORT ?= 8501

.PHONY: app test test-full lint format lock clean weights benchmarks

app: $(VENV)/run.stamp
	$(PY) app.py --workspace $(WORKSPACE) --port $(PORT) --demo hubble

# Four at once, by file, in the order of tests/conftest.py: browser tests mostly wait. One that
# fails is run once more, no other.
PYTEST := $(PY) -m pytest -n 4 --dist loadfile --no-loadscope-reorder

test: lint
	$(PYTEST)

test-full: lint
	$(PYTEST) -m "slow or not slow"

lint: $(VENV)/dev.stamp
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: $(VENV)/dev.stamp
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

# The shipped network, made again from its seed (core/representation/weights/README.md).
weights: $(VENV)/run.stamp
	$(PY) -m benchmarks.make_weights

benchmarks: $(VENV)/run.stamp
	$(PY) -m benchmarks.all

$(VENV)/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Skysift needs Python 3.11 or newer, but $(PYTHON) is `$(PYTHON) -V`; set PYTHON=/path/to/python3.11."; exit 2; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

# Resolve requirements.in and requirements-dev.in anew and freeze them.
lock:
	rm -rf $(VENV)/lock && $(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet -r requirements.in
	$(VENV)/lock/bin/pip freeze --exclude pip --exclude setuptools | sed 's/+cpu$$//' > requirements.txt
	$(VENV)/lock/bin/pip install --quiet -r requirements-dev.in
	$(VENV)/lock/bin/pip freeze --exclude pip --exclude setuptools | sed 's/+cpu$$//' | grep -vxFf requirements.txt > requirements-dev.txt
	rm -rf $(VENV)/lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
