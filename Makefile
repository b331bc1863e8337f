# Everything a machine with Python 3.13 (or uv) needs; `make help` lists the rest.

SHELL := /bin/sh
ENV ?= dev
BIN := .venv/bin
READY := .venv/.ready
RIVALS := .local/bench/.ready

# sam build wants a program called python3.13 on the PATH: the one of our own environment.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export SAM_CLI_TELEMETRY := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help test soak run bench build deploy sam-local lock clean

help: ## Say what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

$(READY): requirements/dev.txt pyproject.toml .ci/environment
	@.ci/environment
	@touch $@

test: $(READY) ## Check style, types, floors and the template, then run the tests
	@echo "== style"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run $(BIN)/ruff format ."; exit 1; }
	@echo "== types"
	@$(BIN)/mypy --no-error-summary
	@for folder in functions/*/; do MYPYPATH=$$folder $(BIN)/mypy --no-error-summary $$folder || exit 1; done
	@echo "== floors"
	@$(BIN)/lint-imports --no-logo
	@echo "== template"
	@$(BIN)/sam validate --lint --region us-east-1
	@echo "== tests"
	@$(BIN)/python -m pytest -q --numprocesses 2 --dist load --no-loadscope-reorder -m "not long"

soak: $(READY) ## Wait through minutes of real time on the deployed system: journeys to their end, a thousand windows
	@$(BIN)/python -m pytest -q -s -m long

run: $(READY) ## Run the whole system on this machine: doors, people, letters, a mailbox
	@$(BIN)/python local/run.py $(ARGS)

# What is measured against, in an environment of its own: large, and nothing else needs it.
$(RIVALS): requirements/bench.txt $(READY)
	@echo "Making .local/bench (requirements/bench.txt); this is done once and after a change of the lock."
	@rm -rf .local/bench
	@$(BIN)/python -m venv --without-pip .local/bench
	@$(BIN)/python -m pip --python .local/bench/bin/python install --quiet --require-hashes -r requirements/bench.txt
	@touch $@

bench: $(RIVALS) ## Measure against the bars: make bench ONLY=segments
	@$(BIN)/python tests/bench/run.py $(ONLY)

build: $(READY) ## Build functions and layers for AWS
	@$(BIN)/sam build --config-env $(ENV)
	@$(BIN)/python local/build.py

deploy: build ## Deploy to your AWS account: make deploy ENV=dev|prod
	@$(BIN)/sam deploy --config-env $(ENV)
	@printf '%s\n' \
	  '' \
	  'Deployed. Next:' \
	  '  1. Read ApiUrl and AdminSecretArn among the outputs above.' \
	  '  2. export TAILOR_URL=<ApiUrl>' \
	  '     export TAILOR_TOKEN=$$(aws secretsmanager get-secret-value --secret-id <AdminSecretArn> --query SecretString --output text)' \
	  '  3. $(BIN)/tailor push events/programs/shop    (segments, journeys and templates to begin with)' \
	  '  4. Enter SenderDnsRecords in your DNS if you named a SenderDomain, and ask SES for production access.'

sam-local: $(READY) ## Invoke every function in a Lambda container (needs Docker)
	@$(BIN)/python local/sam_local.py $(ONLY)

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links $(UPGRADE)

lock: $(READY) ## Pin what requirements/*.in and pyproject.toml ask for: make lock UPGRADE=--upgrade
	@$(LOCK) pyproject.toml requirements/dev.in -o requirements/dev.txt
	@$(LOCK) pyproject.toml -c requirements/dev.txt -o layers/deps/requirements.txt
	@for layer in press numbers arrow; do \
		mkdir -p layers/$$layer; \
		$(LOCK) requirements/$$layer.in -c requirements/dev.txt -o layers/$$layer/requirements.txt || exit 1; \
	done
	@$(LOCK) requirements/bench.in -c requirements/dev.txt -o requirements/bench.txt
	@$(LOCK) requirements/ministack.in -o requirements/ministack.txt

clean: ## Remove everything that was made here
	@rm -rf .venv .local .aws-sam .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
