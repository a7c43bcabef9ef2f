# Bellhop's commands, a sentence each: `make help` prints them.

SWIFT ?= swift
DESTDIR ?=
prefix ?= /usr
sysconfdir ?= /etc
# STRIP= keeps the debug information, which is half of each program.
STRIP ?= strip
bindir = $(DESTDIR)$(prefix)/bin
mandir = $(DESTDIR)$(prefix)/share/man
docdir = $(DESTDIR)$(prefix)/share/doc/bellhop
unitdir = $(DESTDIR)$(prefix)/lib/systemd/system
filterdir = $(DESTDIR)$(prefix)/share/neutron/rootwrap

programs = neutron-metadata-agent neutron-ns-metadata-proxy bellhop
# The runtime is linked in, so that a node needs Debian's own libraries only.
release = $(SWIFT) build --configuration release --static-swift-stdlib
sources = Sources Tests Fuzz Package.swift
FUZZ_SECONDS ?= 60

export BELLHOP_BIN ?= $(CURDIR)/.build/release

.DEFAULT_GOAL := help
.PHONY: help setup setup-build build run test test-unit test-blackbox test-e2e fuzz lint format install clean

help: ## Print this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install every Debian package that building and testing need, if any is missing; starts no service.
	@scripts/setup.sh test

setup-build: ## Install only the Debian packages that building and running need.
	@scripts/setup.sh build

build: setup-build ## Build the three programs for release, with the Swift runtime linked in.
	$(release)

run: build ## Install, build and start a complete metadata service for a lab in the foreground; Ctrl-C stops it.
	@scripts/run.sh examples/lab.yaml

test: ## Install, build and run every check there is; the last line counts passed, failed and skipped.
	@scripts/test.sh

test-unit: setup-build ## Run the unit tests (a debug build, warnings are errors).
	@scripts/test-unit.sh

test-blackbox: setup build ## Start the release programs and talk to them from outside.
	@scripts/test-pytest.sh BlackBox

test-e2e: setup build ## Run haproxy and cloud-init against the release programs in network namespaces (root or sudo).
	@scripts/test-pytest.sh EndToEnd

fuzz: setup-build ## Feed mutated bytes to the HTTP parsers for FUZZ_SECONDS (60 by default).
	@# The compiler leaves files where it is called.
	@mkdir -p .build/fuzz && cd .build/fuzz && ../../Fuzz/run -max_total_time=$(FUZZ_SECONDS)

lint: setup ## Check formatting, the shell scripts and the rules of the source tree.
	@scripts/lint.sh $(sources)

format: ## Format all Swift sources in place.
	$(SWIFT) format --in-place --parallel --recursive $(sources)

install: ## Install the built programs, man pages, unit, filters and examples (DESTDIR=, prefix=/usr).
	@for program in $(programs); do \
	    test -x "$(BELLHOP_BIN)/$$program" || { echo "install: run 'make build' first" >&2; exit 1; }; done
	install -d "$(bindir)" "$(mandir)/man1" "$(mandir)/man8" "$(docdir)/examples" "$(unitdir)" "$(filterdir)" \
	    "$(DESTDIR)$(sysconfdir)/neutron" "$(DESTDIR)$(sysconfdir)/logrotate.d"
	for program in $(programs); do install -m 755 $(if $(STRIP),-s --strip-program=$(STRIP)) \
	    "$(BELLHOP_BIN)/$$program" "$(bindir)/$$program"; done
	install -m 644 docs/man/*.1 "$(mandir)/man1/"
	install -m 644 docs/man/*.8 "$(mandir)/man8/"
	install -m 644 packaging/systemd/neutron-metadata-agent.service "$(unitdir)/"
	install -m 644 packaging/rootwrap/bellhop.filters "$(filterdir)/"
	install -m 644 packaging/logrotate/bellhop "$(DESTDIR)$(sysconfdir)/logrotate.d/bellhop"
	install -m 644 examples/* "$(docdir)/examples/"
	"$(BELLHOP_BIN)/bellhop" sample-config > "$(docdir)/examples/metadata_agent.ini.sample"
	@# An operator's own file is never overwritten.
	test -e "$(DESTDIR)$(sysconfdir)/neutron/metadata_agent.ini" || install -m 640 \
	    "$(docdir)/examples/metadata_agent.ini.sample" "$(DESTDIR)$(sysconfdir)/neutron/metadata_agent.ini"

clean: ## Remove everything that was built.
	rm -rf .build
