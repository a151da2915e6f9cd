# Everything uq is built and checked with. `make` lists the targets; CI calls
# only these.

GO      ?= go
BIN     := bin/uq
FUZZTIME ?= 10s
BENCHTIME ?= 1s
# Without the tables of a debugger the binary is a third smaller.
LDFLAGS ?= -s -w

.DEFAULT_GOAL := help
.PHONY: help build demo test live scenarios race fuzz golden lint cross bench bench-live bench-peers bench-table bench-smoke corpus soak soak-live soak-record bench-wifi pgo oracle report-test interop install deb deb-test clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/uq
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/uq

demo: build ## record live traffic in a private lab if the kernel allows, then simulate it
	@.ci/demo $(BIN)

test: ## run the tests, the live ones too where the kernel allows
	$(GO) test $(GOTESTFLAGS) ./...

live: ## run the live tests as the caller and, as root, as an unprivileged uid too
	@.ci/live

scenarios: build ## hold every scheduler against what is expected of it over traces/corpus: uq test
	@$(BIN) test $(SCENARIOFLAGS) traces/corpus/scenarios

# Nothing under sim starts a goroutine: the purity test holds it to that. What the
# live scripts of cmd/cli run has live tests in the packages that do it.
race: export GORACE = atexit_sleep_ms=1
race: export CGO_ENABLED = 1
race: ## run the tests under the race detector, where there are goroutines
	$(GO) test -race -short -skip '^TestLive(Script|Soak|Flood|Wifi)$$' ./cmd/...
	$(GO) test -race -short ./record/... ./replay/... ./traces/...

fuzz: ## fuzz every fuzz target for FUZZTIME each (10s)
	@.ci/fuzz $(FUZZTIME)

golden: ## write golden files anew: look at the diff before you commit it
	$(GO) test ./sim/sched/builtin ./sim/sched/mac80211 ./sim/egress ./replay/doctor ./traces/interop -rewrite
	$(GO) test ./traces ./cmd/cli ./replay/bench ./sim/report/svg ./sim/report/figure ./sim/report/html ./sim/report/plot -update

lint: ## gofmt, go vet, staticcheck, the purity test
	@test -z "$$(gofmt -l cmd record replay sim traces)" || { gofmt -l cmd record replay sim traces; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=.tools/go.mod staticcheck ./...
	GOOS=darwin $(GO) vet ./cmd/uq
	$(GO) test -count=1 -run Purity ./sim

cross: ## build for the other systems; run the 386 build's digests
	@.ci/cross

bench: ## the benchmarks behind the README's figures
	$(GO) test -run '^$$' -pgo=$(CURDIR)/cmd/uq/default.pgo -bench . -benchtime $(BENCHTIME) ./sim ./traces ./record/decode

bench-live: build ## live replay at 20 kpps: how late, how far from the simulation; tcpreplay beside it
	@.ci/bench-live $(BIN)

bench-peers: ## get what uq bench needs to build its C program (root installs, others unpack into bin/peers)
	@.ci/bench-peers bin/peers

bench-table: build ## the table of June 2018 on this machine: uq bench, about 80 s
	@$(BIN) bench

bench-smoke: ## run every benchmark once, so that none rots
	$(GO) test -run '^$$' -bench . -benchtime 1x ./...

corpus: build ## record traces/corpus anew (needs the live lab, takes a minute)
	.ci/corpus $(BIN)

soak: build ## simulate a synthetic trace of 100 million packets and report the memory
	@.ci/soak $(BIN)

soak-live: ## schedule live traffic of ever new flows for DURATION seconds (600): memory flat, decisions verified
	@.ci/soak-live TestLiveSoak $(or $(DURATION),600)

soak-record: ## record, then schedule, a flood of UDP for DURATION seconds (60) each: nothing lost that is not told
	@.ci/soak-live TestLiveFlood $(or $(DURATION),60)

bench-wifi: ## real TCP through a live access point's medium for DURATION seconds (10): rates beside the model's
	@.ci/soak-live TestLiveWifi $(or $(DURATION),10)

pgo: ## make the profile anew that builds are guided by
	@.ci/pgo

report-test: ## open the HTML report in a headless Chromium (installs Debian's as root); UQ_SHOTS=dir keeps pictures
	@.ci/report

oracle: ## hold codel, fq_codel, cobalt and pie against ns-3 (fetches Debian's libns3-dev)
	@.ci/oracle/run

interop: ## hold exports against tshark, flent, pandas, DuckDB and HdrHistogram (root installs them)
	@.ci/interop

install: build ## install uq, manual pages, completions, systemd unit under DESTDIR and PREFIX (/usr/local)
	@.packaging/install $(BIN)

deb: ## build bin/uq_VERSION_ARCH.deb (VERSION, MAINTAINER, GOARCH)
	@.packaging/build-deb

deb-test: ## build the package twice, check it, install and remove it in a root of its own
	@.ci/deb

clean: ## remove what was built
	rm -rf bin
