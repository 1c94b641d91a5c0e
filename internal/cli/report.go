package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// report is what the state tells: one entry per limit that is shared. It is what status --json prints.
type report struct {
	Pools []poolReport `json:"pools"`

	dirs       map[string]string // where each session works
	rejections []time.Time       // the last one of each caller
}

type poolReport struct {
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Sessions int            `json:"sessions"`
	CoolDown *coolDown      `json:"cool_down,omitempty"`
	Usage    *coolDown      `json:"usage_limit,omitempty"`
	GaveUp   bool           `json:"gave_up,omitempty"`  // limits without a time came too often in a row
	Rate     float64        `json:"calls_per_minute"`   // 0: no limit met yet
	Budget   *budgetReport  `json:"budget,omitempty"`   // of the last session that had one
	Turns    []callerReport `json:"turns"`              // who has one, oldest first
	Waiting  []callerReport `json:"waiting"`            // in line, the next first
	Retrying []callerReport `json:"rejected,omitempty"` // Claude Code tries again by itself
	Stopped  []callerReport `json:"stopped,omitempty"`  // the turn is dead; it is made to go on
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
	Dir     string    `json:"dir,omitempty"`
	PID     int       `json:"pid,omitempty"`
	Since   time.Time `json:"since"`
	Seconds float64   `json:"seconds"`       // since then; for what was rejected or stopped, until it goes on
	Why     string    `json:"why,omitempty"` // the limit that stopped it
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

// see is what the state tells now.
func see(store *lockfile.Store, rules turn.Rules) (report, error) {
	s, err := snapshot(store)
	if err != nil {
		return report{}, err
	}
	return reportOf(s, time.Now(), rules), nil
}

// orderRules are the rules that set the order of the line. What is wrong with the settings is said where they are used.
func orderRules() turn.Rules {
	s, _ := loadSettings()
	return s.Rules
}

// reportOf tells what the state says, without those that are gone. It works on its own copy of the state. Places are in the
// order in which turns are given by the rules.
func reportOf(s *turn.State, now time.Time, rules turn.Rules) report {
	s.Forget(now, lockfile.Alive)
	r := report{Pools: []poolReport{}, dirs: make(map[string]string)}
	for id, session := range s.Sessions {
		r.dirs[id] = session.Dir
	}
	for _, id := range slices.Sorted(maps.Keys(s.Pools)) {
		p := s.Pool(id)
		for _, c := range p.Callers {
			if !c.Rejected.IsZero() {
				r.rejections = append(r.rejections, c.Rejected)
			}
		}
		if p.Name == "" {
			continue // no calls of its own, only of its classes
		}
		one := limitsOf(p, now)
		one.ID, one.Name = id, p.Name
		for _, session := range s.Sessions {
			if shares(session, id) {
				one.Sessions++
			}
		}
		one.callers(s, p, now, rules)
		r.Pools = append(r.Pools, one)
	}
	return r
}

// shares reports whether a session's calls count to a pool. A gateway's session has one for each class of models.
func shares(session *turn.Session, pool string) bool {
	return session.Pool == pool || session.Gateway && strings.HasPrefix(pool, turn.ClassPool(session.Pool, ""))
}

// limitsOf tells what limits a pool.
func limitsOf(p *turn.Pool, now time.Time) poolReport {
	one := poolReport{GaveUp: p.CoolDown.GaveUp(), Rate: p.Pace.Rate * 60, Turns: []callerReport{}, Waiting: []callerReport{}}
	if until, ok := p.Cooling(now); ok {
		one.CoolDown = &coolDown{until, until.Sub(now).Seconds(), p.CoolDown.Why, p.CoolDown.Blind && until.Equal(p.CoolDown.Until)}
	}
	if p.Usage.Until.After(now) {
		one.Usage = &coolDown{Until: p.Usage.Until, Seconds: p.Usage.Until.Sub(now).Seconds(), Why: p.Usage.Why}
	}
	if took, of, ok := p.Spending(now); ok {
		one.Budget = &budgetReport{took.Calls, of.Calls, took.Input, of.Input, took.Output, of.Output}
	}
	return one
}

// callers tells who has a turn, waits for one, was rejected or is stopped.
func (one *poolReport) callers(s *turn.State, p *turn.Pool, now time.Time, rules turn.Rules) {
	caller := func(k turn.Key, process turn.Process, since time.Time) callerReport {
		c := callerReport{Session: k.Session, Agent: k.Agent, PID: process.PID, Since: since, Seconds: now.Sub(since).Seconds()}
		if session := s.Sessions[k.Session]; session != nil {
			c.Dir = session.Dir
		}
		return c
	}
	for _, g := range p.Grants {
		if slices.ContainsFunc(p.Retries, func(r turn.Retry) bool { return r.Key == g.Key }) {
			continue // it is shown as what it does
		}
		one.Turns = append(one.Turns, caller(g.Key, g.Process, g.At))
	}
	for i, t := range p.Line(rules) {
		c := caller(t.Key, t.Process, t.Since)
		c.Place = i + 1
		one.Waiting = append(one.Waiting, c)
	}
	for _, t := range p.Retries {
		c := caller(t.Key, t.Process, t.Rejected)
		c.Seconds = t.Rejected.Add(t.In).Sub(now).Seconds()
		one.Retrying = append(one.Retrying, c)
	}
	busy := slices.Concat(one.Turns, one.Waiting, one.Retrying)
	for _, id := range slices.Sorted(maps.Keys(s.Sessions)) {
		session := s.Sessions[id]
		shown := slices.ContainsFunc(busy, func(c callerReport) bool { return c.Session == id })
		if stop := session.Stop; session.Pool == one.ID && stop.Why != "" && stop.Until.After(now) && !shown {
			c := caller(turn.Key{Session: id}, session.Process, stop.Since)
			c.Seconds, c.Why = stop.Until.Sub(now).Seconds(), stop.Why
			one.Stopped = append(one.Stopped, c)
		}
	}
}

// segment says in a few words what a session waits for; nothing where it does not wait. A limit may be known in several of
// its pools: of each kind the longest is told, once. It works on a state from which those that are gone are gone.
func segment(s *turn.State, id string, now time.Time, rules turn.Rules) string {
	session := s.Sessions[id]
	if session == nil {
		return ""
	}
	place := ""
	var cool, usage time.Time
	for _, pool := range slices.Sorted(maps.Keys(s.Pools)) {
		p := s.Pools[pool]
		if !shares(session, pool) {
			continue
		}
		for i, t := range p.Line(rules) {
			if t.Session == id && place == "" {
				place = fmt.Sprintf("turn %d of %d", i+1, len(p.Queue))
			}
		}
		if until, ok := p.Cooling(now); ok && until.After(cool) {
			cool = until
		}
		if p.Usage.Until.After(usage) {
			usage = p.Usage.Until
		}
	}
	var parts []string
	if place != "" {
		parts = append(parts, place)
	}
	if cool.After(now) {
		parts = append(parts, "limit "+span(cool.Sub(now).Seconds()))
	}
	if usage.After(now) {
		parts = append(parts, "usage limit until "+clock(usage, now))
	}
	return strings.Join(parts, " · ")
}
