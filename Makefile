# build   the one static binary
# test    everything, with the race detector and the real Claude Code (from npm, into a cache outside git)
# compat  what becomes of a session at each limit, in each version of Claude Code: docs/compatibility.md; most of an hour
# fuzz    every fuzz target for a minute
# demo    several real sessions on one small limit, without and with afteryou
# picture record docs/demo.svg, which the README shows, anew from a real run of the demo
# bench   what the hook, the glass, the hand-off and the gateway cost
# snapshot  a release that is not published: archives, packages, checksums; its archive is installed without Go
# lint    gofmt, vet for Linux and macOS, staticcheck, shfmt

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
SHFMT = mvdan.cc/sh/v3/cmd/shfmt@v3.14.1

.PHONY: build test compat fuzz demo picture bench lint snapshot

build:
	CGO_ENABLED=0 go build -trimpath -o afteryou .

# What passed is summed up, with the tests that drove the real Claude Code by name, and what was not tested for want of a
# program; what failed is shown whole.
test: lint
	@go test -race -timeout 12m -parallel 4 -v ./... >test.log 2>&1; status=$$?; \
	grep -E '^(ok|FAIL|\?|--- PASS: TestReal|    --- FAIL|--- (FAIL|SKIP)|.*not tested: |panic:|WARNING: DATA RACE)' test.log; \
	[ $$status = 0 ] || cat test.log; exit $$status

# Measures what is not measured yet; what was is kept, so that a run goes on where it was (-again REGEXP measures anew).
compat:
	nice go run ./internal/compat

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
	go run ./internal/picture -o docs/demo.svg -cols 100 -rows 31 -speed 8 \
		-title "afteryou demo: six Claude Code sessions on one rate limit, each for itself and then taking turns" -- ./afteryou demo

# script, of util-linux, is what the glass is compared with.
bench: build
	command -v script >/dev/null || apt-get install -y bsdutils
	go test -run '^$$' -bench . -benchtime 2s -timeout 20m . ./wrapper ./gateway

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go vet ./...
	GOOS=darwin go vet ./...
	go run $(STATICCHECK) ./...
	go run $(SHFMT) -ln posix -d install.sh plugin/hook.sh .ci/run .ci/snapshot

snapshot:
	.ci/snapshot
