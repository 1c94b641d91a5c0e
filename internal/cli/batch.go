package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"

	"afteryou/hook"
	"afteryou/internal/batch"
	"afteryou/internal/claude"
	"afteryou/internal/price"
	"afteryou/internal/probe"
	"afteryou/lockfile"
)

// batches is a command line of batch.
type batches struct {
	call
	batch.Defaults
	sure, asJSON bool
}

func batchCommand() command {
	var b batches
	return command{
		name: "batch", args: "run FILE|resume [ID]|list|cancel ID", summary: "have many prompts answered by the Message Batches API, at half price",
		about: "run reads a request a line, from FILE or, for -, from standard input: {\"custom_id\": …, \"params\": {…}}, params of the Messages API with a custom_id among them, " +
			"or {\"prompt\": \"…\"}. It checks all of them, says what they may cost, asks, and submits them. Results come on standard output in the order of the requests, " +
			"as the API has them, once each; errors that may pass are tried again, three times. " +
			"A run that was killed, or lost its network or machine, goes on with resume, which prints all results from the first on. " +
			"The exit code is 0 if every request succeeded, and 1 if one has another result (errored, expired, canceled) or something went wrong. " +
			"A copy of the prompts stands in the state directory until all results are out, for 29 days at most.",
		example: "afteryou batch run prompts.jsonl --model claude-haiku-5-5 --max-tokens 1000 >results.jsonl",
		options: []option{
			text(&b.Model, "model", "MODEL", "model of requests that name none"),
			number(&b.MaxTokens, "max-tokens", 1, "max_tokens of requests without"),
			toggle(&b.sure, "yes", "do not ask"),
			jsonToggle(&b.asJSON),
		},
		words: []string{"run", "resume", "list", "cancel"}, names: true,
		run: func(c call) (int, error) {
			b.call = c
			return b.run()
		},
	}
}

// batchDir is where runs of batches are kept.
func batchDir() string { return filepath.Join(stateDir(), "batches") }

func (b batches) run() (int, error) {
	verbs := map[string]struct {
		least, most int // arguments
		do          func(args []string) (int, error)
	}{
		"run":    {1, 1, b.begin},
		"resume": {0, 1, b.resume},
		"list":   {0, 0, b.list},
		"cancel": {1, 1, b.cancel},
	}
	if len(b.args) == 0 {
		return exitUsage, errors.New("batch takes run FILE, resume [ID], list or cancel ID\nhint: afteryou batch --help says more")
	}
	v, args := verbs[b.args[0]], b.args[1:]
	if len(args) < v.least || len(args) > v.most {
		return exitUsage, fmt.Errorf("batch %s takes %s, not %q", b.args[0], map[string]string{"run": "a file, or -", "resume": "an id", "list": "no argument", "cancel": "an id"}[b.args[0]], args)
	}
	return v.do(args)
}

// api is the API as sessions reach it, and who pays.
func (b batches) api() (*batch.API, batch.Account, error) {
	getenv := claude.WithSettings(hook.Direct(os.Getenv))
	shown, secret := claude.PoolKey(getenv)
	api, err := batch.NewAPI(getenv, userAgent())
	return api, batch.Account{Shown: shown, Secret: secret}, b.withHint(err, shown)
}

// withHint adds to an error what the person can do.
func (b batches) withHint(err error, account string) error {
	var refused *probe.RefusedError
	switch {
	case err == nil:
	case errors.Is(err, probe.ErrNoCredential):
		return fmt.Errorf("%w\nhint: set ANTHROPIC_API_KEY", err)
	case errors.As(err, &refused) && (refused.Status == 401 || refused.Status == 403):
		return fmt.Errorf("%w\nhint: the key or token is not valid for this at %s", err, account)
	}
	return err
}

func (b batches) begin(args []string) (int, error) {
	api, who, err := b.api()
	if err != nil {
		return exitFailure, err
	}
	in, name := io.Reader(b.in), "standard input"
	if args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return exitFailure, err
		}
		defer f.Close()
		in, name = f, args[0]
	} else if !b.sure {
		return exitUsage, errors.New("the prompts come by standard input, where the answer to a question would\nhint: --yes submits them without asking")
	}
	if _, err := lockfile.Open(stateDir()); err != nil { // it makes it, and refuses one that others can write
		return exitFailure, err
	}
	draft, err := batch.Check(in, name, batchDir(), b.Defaults)
	if err != nil {
		return exitFailure, err
	}
	settings, _ := loadSettings() // what is wrong there is no reason not to submit
	b.note("%s", estimate(draft, settings.Prices))
	if err = unfinished(draft); err == nil {
		err = b.ask()
	}
	if err != nil {
		draft.Discard()
		return exitFailure, err
	}
	run, err := draft.Begin(who)
	if err != nil {
		draft.Discard()
		return exitFailure, err
	}
	return b.do(api, who, run)
}

// unfinished fails where the very same requests are under way already, as after a kill.
func unfinished(d *batch.Draft) error {
	list, err := batch.List(batchDir())
	if err != nil {
		return err
	}
	for _, i := range list {
		if i.Hash == d.Hash && !i.Canceled {
			return fmt.Errorf("nothing was sent: batch %s has the same requests, and is not finished\nhint: afteryou batch resume %s goes on with it; afteryou batch cancel %s gives it up", i.ID, i.ID, i.ID)
		}
	}
	return nil
}

// ask asks the person, unless told not to. An error is a no.
func (b batches) ask() error {
	if b.sure {
		return nil
	}
	if !isatty.IsTerminal(b.in.Fd()) || !isatty.IsTerminal(b.errs.Fd()) {
		return errors.New("nothing was sent: there is no terminal to ask\nhint: --yes submits without asking")
	}
	fmt.Fprint(b.errs, "submit? [y/N] ")
	answer, err := bufio.NewReader(b.in).ReadString('\n')
	if err != nil {
		fmt.Fprintln(b.errs)
	}
	if !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return errors.New("nothing was sent")
	}
	return nil
}

// estimate tells what a draft is and what it may cost.
func estimate(d *batch.Draft, prices price.List) string {
	var all batch.Sum
	var in, out price.USD
	known := true
	for model, s := range d.Sums {
		all.Input, all.Output = all.Input+s.Input, all.Output+s.Output
		p, ok := prices.Of(model)
		known = known && ok
		n := price.USD(s.Requests) // what one costs may depend on its length: as if all were as long
		in += n * p.Batched(claude.Usage{Input: s.Input / s.Requests})
		out += n * p.Batched(claude.Usage{Output: s.Output / s.Requests})
	}
	cost := "; what a model costs is not known here"
	if known {
		cost = fmt.Sprintf("; at half price about %v for input and at most %v for output", in, out)
	}
	return fmt.Sprintf("%s; about %d input tokens and at most %d output tokens%s", count(d.Requests, "request"), all.Input, all.Output, cost)
}

func (b batches) resume(args []string) (int, error) {
	api, who, err := b.api()
	if err != nil {
		return exitFailure, err
	}
	if len(args) == 0 {
		if args, err = b.only(); err != nil {
			return exitFailure, err
		}
	}
	run, err := batch.Open(batchDir(), args[0], who)
	if err != nil {
		return exitFailure, err
	}
	return b.do(api, who, run)
}

// only returns the id of the one run that can be resumed.
func (b batches) only() ([]string, error) {
	list, err := batch.List(batchDir())
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, i := range list {
		if !i.Running {
			ids = append(ids, i.ID)
		}
	}
	switch len(ids) {
	case 0:
		return nil, errors.New("there is no batch to resume")
	case 1:
		return ids, nil
	}
	return nil, fmt.Errorf("there are several batches to resume: %s\nhint: afteryou batch resume ID", strings.Join(ids, ", "))
}

// do does what is left of a run.
func (b batches) do(api *batch.API, who batch.Account, run *batch.Run) (int, error) {
	defer run.Close()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT) // nohup's SIGHUP stays ignored
	defer stop()
	p := progress{out: escaper{b.errs}, live: isatty.IsTerminal(b.errs.Fd())}
	run.Say, run.Show = p.say, p.show
	p.say(fmt.Sprintf("batch %s; whatever happens, afteryou batch resume %s goes on with it", run.ID, run.ID))
	sum, err := run.Do(ctx, api, b.out)
	p.clear()
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted; what was submitted goes on at the API")
		}
		return exitFailure, fmt.Errorf("%w\nhint: afteryou batch resume %s prints all results, from the first on", b.withHint(err, who.Shown), run.ID)
	}
	p.say(fmt.Sprintf("%s: %d succeeded, %d errored, %d expired, %d canceled", count(sum.Requests, "result"), sum.Succeeded, sum.Errored, sum.Expired, sum.Canceled))
	if err := run.Finish(); err != nil {
		b.say(err) // the results are out; the next run sweeps
	}
	if sum.Succeeded < sum.Requests {
		return exitFailure, nil
	}
	return 0, nil
}

// seldom is the time between two lines of progress where no terminal shows them.
const seldom = 10 * time.Minute

// progress shows how a run stands: on a terminal in one line that changes.
type progress struct {
	out   io.Writer
	live  bool
	shown time.Time
}

func (p *progress) clear() {
	if p.live {
		io.WriteString(p.out.(escaper).Writer, "\r\x1b[K")
	}
}

func (p *progress) say(text string) {
	p.clear()
	fmt.Fprintf(p.out, "afteryou: %s\n", text)
}

func (p *progress) show(text string) {
	switch {
	case p.live:
		p.clear()
		fmt.Fprint(p.out, clip("afteryou: "+text, 100))
	case time.Since(p.shown) >= seldom:
		p.shown = time.Now()
		p.say(text)
	}
}

func (b batches) list([]string) (int, error) {
	list, err := batch.List(batchDir())
	if err != nil {
		return exitFailure, err
	}
	if b.asJSON {
		return 0, b.json(append([]batch.Info{}, list...))
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(b.out, "no batch is unfinished")
		return 0, err
	}
	t := tabwriter.NewWriter(b.text(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tBEGUN\tREQUESTS\tBATCHES\tFETCHED\tSTATE\tINPUT")
	for _, i := range list {
		state := "to resume"
		switch {
		case i.Running:
			state = "running"
		case i.Canceled:
			state = "canceled, to resume"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\t%s\n", printable(i.ID), clock(i.Begun, time.Now()), i.Requests, len(i.Batches), i.Fetched, state, printable(tail(i.Input, 40)))
	}
	return 0, t.Flush()
}

func (b batches) cancel(args []string) (int, error) {
	api, who, err := b.api()
	if err != nil {
		return exitFailure, err
	}
	n, err := batch.Cancel(context.Background(), api, batchDir(), args[0])
	if err != nil {
		return exitFailure, b.withHint(err, who.Shown)
	}
	b.note("nothing more of %s is submitted, and batches that the API cancels: %d; afteryou batch resume %s prints what was answered", args[0], n, args[0])
	return 0, nil
}
