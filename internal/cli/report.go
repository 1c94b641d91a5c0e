package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"afteryou/internal/limit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// report is what the state tells: one entry per limit that is shared. It is what status --json prints.
type report struct {
	Pools []poolReport `json:"pools"`
	// Remembered are the limits that nobody calls now and that are known from before.
	Remembered []memoryReport `json:"remembered,omitempty"`

	mixed      bool              // not all sessions are held by the same
	dirs       map[string]string // where each session works
	rejections []time.Time       // the last one of each caller
}

type poolReport struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Sessions int            `json:"sessions"`
	Gates    map[string]int `json:"gates,omitempty"` // how many of them are held by what: module, steps, gateway, hooks
	CoolDown *coolDown      `json:"cool_down,omitempty"`
	Usage    *coolDown      `json:"usage_limit,omitempty"`
	GaveUp   bool           `json:"gave_up,omitempty"` // limits without a time came too often in a row
	Rate     float64        `json:"calls_per_minute"`  // 0: no limit met yet
	From     *sourceReport  `json:"rate_from,omitempty"`
	Fleet    *fleetReport   `json:"fleet,omitempty"`    // the machines on the limit, where it is shared
	Budget   *budgetReport  `json:"budget,omitempty"`   // of the last session that had one
	Windows  []windowReport `json:"windows,omitempty"`  // of a subscription, for all models
	Turns    []callerReport `json:"turns"`              // who has one, oldest first
	Waiting  []callerReport `json:"waiting"`            // in line, the next first
	Retrying []callerReport `json:"rejected,omitempty"` // Claude Code tries again by itself
	Stopped  []callerReport `json:"stopped,omitempty"`  // the turn is dead; it is made to go on
}

// sourceReport is where a pace comes from.
type sourceReport struct {
	Source  limit.Source `json:"source"` // headers, message or rejections
	At      time.Time    `json:"at"`     // when that was last said or, of what was learned, when a call that waited for it was last accepted
	Seconds float64      `json:"seconds"`
}

// fleetReport is what was last heard of the machines on a limit.
type fleetReport struct {
	Machines int     `json:"machines"`
	Line     int     `json:"line"`             // machines whose first in line waits
	Ahead    int     `json:"ahead"`            // of those before ours
	Seconds  float64 `json:"seconds"`          // since then
	Alone    bool    `json:"alone,omitempty"`  // the server can't be asked: calls go at this machine's share
	Share    float64 `json:"share,omitempty"`  // of 1
	Version  int     `json:"version,omitzero"` // of what all believe
}

// memoryReport is a limit that is known from before.
type memoryReport struct {
	ID   string        `json:"id"`
	Name string        `json:"name"`
	Rate float64       `json:"calls_per_minute"`
	From *sourceReport `json:"rate_from"`
}

// budgetReport is what the calls of the last minute took, and what they may take; 0 is no budget.
type budgetReport struct {
	Calls    float64 `json:"calls"`
	CallsOf  float64 `json:"rpm"`
	Input    float64 `json:"input_tokens"`
	InputOf  float64 `json:"itpm"`
	Output   float64 `json:"output_tokens"`
	OutputOf float64 `json:"otpm"`
}

type coolDown struct {
	Until   time.Time `json:"until"`
	Seconds float64   `json:"seconds"`
	Why     string    `json:"why,omitempty"`
	Guess   bool      `json:"guess,omitempty"` // the API did not say until when
}

type callerReport struct {
	Place   int       `json:"place,omitempty"`
	Session string    `json:"session"`
	Agent   string    `json:"agent,omitempty"`
	Gate    string    `json:"gate,omitempty"` // what holds its calls
	Dir     string    `json:"dir,omitempty"`
	PID     int       `json:"pid,omitempty"`
	Since   time.Time `json:"since"`
	Seconds float64   `json:"seconds"`        // since then; for what was rejected or stopped, until it goes on
	Why     string    `json:"why,omitempty"`  // the limit that stopped it; what holds it in line, beside those before it
	Until   time.Time `json:"until,omitzero"` // when that may be over, for those in line
}

// snapshot takes a copy of the state, without the lock.
func snapshot(store *lockfile.Store) (*turn.State, error) {
	v, err := store.View()
	if err != nil {
		return nil, err
	}
	v.Close()
	return v.State, nil
}

func see(store *lockfile.Store) (report, error) {
	s, err := snapshot(store)
	if err != nil {
		return report{}, err
	}
	return reportOf(s, time.Now()), nil
}

// reportOf tells what the state says, without those that are gone. It works on its own copy of the state.
func reportOf(s *turn.State, now time.Time) report {
	s.Forget(now, lockfile.Alive)
	r := report{Pools: []poolReport{}, dirs: make(map[string]string)}
	gates := make(map[string]bool)
	for id, session := range s.Sessions {
		r.dirs[id] = session.Dir
		gates[session.HeldBy()] = true
	}
	r.mixed = len(gates) > 1
	for _, id := range slices.Sorted(maps.Keys(s.Accounts)) {
		a := s.Accounts[id]
		for _, c := range a.Calls {
			if !c.Refused.IsZero() {
				r.rejections = append(r.rejections, c.Refused)
			}
		}
		for _, class := range classesOf(a) {
			one := limitsOf(a, class, now)
			one.ID, one.Name = id, a.Name
			if class != "" {
				one.ID, one.Name = id+"/"+class, a.Name+", "+class
			}
			if a.Dormant(now, class) {
				r.Remembered = append(r.Remembered, memoryReport{one.ID, one.Name, one.Rate, one.From})
				continue
			}
			for _, session := range s.Sessions {
				if shares(session, id, class) {
					one.Sessions++
					one.Gates[session.HeldBy()]++
				}
			}
			one.callers(s, id, class, now)
			if class != "" || len(classesOf(a)) == 1 || !one.empty() {
				r.Pools = append(r.Pools, one)
			}
		}
	}
	return r
}

// sameAccount reports whether two limits are of one account: what holds for all models is shown once.
func (one poolReport) sameAccount(other poolReport) bool {
	of := func(id string) string { account, _, _ := strings.Cut(id, "/"); return account }
	return of(one.ID) == of(other.ID)
}

// empty reports that no session shares the limit, and nothing is known of it.
func (one poolReport) empty() bool {
	return one.Sessions+len(one.Turns)+len(one.Waiting)+len(one.Retrying)+len(one.Stopped) == 0 && one.CoolDown == nil && one.Usage == nil && one.Rate == 0
}

// classesOf are the classes of models of an account; the first is of the calls that are not told apart by them.
func classesOf(a *turn.Account) []string {
	classes := append(slices.Collect(maps.Keys(a.Classes)), "")
	slices.Sort(classes)
	return slices.Compact(classes)
}

// shares reports whether a session's calls count to a class. Those of a session whose calls are told exactly are told apart, others are not.
func shares(session *turn.Session, account, class string) bool {
	return session.Account == account && session.Exact() == (class != "")
}

func limitsOf(a *turn.Account, class string, now time.Time) poolReport {
	l := a.Class(class)
	one := poolReport{Gates: make(map[string]int), GaveUp: l.CoolDown.GaveUp(), Rate: l.Pace.Rate * 60, From: sourceOf(l.Pace, now), Turns: []callerReport{}, Waiting: []callerReport{}}
	if until := a.CoolsUntil(now, class); !until.IsZero() {
		one.CoolDown = &coolDown{until, until.Sub(now).Seconds(), l.CoolDown.Why, l.CoolDown.Blind && until.Equal(l.CoolDown.Until)}
	}
	if l.Usage.Until.After(now) {
		one.Usage = &coolDown{Until: l.Usage.Until, Seconds: l.Usage.Until.Sub(now).Seconds(), Why: l.Usage.Why}
	}
	one.Windows = windowsOf(a, now)
	if f := l.Fleet; !f.Heard.IsZero() {
		one.Fleet = &fleetReport{f.Machines, f.Line, f.Ahead, now.Sub(f.Heard).Seconds(), f.Alone(), f.Part, f.Version}
	}
	if took, of, ok := a.Spending(now); ok {
		one.Budget = &budgetReport{took.Calls, of.Calls, took.Input, of.Input, took.Output, of.Output}
	}
	return one
}

// sourceOf is where a pace comes from; nil: there is none.
func sourceOf(p limit.Pace, now time.Time) *sourceReport {
	if p.Rate == 0 {
		return nil
	}
	at := p.Memory.Told
	if at.IsZero() { // a program of before did not note it
		at = p.Used
	}
	return &sourceReport{p.Source(), at, max(0, now.Sub(at).Seconds())}
}

// String says it for a person.
func (s *sourceReport) String() string {
	words := map[limit.Source]string{limit.ByHeaders: "told by headers", limit.ByMessage: "named by the API", limit.ByRejections: "learned"}
	if s.Seconds < 60 {
		return words[s.Source]
	}
	return words[s.Source] + " " + age(s.Seconds) + " ago"
}

// callers tells who has a turn, waits for one, was rejected or is stopped.
func (one *poolReport) callers(s *turn.State, account, class string, now time.Time) {
	caller := func(k turn.Key, process turn.Process, since time.Time) callerReport {
		c := callerReport{Session: k.Session, Agent: k.Agent, PID: process.PID, Since: since, Seconds: now.Sub(since).Seconds()}
		if session := s.Sessions[k.Session]; session != nil {
			c.Gate, c.Dir = session.HeldBy(), session.Dir
		}
		return c
	}
	a := s.Accounts[account]
	for _, c := range a.Calls {
		switch {
		case c.Class != class || c.Phase == turn.Waiting:
		case c.Retry != nil:
			r := caller(c.Key, c.Process, c.Retry.Rejected)
			r.Seconds = c.Retry.Due().Sub(now).Seconds()
			one.Retrying = append(one.Retrying, r)
		case c.Phase == turn.Granted:
			one.Turns = append(one.Turns, caller(c.Key, c.Process, c.Granted))
		}
	}
	for i, call := range a.Line(class) {
		c := caller(call.Key, call.Process, call.Asked)
		c.Place = i + 1
		if h, held := a.Held(now, call.Key); held {
			c.Why, c.Until = string(h.Why), h.Until
		}
		one.Waiting = append(one.Waiting, c)
	}
	busy := slices.Concat(one.Turns, one.Waiting, one.Retrying)
	for _, id := range slices.Sorted(maps.Keys(s.Sessions)) {
		session := s.Sessions[id]
		shown := slices.ContainsFunc(busy, func(c callerReport) bool { return c.Session == id })
		if stop := session.Stop; class == "" && session.Account == account && stop.Why != "" && stop.Until.After(now) && !shown {
			c := caller(turn.Key{Session: id}, session.Process, stop.Since)
			c.Seconds, c.Why = stop.Until.Sub(now).Seconds(), stop.Why
			one.Stopped = append(one.Stopped, c)
		}
	}
}

// segment says in a few words what a session waits for, and how much is used of the windows of a subscription; nothing where it does not
// wait, and has none. A limit may be known in several of
// its classes, and where calls are not told apart by them: of each kind the longest is told, once. Those that are gone must
// have left the state.
func segment(s *turn.State, id string, now time.Time) string {
	session := s.Sessions[id]
	if session == nil {
		return ""
	}
	var parts []string
	var cool, usage time.Time
	a := s.Account(session.Account)
	for _, class := range classesOf(a) {
		if class != "" && !session.Exact() {
			continue
		}
		line := a.Line(class)
		if i := slices.IndexFunc(line, func(c *turn.Call) bool { return c.Session == id }); i >= 0 && parts == nil {
			parts = []string{fmt.Sprintf("turn %d of %d", i+1, len(line))}
			if h, held := a.Held(now, line[i].Key); held && i == 0 && h.Why != turn.Cooling {
				parts[0] += ", held by " + string(h.Why)
			}
		}
		cool = slices.MaxFunc([]time.Time{cool, a.CoolsUntil(now, class)}, time.Time.Compare)
		usage = slices.MaxFunc([]time.Time{usage, a.Class(class).Usage.Until}, time.Time.Compare)
	}
	if cool.After(now) {
		parts = append(parts, "limit "+span(cool.Sub(now).Seconds()))
	}
	if usage.After(now) {
		parts = append(parts, "usage limit until "+clock(usage, now))
	}
	for _, w := range windowsOf(a, now) {
		parts = append(parts, w.segment(now))
	}
	return strings.Join(parts, " · ")
}
