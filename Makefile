# Every target does all its own set-up; needs Python >= 3.11 with venv and pip, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two workers of one thread each: what the tests compute is too small for more threads to help.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

.PHONY: demo test unit coverage check docs sbom kernels help clean
demo: $(VENV)/.train  ## everything once, on phantoms, in minutes
	$(BIN)/bmis demo --out demo

test: check  ## all that is checked: style, types, tests
	$(PYTEST)

unit: $(VENV)/.dev  ## the fast tests alone
	$(PYTEST) -m "not slow"

coverage: $(VENV)/.dev  ## how much of the package the fast tests run, at least 95 % (minutes)
	$(PYTEST) -m "not slow" --cov=bmis --cov-report=term-missing --cov-fail-under=95

check: $(VENV)/.dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.dev  ## the documentation as a site, docs/_build/html/index.html
	$(BIN)/sphinx-build -W --keep-going --quiet -b html -d docs/_build/doctrees docs docs/_build/html
	@echo "docs/_build/html/index.html"

# What pip installs today, each into an environment that holds nothing else.
SBOM_device := .
SBOM_service := .[serve,node,clinical]
sbom: sbom/device.cdx.json sbom/service.cdx.json  ## the packages of a device and of a service as CycloneDX (a minute)

sbom/%.cdx.json: sbom/tool/bin/cyclonedx-py force
	$(PYTHON) -m venv --clear --without-pip sbom/$*
	sbom/tool/bin/pip --python sbom/$*/bin/python install --quiet "$(SBOM_$*)"
	$< environment --pyproject pyproject.toml --output-file $@ sbom/$*/bin/python
	rm -rf sbom/$*

sbom/tool/bin/cyclonedx-py:
	$(PYTHON) -m venv sbom/tool
	sbom/tool/bin/pip install --quiet cyclonedx-bom

force:

# Compiled files are kept in git, so that nobody needs clang and lld but who changes the source.
LOCAL := src/bmis/serve/local
KERNELS := $(LOCAL)/kernels.wasm
kernels:  ## what the page without a service computes with, from its C (needs clang and lld)
	clang --target=wasm32 -O3 -msimd128 -mbulk-memory -Wall -Wextra -Werror -c -o $(KERNELS).o $(LOCAL)/kernels.c
	wasm-ld --no-entry --export=__heap_base -z stack-size=4096 --strip-debug -o $(KERNELS) $(KERNELS).o
	rm $(KERNELS).o

help:  ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

clean:  ## remove the environment and all that was built
	rm -rf $(VENV) demo runs docs/_build sbom

$(VENV)/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
		{ echo "bmis needs Python >= 3.11; name it: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable ".[train]" --editable ./weights
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable ".[dev]" --editable ./weights
	@touch $@ $(VENV)/.train
