// Bench measures what afteryou does and what it costs, keeps the results as JSON, and renders docs/benchmarks.md and its
// plots from them.
//
//	bench [-size quick|full] [-only REGEXP] [-fresh] [-render]
//	bench [-size quick|full] [-only REGEXP] [-vs FILE] [-ttft DURATION] [-speed N] [-server WORDS] [-cloud NAME]
//
// It drives the real Claude Code against a stand-in API on loopback. What was measured already, on the same machine with
// the same afteryou, is not measured again: an interrupted bench goes on where it was. With any flag of the second line it is
// a trial, which changes no document.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"afteryou/internal/realclaude"
)

const (
	quick = "quick"
	full  = "full"
)

func main() {
	size := flag.String("size", full, "quick or full")
	only := flag.String("only", "", "measure only what this `regexp` matches, of scenario/way and overhead")
	sessions := flag.Int("sessions", 24, "how many sessions run at once, at most, unless one run has more")
	calls := flag.Float64("calls", 2.5, "how many calls a second they make together, at most, unless one run makes more")
	fresh := flag.Bool("fresh", false, "measure all again")
	render := flag.Bool("render", false, "measure nothing")
	root := flag.String("root", filepath.Join("..", ".."), "the `directory` of the project")
	var t trial
	t.flags()
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := bench{*size, *only, *sessions, *calls, *fresh, *root, t}
	var err error
	if b.root, err = filepath.Abs(b.root); err == nil { // the directory we stand in may be replaced meanwhile (git)
		err = b.check()
	}
	if err == nil && !*render {
		err = b.measure(ctx)
	}
	if err == nil && b.trial.none() {
		err = b.render()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type bench struct {
	size, only string
	sessions   int
	calls      float64
	fresh      bool
	root       string
	trial      trial
}

func (b bench) docs() string    { return filepath.Join(b.root, "docs") }
func (b bench) results() string { return filepath.Join(b.docs(), "benchmarks", "results.json") }

func (b *bench) check() error {
	if b.size != quick && b.size != full {
		return fmt.Errorf("size is quick or full, not %q", b.size)
	}
	return b.trial.check()
}

func (b bench) measure(ctx context.Context) error {
	only, err := regexp.Compile(b.only)
	if err != nil {
		return fmt.Errorf("only: %w", err)
	}
	dir, err := os.MkdirTemp("", "afteryou-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self := filepath.Join(dir, "afteryou")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", self, ".")
	build.Dir, build.Env = b.root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building afteryou: %w\n%s", err, out)
	}
	claude, err := realclaude.Install(ctx, realclaude.Version)
	if err != nil {
		return err
	}
	on, err := thisMachine(ctx, b.root, self, time.Now().UTC().Format(time.DateOnly))
	if err != nil {
		return err
	}
	path := b.results()
	if !b.trial.none() {
		path = filepath.Join(dir, "results.json")
	}
	results, err := open(path, b.size, on, b.fresh)
	if err != nil {
		return err
	}
	if share, yes := crowded(ctx); yes {
		fmt.Fprintf(os.Stderr, "bench: other programs use %.0f %% of this machine: the times will be theirs too\n", 100*share)
	}
	s := sharing{size: b.size, sessions: b.sessions, calls: b.calls, only: only, trial: b.trial, self: self, claude: claude, dir: dir, out: os.Stdout, results: results}
	err = s.run(ctx)
	if !b.trial.none() {
		b.trial.show(os.Stdout, results.r, s.ways()) // of an interrupted trial, what there is
		return err
	}
	if err != nil || !only.MatchString("overhead") {
		return err
	}
	return overhead(ctx, b.root, b.size, os.Stdout, results)
}

// render writes what the results say, and sums it up.
func (b bench) render() error {
	r, err := read(b.results())
	if err != nil {
		return err
	}
	files, err := render(r)
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(filepath.Join(b.root, "README.md"))
	if err != nil {
		return err
	}
	if files["../README.md"], err = figures(readme, r); err != nil {
		return err
	}
	for _, sc := range r.situations() {
		runs := r.of(sc.Name, false)
		for _, w := range gates {
			fmt.Printf("%-11s %-9s %s x the ideal, %s rejections per answer\n", sc.Name, w,
				spreadOf(each(runs, w, Shared.ratio)).text("%.3f"), spreadOf(each(runs, w, Shared.rejected)).text("%.3f"))
		}
	}
	for _, w := range ours() {
		if a := r.average(w.name); a.runs > 0 {
			fmt.Printf("%-9s on average %.3f x the ideal, %.3f rejections per answer, %d dead in %d runs\n", w.name, a.ratio, a.rejected, a.dead, a.runs)
		}
	}
	fmt.Println("a limit that nobody meets, start and end of Claude Code included:", free(r))
	return write(b.docs(), files)
}
