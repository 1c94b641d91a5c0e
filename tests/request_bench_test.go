package tests

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// BenchmarkRequest is what a request takes that need not wait: from the end of an answer that calls a tool, which only reads a
// file, to the arrival of the next request, in real sessions of Claude Code alone, with a module that does nothing, with ours and with hooks. A server
// that answers after the same time always, before a limit that nobody meets, leaves nothing else to differ. The ways alternate;
// later is what they are later than Claude Code alone, at the median and at the 95th percentile.
func BenchmarkRequest(b *testing.B) {
	const rounds, calls, skipped = 4, 32, 3
	file := filepath.Join(b.TempDir(), "file")
	write(b, file, "one line\n")
	m := newMachine(b, fakeapi.Config{
		Limits: fakeapi.Limits{Requests: fakeapi.Limit{PerMinute: 100_000, Burst: 100_000}},
		Manner: fakeapi.Manner{FirstToken: 50 * time.Millisecond, Speed: 2000},
		Answer: reads(file, calls),
	})
	empty := moduleDir(b)
	write(b, filepath.Join(empty, "hooks", "afteryou.js"), passes)
	ways := map[string]func(name string) realclaude.Session{
		"alone":  func(name string) realclaude.Session { return m.direct(m.session(name)) },
		"empty":  func(name string) realclaude.Session { return m.inside(name, empty) },
		"module": func(name string) realclaude.Session { return m.session(name, withModule) },
		"hooks":  func(name string) realclaude.Session { return m.session(name, noModule) },
	}
	gaps := make(map[string][]time.Duration)
	for b.Loop() {
		for round := range rounds {
			for _, way := range []string{"alone", "empty", "module", "hooks"} {
				before := len(m.api.Log())
				m.print(ways[way](fmt.Sprint(way, round)))
				gaps[way] = append(gaps[way], between(m.api.Log()[before:])[skipped:]...)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for way, list := range gaps {
		slices.Sort(list)
		b.Logf("%s: n = %d, 5 %% below %v", way, len(list), list[len(list)/20])
		b.ReportMetric(ms(share(list, 0.5)), way+"-ms")
		b.ReportMetric(ms(share(list, 0.95)), way+"-p95-ms")
		if way != "alone" {
			b.ReportMetric(ms(share(list, 0.5)-share(gaps["alone"], 0.5)), way+"-later-ms")
			b.ReportMetric(ms(share(list, 0.95)-share(gaps["alone"], 0.95)), way+"-later-p95-ms")
		}
	}
}

// passes is a module that listens to the same events at each request as ours, and does nothing.
const passes = `export const register = (on) => {
	on('http.fetch', async ($, e, next) => next(e))
	on('turn.step', async function* ($, e, next) { return yield* next(e) })
}
`

// share is the value below which that share of them lies.
func share(values []time.Duration, share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(share*float64(len(sorted)-1))]
}

// reads makes every prompt cost so many calls, all but the last of which read the file.
func reads(file string, calls int) fakeapi.AnswerFunc {
	return func(r fakeapi.Request) fakeapi.Answer {
		if r.Kind != fakeapi.Main || r.Since >= calls-1 {
			return fakeapi.Say("done")
		}
		return fakeapi.Answer{Tools: []fakeapi.Tool{{Name: "Read", Input: map[string]any{"file_path": file, "limit": r.Since + 1}}}}
	}
}

// between is how long it took from the end of each answer of the conversation to the arrival of the next request.
func between(log []fakeapi.Request) (gaps []time.Duration) {
	main := slices.DeleteFunc(slices.Clone(log), func(r fakeapi.Request) bool { return r.Kind != fakeapi.Main })
	slices.SortFunc(main, func(a, b fakeapi.Request) int { return cmp.Compare(a.Messages, b.Messages) })
	for i := 1; i < len(main); i++ {
		gaps = append(gaps, main[i].Arrived.Sub(main[i-1].Ended))
	}
	return gaps
}
