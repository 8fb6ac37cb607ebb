# `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := bash
# The check for missing requirements has to come before any build. cargo and Go use all cores by themselves.
.NOTPARALLEL:

DENY_VERSION := 0.20.2
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/akacert/tools
AUDITABLE_VERSION := 0.7.7
AUDITABLE := $(TOOLS)/cargo-auditable-$(AUDITABLE_VERSION)/bin/cargo-auditable
CYCLONEDX_VERSION := 0.5.9
CYCLONEDX := $(TOOLS)/cargo-cyclonedx-$(CYCLONEDX_VERSION)/bin/cargo-cyclonedx
IMAGE ?= ghcr.io/akacert/akacert:dev
MDBOOK_VERSION := 0.5.4
MDBOOK := $(TOOLS)/mdbook-$(MDBOOK_VERSION)/bin/mdbook
DENY := $(TOOLS)/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
TARGET := $(or $(CARGO_TARGET_DIR),target)
# The end-to-end tests kill the operator at its failpoints, which do nothing unless a variable asks for it.
FEATURES := --features akacert/failpoints
# The tests of the other crates need the core with its fixtures. Build it once for both.
TESTED := $(FEATURES),akacert-core/testing

.PHONY: help
help: ## Lists the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target what; do \
		printf '%-12s  %s\n' "$$target" "$$what"; done

# Says within a second what this machine lacks.
require-%:
	@testbed/requirements.sh $*

.PHONY: demo
demo: require-demo ## From kubectl apply to Ready, on a real control plane, with the proof
	@echo 'building the operator, the CPS simulator and the test bed with cargo; what has to be built with Go comes after that'
	@start=$$SECONDS; cargo build --locked --package akacert --package cps-simulator --package testbed $(FEATURES) && \
		exec $(TARGET)/debug/testbed demo --built "operator, simulator and test bed (cargo)=$$((SECONDS - start))"

.PHONY: demo-shell
demo-shell: require-shell build ## As demo, with every part, and leaves everything running with a shell
	$(TARGET)/debug/testbed shell

.PHONY: build
build: ## Builds everything
	cargo build --locked --workspace $(TESTED)

.PHONY: test
test: require-test fmt-check lint deny book build ## Every test
	cargo test --locked --workspace $(TESTED)

.PHONY: bench
bench: require-shell build ## Seconds from kubectl apply to Ready, what a fleet at rest costs, the solver beside nginx, as tables (needs nginx-light and wrk)
	cargo bench --locked --profile dev $(FEATURES) --bench issue
	cargo build --locked --profile measured --package akacert --package cps-simulator
	cargo bench --locked --profile measured --package testbed --bench fleet
	cargo bench --locked --profile measured --package akacert --bench solver

.PHONY: image
image: require-demo build ## Builds the image, and takes a certificate to Ready with operator and solver in it (needs buildah or docker, and root)
	$(IMAGE_TOOLS) image/build.sh $(IMAGE)
	image/try.sh $(IMAGE)

.PHONY: image-same
image-same: ## Builds the image from two clones in two folders, and compares the digests
	$(IMAGE_TOOLS) image/same.sh

IMAGE_TOOLS = CARGO_AUDITABLE="$(AUDITABLE) auditable" CARGO_CYCLONEDX="$(CYCLONEDX) cyclonedx"

image image-same: $(AUDITABLE) $(CYCLONEDX)
$(AUDITABLE):
	cargo install cargo-auditable --locked --version $(AUDITABLE_VERSION) --root $(TOOLS)/cargo-auditable-$(AUDITABLE_VERSION)

$(CYCLONEDX):
	cargo install cargo-cyclonedx --locked --version $(CYCLONEDX_VERSION) --root $(TOOLS)/cargo-cyclonedx-$(CYCLONEDX_VERSION)

.PHONY: fmt
fmt: ## Formats the code
	cargo fmt --all

.PHONY: fmt-check
fmt-check:
	cargo fmt --all --check

.PHONY: lint
lint: ## Clippy, warnings are errors
	cargo clippy --locked --workspace --all-targets $(TESTED) -- -D warnings

.PHONY: deny
deny: $(DENY) ## Licenses, bans and sources of the dependencies
	$(DENY) --workspace check bans licenses sources

$(DENY):
	cargo install cargo-deny --locked --version $(DENY_VERSION) --root $(TOOLS)/cargo-deny-$(DENY_VERSION)

.PHONY: crds
crds: ## Renders crds/ from the Rust types
	cargo run --locked --quiet -- crds --output crds
	cp crds/akamai*.yaml crds/cluster*.yaml charts/akacert/files/crds/

.PHONY: book
book: $(MDBOOK) ## Renders the handbook into target/book
	$(MDBOOK) build

$(MDBOOK):
	cargo install mdbook --locked --version $(MDBOOK_VERSION) --root $(TOOLS)/mdbook-$(MDBOOK_VERSION)

.PHONY: monitoring
monitoring: ## Copies the alert rules and the dashboard to where kustomize and the chart need them
	{ sed '/^groups:/,$$d' deploy/monitoring/rules.yaml; printf '%s\n' 'apiVersion: monitoring.coreos.com/v1' \
		'kind: PrometheusRule' 'metadata:' '  name: akacert' '  labels: {app.kubernetes.io/name: akacert}' 'spec:'; \
		sed -n '/^groups:/,$$p' deploy/monitoring/rules.yaml | sed 's/^/  /'; } > deploy/monitoring/prometheusrule.yaml
	cp deploy/monitoring/rules.yaml deploy/monitoring/dashboard.json charts/akacert/files/
