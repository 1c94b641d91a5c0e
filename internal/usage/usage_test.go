package usage

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/price"
)

var update = flag.Bool("update", false, "write the golden files")

const captures = "testdata/claude-2.1.330"

// day is the one on which the captures were written.
var day = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func report(t *testing.T, config string) Report {
	t.Helper()
	calls, err := Read(config, day)
	if err != nil {
		t.Fatal(err)
	}
	return Of(calls, day, day.AddDate(0, 0, 1), nil)
}

// put copies a capture into a project of a directory of Claude Code's.
func put(t *testing.T, config, from string) string {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(config, "projects", "work", filepath.Base(from))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestReportOfTheRealProgram(t *testing.T) {
	other := t.TempDir()
	for _, name := range []string{"interactive", "print"} {
		put(t, other, filepath.Join("..", "claude", captures, name+".jsonl"))
	}
	for name, config := range map[string]string{"fork": captures, "others": other} {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(report(t, config), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join(captures, name+".golden")
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(append(got, '\n'), want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

const first, fork = "11111111-2222-4333-8444-555555555555", "1de76fcc-cde5-496b-ba01-4f9c5fe3b6e1"

// What the server counted, once each, whichever of the transcripts are there: a fork's tells of all.
func TestEachRequestCountsOnce(t *testing.T) {
	for name, files := range map[string][]string{"both": {first, fork}, "the fork alone": {fork}} {
		t.Run(name, func(t *testing.T) {
			config := t.TempDir()
			for _, f := range files {
				put(t, config, filepath.Join(captures, "projects", "-home-u-work", f+".jsonl"))
			}
			r := report(t, config)
			if want := (Sum{Requests: 6, Input: 74921, Output: 36, Counted: 74921, USD: r.Total.USD}); r.Total != want {
				t.Errorf("total %+v, want %+v", r.Total, want)
			}
			if len(r.Sessions) != 2 || r.Sessions[0].ID != fork || r.Sessions[0].Requests != 2 || r.Sessions[1].ID != first || r.Sessions[1].Requests != 4 {
				t.Errorf("sessions %+v, want 4 requests of the first and 2 of the fork", r.Sessions)
			}
		})
	}
}

// The recorded day, to the cent, as the list has it: 74,921 tokens of input at $4 and 36 of output at $20 a million. All was
// asked with -p, so that batches would have cost half.
func TestTheRecordedDayCosts(t *testing.T) {
	r := report(t, captures)
	if want := price.USD(74921*4+36*20) / 1e6; math.Abs(float64(r.Total.USD-want)) > 1e-9 || r.Total.USD.String() != "$0.3004" {
		t.Errorf("the day costs %v, want %v", r.Total.USD, want)
	}
	if len(r.Models) != 1 || r.Models[0].Name != "claude-opus-5-5" || r.Models[0].Sum != r.Total || len(r.Days) != 1 || r.Days[0].Sum != r.Total {
		t.Errorf("models %+v, days %+v", r.Models, r.Days)
	}
	if math.Abs(float64(r.Batched-r.Total.USD/2)) > 1e-9 {
		t.Errorf("batches would save %v of %v", r.Batched, r.Total.USD)
	}
	sessions := r.Sessions[0].USD + r.Sessions[1].USD
	if math.Abs(float64(sessions-r.Total.USD)) > 1e-9 {
		t.Errorf("sessions cost %v, want %v", sessions, r.Total.USD)
	}
}

// A model that nobody priced counts with its tokens, and says so; a price of the user's own makes it known. Days are those of the
// calendar where it is read, not of UTC.
func TestUnknownModelsAndDays(t *testing.T) {
	ahead := time.FixedZone("ahead", 3*60*60)
	calls := []Call{
		{ID: "1", At: day.Add(-4 * time.Hour), Session: "s", Model: "house-model", Usage: claude.Usage{Input: 1_000_000}},
		{ID: "2", At: day.Add(-2 * time.Hour), Session: "s", Model: "claude-opus-5-5", Usage: claude.Usage{Input: 1_000_000}},
	}
	r := Of(calls, day, day.In(ahead), nil)
	if r.Total.Unpriced != 1 || r.Total.USD != 4 || r.Total.Input != 2_000_000 || len(r.Models) != 2 || r.Models[1].Name != "house-model" || r.Models[1].Unpriced != 1 {
		t.Errorf("total %+v, models %+v", r.Total, r.Models)
	}
	if len(r.Days) != 2 || !r.Days[1].Start.Equal(day.Add(-3*time.Hour)) || r.Days[1].USD != 4 {
		t.Errorf("days %+v, want two, parted at midnight of the place", r.Days)
	}
	if r = Of(calls, day, day, price.List{"house-model": price.Own(2, 0)}); r.Total.Unpriced != 0 || r.Total.USD != 6 {
		t.Errorf("with a price of its own %+v", r.Total)
	}
}

// Files that were not written to since then are not opened, whatever they say.
func TestOldFilesAreLeftAlone(t *testing.T) {
	config := t.TempDir()
	path := put(t, config, filepath.Join(captures, "projects", "-home-u-work", first+".jsonl"))
	if err := os.Chtimes(path, day.Add(-time.Hour), day.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if r := report(t, config); r.Total.Requests != 0 {
		t.Errorf("%d requests from a file that is too old", r.Total.Requests)
	}
}

// No transcripts yet, links in place of directories and to nowhere, files that are none: what there is counts.
func TestWhateverLiesThere(t *testing.T) {
	config := t.TempDir()
	if r := report(t, config); r.Total.Requests != 0 {
		t.Errorf("%d requests of nothing", r.Total.Requests)
	}
	real := t.TempDir()
	path := put(t, real, filepath.Join(captures, "projects", "-home-u-work", first+".jsonl"))
	if err := os.Symlink(filepath.Join(real, "projects"), filepath.Join(config, "projects")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	if err := os.Symlink("/nowhere", filepath.Join(dir, "gone.jsonl")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.jsonl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "odd.jsonl"), []byte("{\"type\":\"assistant\"\n\x00\n[]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := report(t, config); r.Total.Requests != 4 {
		t.Errorf("%d requests, want 4", r.Total.Requests)
	}
}

// The busiest minute is any sixty seconds, not one of the clock's, and that of -p is its own.
func TestBusiestMinute(t *testing.T) {
	var calls []Call
	add := func(sec float64, unattended bool) {
		calls = append(calls, Call{ID: fmt.Sprint(len(calls)), At: day.Add(time.Duration(sec * float64(time.Second))), Session: "s", Unattended: unattended, Usage: claude.Usage{Input: 1}})
	}
	add(0, true)
	for i := range 8 {
		add(50+float64(i)*2, i < 5) // over the turn of a minute
	}
	add(110, true) // sixty seconds after the second
	r := Of(calls, day, day.Add(2*time.Minute), nil)
	if r.Busiest == nil || r.Busiest.Requests != 8 || !r.Busiest.Start.Equal(calls[1].At) {
		t.Errorf("busiest %+v, want the 8 requests from second 50 on", r.Busiest)
	}
	if r.Unattended != 6 {
		t.Errorf("-p asked %d times in a minute, want 6", r.Unattended)
	}
	if len(r.Minutes) != 2 || r.Minutes[0].Requests != 6 || r.Minutes[1].Requests != 4 || len(r.Hours) != 1 || r.Hours[0].Requests != 10 {
		t.Errorf("minutes %+v, hours %+v", r.Minutes, r.Hours)
	}
	if r.LastMinute.Requests != 3 || r.LastHour.Requests != 10 {
		t.Errorf("last minute %+v, hour %+v", r.LastMinute, r.LastHour)
	}
}

// BenchmarkRead reads 100 MB of transcripts: what a session wrote (with rows of tools' output, as the real ones have),
// over and over, under other names.
func BenchmarkRead(b *testing.B) {
	config := b.TempDir()
	dir := filepath.Join(config, "projects", "work")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(captures, "projects", "-home-u-work", first+".jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	size := 0
	for file := range 20 {
		var text strings.Builder
		for n := 0; text.Len() < 5<<20; n++ {
			text.WriteString(strings.ReplaceAll(string(data), "msg_", fmt.Sprintf("msg_%d_%d_", file, n)))
			fmt.Fprintf(&text, `{"type":"user","message":{"role":"user","content":[{"type":"tool_result","content":"%s"}]}}`+"\n", strings.Repeat("out ", 4000))
		}
		size += text.Len()
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(file, ".jsonl")), []byte(text.String()), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		if _, err := Read(config, day); err != nil {
			b.Fatal(err)
		}
	}
}
