# Everything that a person or a machine does with this project. `make` alone lists the targets.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The product speaks Russian: never depend on the locale of whoever runs us.
export PYTHONUTF8 := 1
# A test or a demo never talks to a proxy about an address of this machine.
comma := ,
export NO_PROXY := $(if $(NO_PROXY),$(NO_PROXY)$(comma))127.0.0.1,localhost

BIN := .venv/bin
READY := .venv/.ready
OWN_UV := var/uv/bin/uv
UV := $(shell command -v uv 2>/dev/null || echo $(OWN_UV))
SQL := chassis/migrations/*.sql services/*/migrations/*.sql
LINTS := lint-ruff lint-format lint-types lint-imports lint-sql lint-contracts lint-deploy

.PHONY: help setup demo test bench fuzz-import kills model lint $(LINTS)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## the locked environment in .venv, with the command line .venv/bin/sutki
	@echo "Ready: $(BIN)/sutki --help"

$(READY): uv.lock pyproject.toml
	@if ! command -v "$(UV)" >/dev/null 2>&1; then \
		echo "Installing uv into var/uv …"; \
		python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --upgrade --target var/uv uv; \
	fi
	@echo "Installing the locked environment …"
	@"$(UV)" sync --frozen --quiet
	@touch $@

demo: $(READY) ## the whole system with a sample district, until Ctrl-C (ONCE=1 stops by itself; BROKER=kafka)
	@$(if $(filter kafka,$(BROKER)),./deploy/tools/system-packages.sh java mvn)
	@$(BIN)/sutki demo $(if $(filter-out 0,$(ONCE)),--once) $(if $(BROKER),--broker $(BROKER)) $(ARGS)

test: $(READY) ## every test that this machine can run; says what it left out (ARGS="-k name" for some)
	@./deploy/tools/system-packages.sh java mvn chromium pdftoppm faketime
	@# Two at a time, a file each, in their order: those that take longest come first.
	@$(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder $(ARGS)

bench: $(READY) ## the benchmarks, as a table and as JSON in bench-results/
	@./deploy/tools/system-packages.sh java mvn
	@$(BIN)/python -m tests.bench $(ARGS)

fuzz-import: $(READY) ## 100,000 spoilt packs through the readers (ARGS="--cases 5000 --first 0")
	@$(BIN)/python -m tests.unit.test_exchange_fuzz $(ARGS)

kills: $(READY) ## 1,000 kills between claim, send and settle (KILLS=200 for fewer)
	@SUTKI_TEST_KILLS=$(or $(KILLS),1000) $(BIN)/pytest tests/crash/test_claim_send_settle.py $(ARGS)

model: $(READY) ## 10,000 examples of the state machine over the pure rules (ARGS="--hypothesis-seed=1")
	@SUTKI_MODEL_EXAMPLES=10000 $(BIN)/pytest -q --timeout=0 tests/model/test_model.py -k invariants $(ARGS)

lint: $(LINTS) ## style, types, import contracts, SQL, contracts' drift, deployment files

lint-ruff: $(READY)
	$(BIN)/ruff check .

lint-format: $(READY)
	$(BIN)/ruff format --check .

lint-types: $(READY)
	$(BIN)/mypy

lint-imports: $(READY)
	$(BIN)/lint-imports

lint-sql: $(READY)
	$(BIN)/squawk $(SQL)

lint-contracts: $(READY)
	$(BIN)/python -m contracts.generate --check

lint-deploy: $(READY)
	$(BIN)/pytest -q tests/unit/test_stack_deploy.py
	@if docker compose version >/dev/null 2>&1; then \
		docker compose --file deploy/compose.yaml --env-file deploy/example.env --profile mail config --quiet; \
	fi
