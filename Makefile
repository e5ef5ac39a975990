SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules

# Tools are pinned here, built from source once and kept in .tmp/bin.
BIN := $(CURDIR)/.tmp/bin
GOLANGCI_LINT_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOVULNCHECK := $(BIN)/govulncheck-$(GOVULNCHECK_VERSION)

# A copy of the sources without git has no version of its own.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
# How long each fuzz target runs.
FUZZTIME ?= 30s

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.* ## ' $(MAKEFILE_LIST) | sort | awk -F ':.* ## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build bin/gateward, one static binary (VERSION=v1.2.3 to name it)
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/gateward ./cmd/gateward

.PHONY: demo
demo: ## Run Gateward, a real Envoy and an upstream here; Ctrl-C ends all of it
	@scripts/demo

.PHONY: test
test: ## Run every test, those with a real Envoy included
	@scripts/test

.PHONY: bench
bench: ## Run the Go benchmarks
	@scripts/bench

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s) each
	@FUZZTIME='$(FUZZTIME)' scripts/fuzz

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Check style, imports, formatting, go.mod files and scripts
	@GOLANGCI_LINT='$(GOLANGCI_LINT)' scripts/lint

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format the Go code
	'$(GOLANGCI_LINT)' fmt
	cd demo && '$(GOLANGCI_LINT)' fmt --config ../.golangci.yml
	cd envoy/browser && '$(GOLANGCI_LINT)' fmt --config ../../.golangci.yml

# Apart from lint because it fetches the vulnerability database, which a build
# machine may be unable to reach.
.PHONY: vuln
vuln: $(GOVULNCHECK) ## Look up known vulnerabilities of the dependencies (needs the Go vulnerability database)
	'$(GOVULNCHECK)' ./...

.PHONY: generate
generate: ## Regenerate docs/configuration.md from the code (make test fails while it is stale)
	go test ./internal/config -run '^TestReference$$' -update

.PHONY: clean
clean: ## Remove what make built and fetched
	rm -rf bin .tmp

$(GOLANGCI_LINT):
	@echo 'build golangci-lint $(GOLANGCI_LINT_VERSION) (once, a few minutes)'
	GOBIN='$(BIN)' go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv '$(BIN)/golangci-lint' '$@'

$(GOVULNCHECK):
	GOBIN='$(BIN)' go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv '$(BIN)/govulncheck' '$@'
