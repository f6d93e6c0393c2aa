# Postrider. `make` alone lists what there is.
.DEFAULT_GOAL := help
.PHONY: help install run token test lint format audit sbom upgrade-test chaos bench demo schema compatibility clean

# A Python from 3.11 to 3.14 with venv; found at the first installation.
PYTHON ?=
# A Poetry of your own is used instead of the pinned private one when this names it.
POETRY ?= .poetry/bin/poetry
POETRY_VERSION := 2.5.1
POETRY_MIRROR_PLUGIN_VERSION := 0.6.5

# Many tests wait for a clock or for a process: three for each two cores. Each begins with other folders, so that not all
# of them compute, or wait, at the same time.
TEST_PROCESSES ?= $(shell echo $$(( ($$(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2 )))

AUDIT_SERVICE ?= pypi

# Without bytecode each process compiles all that it imports; the tests alone start a hundred.
unexport PYTHONDONTWRITEBYTECODE

INSTALLED := .venv/.installed
BIN := .venv/bin
# Where there is Node, the tests try the official packages for JavaScript and React, too; npm writes these files.
JAVASCRIPT := $(if $(shell command -v npm),$(patsubst %,%/node_modules/.package-lock.json,tests/sdk/javascript tests/web/svix_react))

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(INSTALLED) ## Run everything on this machine: Postgres, Valkey, API, worker, beat
	@exec $(BIN)/postrider up

token: $(INSTALLED) ## Print an API token (`make -s token` for nothing else; ORG=org_… for another organization)
	@ORG='$(ORG)' exec $(BIN)/postrider token

test: $(INSTALLED) $(JAVASCRIPT) ## Run the tests; they start their own Postgres and Valkey
	@$(BIN)/pytest -q -n $(TEST_PROCESSES) --dist worksteal $(if $(ARGS),$(ARGS),-m 'not alone and not chaos')
	@$(if $(ARGS),:,$(BIN)/pytest -q -m 'alone and not chaos' $$(grep -rlE --include='test_*.py' 'mark\.alone' tests))
	@[ -n "$$CHROMIUM" ] || command -v chromium >/dev/null || command -v google-chrome >/dev/null || echo "make test: \
	without a browser the tests that need one were left out: \`apt-get install chromium\`, or let CHROMIUM name one" >&2

lint: $(INSTALLED) ## Check style, types, layers, and what bandit finds
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit -q -c pyproject.toml -r app worker

format: $(INSTALLED) ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

chaos: $(INSTALLED) ## Break everything under load for a quarter of an hour, and write docs/explanation/reliability.md (ARGS=…)
	@$(BIN)/python -m tests.chaos $(ARGS)

# Asks PyPI, or, with AUDIT_SERVICE=osv, the OSV database; what it cannot ask about is a failure, not a pass.
audit: $(INSTALLED) ## Ask whether the locked dependencies have known vulnerabilities (needs the internet)
	@$(BIN)/python deploy/locked.py requirements >.venv/requirements.txt
	@$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes -s $(AUDIT_SERVICE) \
		-r .venv/requirements.txt || { echo "make audit: vulnerable, or not known: see above. It needs the service" \
		"$(AUDIT_SERVICE) (AUDIT_SERVICE=pypi or osv); exceptions: docs/reference/supply-chain.md" >&2; exit 1; }

sbom: $(INSTALLED) ## Write dist/sbom.json: what an installation contains (CycloneDX)
	@mkdir -p dist && $(BIN)/python deploy/locked.py sbom >dist/sbom.json

upgrade-test: $(INSTALLED) ## Upgrade an older revision to this tree under load, and run its tests on our schema (FROM=…, ARGS=…)
	@$(BIN)/python -m tests.upgrade $(if $(FROM),--from '$(FROM)') $(ARGS)

bench: $(INSTALLED) ## Measure messages per second, latency and memory on this machine (ARGS=…)
	@$(BIN)/python -m benchmarks $(ARGS)

demo: $(INSTALLED) ## Send a dozen events through a running `make run` and watch them arrive
	@$(BIN)/python -m benchmarks.demo $(ARGS)

schema: $(INSTALLED) ## Write db/schema.sql from the migrations
	@$(BIN)/python -m app.cli.schema db/schema.sql

compatibility: $(INSTALLED) ## Write docs/reference/svix-compatibility.md: what of the Svix API is served, and what is not
	@$(BIN)/python -m app.cli.compatibility $(ARGS)

install: $(INSTALLED) $(JAVASCRIPT) ## Install the locked dependencies into .venv (the other targets do it when needed)

clean: ## Remove what was installed and generated; .postrider, the data, stays
	@rm -rf .venv .poetry tests/sdk/javascript/node_modules tests/web/svix_react/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist

# What the installation says goes to stderr: `make -s token` may be the first command, and its output is for pipes.
$(INSTALLED): pyproject.toml poetry.lock
	@POETRY='$(POETRY)' PYTHON='$(PYTHON)' POETRY_VERSION='$(POETRY_VERSION)' \
		POETRY_MIRROR_PLUGIN_VERSION='$(POETRY_MIRROR_PLUGIN_VERSION)' sh deploy/install.sh >&2

# Few tests need it, and nobody else. Where npm reaches no packages at all, they say that they were left out; where it
# does and this fails, they fail.
%/node_modules/.package-lock.json: %/package-lock.json
	@cd $* && rm -f .not-installed && npm ci --ignore-scripts --loglevel error \
		--fetch-retries 1 --fetch-timeout 20000 >&2 \
		&& touch node_modules/.package-lock.json || npm view svix version --fetch-retries 0 --fetch-timeout 20000 >/dev/null 2>&1 \
		|| { touch .not-installed; echo "make: npm reaches no packages: tests that need $* are left out" >&2; }
