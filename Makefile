# The same verbs for people and CI; each does what it needs first.
SHELL := /bin/bash
PYTHON ?= python3
export PYTHON
# The machine's own list of authorities, where it has one, may hold a company's mirror.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS := true
endif
BIN := .venv/bin
# Without stored bytecode each process compiles all that it imports anew: half of the fast tests' time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install try comparison demo test test-fast test-on-cluster test-upgrade test-kinds lint generate images release site audit bench clean

help:
	@echo "make try        two trainings wait for clean hours, measured and compared; no root, no cluster"
	@echo "make comparison NAME=gsf-pair  one of four published comparisons of networks, measured here"
	@echo "make demo       two training jobs wait for the clean window on a real cluster (root)"
	@echo "make test       everything, on a real cluster (root)"
	@echo "make test-fast  everything that needs no root and no cluster"
	@echo "make test-kinds the real Kueue, Trainer, training-operator, KubeRay and Collector, built first (root)"
	@echo "make install    .venv with everything and the lowtide command"
	@echo "make lint       ruff, mypy, import-linter, generated files"
	@echo "make generate   rewrite CRDs, dashboards and reference pages"
	@echo "make images     the three images, with docker, podman or buildah (REGISTRY=..., PUSH=1)"
	@echo "make release    wheel, chart, manifests, bills of materials, licences, into dist/"
	@echo "make site       the documentation as a site, into build/site"
	@echo "make bench      the tables behind the performance claims"
	@echo "make clean      remove .venv and caches in this folder"

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt tools/install
	@tools/install

try: install
	@$(BIN)/python tools/try.py

# Of examples/comparisons: gsf-pair, apc-models, sam or ranking; OPTIONS="--quick --model" for a trial.
comparison: install
	@$(BIN)/python tools/comparison.py $(NAME) $(OPTIONS)

demo: install
	@$(BIN)/python tests/cluster/demo.py

# Isolated mode: neither this folder nor PYTHONPATH is on the path, as for an installed package.
test: install
	@tools/install-browser
	@$(BIN)/python tests/cluster build
	@tools/beside -n 0 '$(MAKE) --no-print-directory lint' $(BIN)/python -Im pytest -q -n 3 --dist worksteal \
	  -m "not cluster and not beside_cluster and not waits" tests
	@tools/beside '$(BIN)/python -Im pytest -q -n 3 --dist worksteal --timeout 3600 -m beside_cluster tests' \
	  $(MAKE) --no-print-directory test-on-cluster

# Modules with their own namespace run side by side, with others that wait in real time; the rest
# compare energy, or install the chart.
test-on-cluster: install
	$(BIN)/python -Im pytest -q -n 10 --dist loadfile --no-loadscope-reorder -m "own_namespace or waits" tests
	$(BIN)/python -Im pytest -q -m "cluster and not own_namespace and not upgrade and not kinds" tests/cluster

# Other people's programs that take long to build: controllers of workloads, and a Collector.
test-kinds: install
	@$(BIN)/python tests/cluster build --kinds
	$(BIN)/python -Im pytest -q -m kinds tests/cluster tests/rules

test-fast: install
	$(BIN)/python -m pytest -q -n 3 --dist worksteal --hypothesis-profile=quick \
	  -m "not cluster and not slow" tests

test-upgrade: install
	$(BIN)/python -Im pytest -q -m upgrade tests/cluster

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/generate.py --check

generate: install
	$(BIN)/python tools/generate.py

# BASE_IMAGE: any that has Python 3.11 or newer with venv; a digest in it is kept to.
images: install
	@$(BIN)/python tools/images/build.py $(IMAGES) $(if $(REGISTRY),--registry $(REGISTRY)) \
	  $(if $(PUSH),--push) $(if $(BASE_IMAGE),--base-image $(BASE_IMAGE)) \
	  $(if $(BUILDER),--builder $(BUILDER)) $(if $(PLATFORM),--platform $(PLATFORM))

release: install
	@$(BIN)/python tools/release

site: install
	@$(BIN)/python tools/site

# Asks the package index for advisories, so it needs one that publishes them, or
# AUDIT="-s osv --osv-url ADDRESS" for a mirror of OSV.
audit: install
	$(BIN)/uvx pip-audit $(AUDIT) --disable-pip --require-hashes --strict \
	  $(foreach p,operator exporter trainer,-r tools/images/requirements/$(p).txt)

# TRACES: a folder with the reference traces; benchmarks/planning/acceptance.py says where from.
# STEADY: seconds for which ten thousand jobs rest while the operator's CPU time is counted.
bench: install
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt \
	  -c benchmarks/planning/constraints.txt climate-aware-task-scheduler
	$(BIN)/python benchmarks/planning/speed.py
	$(if $(TRACES),$(BIN)/python benchmarks/planning/acceptance.py $(TRACES),@echo "set TRACES=folder for the table of savings")
	-$(BIN)/python benchmarks/operator/scale.py $(if $(STEADY),--steady-seconds $(STEADY))
	-$(BIN)/python benchmarks/operator/windows.py
	-$(BIN)/python benchmarks/operator/scrape.py
	$(BIN)/python benchmarks/operator/long_run.py 6 8
	$(BIN)/python benchmarks/operator/long_run.py 31 1
	$(BIN)/python benchmarks/report/many_runs.py
	PYTHONPATH=tests $(BIN)/python benchmarks/local/kills.py
	PYTHONPATH=tests $(BIN)/python benchmarks/exporter/boundaries.py
	PYTHONPATH=tests $(BIN)/python benchmarks/exporter/promises.py
	test -d .venv/rivals || $(BIN)/uv venv --quiet --python $(BIN)/python .venv/rivals
	$(BIN)/uv pip install --quiet --python .venv/rivals/bin/python -r benchmarks/exporter/rivals.txt
	PYTHONPATH=tests $(BIN)/python benchmarks/exporter/cost.py --rivals .venv/rivals/bin/python
	$(BIN)/uv pip install --quiet --python .venv/rivals/bin/python -r benchmarks/local/rivals.txt
	PYTHONPATH=tests $(BIN)/python benchmarks/local/beside_others.py --rivals .venv/rivals/bin/python

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis
