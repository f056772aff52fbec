# make gate    every scenario of the policy against the reference service, the verdict, reports/latest/
# make test    the test command: lint, types, layers, and all tests but those of the next two
# make check   lint, types, layers
# make slow    tests with brokers, other people's systems, every alarm of the gate
# make incidents  each incident, with the defences of its day off and with all of them on
# make bench   figures; make soak: long; make prove: every defence switched off in turn
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: gate test check slow incidents bench soak prove format clean
.DEFAULT_GOAL := gate

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1); Unstuck needs Python 3.11 or newer. Try: make PYTHON=python3.12"; exit 2; }
	@echo "Setting up $(VENV) (once, about a minute)…"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[reference,targets]' --group dev
	@touch $@

gate: $(STAMP)
	@$(BIN)/unstuck gate

prove: $(STAMP)
	@$(BIN)/unstuck prove

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Side by side: the tests wait for much of their time. Lint and types are told first; when they fail, the
# tests end.
test: export PYTHONDONTWRITEBYTECODE :=  # else each worker rewrites all assertions anew, in each run
test: $(STAMP)
	@folder=$$(mktemp -d) && chmod 711 "$$folder" && \
	  { $(BIN)/pytest -q -n 3 --basetemp "$$folder/tests" & } && \
	  tests=$$! && \
	  { $(MAKE) --no-print-directory check || { kill $$tests; wait $$tests; rm -rf "$$folder"; exit 1; }; } && \
	  { wait $$tests || { echo "what the failing tests left: $$folder"; exit 1; }; } && \
	  rm -rf "$$folder"

slow incidents: export PYTHONDONTWRITEBYTECODE :=
slow incidents: $(STAMP)
	@folder=$$(mktemp -d) && chmod 711 "$$folder" && \
	  { $(BIN)/pytest -q -n 3 -m '$@ and not soak' --basetemp "$$folder/tests" || \
	    { echo "what the failing tests left: $$folder"; exit 1; }; } && \
	  rm -rf "$$folder"

bench: $(STAMP)
	$(BIN)/python -m bench

# Both, whatever the first one says: they take hours.
soak: $(STAMP)
	@$(BIN)/python -m bench soak; figures=$$?; $(BIN)/pytest -m soak && exit $$figures

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) reports .mypy_cache .ruff_cache .import_linter_cache .hypothesis
