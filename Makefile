# Every command of this project, and the whole of what CI runs. `make` alone lists them.
# A step that needs a program installs it first: Debian packages through apt (.ci/prerequisites), cargo's tools under target/tools.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Where cargo builds; everything else that a step makes lies below it too, so `make clean` is one line.
TARGET := $(or $(CARGO_TARGET_DIR),target)
# The folder that `make run` serves.
DIR ?= config/samples/quickstart
# Further arguments of `make race`, such as RACE="--scenario fan-out --rounds 5".
RACE ?=
# Further arguments of `make figures`, such as FIGURES="--edits 20 --reloads 1".
FIGURES ?=
# Further arguments of `make figures-kubernetes`, such as FIGURES_KUBERNETES="--edits 20 --roles 100 --credentials 500".
FIGURES_KUBERNETES ?=
# Seconds that each fuzz target runs in `make fuzz-smoke`.
FUZZ_SECONDS ?= 10

.PHONY: help
help: ## list these targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What `make run` says to try, with the quickstart's users.
define TRY

In other terminals, try:

  mosquitto_sub -V mqttv5 -u backendservice -P backendservice -t 'topic/+/status' -v
      waits, and shows the status of every client

  mosquitto_pub -V mqttv5 -i x -u frontendclient -P frontendclient -t topic/x/status -q 1 -m online
      its own status: the first terminal shows "topic/x/status online"

  mosquitto_pub -V mqttv5 -i x -u frontendclient -P frontendclient -t topic/y/status -q 1 -m online
      the status of another: refused, "Not authorized"

Ctrl-C stops the broker. The README goes on from here.

endef
export TRY

.PHONY: run
run: ## build the broker and serve config/samples/quickstart (another folder: make run DIR=...)
	@.ci/prerequisites build clients
	cargo build --locked --profile quick -p moat-broker -p kubectl-moat
	@if [ "$(DIR)" = config/samples/quickstart ]; then echo "$$TRY"; fi
	@exec $(TARGET)/quick/moat-broker run $(DIR)

# A Kubernetes can be started on Linux as root only; elsewhere its stories say aloud that they are skipped.
CAN_KUBERNETES := $(and $(filter Linux,$(shell uname -s)),$(filter 0,$(shell id -u)))

# The stories start the programs, so these are built beside the tests, once and with the same features.
.PHONY: test
test: ## every test of every crate, foreign MQTT clients and a real Kubernetes included
	@.ci/prerequisites build clients $(if $(CAN_KUBERNETES),kubernetes)
	cargo build --locked --workspace --bins --tests
	cargo test --locked --workspace --no-fail-fast

.PHONY: image
image: ## the image of Moat by this machine's toolchain, as the tests load it: prints name, archive and bytes
	@.ci/prerequisites build kubernetes
	@tests/e2e/kubernetes/image $(TARGET)/e2e/image

.PHONY: kubernetes
kubernetes: ## a real Kubernetes with Moat's image and CRDs, to play with until Ctrl-C (Linux, root)
	@.ci/prerequisites build kubernetes
	cargo build --locked -p moat-e2e
	@exec $(TARGET)/debug/moat-kubernetes up --moat

.PHONY: kubernetes-programs
kubernetes-programs: ## only build what that Kubernetes is made of (minutes the first time)
	@$(if $(CAN_KUBERNETES),.ci/prerequisites build kubernetes && tests/e2e/kubernetes/build $(TARGET)/e2e/kubernetes,\
		echo "not built: a Kubernetes can be started on Linux as root only")

.PHONY: lint
lint: ## clippy over everything, warnings are errors
	cargo clippy --locked --workspace --all-targets --keep-going -- -D warnings

.PHONY: fmt
fmt: ## format everything
	cargo fmt --all

.PHONY: fmt-check
fmt-check: ## fail if anything is not formatted
	cargo fmt --all -- --check

.PHONY: docs
docs: ## build the API documentation, warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --keep-going

.PHONY: deny
deny: ## licences, bans and sources of every dependency; advisories where their database can be reached
	@.ci/deny

.PHONY: generate
generate: ## write crds/*.yaml and the templates of charts/moat-crds anew from the types
	cargo run --locked -q -p moat-crds --bin crdgen

.PHONY: generate-check
generate-check: ## fail if crds/*.yaml or the templates of charts/moat-crds are not what the types say
	cargo run --locked -q -p moat-crds --bin crdgen -- --check

.PHONY: charts
charts: ## lint charts/, hold what they render to against tests/e2e/charts, and try values that must be refused
	@$(if $(CAN_KUBERNETES),.ci/prerequisites build kubernetes)
	@$(if $(CAN_KUBERNETES),,HELM="$${HELM:-helm}") .ci/charts

.PHONY: fuzz-smoke
fuzz-smoke: ## run every fuzz target for FUZZ_SECONDS (10) each
	@.ci/fuzz-smoke $(FUZZ_SECONDS)

.PHONY: bench
bench: ## criterion benchmarks of the crates (figures, no assertions)
	cargo bench --locked --workspace

.PHONY: race
race: ## Moat beside mosquitto, rumqttd and a raw relay: one table (RACE="--scenario qos0 --seconds 5" for less or more)
	@.ci/prerequisites build peers
	cargo run --locked --release -q -p moat-race -- --peers $(TARGET)/peers --out $(TARGET)/race $(RACE)

.PHONY: figures
figures: ## Moat alone: start, edit to enforced, reload under traffic (FIGURES="--edits 20" for less; wants an idle machine)
	@.ci/prerequisites build
	cargo run --locked --release -q -p moat-race -- live --out $(TARGET)/figures $(FIGURES)

.PHONY: figures-kubernetes
figures-kubernetes: ## Moat on Kubernetes: edit to enforced, writes, memory, cold start (wants an idle machine, Linux, root, 40 min)
	@.ci/prerequisites build kubernetes
	cargo build --locked -p moat-e2e
	@image="$$(tests/e2e/kubernetes/image $(TARGET)/e2e/image-release release)"; set -- $$image; \
		MOAT_E2E_IMAGE="$$1" $(TARGET)/debug/moat-figures --archive "$$2" --out $(TARGET)/figures-kubernetes $(FIGURES_KUBERNETES)

.PHONY: ci
ci: ## what CI runs
	@bash .ci/run

.PHONY: clean
clean: ## remove everything that was built
	cargo clean
	rm -rf broker/fuzz/target
