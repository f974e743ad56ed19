# millrace. `make demo` runs the main job, `make test` passes the tests; `make help` lists the rest.
export GOTOOLCHAIN := auto
export CGO_ENABLED ?= 0

GO ?= go
# Packages with goroutines of their own, or whose data several read, for the race detector.
RACE = ./commitlog ./executor/... ./driver ./source ./sink/... ./internal/state ./internal/transport ./plugins ./plugins/internal/... ./plugins/host

.PHONY: help build demo test test-long race lint fmt vet staticcheck ci kafka-start kafka-stop fuzz bench compare clean

help:        ## list the targets
	@grep -E '^[a-z-]+: .*##|^[a-z-]+:  +##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 16

build:       ## build bin/millrace
	@mkdir -p bin
	$(GO) build -trimpath -o bin/millrace ./cmd/millrace

demo:        ## replay a year of flights through the engine, live, in under a minute
	@echo "building millrace (the first time downloads modules and compiles for a minute or two) ..."
	@$(MAKE) -s build
	@bin/millrace demo

test:        ## all tests but the long ones, with assertions on, under ten minutes on two cores
	$(GO) test -timeout 15m ./...
	$(GO) test -timeout 15m -tags faults -run 'Fault|Planted|Red|Crash|Killed|Relayout' ./...

test-long: kafka-start ## the whole kill test: 30 kills and more for each sink, a real broker, every planted fault
	MILLRACE_LONG=1 $(GO) test -timeout 60m -count=1 -v -tags faults ./internal/kill/...
	$(GO) test -timeout 30m -count=1 ./...

race:        ## the concurrent packages under the race detector (needs gcc)
	CGO_ENABLED=1 $(GO) test -race -timeout 20m $(RACE)

lint: fmt vet staticcheck ## formatting, vet, staticcheck, and the project's own rules
	$(GO) test -count=1 ./internal/lint

fmt:
	@out=$$($$($(GO) env GOROOT)/bin/gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not formatted, run gofmt -w:"; echo "$$out"; exit 1; fi

vet:
	$(GO) vet ./...
	$(GO) vet -tags faults ./...

staticcheck:
	$(GO) tool staticcheck ./...

ci: lint test race ## what .ci/run calls; with Java and Maven it includes the Kafka form of the kill test
	MILLRACE_KILLS=3 $(GO) test -timeout 15m -count=1 -tags faults -run TestKillKafka -v ./internal/kill/...
	@$(MAKE) -s kafka-stop

kafka-start: ## start one Kafka broker from Maven's jars on port 19092
	KAFKA_PORT=19092 scripts/kafka/kafka.sh start

kafka-stop:  ## stop it
	KAFKA_PORT=19092 scripts/kafka/kafka.sh stop

fuzz:        ## every fuzz target for FUZZTIME (default 30s)
	@for p in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$p/*_test.go | sed 's/func //'); do \
	    $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $${FUZZTIME:-30s} ./$$p || exit 1; done; done

bench:       ## measure everything: tables in bench/RESULTS.md, plots in bench/report.html
	@mkdir -p bin
	$(GO) build -o bin/bench ./bench
	bin/bench suite --lab .lab/bench --brokers 127.0.0.1:19092

compare:     ## CPU against commit BASE in turns, default: that of the last recorded figures
	$(GO) run ./bench/compare $(BASE)

clean:       ## remove what was built
	rm -rf bin
