# build   the one static binary
# test    everything (go test -short ./... is quick), with the race detector and the real Claude Code (from npm, into a
#         cache outside git)
# compat  what becomes of a session at each limit, in versions of Claude Code that were not measured yet:
#         docs/compatibility.md; some minutes for each
# fuzz    every fuzz target for a minute
# demo    several real sessions on one small limit, without and with afteryou
# picture record docs/demo.svg, which the README shows, anew from a real run of the demo
# bench   docs/benchmarks.md from what is measured now (SIZE=quick: in minutes), going on where it was interrupted
# bench-docs  the same from what was measured already; the README's figures too
# snapshot  a release that is not published: archives, packages, checksums; its archive is installed without Go
# lint    gofmt, vet for Linux and macOS, staticcheck, shfmt

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
SHFMT = mvdan.cc/sh/v3/cmd/shfmt@v3.14.1

.PHONY: build test compat fuzz demo picture bench bench-docs lint snapshot

build:
	CGO_ENABLED=0 go build -trimpath -o afteryou .

# Without the race detector are tested the policy, which starts no goroutine and computes much, and what is tested by running
# it: batches, which are killed some hundred times, and the program with the real Claude Code. What passed is summed up, with
# the tests that drove the real Claude Code by name, and what was not tested for want of a program; what failed is shown whole.
test: lint
	@{ go test -timeout 25m -parallel 8 -v ./tests ./internal/turn ./internal/batch && \
		go test -race -timeout 15m -v $$(go list ./... | grep -v -e /tests$$ -e /internal/turn$$ -e /internal/batch$$) && \
		(cd tools/bench && go test -v ./...); } >test.log 2>&1; status=$$?; \
	grep -E '^(ok|FAIL|\?|--- PASS: TestReal|    --- FAIL|--- (FAIL|SKIP)|.*not tested: |panic:|WARNING: DATA RACE)' test.log; \
	[ $$status = 0 ] || cat test.log; exit $$status

# Measures what the table lacks; a run that was interrupted goes on where it was. With -again REGEXP the command measures
# those cells anew.
compat:
	nice go run ./tools/compat
	go test ./internal/ratelimit -run TestEveryVersionIsRead -update

fuzz:
	@for pkg in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$target of $$pkg"; \
			nice go test -run '^$$' -fuzz "^$$target\$$" -fuzztime 60s $$pkg || exit 1; \
		done; \
	done

demo: build
	./afteryou demo

picture: build
	go run ./tools/picture -o docs/demo.svg -cols 100 -rows 36 -speed 8 \
		-title "afteryou demo: six Claude Code sessions on one rate limit, each for itself and then taking turns" -- ./afteryou demo

# The program that measures and draws is a module of its own, so that nothing it needs is in afteryou's. script, of
# util-linux, and nginx are what is compared with.
SIZE = full

bench:
	{ command -v script && command -v nginx; } >/dev/null || \
		{ apt-get update -qq; apt-get install -y -qq --no-install-recommends bsdutils nginx-light; }
	cd tools/bench && go run . -size $(SIZE)

bench-docs:
	cd tools/bench && go run . -render

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go vet ./...
	GOOS=darwin go vet ./...
	cd tools/bench && go vet ./...
	cd tests/testdata/client && go vet ./...
	go run $(STATICCHECK) ./...
	cd tools/bench && go run $(STATICCHECK) ./...
	go run $(SHFMT) -ln posix -d install.sh plugin/hook.sh .ci/run .ci/snapshot

snapshot:
	.ci/snapshot
