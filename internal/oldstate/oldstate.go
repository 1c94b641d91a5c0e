// Package oldstate reads the state that programs of before wrote, in layout 1.
//
// There one call stood in up to seven lists, joined by equal keys and times. Turns, places in line, announced tries, cool-downs,
// what was learned of a limit, and sessions are taken over as they are. Where the lists tell less than a record of a call
// does, it is filled in so that nobody waits long for it. The package writes nothing, and does not say whether a state can be
// true: that is [turn.State.Check].
package oldstate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"afteryou/internal/limit"
	"afteryou/internal/turn"
)

// Version is the layout that is read here.
const Version = 1

// pool is what one limit was shared by: an account's calls of one class, or those that are not told apart by it.
type pool struct {
	Name             string
	Queue, Grants    []held
	Retries, Callers []told // those to come, and what was last heard of each key
	Cool             turn.CoolDown
	Usage            turn.Usage
	Pace             struct {
		limit.Pace
		Tries []told
		Log   log
		Empty any `json:"empty"` // not taken over: what it proves is worth half a minute
	}
	Costs   limit.Costs
	Tokens  limit.Tokens
	Account struct {
		Budget turn.Budget
		Asked  time.Time
		Calls  []struct{ At, Came time.Time }
	}
	Ahead int
	At    time.Time
}

// log is when calls were sent that were not rejected, in milliseconds since 1970, oldest first.
type log []int64

// UnmarshalJSON reads the first, and from there on the differences.
func (l *log) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, (*[]int64)(l)); err != nil {
		return err
	}
	for i := range *l {
		if i > 0 {
			(*l)[i] += (*l)[i-1]
		}
	}
	return nil
}

func (l log) find(t time.Time) (i int, ok bool) { return slices.BinarySearch(l, t.UnixMilli()) }

// held is a place in line or a turn. What both layouts call the same is read as what it is now.
type held struct {
	turn.Call
	Class     string `json:"class"` // of the session's model
	Since, At time.Time
	Rejected  int
	Budget    turn.Budget
	Taken     limit.Costs
	Mute      bool
}

// told is what was told of calls.
type told struct {
	turn.Call
	At, Rejected time.Time
	In           time.Duration
	Attempt      int
	Large        bool
	Owed         int // calls of which no row told yet
	Costs, Taken limit.Costs
	Mute         bool
	Seen         bool `json:"seen"`
}

// Read returns the state that data holds, in time linear in its length. An error says that it is none.
func Read(data []byte) (*turn.State, error) {
	var old struct {
		turn.State
		Pools    map[string]*pool
		Sessions map[string]*struct {
			turn.Session
			Pool string
		} `json:"sessions"`
	}
	if err := json.Unmarshal(data, &old); err != nil {
		return nil, err
	}
	s := turn.NewState()
	s.Salt, s.Clocks, s.Sessions = old.Salt, old.Clocks, make(map[string]*turn.Session)
	for id, one := range old.Sessions {
		if one == nil {
			return nil, fmt.Errorf("session %q: null", id)
		}
		one.Account, _, _ = strings.Cut(one.Pool, "/")
		s.Sessions[id] = &one.Session
	}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(old.Pools))) { // classes come before what they are classes of
		p := old.Pools[id]
		if p == nil {
			return nil, fmt.Errorf("pool %q: null", id)
		}
		id, class, _ := strings.Cut(id, "/")
		p.become(s.Open(id), class)
	}
	return s, nil
}

// become makes the pool a class of the account.
func (p *pool) become(a *turn.Account, class string) {
	a.Name, a.At = cmp.Or(a.Name, strings.TrimSuffix(p.Name, ", "+class)), turn.Latest(a.At, p.At)
	if a.Classes == nil {
		a.Classes = make(map[string]*turn.Class)
	}
	l := &turn.Class{Pace: p.Pace.Pace, Tokens: p.Tokens, CoolDown: p.Cool, Usage: p.Usage, First: p.Costs, Passed: p.Ahead}
	a.Classes[class] = l
	calls := p.calls(class)
	a.Calls = append(a.Calls, calls...)
	for _, c := range calls { // those of before the log begins are counted too
		if _, ok := p.Pace.Log.find(c.Sent); !ok && !c.Sent.IsZero() {
			l.Pace.Base++
		}
	}
	l.Pace.Sent = l.Pace.Base + len(p.Pace.Log)
	for _, c := range calls {
		if i, ok := p.Pace.Log.find(c.Sent); ok {
			c.Nth = l.Pace.Base + i + 1
		}
	}
	if class != "" {
		return
	}
	// Of what was spent only that there were requests is kept, beside the last call of each key.
	a.Budget, a.Budgeted = p.Account.Budget, p.Account.Asked
	sent := make(map[int64]bool)
	for _, c := range a.Calls {
		sent[c.Sent.UnixMilli()] = true
	}
	for _, o := range p.Account.Calls {
		if !sent[o.At.UnixMilli()] {
			a.Requests = append(a.Requests, turn.Latest(o.At, o.Came))
		}
	}
	slices.SortFunc(a.Requests, time.Time.Compare)
}

// calls returns a call for each that waits, has its turn, is to be made again or is on trial, and the last of each key.
func (p *pool) calls(class string) (calls []*turn.Call) {
	add := func(c turn.Call, mute bool) *turn.Call {
		if c.Class = class; class != "" {
			c.News = turn.AtOnce // only gateways told classes apart
		} else if mute {
			c.News = turn.ByNext
		}
		calls = append(calls, &c)
		return &c
	}
	lasts := make(map[turn.Key]*turn.Call)
	last := func(k turn.Key, mute bool) *turn.Call {
		if k.Class = class; lasts[k] == nil {
			lasts[k] = add(turn.Call{Key: k, Phase: turn.Over}, mute)
		}
		return lasts[k]
	}
	for _, t := range p.Queue {
		if t.Waiter == t.Process || t.Event == turn.WakeEvent {
			continue // nobody waits there any more: gateways of before go on without turns, and their wakers look no more
		}
		c := add(t.Call, t.Mute)
		c.Phase, c.Model, c.Asked, c.Rules.Budget = turn.Waiting, t.Class, t.Since, t.Budget
	}
	for _, o := range p.Callers {
		c := last(o.Key, o.Mute)
		c.Row, c.Refused, c.Done, c.Expected, c.Took, c.Reserved = o.Row, o.Rejected, turn.Latest(o.Sent, o.Rejected), o.Costs, o.Took, o.Taken
		c.Own = c.Expected != limit.Costs{}
		// What is not in the log, though it goes back so far, was rejected or not made.
		if _, logged := p.Pace.Log.find(o.Sent); logged || o.Sent.After(o.Rejected) && o.Sent.Before(p.Pace.Since) {
			c.Sent, c.Unseen = o.Sent, o.Owed > 0
		}
	}
	for _, o := range p.Retries {
		c := last(o.Key, false)
		c.Process, c.Sent, c.Unseen = o.Process, time.Time{}, false
		c.Retry = &turn.Retry{Rejected: o.Rejected, In: o.In, Attempt: o.Attempt, Large: o.Large}
	}
	for _, o := range p.Pace.Tries {
		c := last(o.Key, o.Mute)
		if !c.Sent.Equal(o.At) { // one before the key's last
			c = add(turn.Call{Key: o.Key, Phase: turn.Over, Sent: o.At, Done: o.At, Unseen: !o.Seen}, o.Mute)
		}
		c.Trial, c.Paced, c.Doubt = true, o.Paced, o.Doubt
	}
	for _, g := range p.Grants {
		c := last(g.Key, g.Mute)
		c.Phase, c.Event, c.Process, c.Waiter, c.Rules.Budget, c.Print = turn.Granted, g.Event, g.Process, g.Waiter, g.Budget, g.Print
		c.Granted, c.Seen, c.Done, c.Rejections, c.Reserved, c.Woken, c.Put = g.At, g.Call.Seen, time.Time{}, g.Rejected, g.Taken, g.Woken, g.Put
	}
	return calls
}
