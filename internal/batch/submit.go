package batch

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// submitDue submits the next batch of what is to be, if that may be now. moved says that it was tried.
func (r *Run) submitDue(ctx context.Context, api *API) (moved bool, err error) {
	if r.canceled || time.Now().Before(r.notBefore) {
		return false, nil
	}
	lines := r.cut()
	if len(lines) == 0 {
		return false, nil
	}
	return true, r.submit(ctx, api, lines)
}

// cut returns the next lines to submit, as many as a batch takes. What failed goes together, once nothing is under way.
func (r *Run) cut() (lines []int) {
	busy := false
	for _, p := range r.parts {
		busy = busy || !p.void && p.results == nil
	}
	size := int64(len(bodyBegins) + len(bodyEnds))
	for i, l := range r.lines {
		if l.state != due && l.state != again || busy && l.tries > 0 {
			continue
		}
		if size += r.prompts.size(i); len(lines) == maxRequests || size > maxBytes && len(lines) > 0 {
			break
		}
		lines = append(lines, i)
	}
	return lines
}

// submit notes the intent, submits, and notes the batch. An error of the API whose batch may be there leaves the intent as it
// is, for find.
func (r *Run) submit(ctx context.Context, api *API, lines []int) error {
	n := len(r.parts)
	newest, err := api.newest(ctx)
	if err != nil {
		return err
	}
	r.step("the newest batch is known")
	id := func(line int) string { return customID(r.ID, n, line) }
	size, err := r.prompts.length(lines, id)
	if err != nil {
		return err
	}
	p := &part{intent: intent{Part: n, Lines: lines, Mark: Mark{newest.ID, newest.CreatedAt}, At: time.Now()}}
	if err := r.journal.append("the intent", event{Intent: &p.intent}); err != nil {
		return err
	}
	r.parts = append(r.parts, p)
	r.mark(p, out)
	body := r.prompts.body(lines, id)
	body.step = r.step
	remote, err := api.create(ctx, body, size)
	r.step("the batch was asked for")
	switch {
	case err == nil:
		return r.took(p, remote.ID)
	case taken(err):
		r.Say(fmt.Sprintf("whether the API took a batch of %d requests is not known (%v); it is looked for", len(lines), err))
		return ctx.Err() // find comes next
	}
	if err := r.void(p); err != nil {
		return err
	}
	wait, ok := passes(err)
	if refused := new(refusal); ok && errors.As(err, &refused) {
		r.refusals++
		wait = max(wait, min(r.Pace.Poll<<min(r.refusals, 10), r.Pace.PollMost))
		r.notBefore = time.Now().Add(wait)
		r.Say(fmt.Sprintf("%v; again in %v", err, wait.Round(time.Second)))
		return nil
	}
	return fmt.Errorf("submitting %d requests: %w", len(lines), err)
}

// took notes which batch a part is.
func (r *Run) took(p *part, id string) error {
	if err := r.journal.append("the batch", event{Taken: &taking{p.Part, id}}); err != nil {
		return err
	}
	p.batch, r.refusals = id, 0
	r.tried(p)
	r.Say(fmt.Sprintf("submitted %d requests as batch %s", len(p.Lines), id))
	return nil
}

// void notes that a part is no batch: its lines are to be submitted.
func (r *Run) void(p *part) error {
	if err := r.journal.append("the refusal", event{Void: &p.Part}); err != nil {
		return err
	}
	r.giveBack(p)
	return nil
}

// find looks for the batch of a part whose answer was lost. moved says that it is known, or that there is none.
//
// The API tells nothing of a batch under way but when it was created and how many requests it has: those that were created
// since the mark and have as many may be ours. Whose a batch is, its results say once it has ended, for the custom_ids of
// ours name run and part. So each that may be ours is waited for, and there is none only if none shows up within
// [Pace.Settle], or all prove to be others'.
func (r *Run) find(ctx context.Context, api *API, p *part) (moved bool, err error) {
	now := time.Now()
	if p.looked.IsZero() {
		p.looked, p.candidates = now, make(map[string]bool)
	}
	settled := now.Sub(p.looked) >= r.Pace.Settle+time.Duration(r.bytes(p)/uploads)*time.Second
	list, err := api.since(ctx, p.Mark)
	if err != nil {
		return false, err
	}
	r.step("the batches are listed")
	open := 0
	for _, remote := range list {
		may, known := p.candidates[remote.ID]
		if remote.requests() != len(p.Lines) || r.ours(remote.ID) || known && !may || p.settled && !known {
			continue
		}
		p.candidates[remote.ID] = true
		if !remote.ended() {
			open++
			continue
		}
		mine, err := r.proves(ctx, api, p, remote.ID)
		if err != nil {
			return false, err
		}
		if mine {
			return true, r.took(p, remote.ID)
		}
		p.candidates[remote.ID] = false
	}
	if p.settled = settled; open > 0 || !settled {
		return false, nil
	}
	r.Say(fmt.Sprintf("the API did not take that batch of %d requests", len(p.Lines)))
	return true, r.void(p)
}

// bytes is how large the batch of a part is, about.
func (r *Run) bytes(p *part) (n int64) {
	for _, i := range p.Lines {
		n += r.prompts.size(i)
	}
	return n
}

// ours reports whether a batch is known to be a part of this run.
func (r *Run) ours(id string) bool {
	for _, p := range r.parts {
		if p.batch == id {
			return true
		}
	}
	return false
}
