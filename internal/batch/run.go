// Package batch has requests answered by the Message Batches API, at half the price and within a day, and survives that it is
// killed at any moment.
//
// A run is a directory: a copy of the requests, a journal of what was submitted, and the results of each batch. Whoever
// resumes it does what is left. No request is submitted twice: before a submit the journal says so, and where the answer was
// lost, the batch is looked for at the API, which has no key that tells two tries from two batches. See [Run.find].
//
// It prints nothing and knows no command line. A run is one process's at a time. It starts no goroutine.
package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Limits of the API for one batch.
const (
	maxRequests = 100_000
	maxBytes    = 256_000_000
)

// maxTries is how often a request is submitted that fails for a reason that may pass.
const maxTries = 4

// Pace is how long a run waits for what.
type Pace struct {
	// Poll is the time between two looks at a batch, PollMost what it grows to; so is the wait after a failure.
	Poll, PollMost time.Duration
	// Settle is how long a submit whose answer was lost may take to show in the list of batches.
	Settle time.Duration
}

// DefaultPace is for the real API: most batches take minutes to an hour.
var DefaultPace = Pace{Poll: 2 * time.Second, PollMost: time.Minute, Settle: time.Minute}

// uploads is how many bytes a second the API is trusted to take in: so much longer does a large batch settle.
const uploads = 1 << 20

// Run is a run of this process. Close it.
type Run struct {
	ID    string
	Begun time.Time
	Input string
	// Say is told what happened, a line each; Show how it stands, again and again.
	Say, Show func(text string)
	Pace      Pace

	dir       string
	sameKey   bool // the credential is that which the run began with
	journal   *journal
	prompts   *prompts
	parts     []*part
	lines     []line
	canceled  bool
	pause     time.Duration // after a failure
	notBefore time.Time     // of the next submit
	refusals  int           // of submits, in a row
	step      func(string)  // tests kill the process at each
}

// part is one batch, or the intent of one.
type part struct {
	intent
	batch   string // "": not known
	void    bool   // there is none
	results *os.File
	// Of a part whose batch is not known: since when it is looked for, and those that it may be, of which false is not.
	looked     time.Time
	candidates map[string]bool
	settled    bool // no other comes to be a candidate
}

func (p *part) open() bool { return p.batch == "" && !p.void }

// line is one request, and where its latest result stands.
type line struct {
	part  int32 // of the result
	size  int32
	at    int64
	tries uint8
	state state
}

type state uint8

const (
	due   state = iota // it is to be submitted
	out                // a part has it
	again              // it failed for a reason that may pass
	done               // its result is the last
)

// Open takes up a run again. It fails where another process has it, and where who pays is another.
func Open(root, id string, who Account) (*Run, error) {
	return open(root, id, who, func(string) {})
}

func open(root, id string, who Account, step func(string)) (*Run, error) {
	r := &Run{ID: id, dir: filepath.Join(root, id), Pace: DefaultPace, step: step, Say: func(string) {}, Show: func(string) {}}
	if !made(id, digits+small) {
		return nil, noRun(id)
	}
	j, events, err := openJournal(filepath.Join(r.dir, journalName), step)
	if errors.Is(err, errBusy) {
		return nil, fmt.Errorf("batch %s is being run: %w", id, err)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, noRun(id)
	}
	if err != nil {
		return nil, fmt.Errorf("opening batch %s: %w", id, err)
	}
	r.journal = j
	if err := r.load(events, who); err != nil {
		r.Close()
		return nil, fmt.Errorf("opening batch %s: %w", id, err)
	}
	return r, nil
}

// load makes the run of its journal, its prompts and the results that are there.
func (r *Run) load(events []event, who Account) (err error) {
	if len(events) == 0 || events[0].Begin == nil {
		return errors.New("its journal does not begin")
	}
	b := events[0].Begin
	if b.Account != who.Shown {
		return fmt.Errorf("it was begun with %s, and this is %s", b.Account, who.Shown)
	}
	r.Begun, r.Input, r.sameKey = b.At, b.Input, b.Proof == who.proof(r.ID)
	if r.prompts, err = openPrompts(filepath.Join(r.dir, promptsName)); err != nil {
		return err
	}
	if r.prompts.len() != b.Requests {
		return fmt.Errorf("%d prompts are kept of %d", r.prompts.len(), b.Requests)
	}
	r.lines = make([]line, b.Requests)
	for _, e := range events[1:] {
		n := len(r.parts)
		switch {
		case e.Intent != nil && e.Intent.Part == n:
			r.parts = append(r.parts, &part{intent: *e.Intent})
			r.mark(r.parts[n], out)
		case e.Taken != nil && e.Taken.Part < n:
			r.parts[e.Taken.Part].batch = e.Taken.Batch
			r.tried(r.parts[e.Taken.Part])
		case e.Void != nil && *e.Void < n:
			r.giveBack(r.parts[*e.Void])
		default:
			return fmt.Errorf("its journal has an event that can't be: %+v", e)
		}
		if e.Taken != nil {
			if err := r.adopt(r.parts[e.Taken.Part]); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	for _, p := range r.parts {
		if p.open() && !r.sameKey {
			return errors.New("a batch was submitted with another key or token, and it is not known whether the API took it; only the same one can tell")
		}
	}
	return nil
}

// Close lets go of the run, which can be resumed unless it was finished.
func (r *Run) Close() {
	for _, p := range r.parts {
		if p.results != nil {
			p.results.Close()
		}
	}
	if r.prompts != nil {
		r.prompts.file.Close()
	}
	r.journal.close()
}

// mark gives all lines of a part a state. What failed before goes on having done so.
func (r *Run) mark(p *part, s state) {
	for _, i := range p.Lines {
		r.lines[i].state = s
	}
}

// giveBack makes all lines of a part that is no batch due. Many such parts may come, and their lines are not kept.
func (r *Run) giveBack(p *part) {
	r.mark(p, due)
	p.void, p.Lines = true, nil
}

// tried counts a part that the API took.
func (r *Run) tried(p *part) {
	for _, i := range p.Lines {
		r.lines[i].tries++
	}
}

// Summary counts requests by what became of them at last.
type Summary struct{ Requests, Succeeded, Errored, Expired, Canceled int }

// Do does what is left of the run and writes the results of all requests to w, in their order, as they come. It blocks until
// there is a result for each, the context ends, or something fails that waiting does not cure; then the run can be resumed,
// and writes all results anew. Finish is to follow when it returns without an error.
func (r *Run) Do(ctx context.Context, api *API, w io.Writer) (Summary, error) {
	o := newOutput(r, w)
	for {
		moved, err := r.round(ctx, api)
		if writeErr := o.write(); writeErr != nil {
			return o.sum, writeErr
		}
		if err != nil {
			wait, ok := passes(err)
			if !ok || ctx.Err() != nil {
				return o.sum, err
			}
			r.pause = min(max(2*r.pause, r.Pace.Poll), r.Pace.PollMost)
			r.Show(fmt.Sprintf("%v; again in %v", err, max(wait, r.pause).Round(time.Second)))
			if err := sleep(ctx, max(wait, r.pause)); err != nil {
				return o.sum, err
			}
			continue
		}
		if o.next == len(r.lines) {
			return o.sum, o.flush()
		}
		if moved {
			r.pause = 0
			continue
		}
		r.pause = min(max(r.pause*3/2, r.Pace.Poll), r.Pace.PollMost)
		r.Show(r.standing(time.Now()))
		wait := r.pause
		if until := time.Until(r.notBefore); until > 0 {
			wait = min(wait, until)
		}
		if err := sleep(ctx, wait); err != nil {
			return o.sum, err
		}
	}
}

// Finish forgets a run whose results are where they belong: its copy of the prompts too.
func (r *Run) Finish() error {
	gone := filepath.Join(filepath.Dir(r.dir), "."+r.ID)
	if err := os.Rename(r.dir, gone); err != nil {
		return err
	}
	r.step("the run is put aside")
	r.dir = gone
	return os.RemoveAll(gone)
}

// round looks at all that is under way, and does what can be done now. moved says that something was.
func (r *Run) round(ctx context.Context, api *API) (moved bool, err error) {
	_, err = os.Lstat(filepath.Join(r.dir, cancelName))
	r.canceled = err == nil
	for _, p := range r.parts {
		if p.open() {
			now, err := r.find(ctx, api, p)
			if err != nil {
				return moved, err
			}
			moved = moved || now
		}
	}
	if now, err := r.submitDue(ctx, api); now || err != nil {
		return true, err
	}
	for _, p := range r.parts {
		if p.batch == "" || p.results != nil {
			continue
		}
		now, err := r.look(ctx, api, p)
		if err != nil {
			return moved, err
		}
		moved = moved || now
	}
	return moved, nil
}

// look asks for a batch and fetches its results once it has ended.
func (r *Run) look(ctx context.Context, api *API, p *part) (moved bool, err error) {
	remote, err := api.retrieve(ctx, p.batch)
	if err != nil {
		return false, fmt.Errorf("asking for batch %s: %w", p.batch, err)
	}
	r.step("a batch was looked at")
	if !remote.ended() {
		if r.canceled && remote.Status != "canceling" {
			_, err = api.cancel(ctx, p.batch)
		}
		return false, err
	}
	if err := r.fetch(ctx, api, p); err != nil {
		return false, err
	}
	if err := r.adopt(p); err != nil {
		return false, err
	}
	c := remote.Counts
	r.Say(fmt.Sprintf("batch %s has ended: %d succeeded, %d errored, %d expired, %d canceled", p.batch, c.Succeeded, c.Errored, c.Expired, c.Canceled))
	return true, nil
}

// standing tells how the run stands.
func (r *Run) standing(now time.Time) string {
	var n [done + 1]int
	for _, l := range r.lines {
		n[l.state]++
	}
	batches := 0
	for _, p := range r.parts {
		if !p.void && p.results == nil {
			batches++
		}
	}
	text := fmt.Sprintf("%d of %d done", n[done], len(r.lines))
	if n[out] > 0 {
		text += fmt.Sprintf(", %d under way in %d batches", n[out], batches)
	}
	if n[due]+n[again] > 0 {
		text += fmt.Sprintf(", %d to submit", n[due]+n[again])
	}
	if wait := r.notBefore.Sub(now); wait > 0 {
		text += fmt.Sprintf(" (limited, again in %v)", wait.Round(time.Second))
	}
	return text + fmt.Sprintf(", since %v", now.Sub(r.Begun).Round(time.Second))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
