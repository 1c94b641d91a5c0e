package turn

import (
	"cmp"
	"slices"
	"time"
)

// Budget is the most that the calls of a pool may take in any minute, whatever the server allows. Zero is no limit.
//
// It is kept over a sliding minute: a call goes when it fits beside all that was taken in the last 60 seconds. A token
// bucket would let through twice as much in some minute, or half of it in the long run. What a call takes in tokens is
// known only once it is answered; until then it counts with what the calls of its key took lately, and while nothing is
// known with everything there is. So calls never exceed their budget, and tokens exceed theirs at most by what the
// calls of that minute took beyond what was expected of them; the calls after them make up for it. One call that takes
// more than the whole budget goes alone.
//
// A call that no gate stands before (a retry of Claude Code's own, a compaction) is not held, only counted.
type Budget struct {
	Calls  float64 `json:"calls,omitempty"`
	Input  float64 `json:"input,omitempty"` // without what came from the cache
	Output float64 `json:"output,omitempty"`
}

const (
	// minute is how long a call counts from when the server had it, and the grain of our clock.
	minute = time.Minute + 10*time.Millisecond
	// onWay bounds how long after it was sent a call comes to the server, where no answer bounds it closer: on a busy
	// machine 2 s were seen.
	onWay = 5 * time.Second
	// tardy is how long after an answer what it took may be told.
	tardy = 5 * time.Second
)

// Account is what the calls of a pool took lately. It is kept only while sessions ask with a budget, and there is one
// for all classes of models.
type Account struct {
	Budget Budget    `json:"budget,omitzero"` // that of the last who had one
	Asked  time.Time `json:"asked,omitzero"`  // by when, to the minute
	Calls  []Spent   `json:"calls,omitempty"`
}

// Spent is what one call took; an estimate until it was told.
type Spent struct {
	Key
	Costs
	At   time.Time `json:"at"`
	Came time.Time `json:"came,omitzero"` // the server had it by then
	Done time.Time `json:"done,omitzero"`
	// Owed says that nobody saw yet when it was sent: it may come to the server later than at At.
	Owed bool `json:"owed,omitempty"`
	// Free says that it took no tokens: it was rejected.
	Free bool `json:"free,omitempty"`
}

// account is the one that counts for the pool.
func (p *Pool) account() *Account {
	if p.base != nil {
		return &p.base.Account
	}
	return &p.Account
}

// family is the pool, and all with which it shares an account.
func (p *Pool) family() []*Pool {
	if p.base != nil {
		p = p.base
	}
	return append([]*Pool{p}, p.classes...)
}

// budgeted notes that somebody asks with a budget.
func (p *Pool) budgeted(now time.Time, b Budget) {
	a := p.account()
	if b == (Budget{}) {
		return
	}
	if a.Asked.IsZero() { // what is known of the last minute must do
		for _, p := range p.family() {
			for _, t := range p.Pace.Log {
				a.Calls = append(a.Calls, Spent{At: t, Came: t.Add(trial), Done: t, Free: true})
			}
		}
	}
	a.Budget, a.Asked = b, now.Truncate(time.Minute)
}

// tidy forgets what counts no more. A call of the future was made before the clock was put back: it may be now.
func (a *Account) tidy(now time.Time) {
	if now.Sub(a.Asked) > quiet {
		*a = Account{}
		return
	}
	if a.Asked.After(now) {
		a.Asked = now.Truncate(time.Minute)
	}
	for i := range a.Calls {
		if s := &a.Calls[i]; s.At.After(now.Add(skew)) || s.Done.After(now.Add(skew)) {
			s.At, s.Came, s.Done = now, now, now
		}
	}
	a.Calls = slices.DeleteFunc(a.Calls, func(s Spent) bool {
		return now.Sub(s.At) > quiet || !s.Done.IsZero() && now.Sub(s.Done) > minute && now.Sub(s.At) > minute+onWay
	})
}

// open says that the call may still be on its way, or take more.
func (p *Pool) open(s Spent) bool {
	return s.Done.IsZero() && slices.ContainsFunc(p.family(), func(p *Pool) bool { return p.Holds(s.Key) })
}

// What there are budgets of.
const (
	calls = iota
	input
	output
	resources
)

func (b Budget) of(what int) float64 { return [...]float64{b.Calls, b.Input, b.Output}[what] }

func (c Costs) of(what int) float64 { return [...]float64{1, c.Input, c.Output}[what] }

// gone is from when on a call counts no more. Zero: it is under way, and nobody knows.
func (p *Pool) gone(s Spent, what int) time.Time {
	open := p.open(s)
	switch {
	case open && (s.Owed || what == output):
		return time.Time{}
	case what == output && s.Done.After(s.At):
		return s.Done.Add(minute)
	case !s.Came.IsZero() && s.Came.Before(s.At.Add(onWay)):
		return s.Came.Add(minute)
	}
	return s.At.Add(onWay + minute)
}

// spent says until when the ticket's budget holds it, if it does.
func (p *Pool) spent(now time.Time, t Ticket) (until time.Time, held bool) {
	cost := p.cost(t.Key)
	for _, p := range p.family() { // where nothing is known, what first calls take in the others
		cost = Costs{cmp.Or(cost.Input, p.Costs.Input), cmp.Or(cost.Output, p.Costs.Output)}
	}
	for what := range resources {
		most, need := t.Budget.of(what), cost.of(what)
		if most == 0 {
			continue
		}
		if need == 0 || need > most { // not known, or never to fit: it goes alone
			need = most
		}
		free, ok := p.frees(now, what, most-need)
		if !ok {
			return now.Add(time.Second), true // who is under way says when
		}
		if free.After(now) && free.After(until) {
			until, held = free, true
		}
	}
	return until, held
}

// frees is when the calls of the last minute take no more than most of something; false: nobody knows yet.
func (p *Pool) frees(now time.Time, what int, most float64) (time.Time, bool) {
	type amount struct {
		of    float64
		until time.Time
	}
	var list []amount
	sum := 0.0
	for _, s := range p.account().Calls {
		took, until := s.of(what), p.gone(s, what)
		switch {
		case took == 0 && !s.Free && (p.open(s) || now.Sub(s.Done) < tardy):
			return time.Time{}, false // it may be anything
		case until.IsZero():
			most -= took
		case until.After(now):
			list = append(list, amount{took, until})
			sum += took
		}
	}
	if most < -1e-9 {
		return time.Time{}, false
	}
	slices.SortFunc(list, func(a, b amount) int { return a.until.Compare(b.until) })
	at := now
	for _, one := range list {
		if sum <= most+1e-9 {
			break
		}
		sum -= one.of
		at = one.until
	}
	return at, true
}

// Spending is what the calls of the last minute took, and of which budget; false: there is none.
func (p *Pool) Spending(now time.Time) (took, of Budget, ok bool) {
	a := p.account()
	var sum [resources]float64
	for what := range resources {
		for _, s := range a.Calls {
			if until := p.gone(s, what); until.IsZero() || until.After(now) {
				sum[what] += s.of(what)
			}
		}
	}
	return Budget{sum[calls], sum[input], sum[output]}, a.Budget, a.Budget != Budget{}
}

// sent enters a call.
func (a *Account) sent(k Key, at time.Time, c Costs) {
	if !a.Asked.IsZero() {
		a.Calls = append(a.Calls, Spent{Key: k, Costs: c, At: at, Owed: true})
	}
}

// last is the key's last call that was sent by then, or nil.
func (a *Account) last(k Key, by time.Time) *Spent {
	for i := len(a.Calls) - 1; i >= 0; i-- {
		if s := &a.Calls[i]; s.Key == k && !s.At.After(by.Add(early)) {
			return s
		}
	}
	return nil
}

// seen notes when a call was really sent, and that those before it were sent.
func (a *Account) seen(k Key, thought, at time.Time) {
	for i := range a.Calls {
		s := &a.Calls[i]
		if s.Key != k || s.At.After(thought) {
			continue
		}
		if s.Owed && s.At.Equal(thought) {
			s.At = at
		}
		s.Owed = false
	}
}

// came notes that the server answers the key's last call that was sent by then.
func (a *Account) came(at time.Time, k Key) *Spent {
	s := a.last(k, at)
	if s != nil && s.Came.IsZero() {
		s.Came = at
	}
	return s
}

// over notes that the key has no call under way any more.
func (a *Account) over(now time.Time, k Key) {
	for i := range a.Calls {
		if s := &a.Calls[i]; s.Key == k && s.Done.IsZero() {
			s.Done, s.Owed = now, false
			if s.Came.IsZero() {
				s.Came = now
			}
		}
	}
}

// refused notes that a call came to nothing: it counts as a call, and took no tokens.
func (a *Account) refused(now time.Time, k Key) {
	if s := a.came(now, k); s != nil {
		s.Costs, s.Done, s.Owed, s.Free = Costs{}, now, false, true
	}
}

// never takes out a call that was not made.
func (a *Account) never(k Key) {
	for i := len(a.Calls) - 1; i >= 0; i-- {
		if s := a.Calls[i]; s.Key == k && s.Owed {
			a.Calls = slices.Delete(a.Calls, i, i+1)
			return
		}
	}
}
