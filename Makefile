# Every command here prints what it does; `make help` lists them.
SHELL := /bin/bash -o pipefail

# Builds, tools and the test cluster's parts live here, keyed by version.
export VDI_CACHE ?= $(HOME)/.cache/vdi-operator
# Tools build from the versions that a module of test/tools pins.
tools-of = $(VDI_CACHE)/tools/$(1)-$(shell sha256sum test/tools/$(1)/go.sum | cut -c1-12)
CHART_TOOLS := $(call tools-of,chart)
CODE_TOOLS  := $(call tools-of,code)
LINT_TOOLS  := $(call tools-of,lint)
REGISTRY_TOOLS := $(call tools-of,registry)
AXE_TOOLS   := $(VDI_CACHE)/tools/axe-$(shell sha256sum test/tools/axe/package-lock.json | cut -c1-12)

CONTROLLER_GEN := $(CODE_TOOLS)/controller-gen
CRD_REF_DOCS   := $(CODE_TOOLS)/crd-ref-docs
ACTIONLINT     := $(CODE_TOOLS)/actionlint
GOLANGCI_LINT  := $(LINT_TOOLS)/golangci-lint
HELM_DOCS      := $(CHART_TOOLS)/helm-docs
export KUBECONFORM := $(CHART_TOOLS)/kubeconform
export HELM    := $(CHART_TOOLS)/helm
# The script by which tests judge pages for people who do not see, or use no mouse.
export AXE := $(AXE_TOOLS)/node_modules/axe-core/axe.min.js
export REGISTRY_PROGRAM := $(REGISTRY_TOOLS)/registry
export CLUSTER := $(CURDIR)/bin/cluster
export BUILDER := $(CURDIR)/bin/builder

# Where images are pushed, such as registry.example.com/vdi: by make images and make release, and
# by make demo when KUBECONFIG names a cluster of yours, which must be able to pull from there.
# VDI_REGISTRY in the environment is the same.
REGISTRY ?= $(VDI_REGISTRY)
export VDI_REGISTRY := $(REGISTRY)
# Without a registry: the host in the images' names, such as dev.local, of which Knative asks no
# registry. The chart asks for them with global.imageRegistry.
IMAGE_HOST ?=
# true speaks plain HTTP to the registry.
export INSECURE ?=
# Signs a release: a file or a key management system's URI, as cosign understands it.
export COSIGN_KEY ?=
# What the images that are pushed run on.
export PLATFORMS ?= linux/amd64,linux/arm64
# What the plugin of a release is for. Empty: all on which people run kubectl.
export PLUGIN_PLATFORMS ?=
# false runs the demo's and the stories' desktops on plain Deployments.
export VDI_KNATIVE ?=

# What was built or tested in one clone of this repository is found in Go's cache by
# the next, wherever it lies.
export GOFLAGS := $(filter-out -trimpath,$(shell go env GOFLAGS)) -trimpath

# Tests beside the product's packages, and those of the module test, which read files
# outside of it that Go's cache does not know.
# Their timeout is long: they may have to wait for a processor.
GO_TEST := go test -timeout 30m
TEST    := go test -C test -timeout 30m -count=1

# Takes the processor's time and the disk's that nobody else wants.
IDLE := chrt --idle 0 ionice --class idle

# What the programs say of themselves with --version and in vdi_build_info.
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
VERSION_PACKAGE := github.com/org/vdi-operator/pkg/version
# The images' tag, which is the one that the chart asks for.
TAG ?= $(shell sed -n 's/^appVersion: //p' charts/vdi-operator/Chart.yaml)
IMAGES := $(wildcard build/*.yaml) test/images/desktop.yaml
# Linking takes half as long without what debuggers read; stack traces need none of it.
LDFLAGS := -w -X $(VERSION_PACKAGE).version=$(VERSION) -X $(VERSION_PACKAGE).revision=$(REVISION)

# Builds programs into a folder. They may be running: they are renamed into their place. Parts
# that run beside each other find them BUILT.
BUILT ?=
programs = $(if $(BUILT),@:,$(1) -o $(2)/new/ $(3) && mv -f $(2)/new/* $(2)/)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

##@ The two commands

.PHONY: demo
demo: platform-tools build ## A cluster, the chart and a desktop that wakes from zero, with its URL
	out/bin/platform up
	out/bin/demo

.PHONY: test
test: gcc prometheus coturn haproxy-nginx chromium $(AXE) $(HELM) $(KUBECONFORM) $(REGISTRY_PROGRAM) verify-generated build bench-programs platform-tools ## Everything that must pass
	@# Users' stories wait for clocks most of the time, and what has an API server of its own
	@# half of it. What only computes gets what they leave, since a desktop that has no processor
	@# comes too late for them. What two of them need is made before.
	@$(CLUSTER) assets >/dev/null
	@$(MAKE) --no-print-directory -j3 BUILT=yes test-stories test-beside test-idle

# A make that has nothing to do with this one's jobs, and takes none of their places.
ALONE := env -u MAKEFLAGS -u MFLAGS $(MAKE) --no-print-directory BUILT=$(BUILT)
# What tests run of others' (an API server, Helm) may take memory to save a tenth of the
# processor's time. Benchmarks measure without it.
RELAXED := GOGC=200
# Runs parts one after the other, with the first argument before each, and says which failed.
parts = @failed=; for part in $(2); do $(1) $(ALONE) $$part || failed="$$failed $$part"; done; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

.PHONY: test-stories test-beside test-idle
test-stories:
	$(call parts,,e2e)
test-beside:
	$(call parts,,test-integration test-browser test-coturn)
test-idle:
	$(call parts,$(IDLE),lint test-chart test-alerts test-unit)

##@ Parts of them

.PHONY: demo-down
demo-down: platform-tools ## Remove all that make demo brought
	$(if $(KUBECONFIG),out/bin/demo down)
	out/bin/platform down

.PHONY: test-unit
test-unit: gcc ## Unit tests with the race detector
	@# Without vet, which is one of the linters.
	$(GO_TEST) -race -vet=off ./...
	$(TEST) -race -vet=off ./bench/... ./chaos/... ./desktop/... ./docs/... ./monitoring/... ./platform/...
	cd test/cluster && $(GO_TEST) ./...
	cd build && $(GO_TEST) ./...
	@$(MAKE) --no-print-directory fuzz-blind FUZZTIME=500ms

# How long each fuzz test looks for inputs that break it. Minimizing is cut short: it
# would take up to a minute for a long input that is merely interesting.
FUZZTIME ?= 10s
# Takes flags of the build. With -fuzz=. the tests are led by what an input reaches, for which
# all packages are compiled once more; without, they try what comes.
define run-fuzz
	@for package in $$(grep -rlE '^func Fuzz' --include='*_test.go' activator cmd pkg | xargs -n1 dirname | sort -u); do \
		program="$(CURDIR)/out/fuzz/$$package.test"; go test -c -ldflags=-w $(1) -o "$$program" "./$$package" || exit 1; \
		for name in $$(grep -hoE '^func Fuzz\w+' "$$package"/*_test.go | cut -d' ' -f2); do \
			(cd "$$package" && "$$program" -test.run '^$$' -test.fuzz "^$$name$$" -test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 20x \
				-test.fuzzcachedir "$(VDI_CACHE)/fuzz/$$package") | sed "s/^/$$name: /" || exit 1; \
		done; \
	done
endef
.PHONY: fuzz fuzz-blind
fuzz: ## Every fuzz test of the product, FUZZTIME (10s) each
	$(call run-fuzz,-fuzz=.)
fuzz-blind:
	$(call run-fuzz)

.PHONY: test-chart
test-chart: $(HELM) ## What the chart renders: fields, golden files, refusals, who may speak with whom
	$(RELAXED) $(TEST) ./chart/policy/
	@# Values drawn by their schema: what renders must start.
	$(RELAXED) $(TEST) ./chart/ -rapid.checks 800 -rapid.nofailfile

.PHONY: test-alerts
test-alerts: prometheus $(HELM) ## Each alert fires when it has to and is silent when it has to be; what the chart gives to monitoring
	$(TEST) -tags helm ./monitoring/
	promtool check rules charts/vdi-operator/files/alerts/vdi.yaml
	promtool test rules test/alerts/vdi_test.yaml

.PHONY: test-browser
test-browser: $(AXE) ## The page around a desktop, and the portal's pages, in a real Chromium; VDI_PICTURES=folder takes pictures of each
	$(TEST) -tags browser -timeout 10m -p 1 -parallel 4 ./browser/...

.PHONY: test-coturn
test-coturn: coturn build ## The TURN server with real clients outside its network: allocations, refusals, renewal, the end (1 min)
	$(TEST) -tags coturn -timeout 10m ./coturn/

.PHONY: test-integration
test-integration: $(CLUSTER) $(HELM) $(KUBECONFORM) $(REGISTRY_PROGRAM) build bench-programs haproxy-nginx ## Controllers, CRDs and the chart's objects and rights against a real kube-apiserver and etcd; a release against a real registry
	KUBEBUILDER_ASSETS="$$($(CLUSTER) assets)" && CRD_FILES="$$($(CLUSTER) definitions)" && export KUBEBUILDER_ASSETS CRD_FILES && \
		$(RELAXED) $(TEST) -tags integration -timeout 20m ./integration/... ./chart/apiserver/... ./bench/smoke/ && $(GO_TEST) -tags integration -timeout 10m ./cmd/activator/ ./cmd/node/ ./cmd/operator/ && \
		$(CHAOS)
	cd build && $(GO_TEST) -tags integration -count=1 -timeout 10m ./release/

# With its seed, also where it passes; it looks for the shortest way to what fails.
CHAOS := $(TEST) -tags integration -v -run Chaos -timeout 0 ./chaos/
.PHONY: chaos
chaos: export CHAOS_TIME ?= 10m
chaos: $(CLUSTER) build ## Steps in an order that CHAOS_SEED gives, for CHAOS_TIME (10m), against the real programs; what was promised must hold
	KUBEBUILDER_ASSETS="$$($(CLUSTER) assets)" $(CHAOS)

.PHONY: e2e
e2e: platform-tools build bench-programs prometheus chromium $(REGISTRY_PROGRAM) ## Users' stories on a real cluster
	@# More at once than there are processors: they wait for clocks most of the time.
	$(RELAXED) out/bin/platform run -- $(TEST) -tags e2e -timeout 60m -parallel 8 -v ./e2e/...

.PHONY: bench bench-abuse bench-coldstart bench-hold bench-instant bench-relay bench-scale bench-selkies16 bench-storm
bench: bench-abuse bench-coldstart bench-hold bench-instant bench-relay bench-scale bench-selkies16 bench-storm ## Every benchmark
bench-abuse: $(CLUSTER) build bench-programs ## What hostile desktops and clients take of a replica, and whether anybody else loses by it (3 min)
	KUBEBUILDER_ASSETS="$$($(CLUSTER) assets)" out/bench/abuse
bench-coldstart: platform-tools build bench-programs ## A cold start, and one from a doze: ours, stock Knative's and a plain Deployment's, side by side
	out/bin/platform run -- out/bench/coldstart
bench-hold: platform-tools build bench-programs ## 1,000 to 10,000 held connections: memory, processor, replay; ours, stock Knative's and a minimal server's (12 min)
	KUBEBUILDER_ASSETS="$$($(CLUSTER) assets)" out/bin/platform run -- out/bench/hold
bench-instant: platform-tools build bench-programs chromium ## Ten desktops: from a doze, paged out or not, from a warm pool and from zero, to the first byte and to the first frame; what a doze frees (30 min)
	out/bin/platform run -- out/bench/instant
bench-relay: $(CLUSTER) build bench-programs haproxy-nginx ## The relay's latency and throughput; ours, HAProxy's, nginx's and none (6 min)
	KUBEBUILDER_ASSETS="$$($(CLUSTER) assets)" out/bench/relay
bench-scale: $(CLUSTER) build bench-programs ## 1,000 sleeping sessions: objects, memory, writes at rest; an edit of all, a wake amid it, 200 wakes at once (6 min)
	KUBEBUILDER_ASSETS="$$($(CLUSTER) assets)" out/bench/scale
bench-selkies16: platform-tools build bench-programs ## Selkies 1.6 to its first video frame: cold through the activator, and warm without it
	out/bin/platform run -- out/bench/selkies16
bench-storm: platform-tools build bench-programs ## 100 wakes at once until all pods are asked for; ours and stock Knative's (5 min)
	out/bin/platform run -- out/bench/storm

.PHONY: bench-programs
bench-programs:
	$(call programs,go build -C test -ldflags=-w,$(CURDIR)/out/bench,./bench/...)

.PHONY: lint
lint: $(GOLANGCI_LINT) $(HELM) $(ACTIONLINT) ## Linters for Go, for the chart and for the workflows
	$(GOLANGCI_LINT) run --build-tags integration ./...
	cd test && $(GOLANGCI_LINT) run --build-tags e2e,helm,integration,browser,coturn ./...
	cd test/cluster && $(GOLANGCI_LINT) run ./...
	cd build && $(GOLANGCI_LINT) run --build-tags integration ./...
	$(HELM) lint --strict charts/vdi-operator
	$(ACTIONLINT)

##@ Code and images

.PHONY: generate
generate: $(CONTROLLER_GEN) $(CRD_REF_DOCS) $(HELM_DOCS) ## Write deep copies, CRDs, permissions, docs/api.md and docs/values.md from their sources
	$(CONTROLLER_GEN) object paths=./pkg/apis/...
	$(CONTROLLER_GEN) crd paths=./pkg/apis/... output:crd:dir=config/crd
	sed -i -f config/crd/words.sed config/crd/vdi.kasm.io_*.yaml
	$(CONTROLLER_GEN) rbac:roleName=vdi-operator paths="./pkg/controller/...;./pkg/claims;./pkg/listening;./pkg/nodeprograms" output:rbac:dir=config/rbac
	$(CONTROLLER_GEN) rbac:roleName=vdi-portal paths="./pkg/portal/..." output:rbac:dir=config/rbac/portal
	$(CONTROLLER_GEN) rbac:roleName=vdi-node paths="./pkg/node/..." output:rbac:dir=config/rbac/node
	for kind in vdisession vditemplate vdisignin; do \
		sed -f config/crd/chart.sed config/crd/vdi.kasm.io_$${kind}s.yaml >charts/vdi-operator/templates/crds/$$kind-crd.yaml; done
	cp config/rbac/role.yaml charts/vdi-operator/files/rbac/
	cp config/rbac/portal/role.yaml charts/vdi-operator/files/rbac/portal.yaml
	cp config/rbac/node/role.yaml charts/vdi-operator/files/rbac/node.yaml
	$(CRD_REF_DOCS) --log-level warn --config config/reference/crd-ref-docs.yaml --templates-dir config/reference --renderer markdown \
		--source-path pkg/apis/vdi/v1alpha1 --output-path docs/api.md
	$(HELM_DOCS) --log-level warning --chart-search-root charts/vdi-operator --chart-to-generate charts/vdi-operator \
		--template-files values.md.gotmpl --output-file ../../docs/values.md --document-dependency-values --sort-values-order file

.PHONY: verify-generated
verify-generated: generate ## Fail when a generated file is not current
	@git diff --exit-code -- pkg/apis config charts docs/api.md docs/values.md || { echo "generated files are not current: run make generate and commit the result"; exit 1; }

.PHONY: build
build: ## The programs, into bin/
	$(call programs,CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)',bin,./cmd/...)

# The time of the sources: https://reproducible-builds.org/specs/source-date-epoch/.
dated := SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)}
push-flags = $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(filter true,$(INSECURE)),--insecure) --platform $(PLATFORMS)

.PHONY: images
images: $(BUILDER) ## The images: pushed to REGISTRY for all PLATFORMS; without one, this machine's into out/images
	$(dated) $(BUILDER) $(if $(REGISTRY),push $(push-flags),images --out out/images $(if $(IMAGE_HOST),--registry $(IMAGE_HOST))) --tag $(TAG) --version $(VERSION) --revision $(REVISION) $(IMAGES)

.PHONY: release
release: $(BUILDER) $(HELM) ## All that a release has, into out/release/VERSION, and to REGISTRY where one is given; COSIGN_KEY signs it
	$(dated) $(BUILDER) release $(push-flags) $(if $(PLUGIN_PLATFORMS),--plugin-platform $(PLUGIN_PLATFORMS)) --version $(VERSION) --revision $(REVISION) --out out/release $(IMAGES)

.PHONY: clean
clean: ## Remove what was built here; the cache stays
	rm -rf bin out

##@ The test cluster

.PHONY: cluster-up cluster-down
cluster-up: $(CLUSTER) ## A single-node Kubernetes with Knative on this machine
	$(CLUSTER) up
cluster-down: $(CLUSTER) ## End it
	$(CLUSTER) down

.PHONY: cluster-parts
cluster-parts: $(CLUSTER) $(BUILDER) ## Build the cluster's parts and the images' Debian layers into the cache
	$(CLUSTER) build
	$(BUILDER) images --out out/images build/coturn.yaml test/images/desktop.yaml

.PHONY: platform-tools
platform-tools: $(CLUSTER) $(BUILDER) $(HELM)
	$(call programs,go build -C test -ldflags=-w,$(CURDIR)/out/bin,./platform ./demo)

.PHONY: $(CLUSTER) $(BUILDER)
$(CLUSTER):
	@$(if $(BUILT),:,go build -C test/cluster -ldflags=-w -o $@.new . && mv -f $@.new $@)
$(BUILDER):
	@$(if $(BUILT),:,go build -C build -ldflags=-w -o $@.new . && mv -f $@.new $@)

build-tool = go build -C test/tools/$(1) -o $@ "$$(go list -C test/tools/$(1) tool | grep '/$(@F)$$')"
$(CHART_TOOLS)/%:
	$(call build-tool,chart)
$(CODE_TOOLS)/%:
	$(call build-tool,code)
$(LINT_TOOLS)/%:
	$(call build-tool,lint)
$(REGISTRY_PROGRAM):
	go build -C test/tools/registry -o $@ .

$(AXE):
	$(call install-programs,/usr/bin/npm,npm)
	mkdir -p $(AXE_TOOLS) && cp test/tools/axe/package.json test/tools/axe/package-lock.json $(AXE_TOOLS)/
	npm ci --prefix $(AXE_TOOLS) --ignore-scripts --no-audit --no-fund --silent

# The race detector needs a C compiler.
.PHONY: gcc
gcc:
	@command -v gcc >/dev/null || { apt-get update -qq && apt-get install -y --no-install-recommends gcc libc6-dev; }

# Programs of Debian's that tests and benchmarks start themselves, at ports of their own:
# their packages' services must not start. Debian asks this file; one that is there
# already is left alone. Takes the programs and the packages.
POLICY := /usr/sbin/policy-rc.d
define install-programs
	@for program in $(1); do test -x $$program || missing=1; done; test -z "$$missing" || { \
		if [ ! -e $(POLICY) ]; then trap 'rm -f $(POLICY)' EXIT; printf '#!/bin/sh\nexit 101\n' >$(POLICY); chmod +x $(POLICY); fi; \
		apt-get update -qq && apt-get install -y --no-install-recommends $(2); }
endef
.PHONY: haproxy-nginx prometheus coturn chromium
haproxy-nginx:
	$(call install-programs,/usr/sbin/haproxy /usr/sbin/nginx,haproxy nginx-light)
prometheus:
	$(call install-programs,/usr/bin/prometheus /usr/bin/promtool,prometheus)
coturn:
	$(call install-programs,/usr/bin/turnserver /usr/bin/sqlite3 /usr/bin/setpriv /bin/ip,coturn iproute2 util-linux)
chromium:
	$(call install-programs,/usr/bin/chromium,chromium fonts-dejavu-core)
