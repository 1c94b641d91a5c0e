package turn

import (
	"cmp"
	"slices"
	"time"

	"afteryou/internal/limit"
)

// Key names who calls the model: a session or one of its subagents, and the class of the model where calls are told apart
// by it (see [Class]). A key makes one call at a time; a gateway, which knows of several at once, tells them apart by Agent.
type Key struct {
	Session string `json:"session"`
	Agent   string `json:"agent,omitempty"`
	Class   string `json:"class,omitempty"`
}

// Phase is how far a call has come.
type Phase int

const (
	Waiting Phase = iota // in line for its turn
	Granted              // has its turn: taken to be sent at once, and made again by itself when it is rejected
	Over                 // its turn is over, or it had none
)

// News is how it becomes known that calls of a key are rejected.
type News int

const (
	ByRow  News = iota // by a row of the transcript or a line of the screen, half a second later
	AtOnce             // by its answer: a gateway, the module
	ByNext             // only by its next try: a subagent, and a screen that nobody reads (2.1.330)
	ByMark             // by a mark in its stream, at once: a gate around the steps of a turn ([Account.Marked])
)

// Call is one call to the model, from when it is asked for until nothing depends on it any more. The line, the turns, what
// is on trial, what is to be made again and what was spent are views of an account's calls. The last call of a key that
// was made is kept for 10 minutes, or an hour where its cache is: reports of it come late, and it tells what the next takes.
type Call struct {
	Key
	Phase   Phase   `json:"phase,omitempty"`
	Event   string  `json:"event,omitempty"` // the hook event that asks: delivered twice, it is one call
	Process Process `json:"process,omitzero"`
	Waiter  Process `json:"waiter,omitzero"` // who waits for the turn: a hook, or the gateway
	Rules   Rules   `json:"rules,omitzero"`
	News    News    `json:"news,omitempty"`
	Rank    Rank    `json:"rank,omitempty"`
	// Inside says that Claude Code itself sends it after its go, as soon as it comes to it.
	Inside bool `json:"inside,omitempty"`
	// Guessed says that when it was made again is a guess.
	Guessed bool   `json:"guessed,omitempty"`
	Print   bool   `json:"print,omitempty"` // nobody sits before the session (-p)
	Model   string `json:"model,omitempty"` // the class of the session's model, where the key has none; "": not known

	// AtMost is the most that its class is told to allow, in calls per second; 0: nobody told.
	AtMost float64 `json:"-"`

	Asked   time.Time `json:"asked,omitzero"`   // it joined the line
	Granted time.Time `json:"granted,omitzero"` // it was given its turn
	Sent    time.Time `json:"sent,omitzero"`    // it was sent, as far as is known; zero: it was not, or was rejected
	Came    time.Time `json:"came,omitzero"`    // the server had it by then
	Done    time.Time `json:"done,omitzero"`    // its turn ended
	Seen    time.Time `json:"seen,omitzero"`    // last sign of life: of its waiter first, then of its turn
	Row     time.Time `json:"row,omitzero"`     // the key's last row that told of a request
	Refused time.Time `json:"refused,omitzero"` // the key's last rejection

	Paced      bool   `json:"paced,omitempty"`      // it was held for the limit: only such calls tell that the pace could be higher
	Rejections int    `json:"rejections,omitempty"` // how often it came back to the line
	Retry      *Retry `json:"retry,omitempty"`      // it was rejected and will be made again
	// Trial says that it was sent, and neither accepted nor rejected as far as anyone knows.
	Trial bool `json:"trial,omitempty"`
	// Nth is which of its class's calls it is that [Pace.Sent] counts; of one that it does not, how many were before.
	Nth int `json:"nth,omitempty"`
	// Doubt is until when it may turn out that it was rejected, like one that was sent before it.
	Doubt time.Time `json:"doubt,omitzero"`
	// Unseen says that Sent is the time of its turn: nothing told yet when it was really sent.
	Unseen bool `json:"unseen,omitempty"`
	// Silent says that nothing was told since the row of its request.
	Silent bool `json:"silent,omitempty"`
	// Lost says that nobody will know whether it was accepted: it says nothing about the pace.
	Lost bool `json:"lost,omitempty"`
	// Put says that its prompt was put to the model: the same event is another prompt from then on.
	Put    bool   `json:"put,omitempty"`
	Woken  bool   `json:"woken,omitempty"`  // its turn was given to wake the session
	Answer string `json:"answer,omitempty"` // the last answer that was counted, where no rows tell of requests

	// Size is what its request looks like: tokens of its body, and the most that it asks for. It counts while nothing is known
	// of its key's calls or of first calls.
	Size limit.Costs `json:"size,omitzero"`
	// Fresh is how many tokens of input it has at least that come from no cache, by the look of it; 0: that can't be told.
	Fresh    float64     `json:"fresh,omitempty"`
	Expected limit.Costs `json:"expected,omitzero"` // what it was thought to take when it was sent
	Took     limit.Costs `json:"took,omitzero"`     // what it took; zero: not told yet
	Yielded  int         `json:"yielded,omitempty"` // how many calls passed it that were about to lose their cache
	// Before is how much input, with what came from the cache, the key's call before it had; 0: not known.
	Before float64 `json:"before,omitempty"`
	// Reserved is what the mirrored buckets gave for it and may get back.
	Reserved limit.Costs `json:"reserved,omitzero"`
	// Reserves says that the server takes all the input and the most output that it asks for when it comes, until it is answered: then
	// Booked is what that is, and Needs how much the quota must give in a minute, at least, for the call to be accepted.
	Reserves bool    `json:"reserves,omitempty"`
	Booked   float64 `json:"booked,omitempty"`
	Needs    float64 `json:"needs,omitempty"`
	// Own says that Expected is what the key's own calls took, not what first calls do.
	Own bool `json:"own,omitempty"`
}

const (
	// unsure is how much longer than the one after it a call may be under way from the gateway to the server.
	unsure = 10 * time.Millisecond
	// eventLoop is the same of one that Claude Code sends itself: 1 to 8 ms from the go to the server were seen on a busy machine
	// (2.1.332). Now and then it is 100 ms: those are not waited for.
	eventLoop = 12 * time.Millisecond
	// connecting is what a session's first takes beside, for its connection.
	connecting = 45 * time.Millisecond
)

// longer is how much longer than the next a call may be under way; 0 where rows tell when it was sent.
func (a *Account) longer(c *Call) time.Duration {
	switch {
	case !c.soon():
		return 0
	case !c.Inside && c.News != ByMark:
		return unsure
	case a.find(func(other *Call) bool { return other.Session == c.Session && other != c && other.made() }) == nil:
		return eventLoop + connecting
	}
	return eventLoop
}

// soon reports that it is told at once when the call is rejected.
func (c *Call) soon() bool { return c.News == AtOnce || c.News == ByMark }

// counted reports that the call is one of those that the pace let through.
func (c *Call) counted() bool { return !c.Sent.IsZero() && !c.Lost }

// made reports that the call has left the line once.
func (c *Call) made() bool { return c.Phase != Waiting || c.Rejections > 0 }

// latest is the last time at which anything happened to it.
func (c *Call) latest() time.Time { return Latest(c.Sent, c.Refused, c.Done) }

// began is when a call was let go that was sent at a time: what the pace was then is what its fate tells of.
func (c *Call) began(sent time.Time) time.Time {
	if c.Phase == Granted && c.Granted.Before(sent) {
		return c.Granted
	}
	return sent
}

// took is what the call takes, as far as is known.
func (c *Call) took() limit.Costs {
	return limit.Costs{Input: cmp.Or(c.Took.Input, c.Expected.Input), Output: cmp.Or(c.Took.Output, c.Expected.Output)}
}

// find returns the first call that fits, or nil.
func (a *Account) find(fits func(*Call) bool) *Call {
	if i := slices.IndexFunc(a.Calls, fits); i >= 0 {
		return a.Calls[i]
	}
	return nil
}

// all returns the calls that fit.
func (a *Account) all(fits func(*Call) bool) (calls []*Call) {
	for _, c := range a.Calls {
		if fits(c) {
			calls = append(calls, c)
		}
	}
	return calls
}

// of returns the key's calls.
func (a *Account) of(k Key) []*Call { return a.all(func(c *Call) bool { return c.Key == k }) }

// turn returns the call with which the key has its turn, or nil.
func (a *Account) turn(k Key) *Call {
	return a.find(func(c *Call) bool { return c.Key == k && c.Phase == Granted })
}

// given returns the call with which the event has the turn that it asked for, or nil.
func (a *Account) given(k Key, event string) *Call {
	return a.find(func(c *Call) bool { return c.Key == k && c.Event == event && c.Phase == Granted })
}

// waiting returns the key's first call in line, or nil.
func (a *Account) waiting(k Key) *Call {
	return a.find(func(c *Call) bool { return c.Key == k && c.Phase == Waiting })
}

// last returns the key's call that was made last, or nil.
func (a *Account) last(k Key) (last *Call) {
	for _, c := range a.of(k) {
		if c.made() && (last == nil || !c.latest().Before(last.latest())) {
			last = c
		}
	}
	return last
}

// heard returns the times of the key's last request that a row told of, and of its last rejection.
func (a *Account) heard(k Key) (row, refused time.Time) {
	for _, c := range a.of(k) {
		row, refused = Latest(row, c.Row), Latest(refused, c.Refused)
	}
	return row, refused
}

// sentBy returns the key's call that was sent last by a time, or nil.
func (a *Account) sentBy(k Key, at time.Time) (last *Call) {
	for _, c := range a.of(k) {
		if !c.Sent.IsZero() && !c.Sent.After(at.Add(rounding)) && (last == nil || c.Sent.After(last.Sent)) {
			last = c
		}
	}
	return last
}

// add puts a call that no gate stood before, and returns it.
func (a *Account) add(k Key, process Process) *Call {
	c := &Call{Key: k, Phase: Over, Process: process}
	if last := a.last(k); last != nil {
		c.News, c.Inside, c.Process = last.News, last.Inside, cmp.Or(process, last.Process)
	}
	c.Expected, c.Own = a.expect(c)
	a.Calls = append(a.Calls, c)
	return c
}

// Turns are the calls of a class that have their turn.
func (a *Account) Turns(class string) []*Call { return a.in(class, Granted) }

// Waiting are the calls that wait, of all classes, in the order in which they joined the line.
func (a *Account) Waiting() []*Call { return a.all(func(c *Call) bool { return c.Phase == Waiting }) }

// in are the calls of a class in a phase; those that wait stand in the order in which they joined the line.
func (a *Account) in(class string, phase Phase) []*Call {
	return a.all(func(c *Call) bool { return c.Class == class && c.Phase == phase })
}

// Holds reports whether the key has a turn, whichever event asked for it.
func (a *Account) Holds(k Key) bool { return a.turn(k) != nil }

// Granted reports whether the event has the turn that it asked for.
func (a *Account) Granted(k Key, event string) bool { return a.given(k, event) != nil }

// Waits reports whether the key stands in the line.
func (a *Account) Waits(k Key) bool { return a.waiting(k) != nil }

// Knows reports whether anything was heard of calls of the key lately.
func (a *Account) Knows(k Key) bool { return a.last(k) != nil }
