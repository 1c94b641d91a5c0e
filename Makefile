# build   the one static binary
# test    everything, with the race detector and the real Claude Code (from npm, into a cache outside git)
# demo    several real sessions on one small limit, without and with afteryou
# bench   what the hook, the glass and the hand-off cost
# lint    gofmt, vet for Linux and macOS, staticcheck, shellcheck

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build test demo bench lint

build:
	CGO_ENABLED=0 go build -trimpath -o afteryou .

test: lint
	go test -race -timeout 12m -v ./... > test.log 2>&1; status=$$?; \
	  grep -E '^(--- FAIL|FAIL|panic:)|_test.go:|^ok|^--- PASS: TestReal' test.log; exit $$status

demo: build
	./afteryou demo

bench: build
	go test -run '^$$' -bench . -benchtime 1x ./...

lint:
	test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go vet ./...
	GOOS=darwin go vet ./...
	go run $(STATICCHECK) ./...
