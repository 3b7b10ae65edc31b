# Everything a person needs: `make demo` and `make test`. Both make .venv first, where it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SCHEDULE_READY := .venv-schedule/.ready
# One thread a test process: pytest runs as many as cores and one more, for while tests wait for programs that they started.
TEST_ENV := OMP_NUM_THREADS=1 MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

SCHEDULE_ENV := DAGSTER_HOME=$(CURDIR)/.dagster DAGSTER_DISABLE_TELEMETRY=1 DO_NOT_TRACK=1 MLFLOW_DISABLE_TELEMETRY=true

.PHONY: demo schedule test test-spark test-text test-schedule test-services check format bench bench-graph bench-sequence bench-ingest \
  bench-production bench-nights bench-cross reproduce-sequence reproduce-graph clean

demo: $(READY)
	$(BIN)/recsys-cl run pipelines/demo.toml

# The page and the clock, until it is stopped. The webserver needs an older protobuf than MLflow's newest, so it lives beside.
schedule: $(SCHEDULE_READY)
	mkdir -p .dagster
	cp recsys_cl/orchestration/dagster.yaml .dagster/
	$(SCHEDULE_ENV) .venv-schedule/bin/dagster dev --host 127.0.0.1 --port 3000 --module-name recsys_cl.orchestration.definitions

test: $(READY)
	$(TEST_ENV) $(BIN)/python -m pytest -n 3 --dist worksteal

# Java 17 comes from the machine's own package manager, where there is none yet.
test-spark: $(READY)
	@java -version >/dev/null 2>&1 || \
	if command -v apt-get >/dev/null; then $(SUDO) apt-get update -q && $(SUDO) apt-get install -qy openjdk-17-jre-headless; \
	elif command -v dnf >/dev/null; then $(SUDO) dnf install -qy java-17-openjdk-headless; \
	elif command -v brew >/dev/null; then brew install --quiet openjdk@17; \
	else echo "make test-spark needs Java 17: install it and put it on PATH" >&2; exit 2; fi
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[spark]'
	$(TEST_ENV) $(BIN)/python -m pytest -m spark tests/ingest

# Texts read by a language model; the tests make a tiny one.
test-text: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[text]'
	$(TEST_ENV) $(BIN)/python -m pytest tests/ingest/features/test_sentences.py

# The clock, the page and three nights for real: some minutes, because a cron line has no seconds.
test-schedule: $(SCHEDULE_READY)
	$(TEST_ENV) .venv-schedule/bin/python -m pytest tests/orchestration

# PostgreSQL from the machine's own packages, where there is none yet; the test starts and stops a server of its own.
test-services: $(READY)
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
	if command -v apt-get >/dev/null; then $(SUDO) apt-get update -q && $(SUDO) apt-get install -qy postgresql; \
	elif command -v dnf >/dev/null; then $(SUDO) dnf install -qy postgresql-server; \
	elif command -v brew >/dev/null; then brew install --quiet postgresql; fi
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[team]' --group services
	$(TEST_ENV) $(BIN)/python -m pytest -m services tests/services

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(TEST_ENV) $(BIN)/python -m pytest -n 3 -q -m "not slow and not spark"

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python -m benchmarks.frame
	$(BIN)/python -m benchmarks.evaluation
	$(BIN)/python -m benchmarks.paired_statistics

bench-cross: $(READY)
	$(BIN)/python -m benchmarks.cross
	$(BIN)/python -m benchmarks.transfer

bench-ingest: $(READY)
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.daily

# Resumable: what is in benchmarks/results/production.json stays; ARGS="--only kills" for one part.
bench-production: $(READY)
	$(BIN)/python -m benchmarks.production $(ARGS)

bench-nights: $(SCHEDULE_READY)
	.venv-schedule/bin/python -m benchmarks.nights

bench-graph: $(READY)
	$(BIN)/python -m benchmarks.graph

bench-sequence: $(READY)
	$(BIN)/python -m benchmarks.sequence

# Hours: every recipe on every data set, one at a time; what is done stays done. ARGS="--only duorec --data beauty" for less.
reproduce-sequence reproduce-graph: reproduce-%: $(READY)
	$(BIN)/python -m benchmarks.reproduce $* $(ARGS)

clean:
	rm -rf $(VENV) .venv-schedule .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $(READY)

$(SCHEDULE_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-schedule
	.venv-schedule/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	grep -v '^protobuf==' constraints.txt > .venv-schedule/constraints.txt
	.venv-schedule/bin/python -m pip install --quiet --constraint .venv-schedule/constraints.txt --editable '.[schedule]' --group dev
	touch $(SCHEDULE_READY)
