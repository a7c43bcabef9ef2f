# Bellhop's commands, a sentence each: `make help` prints them.

SWIFT ?= swift
DESTDIR ?=
# What a distribution packages has prefix=/usr.
prefix ?= /usr/local
sysconfdir ?= /etc
# STRIP= keeps the debug information, which is half of each program.
STRIP ?= strip
bindir = $(prefix)/bin
libdir = $(prefix)/lib
mandir = $(prefix)/share/man
docdir = $(prefix)/share/doc/bellhop
unitdir = $(prefix)/lib/systemd/system
# rootwrap reads these two folders and no others, unless its rootwrap.conf says so.
filterdir = $(if $(filter /usr,$(prefix)),/usr/share/neutron/rootwrap,$(sysconfdir)/neutron/rootwrap.d)
# Who may read a new metadata_agent.ini besides root, if the host has the group.
service_group = neutron

programs = neutron-metadata-agent neutron-ns-metadata-proxy bellhop
# Under haproxy's name, in a folder of their own, and as files: agents look at the name of the file that runs.
haproxydir = $(libdir)/bellhop
# The runtime is linked in, so that a node needs Debian's own libraries only.
release = $(SWIFT) build --configuration release --static-swift-stdlib
sources = Sources Tests Fuzz Package.swift
FUZZ_SECONDS ?= 60

export BELLHOP_BIN ?= $(CURDIR)/.build/release

.DEFAULT_GOAL := help
.PHONY: help setup setup-build build run test test-unit test-blackbox test-messagebus test-e2e test-openstack \
    test-openstack-latest test-scale bench bench-storm stack-up stack-down stack-status setup-stack fuzz lint format install clean

help: ## Print this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install every Debian package that building and testing need, if any is missing; starts no service.
	@scripts/setup.sh test

setup-stack: ## Install also the OpenStack services that stack-up and test-openstack run; starts none of them.
	@scripts/setup.sh stack

setup-build: ## Install only the Debian packages that building and running need.
	@scripts/setup.sh build

build: setup-build ## Build all programs for release, with the Swift runtime linked in.
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

test-messagebus: setup-stack build ## Run the agent against a RabbitMQ and oslo.messaging servers, started for it on loopback.
	@scripts/test-pytest.sh MessageBus

test-openstack: setup-stack build ## Run agent and proxies against a real OpenStack, started for it (root or sudo).
	@scripts/test-pytest.sh OpenStack

test-openstack-latest: build ## Run the same against the newest Neutron and Nova, installed from PyPI below .build.
	@scripts/setup.sh latest
	@BELLHOP_STACK_RELEASE=latest scripts/test-pytest.sh OpenStack

stack-up: setup-stack ## Start an OpenStack control plane on loopback, in BELLHOP_STACK (/tmp/bellhop-stack), and seed it.
	@/usr/bin/python3 -B scripts/stack up

stack-status: ## Show what of it runs, its addresses and its guests.
	@/usr/bin/python3 -B scripts/stack status

stack-down: ## Stop what stack-up started, and remove its folder.
	@/usr/bin/python3 -B scripts/stack down --purge

test-scale: setup-stack build ## Measure 1, 20 and 500 networks: memory, hand-over, release (root or sudo; some minutes).
	@scripts/test-pytest.sh Scale -s

bench: build ## Measure a request in Bellhop, haproxy, nginx, Neutron's agent and a relay in C; writes docs/performance.md.
	@scripts/setup.sh bench
	@/usr/bin/python3 -B Benchmarks/bench.py

bench-storm: setup-stack build ## Let guests boot against Bellhop and against Neutron's agent; more than an hour.
	@/usr/bin/python3 -B Benchmarks/storm/run.py --write

fuzz: setup-build ## Feed mutated bytes to the HTTP parsers for FUZZ_SECONDS (60 by default).
	@# The compiler leaves files where it is called.
	@mkdir -p .build/fuzz && cd .build/fuzz && ../../Fuzz/run -max_total_time=$(FUZZ_SECONDS)

lint: setup ## Check formatting, the shell scripts and the rules of the source tree.
	@scripts/lint.sh $(sources)

format: ## Format all Swift sources in place.
	$(SWIFT) format --in-place --parallel --recursive $(sources)

# $(call install_new,OPTIONS,SOURCE,TARGET): an operator may have changed the target, so one that is there stays.
define install_new
	@if test -e "$(3)" || test -L "$(3)"; then \
	    cmp -s "$(2)" "$(3)" || echo "install: $(3) is there and stays; the new one is $(2)"; \
	else echo "install $(2) as $(3)"; install $(1) "$(2)" "$(3)"; fi
endef

install_program = install -m 755 $(if $(STRIP),-s --strip-program=$(STRIP))
sample = $(DESTDIR)$(docdir)/examples/metadata_agent.ini.sample

install: ## Install the built programs and what belongs to them (DESTDIR=, prefix=/usr/local, sysconfdir=/etc).
	@for program in $(programs) haproxy-standby; do \
	    test -x "$(BELLHOP_BIN)/$$program" || { echo "install: run 'make build' first" >&2; exit 1; }; done
	@# A folder that is there keeps its owner and mode: /etc/neutron is often Neutron's.
	@for folder in "$(bindir)" "$(haproxydir)/standby" "$(mandir)/man1" "$(mandir)/man8" "$(docdir)/examples" \
	    "$(unitdir)" "$(filterdir)" "$(sysconfdir)/neutron" "$(sysconfdir)/logrotate.d"; do \
	    test -d "$(DESTDIR)$$folder" || install -d "$(DESTDIR)$$folder" || exit 1; done
	for program in $(programs); do $(install_program) \
	    "$(BELLHOP_BIN)/$$program" "$(DESTDIR)$(bindir)/$$program" || exit 1; done
	$(install_program) "$(BELLHOP_BIN)/neutron-ns-metadata-proxy" "$(DESTDIR)$(haproxydir)/haproxy"
	$(install_program) "$(BELLHOP_BIN)/haproxy-standby" "$(DESTDIR)$(haproxydir)/standby/haproxy"
	install -m 644 examples/* "$(DESTDIR)$(docdir)/examples/"
	"$(BELLHOP_BIN)/bellhop" sample-config > "$(sample)"
	chmod 644 "$(sample)"
	@# The filters, the pages and the unit are written for prefix=/usr.
	install -m 644 packaging/rootwrap/bellhop.filters "$(DESTDIR)$(filterdir)/"
	sed -i -e 's|/usr/lib/bellhop|$(haproxydir)|g' "$(DESTDIR)$(filterdir)/bellhop.filters"
	@for page in docs/man/*; do target="$(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}"; echo "install $$page"; \
	    install -m 644 $$page "$$target" && sed -i -e 's|/usr/share/doc/bellhop|$(docdir)|g' \
	    -e 's|/usr/lib/bellhop|$(haproxydir)|g' -e 's|/usr/share/neutron/rootwrap|$(filterdir)|g' "$$target" || \
	    exit 1; done
	install -m 644 packaging/systemd/neutron-metadata-agent.service "$(DESTDIR)$(unitdir)/"
	sed -i -e 's|/usr/bin/neutron-metadata-agent|$(bindir)/neutron-metadata-agent|g' -e 's|/etc/|$(sysconfdir)/|g' \
	    "$(DESTDIR)$(unitdir)/neutron-metadata-agent.service"
	$(call install_new,-m 644,packaging/logrotate/bellhop,$(DESTDIR)$(sysconfdir)/logrotate.d/bellhop)
	@# It will hold secrets. Only root can give it to the service's group.
	$(call install_new,-m 640 $$(test $$(id -u) != 0 || ! getent group $(service_group) >/dev/null || \
	    echo -g $(service_group)),$(sample),$(DESTDIR)$(sysconfdir)/neutron/metadata_agent.ini)

clean: ## Remove everything that was built.
	rm -rf .build
