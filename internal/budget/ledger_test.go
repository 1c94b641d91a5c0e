package budget

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"afteryou/internal/price"
)

// desk is a home with transcripts and a directory for sums.
type desk struct {
	*testing.T
	Watch
	now time.Time
	n   int
}

func newDesk(t *testing.T, budgets ...Budget) *desk {
	home := t.TempDir()
	d := &desk{T: t, now: time.Date(2026, 11, 27, 15, 0, 0, 0, time.Local)}
	d.Watch = Watch{Dir: filepath.Join(home, "spent"), Config: filepath.Join(home, ".claude"), Home: home, Budgets: budgets}
	return d
}

// row is an answer of a million tokens of input by Opus 5.5, $4.
func (d *desk) row(session, dir string, at time.Time, more ...string) string {
	d.n++
	row := fmt.Sprintf(`{"type":"assistant","entrypoint":"cli","sessionId":%q,"cwd":%q,"timestamp":%q,"message":{"id":"m%d","model":"claude-opus-5-5","usage":{"input_tokens":1000000}}}`,
		session, dir, at.UTC().Format(time.RFC3339Nano), d.n)
	return strings.NewReplacer(more...).Replace(row)
}

// write appends rows to a transcript, below the directory that Claude Code gives a session in dir.
func (d *desk) write(dir, name string, rows ...string) {
	d.Helper()
	project := strings.Map(func(r rune) rune {
		if r == '/' || r == '.' || r == '_' {
			return '-'
		}
		return r
	}, dir)
	path := filepath.Join(d.Config, "projects", project, name+".jsonl")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintln(f, strings.Join(rows, "\n"))
	os.Chtimes(path, d.now, d.now)
}

// spent wants that so much was spent of each budget that holds for dir.
func (d *desk) spent(dir string, want ...price.USD) {
	d.Helper()
	list := d.Of(d.now, dir, 1<<30)
	if len(list) != len(want) {
		d.Fatalf("%d budgets hold for %s: %v; want %d", len(list), dir, list, len(want))
	}
	for i, s := range list {
		if math.Abs(float64(s.Spent.USD-want[i])) > 1e-5 {
			d.Errorf("%v; want %v", s, want[i])
		}
	}
}

func (d *desk) work(parts ...string) string {
	dir := filepath.Join(append([]string{d.Home, "work"}, parts...)...)
	os.MkdirAll(dir, 0o700)
	return dir
}

// A project is a directory and all below it: no neighbour whose name begins alike, nor one that is written alike. A session spends
// where it began, its subagents' calls too; what was copied into a fork counts once.
func TestWhatAProjectSpends(t *testing.T) {
	d := newDesk(t, Budget{"~/work/x", Amount{USD: 20}}, Budget{"~/work", Amount{USD: 100}})
	x, below, neighbour, alike := d.work("x"), d.work("x", "sub"), d.work("xy"), d.work("x-sub")
	d.spent(x, 0, 0)
	d.write(x, "s1", d.row("s1", x, d.now), d.row("s1", "/elsewhere", d.now))
	d.write(x, "s1/subagents/agent-1", d.row("s1", x, d.now, `"entrypoint"`, `"isSidechain":true,"entrypoint"`))
	d.write(below, "s2", d.row("s2", below, d.now))
	d.write(x, "fork", d.row("s1", x, d.now), d.row("fork", x, d.now))
	d.write(neighbour, "s3", d.row("s3", neighbour, d.now))
	d.write(alike, "s4", d.row("s4", alike, d.now))
	d.spent(x, 5*4, 7*4)
	d.spent(below, 5*4, 7*4)
	d.spent(alike, 7*4)
	d.spent(d.Home)
	if _, over := d.Over(d.now, x, 1<<30); !over {
		t.Error("$20 of $20 are not all")
	}
	if s, over := d.Over(d.now, neighbour, 1<<30); over {
		t.Errorf("%v is over for a neighbour", s)
	}
}

// What is new is read from where it was left; an answer that goes on in further rows counts once, with what the last one says. At
// midnight by the calendar all begins anew.
func TestSpendingGoesOnAndEndsAtMidnight(t *testing.T) {
	d := newDesk(t, Budget{"~/work", Amount{Tokens: 3_000_000}})
	dir := d.work()
	yesterday := d.now.AddDate(0, 0, -1)
	d.write(dir, "s", d.row("s", dir, yesterday), d.row("s", dir, d.now))
	d.spent(dir, 4)
	d.n--
	d.write(dir, "s", d.row("s", dir, d.now, `1000000}`, `1000000,"output_tokens":100000}`))
	d.spent(dir, 4+2)
	d.write(dir, "s", d.row("s", dir, d.now))
	d.spent(dir, 8+2)
	if s := d.Of(d.now, dir, 0)[0]; s.Over() || s.Spent.Tokens != 2_100_000 {
		t.Errorf("%+v; want 2.1M tokens", s)
	}
	d.write(dir, "s", d.row("s", dir, d.now))
	if s, over := d.Over(d.now, dir, 1<<30); !over || s.String() != "3.1M tokens of today's 3M tokens" {
		t.Errorf("%v is over: %v", s, over)
	}
	d.now = d.now.AddDate(0, 0, 1)
	d.spent(dir, 0)
	d.write(dir, "s", d.row("s", dir, d.now))
	d.spent(dir, 4)
}

// No more is read at once than may be, and the rest the next time.
func TestNoMoreIsReadThanMayBe(t *testing.T) {
	d := newDesk(t, Budget{"~/work", Amount{USD: 1000}})
	dir := d.work()
	for range 10 {
		d.write(dir, "s", d.row("s", dir, d.now))
	}
	last := price.USD(0)
	for looks := 0; last < 40; looks++ {
		spent := d.Of(d.now, dir, 300)[0].Spent.USD
		if spent-last > 8 || looks > 20 {
			t.Fatalf("look %d: %v after %v", looks, spent, last)
		}
		last = spent
	}
	d.spent(dir, 40)
}

// Prices that change count for all of the day; what has none is counted apart.
func TestPricesThatChange(t *testing.T) {
	d := newDesk(t, Budget{"~/work", Amount{USD: 20}})
	dir := d.work()
	d.write(dir, "s", d.row("s", dir, d.now), d.row("s", dir, d.now, "claude-opus-5-5", "house-model"))
	d.spent(dir, 4)
	if s := d.Of(d.now, dir, 1<<30)[0]; s.Unpriced != 1 {
		t.Errorf("%d requests have no price, want one", s.Unpriced)
	}
	d.Prices = price.List{"claude-opus-5-5": price.Own(5, 0), "house-model": price.Own(1, 0)}
	d.spent(dir, 6)
}

// Many look at once, while more is written: nothing counts twice, and nothing is lost. Of what is to be said once one says it.
func TestManyLookAtOnce(t *testing.T) {
	d := newDesk(t, Budget{"~/work", Amount{USD: 20}})
	dir := d.work()
	var wg sync.WaitGroup
	said := make(chan bool, 100)
	for range 8 {
		wg.Go(func() {
			for range 20 {
				d.Of(d.now, dir, 1<<30)
			}
			said <- d.First(d.now, "over", dir)
		})
	}
	for range 20 {
		d.write(dir, "s", d.row("s", dir, d.now))
	}
	wg.Wait()
	d.spent(dir, 80)
	close(said)
	times := 0
	for first := range said {
		if first {
			times++
		}
	}
	if times != 1 || !d.First(d.now.AddDate(0, 0, 1), "over", dir) {
		t.Errorf("said %d times, want once a day", times)
	}
}

// Whatever lies where the sums should, the spending is known; it is worked out each time.
func TestSumsThatCantBeKept(t *testing.T) {
	d := newDesk(t, Budget{"~/work", Amount{USD: 20}})
	dir := d.work()
	d.write(dir, "s", d.row("s", dir, d.now))
	if err := os.WriteFile(d.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.spent(dir, 4)
	if d.First(d.now, "over") {
		t.Error("it is said though it can't be noted")
	}
	os.Remove(d.Dir)
	d.spent(dir, 4)
	entries, err := os.ReadDir(d.Dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	if err := os.WriteFile(filepath.Join(d.Dir, entries[0].Name()), []byte(`{"files":{"/x":null}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d.spent(dir, 4)
}
