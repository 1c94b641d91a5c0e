package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"afteryou/lockfile"
)

// before is a gateway before the server.
func before(b *testing.B, server *httptest.Server) *Gateway {
	b.Helper()
	store, err := lockfile.Open(filepath.Join(b.TempDir(), "afteryou"))
	if err != nil {
		b.Fatal(err)
	}
	g, err := Start(Config{Upstream: server.URL, Store: store, Pool: func(*http.Request) (string, string) { return "p", "s" }, Getenv: func(string) string { return "" }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { g.Close() })
	return g
}

// BenchmarkFirstByte is when the first byte of an answer comes, directly and through the gateway, which takes a turn for
// each call: the median of pairs, one after the other, with a request as large as Claude Code's (some 100 kB).
func BenchmarkFirstByte(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Anthropic-Ratelimit-Requests-Limit", "100000")
		w.Header().Set("Anthropic-Ratelimit-Requests-Remaining", "99999")
		io.WriteString(w, sse)
	}))
	b.Cleanup(server.Close)
	g := before(b, server)
	body := `{"model":"claude-sonnet-4-5","x":"` + big(100<<10) + `"}`
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	once := func(base string) time.Duration {
		begin := time.Now()
		r, err := http.NewRequest(http.MethodPost, base+"/v1/messages", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		first := make([]byte, 1)
		if _, err := io.ReadFull(resp.Body, first); err != nil {
			b.Fatal(err)
		}
		d := time.Since(begin)
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return d
	}
	var direct, through []time.Duration
	for range 300 {
		direct, through = append(direct, once(server.URL)), append(through, once(g.URL()))
		time.Sleep(15 * time.Millisecond) // below the limit: a turn comes at once
	}
	ms := func(d []time.Duration, share float64) float64 {
		slices.Sort(d)
		return d[int(share*float64(len(d)-1))].Seconds() * 1000
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(direct, 0.5), "ms-direct")
	b.ReportMetric(ms(through, 0.5), "ms-gateway")
	b.ReportMetric(ms(through, 0.5)-ms(direct, 0.5), "ms-later")
	b.ReportMetric(ms(through, 0.95)-ms(direct, 0.95), "ms-later-p95")
}

// BenchmarkThroughput is how fast a long answer comes, directly and through the gateway, in turns.
func BenchmarkThroughput(b *testing.B) {
	const size = 64 << 20
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		event := "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"" + big(512) + "\"}}\n\n"
		chunk := []byte(strings.Repeat(event, 32<<10/len(event)))
		for sent := 0; sent < size; sent += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	b.Cleanup(server.Close)
	g := before(b, server)
	took := make(map[string][]time.Duration)
	for b.Loop() {
		for _, base := range []string{server.URL, g.URL()} {
			begin := time.Now()
			resp, err := http.Post(base+"/v1/messages", "application/json", strings.NewReader(`{"model":"claude-sonnet-4-5"}`))
			if err != nil {
				b.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil || n < size {
				b.Fatalf("%d bytes, %v", n, err)
			}
			took[base] = append(took[base], time.Since(begin))
		}
	}
	speed := func(base string) float64 {
		slices.Sort(took[base])
		return size / 1e6 / took[base][len(took[base])/2].Seconds()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(speed(server.URL), "MB/s-direct")
	b.ReportMetric(speed(g.URL()), "MB/s-gateway")
}
