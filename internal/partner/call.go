package partner

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"afteryou/internal/gate"
	"afteryou/internal/guard"
	"afteryou/internal/limit"
	"afteryou/internal/turn"
)

const (
	// poll is how long an answer to ask is kept back at most: that of $.http.fetch is 30 s (2.1.332). Whoever looks at a
	// terminal sees the seconds pass.
	poll, pollSeen = 10 * time.Second, time.Second
	// forsaken is how long after its last poll a call that waits is given up: its module was unloaded.
	forsaken = 5 * time.Second
	// renew is how often the lease of a turn is renewed.
	renew = 30 * time.Second
	// endless is after how long an answer is taken to be over of whose end nobody told.
	endless = time.Hour
	// margin is the share of Claude Code's own patience that a call may wait: it counts from when it was made.
	margin = 0.9
	// aside stands in a key before the kind of a request beside a turn.
	aside = "~"
)

// ranks are those of the kinds of requests beside a turn. A check holds up a tool that is half done, and a compaction a turn; nobody
// waits for a title or a suggestion. All others are as urgent as a turn's.
var ranks = map[string]turn.Rank{"check": turn.Urgent, "compact": turn.Urgent, "title": turn.Last, "suggest": turn.Last}

// toldBy is how the rejections of a request become known.
func toldBy(m message) turn.News {
	if m.Steps {
		return turn.ByMark
	}
	return turn.AtOnce
}

// message is what the module says, one word at a time: the path of its request.
type message struct {
	ID      string `json:"id"` // of the request
	Session string `json:"session"`
	Agent   string `json:"agent"`
	session        // with the first word of a session

	// ask: may the request be sent?
	Model    string  `json:"model"`
	Kind     string  `json:"kind"`     // "": of a turn; else a side request
	Size     float64 `json:"size"`     // of its body, in bytes
	Fresh    float64 `json:"fresh"`    // of its messages since the last answer, which no cache has; 0: not known
	Most     float64 `json:"most"`     // how many tokens it may be answered at most
	Patience float64 `json:"patience"` // until Claude Code gives it up, in seconds; 0: never
	Cloud    bool    `json:"cloud"`    // it goes to a cloud, where no 429 says when to come again
	Steps    bool    `json:"steps"`    // it is a step of a turn, whose requests nobody sees
	Early    bool    `json:"early"`    // it was asked for before it came, and may never come

	// answer: how it was answered.
	Sent    float64           `json:"sent"`   // when it was sent, in milliseconds since 1970
	Status  int               `json:"status"` // 0: the connection was lost
	Headers map[string]string `json:"headers"`

	// dead: what the person was told.
	Text string `json:"text"`

	// used: what the request of a turn took.
	Usage struct {
		Input  float64 `json:"input_tokens"`
		Cached float64 `json:"cache_creation_input_tokens"`
		Output float64 `json:"output_tokens"`
	} `json:"usage"`
}

// reply is what it is told.
type reply struct {
	Go      bool         `json:"go,omitempty"`
	Line    string       `json:"line,omitempty"`    // what holds it, for the spinner
	Verdict gate.Verdict `json:"verdict,omitempty"` // of what was asked for without a go: it must not be sent
	Notify  string       `json:"notify,omitempty"`  // what the person is told
}

// call is one request.
type call struct {
	place    *gate.Place
	asks     turn.Call // what the gate was told of it
	side     bool
	since    time.Time // when it was first asked for
	cancel   context.CancelFunc
	done     chan struct{} // closed when the wait is over
	deadline time.Time
	turnless bool
	kept     time.Time // until when it is kept back for people, once it has waited for as long as it may
	lost     int
	notUntil time.Time // after a lost connection

	// Guarded by the partner's mutex.
	polls  int // of how many an answer is kept back
	polled time.Time
	sent   time.Time // zero: it waits
	alive  time.Time
	unsure bool // nobody told yet that it was made: it was asked for before it came
}

// abandoned reports whether nobody will ask again, or tell of its end.
func (c *call) abandoned(now time.Time) bool {
	if c.sent.IsZero() {
		return c.polls == 0 && now.Sub(c.polled) > forsaken
	}
	return now.Sub(c.sent) > endless
}

// ServeHTTP answers one word of the module.
func (p *partner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m message
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&m); err != nil {
		http.Error(w, "that is no message", http.StatusBadRequest)
		return
	}
	var answer reply
	if !guard.Run(func() { answer = p.serve(r.Context(), strings.Trim(r.URL.Path, "/"), m) }, p.gate.Log) {
		answer = reply{Go: true, Verdict: gate.Pass}
	}
	json.NewEncoder(w).Encode(answer)
}

func (p *partner) serve(ctx context.Context, word string, m message) reply {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.session != (session{}) {
		p.sessions[m.Session] = m.session
		delete(p.left, m.Session)
	}
	c := p.calls[m.ID]
	switch {
	case word == "ask" && c == nil:
		if r, over := p.overBudget(ctx, m); over {
			return r
		}
		c = p.join(m)
		p.wait(c)
		return p.hold(ctx, m.ID, c, p.kept(m.Early))
	case word == "ask":
		return p.hold(ctx, m.ID, c, p.kept(false))
	case word == "answer" && c != nil:
		return p.told(c, m)
	case word == "mark" && c != nil:
		c.place.Marked()
	case word == "dead" && c != nil:
		return reply{Verdict: p.failed(c, m)}
	case word == "rest":
		return p.rest(ctx, m)
	case word == "used":
		p.used(m)
	case word == "gone" && m.ID != "":
		p.drop(m.ID)
	case word == "gone":
		p.end(m)
	case word == "bye":
		p.leave(m.Session)
	}
	return reply{Verdict: gate.Pass}
}

// unlocked calls f without p.mu, which must be held, and is again, also where f panics.
func (p *partner) unlocked(f func()) {
	p.mu.Unlock()
	defer p.mu.Lock()
	f()
}

// of reports whether the call is one of a turn of the loop.
func (c *call) of(m message) bool {
	return !c.side && c.place.Call.Session == m.Session && c.place.Call.Agent == m.Agent
}

// join takes a request in. One of a turn that the loop made before is over: it makes them one after the other.
func (p *partner) join(m message) *call {
	class, group := p.Groups.Of(m.Model)
	k := turn.Key{Session: m.Session, Agent: m.Agent, Class: class}
	if m.Kind != "" {
		k.Agent += aside + m.Kind // what such requests take is told apart
	} else {
		p.end(m)
		delete(p.dead, loop{m.Session, m.Agent}) // its turn goes on
	}
	now := time.Now()
	c := &call{side: m.Kind != "", unsure: m.Early, since: now, deadline: p.deadline(now, m),
		asks: turn.Call{Key: k, AtMost: group.Requests / 60, Rank: ranks[m.Kind], Inside: true, News: toldBy(m), Size: limit.Costs{Input: m.Size / 4, Output: m.Most}, Fresh: m.Fresh / 4}}
	if m.Early {
		c.asks.Fresh = 0 // it was the last request's
	}
	first := c.asks
	first.Event = p.event(m.ID)
	c.place = p.gate.Join(first)
	if p.calls[m.ID] = c; len(p.calls) == 1 {
		select {
		case p.busy <- struct{}{}: // whoever watches may sleep long
		default:
		}
	}
	return c
}

// deadline is until when a request may wait that was first asked for at a time.
func (p *partner) deadline(since time.Time, m message) time.Time {
	wait := p.MaxWait
	if patience := time.Duration(margin * m.Patience * float64(time.Second)); patience > 0 {
		wait = min(wait, patience)
	}
	return since.Add(wait)
}

// wait has the call stand in line, from when it may.
func (p *partner) wait(c *call) {
	ctx, cancel := context.WithDeadline(context.Background(), c.deadline)
	c.cancel, c.done, c.sent, c.polled = cancel, make(chan struct{}), time.Time{}, time.Now()
	place, done, from := c.place, c.done, c.notUntil
	guard.Go(func() {
		defer close(done)
		select {
		case <-time.After(time.Until(from)):
		case <-ctx.Done():
		}
		if place.Wait(ctx) != nil && ctx.Err() != context.Canceled {
			kept := place.KeptBack()
			place.GiveBack() // it goes without a turn, or not at all
			p.mu.Lock()
			c.turnless, c.kept = true, kept
			p.mu.Unlock()
		}
	}, p.gate.Log)
}

// kept is how long the module may be kept waiting for an answer. A request that takes over what was asked for before it came waits
// for another hook's answer: that costs a hook its own time, of which it has 10 s (2.1.332), and without which it is passed over.
func (p *partner) kept(early bool) time.Duration {
	if p.unattended && !early {
		return poll
	}
	return pollSeen
}

// hold blocks until the call may be sent, or for as long as the module may be kept waiting. Where the module hangs up, the person
// stopped it.
func (p *partner) hold(ctx context.Context, id string, c *call, most time.Duration) reply {
	c.polls++
	place, done := c.place, c.done
	goes, text := false, ""
	p.unlocked(func() {
		timer := time.NewTimer(most)
		defer timer.Stop()
		select {
		case <-done:
			goes = true
			return
		case <-timer.C:
		case <-ctx.Done():
		}
		text = place.Held()
	})
	c.polls--
	c.polled = time.Now()
	switch {
	case ctx.Err() != nil:
		p.drop(id)
	case goes && !c.kept.IsZero():
		return reply{Verdict: p.keepsBack(id, c), Line: "afteryou keeps what is left of the window for people, " + gate.Left(time.Until(c.kept))}
	case goes:
		c.cancel()
		c.sent, c.alive = c.polled, c.polled
		return reply{Go: true, Notify: p.news(c.place.Call.Session, c.place.Call.Agent, c.since, "")}
	}
	return reply{Line: text}
}

// told is answered, with what the person is told of a request that never fits.
func (p *partner) told(c *call, m message) reply {
	if c.deadline.IsZero() { // taken over
		c.deadline = p.deadline(c.since, m)
	}
	verdict := p.answered(c, m)
	if verdict == gate.Never {
		return reply{Verdict: verdict, Notify: c.place.TooLarge.Error()}
	}
	return reply{Verdict: verdict}
}

// answered tells how the request was answered, and says what becomes of it.
func (p *partner) answered(c *call, m message) gate.Verdict {
	c.unsure = false
	if m.Status == 0 {
		return p.lost(c, m)
	}
	sent := c.sent
	if at := time.UnixMilli(int64(m.Sent)); at.After(sent) && at.Before(time.Now()) {
		sent = at
	}
	header := func(name string) string { return m.Headers[strings.ToLower(name)] }
	verdict := p.mayRest(c, m, c.place.Judge(gate.Answer{Status: m.Status, Header: header, Body: func() ([]byte, error) { return nil, nil },
		Fresh: m.Fresh / 4, Sent: sent, Deadline: c.deadline, Once: c.turnless}))
	switch {
	case verdict == gate.Again && m.Status == http.StatusTooManyRequests && header("Retry-After") == "" && !m.Cloud:
		// It may be money that ran out: that stands in the body, which Claude Code alone can read. It tries again itself, if not.
		p.drop(m.ID)
		return gate.Pass
	case verdict == gate.Again:
		p.wait(c)
	case verdict == gate.Later || m.Status >= 400:
		p.drop(m.ID)
	case c.side: // when its answer ends nobody tells
		c.place.Answered()
		p.drop(m.ID)
	}
	return verdict
}

// lost is for a request whose connection was lost before anything was answered.
func (p *partner) lost(c *call, m message) gate.Verdict {
	c.lost++
	wait, again := gate.Lost(c.lost)
	if !again || c.turnless {
		p.drop(m.ID)
		return gate.Pass
	}
	c.place.Leave()
	c.place = p.gate.Join(c.asks)
	c.notUntil = time.Now().Add(wait)
	p.wait(c)
	return gate.Again
}

// used tells what the request took that a turn of the loop just made, which is answered. One that was asked for and never came is
// given back.
func (p *partner) used(m message) {
	for id, c := range p.calls {
		switch {
		case !c.of(m) || c.sent.IsZero():
			continue
		case !c.unsure:
			if took := (limit.Costs{Input: m.Usage.Input + m.Usage.Cached, Output: m.Usage.Output}); took != (limit.Costs{}) {
				c.place.Used(took)
			}
			c.place.Answered()
		}
		p.drop(id)
	}
}

// end drops what a turn of the loop has left.
func (p *partner) end(m message) {
	for id, c := range p.calls {
		if c.of(m) {
			p.drop(id)
		}
	}
}

// drop gives back what a request has.
func (p *partner) drop(id string) {
	if c := p.calls[id]; c != nil {
		delete(p.calls, id)
		c.cancel()
		c.place.Leave()
	}
}

// leave is for a session that ended.
func (p *partner) leave(session string) {
	for id, c := range p.calls {
		if c.place.Call.Session == session {
			p.drop(id)
		}
	}
	if _, ok := p.sessions[session]; ok {
		delete(p.sessions, session)
		p.left[session] = true // with the next change of the state; it is not seen before that
	}
}
