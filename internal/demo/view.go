package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// View shows a comparison as it happens.
type View struct {
	Out io.Writer
	// Live redraws the chart in place, for a terminal. Otherwise each run's chart is printed once, at its end.
	Live bool
}

func (v *View) say(format string, args ...any) { fmt.Fprintf(v.Out, format+"\n", args...) }

// columns is the width of a time line. Twice as long as the ideal, it shows a run that takes its time; one that takes
// longer still is drawn at a smaller scale.
const columns = 60

// chart is one run, a row a session. Its methods may be called from any goroutine.
type chart struct {
	view  *View
	title string
	scale time.Duration // of a column

	mu    sync.Mutex
	began time.Time // with the first call
	rows  []row
	drawn int // rows on the screen
	begun bool
	quit  chan struct{} // closed by stop, which then waits for done
	done  chan struct{}
}

// event is the arrival of one call, and whether it was rejected.
type event struct {
	session  int
	at       time.Time
	rejected bool
}

type row struct {
	events []event
	end    time.Time // zero: runs
	err    error
}

func (v *View) start(title string, s Scenario) *chart {
	return &chart{
		view: v, title: title, rows: make([]row, s.Sessions),
		scale: max(time.Duration(2*s.Ideal()*float64(time.Second))/columns, 100*time.Millisecond),
		quit:  make(chan struct{}), done: make(chan struct{}),
	}
}

// begin starts the drawing where it is live.
func (c *chart) begin() {
	c.begun = true
	if !c.view.Live {
		close(c.done)
		return
	}
	go func() {
		defer close(c.done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			c.draw()
			select {
			case <-c.quit:
				return
			case <-tick.C:
			}
		}
	}()
}

func (c *chart) add(e event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.began.IsZero() {
		c.began = e.at
	}
	c.rows[e.session].events = append(c.rows[e.session].events, e)
}

func (c *chart) end(session int, at time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows[session].end, c.rows[session].err = at, err
}

// stop ends the drawing and leaves the whole chart behind.
func (c *chart) stop() {
	close(c.quit)
	if c.begun {
		<-c.done
		c.draw()
	}
}

// draw writes the chart, over the one before.
func (c *chart) draw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	if c.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", c.drawn)
	}
	began, now := c.began, time.Now()
	if began.IsZero() {
		began = now
	}
	text := render(c.title, c.rows, began, now, c.scale)
	c.drawn = 0
	for line := range strings.Lines(text) {
		if c.view.Live {
			b.WriteString("\r\x1b[K")
			c.drawn++
		}
		b.WriteString(line)
	}
	io.WriteString(c.view.Out, b.String())
}

// render returns the chart at a time of the run that began with its first call: a column a scale, "•" where a call was
// answered, "×" where one was rejected, "-" while the session worked or waited.
func render(title string, rows []row, began, now time.Time, scale time.Duration) string {
	over := true
	last := began
	for _, r := range rows {
		over = over && !r.end.IsZero()
		last = latest(last, r.end)
	}
	if over {
		now = last
	}
	for now.Sub(began)/scale >= columns {
		scale *= 2
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s, %.0f s  (• answered, × rejected)\n", title, now.Sub(began).Seconds())
	for i, r := range rows {
		until := now
		if !r.end.IsZero() {
			until = r.end
		}
		line := []rune(strings.Repeat("-", int(max(0, until.Sub(began))/scale)+1))
		answers, rejections := 0, 0
		for _, e := range r.events {
			mark := '•'
			if e.rejected {
				mark = '×'
				rejections++
			} else {
				answers++
			}
			if at := int(e.at.Sub(began) / scale); at < len(line) && line[at] != '×' {
				line[at] = mark
			}
		}
		state := ""
		switch {
		case r.err != nil:
			state = "died"
		case !r.end.IsZero():
			state = fmt.Sprintf("%.1f s", r.end.Sub(began).Seconds())
		}
		fmt.Fprintf(&b, "%3d %-*s %3d calls %3d rejected  %s\n", i+1, columns, string(line), answers, rejections, state)
	}
	return b.String()
}

// Table prints the comparison for a person.
func Table(out io.Writer, results []Result) error {
	runs, titles := columnsOf(results)
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\n\t%s\t\n", strings.Join(titles, "\t"))
	line := func(name, format string, value func(Run) any) {
		fmt.Fprint(t, name)
		for _, run := range runs {
			fmt.Fprintf(t, "\t"+format, value(run))
		}
		fmt.Fprint(t, "\t\n")
	}
	line("first call to last answer", "%.1f s", func(x Run) any { return x.Makespan })
	line(fmt.Sprintf("against the ideal, %.0f s", results[0].Ideal), "%.2f x", func(x Run) any { return x.OfIdeal })
	line("with start and end of Claude Code", "%.1f s", func(x Run) any { return x.Wall })
	line("answers", "%d", func(x Run) any { return x.Answers })
	line("rejections", "%d", func(x Run) any { return x.Rejections })
	line("rejections per answer", "%.2f", func(x Run) any { return float64(x.Rejections) / float64(max(1, x.Answers)) })
	line("rejections that Claude Code saw", "%d", func(x Run) any { return x.Recorded })
	line("sessions that died", "%d", func(x Run) any { return x.Dead })
	line("fairness (Jain's index)", "%.3f", func(x Run) any { return x.Jain })
	if results[0].Scenario.Checks {
		line("tools that were refused", "%d", func(x Run) any { return x.Refused })
	}
	line("waited although a call would have passed", "%.1f s", func(x Run) any { return x.Wasted })
	line("of it with a limit that was full", "%.1f s", func(x Run) any { return x.Lost })
	if results[0].Scenario.Cut {
		rejections := func(c Change) string { return fmt.Sprint(c.Rejections) }
		line("rejections after the limit was cut", "%s", func(x Run) any { return x.change(0, rejections) })
		line("rejections after it was restored", "%s", func(x Run) any { return x.change(1, rejections) })
		line("from then to the full pace", "%s", func(x Run) any { return x.change(1, Change.speed) })
	}
	return t.Flush()
}

// columnsOf returns the runs that stand beside each other, and their titles.
func columnsOf(results []Result) (runs []Run, titles []string) {
	for i, r := range results {
		if r.Native != nil {
			runs, titles = append(runs, *r.Native), append(titles, "each for itself")
		}
		runs, titles = append(runs, r.Afteryou), append(titles, "with afteryou")
		if i > 0 {
			titles[len(titles)-1] = "and again"
		}
	}
	return runs, titles
}

// change says something of a change of the limit, if the run lasted until then.
func (x Run) change(i int, say func(Change) string) string {
	if i >= len(x.Changes) {
		return "-"
	}
	return say(x.Changes[i])
}

func (c Change) speed() string {
	if c.FullSpeed == nil {
		return "not reached"
	}
	return fmt.Sprintf("%.1f s", *c.FullSpeed)
}
