package demo

import (
	"errors"
	"fmt"
	"math"
	"time"

	"afteryou/internal/fakeapi"
	"afteryou/internal/realclaude"
)

// Scenario says what work there is and what limits it. Every session makes Calls calls to the model, with a tool between
// each two; with Subagents it starts so many first, each of which makes Calls calls, and says what came of it.
type Scenario struct {
	Sessions  int     `json:"sessions"`
	Calls     int     `json:"calls"`
	Subagents int     `json:"subagents,omitempty"`
	Clients   int     `json:"clients,omitempty"` // how many of the sessions are programs on the SDK instead
	RPM       float64 `json:"rpm,omitempty"`     // calls a minute; 0: no such limit
	ITPM      float64 `json:"itpm,omitempty"`    // input tokens a minute; 0: no such limit. With Contexts on Bedrock, its quota
	// Contexts makes the conversations as large as real ones: see contexts.go.
	Contexts bool           `json:"contexts,omitempty"`
	Burst    float64        `json:"burst"` // how many calls the limit lets through at once
	Server   fakeapi.Manner `json:"server"`
	Cloud    string         `json:"cloud,omitempty"` // spoken instead of the first party's API (see realclaude.Cloud)
	// Checks runs the sessions in auto mode, where each tool is checked first by a request of its own, to another model, as it is
	// where the server does not do that along with its answer. Where models share a limit it counts them as any other.
	Checks bool `json:"checks,omitempty"`
	// Machines is on how many machines the sessions are, each of which has a state of its own; 0: one. Share is the server by which
	// they share the limit; empty: they do not.
	Machines int    `json:"machines,omitempty"`
	Share    string `json:"-"`
	// Cut changes the limit twice: to a third when a third of the time without the change has passed, and back when two
	// thirds have.
	Cut bool `json:"cut,omitempty"`
}

// What a call takes from a limit of input tokens, of which the first of a conversation writes its cache; and what is
// answered.
const (
	callTokens   = 1000
	firstTokens  = 2 * callTokens
	answerTokens = 20
)

// Usual returns the scenario of a demo without flags, but for its limit: on a server that is as late as the API.
func Usual() Scenario { return Scenario{Sessions: 6, Calls: 6, Burst: 2, Server: fakeapi.Late()} }

// Check finds what cannot be.
func (s Scenario) Check() error {
	if s.Sessions < 1 || s.Calls < 1 || s.Subagents < 0 || !(s.RPM >= 0) || !(s.ITPM >= 0) || !(s.Burst >= 1) ||
		s.Server.FirstToken < 0 || !(s.Server.Speed >= 0) {
		return errors.New("sessions, calls and burst start at 1, the other numbers at 0")
	}
	if s.Checks && (s.Subagents > 0 || s.ITPM > 0) {
		return errors.New("checks are not counted on of what subagents do, nor where tokens are limited")
	}
	if s.Clients < 0 || s.Clients > s.Sessions || s.Clients > 0 && (s.Checks || s.Subagents > 0 || s.Cloud != "") {
		return errors.New("clients are as many as there are sessions at most, ask the API itself, and have neither subagents nor checks")
	}
	if s.Contexts && (s.ITPM == 0 || s.Subagents > 0 || s.Clients > 0) {
		return errors.New("contexts are counted where input tokens are limited, and not of subagents or clients")
	}
	if s.Machines < 0 {
		return errors.New("machines start at 1")
	}
	if s.Cloud != "" && realclaude.Cloud(s.Cloud, "") == nil {
		return fmt.Errorf("cloud is vertex or bedrock, not %q", s.Cloud)
	}
	return nil
}

// callers returns how many conversations call the model with a tool between each two of their calls.
func (s Scenario) callers() int { return s.Sessions * max(1, s.Subagents) }

// Answers returns how many calls the work takes. What Claude Code asks beside (a title, a compaction) is not foreseen: it takes
// of the limit too, and so makes a run look slower, never faster.
func (s Scenario) Answers() int {
	n := s.callers() * s.Calls
	if s.Checks {
		n += s.callers() * (s.Calls - 1)
	}
	if s.Subagents > 0 {
		n += 2 * s.Sessions
	}
	return n
}

// limited returns how many of them share the limit that decides: where each model has its own, those that are no checks.
func (s Scenario) limited() int {
	if s.Server.PerModel {
		return s.callers() * s.Calls
	}
	return s.Answers()
}

// foreseen reports whether a call is one of those.
func (s Scenario) foreseen(r fakeapi.Request) bool {
	return r.Kind == fakeapi.Main || r.Kind == fakeapi.Subagent || s.Checks && r.Kind == fakeapi.Check
}

// conversations returns how many there are, those that only start others included.
func (s Scenario) conversations() int {
	n := s.callers()
	if s.Subagents > 0 {
		n += s.Sessions
	}
	return n
}

// limits returns the limits of the server, at a share of the full pace.
func (s Scenario) limits(share float64) (l fakeapi.Limits) {
	if s.RPM > 0 {
		l.Requests = fakeapi.Limit{PerMinute: share * s.RPM, Burst: s.Burst}
	}
	switch {
	case s.ITPM == 0:
	case s.reserves():
		l.Quota = fakeapi.Limit{PerMinute: share * s.ITPM}
	default:
		l.Input = fakeapi.Limit{PerMinute: share * s.ITPM, Burst: s.holds()}
	}
	return l
}

// holds returns how many input tokens the limit lets through at once.
func (s Scenario) holds() float64 {
	switch {
	case s.reserves():
		return s.ITPM
	case s.Contexts:
		return s.Burst * mostContext
	}
	return s.Burst * firstTokens
}

// tokens returns how many all the calls take.
func (s Scenario) tokens() float64 {
	if s.Contexts {
		return s.contexts()
	}
	return float64(s.Answers()*callTokens + s.conversations()*(firstTokens-callTokens))
}

// Pace returns how many calls a second the limits let through, on average.
func (s Scenario) Pace() float64 {
	pace := math.Inf(1)
	if s.RPM > 0 {
		pace = s.RPM / 60
	}
	if s.ITPM > 0 {
		pace = min(pace, s.ITPM/60*float64(s.Answers())/s.tokens())
	}
	return pace
}

// released returns how long the buckets need to release all the calls, in seconds, at the full pace.
func (s Scenario) released() (t float64) {
	if s.RPM > 0 {
		t = max(t, (float64(s.limited())-s.Burst)/(s.RPM/60))
	}
	if s.ITPM > 0 {
		t = max(t, (s.tokens()-s.holds())/(s.ITPM/60))
	}
	return t
}

// recovers returns how long the limits need until they are as they were at the start.
func (s Scenario) recovers() time.Duration {
	longest := 0.0
	if s.RPM > 0 {
		longest = s.Burst / s.RPM
	}
	if s.ITPM > 0 {
		longest = max(longest, s.holds()/s.ITPM)
	}
	return time.Duration(longest * float64(time.Minute))
}

// cuts returns when the limit is cut and when it is restored, after the first call.
func (s Scenario) cuts() (cut, restored time.Duration) {
	third := time.Duration(s.released() / 3 * float64(time.Second))
	return third, 2 * third
}

// Ideal returns how long the work takes at least from the first call to the end of the last answer, in seconds: the buckets
// must release all the calls, the last must be answered, and each session makes its calls one after the other. An answer
// takes what it does on average.
func (s Scenario) Ideal() float64 {
	released := s.released()
	if s.Cut {
		released *= 2./3 + 1 - 1./3 - 1./9 // at the full pace, at a third of it, and what is left at the full pace
	}
	row := s.Calls
	if s.Checks {
		row += s.Calls - 1
	}
	if s.Subagents > 0 {
		row += 2
	}
	latency := s.Server.Takes(answerTokens).Seconds()
	return max(released+latency, float64(row)*latency)
}

// cost returns the tokens that a call takes; of them cache reads are free.
func (s Scenario) cost(r fakeapi.Request) fakeapi.Usage {
	n := callTokens
	if r.Results == 0 && r.Kind != fakeapi.Check {
		n = firstTokens
	}
	return fakeapi.Usage{Input: n / 4, CacheCreation: n - n/4, CacheRead: 20 * callTokens}
}

// server returns the API of the scenario.
func (s Scenario) server(index func(session string) int) fakeapi.Config {
	cost := s.cost
	if s.Contexts {
		cost = func(r fakeapi.Request) fakeapi.Usage { return s.context(r, index(r.Session)) }
	}
	// A shell in a shell is nothing that auto mode lets run unchecked.
	answer := fakeapi.AgenticCommand(s.Calls, func(step int) string { return fmt.Sprintf("sh -c 'echo step %d'", step) })
	if s.Subagents > 0 {
		subagent := answer
		answer = func(r fakeapi.Request) fakeapi.Answer {
			switch {
			case r.Kind != fakeapi.Main:
				return subagent(r)
			case r.Results == 0:
				return s.start()
			}
			return fakeapi.Say(Finished)
		}
	}
	return fakeapi.Config{Limits: s.limits(1), Manner: s.Server, Cost: cost, Answer: func(r fakeapi.Request) fakeapi.Answer {
		a := answer(r)
		a.Usage = cost(r)
		a.Usage.Output = answerTokens
		return a
	}}
}

// Prompt is what the sessions are told, Finished their last word.
const (
	Prompt   = "demo"
	Finished = "done"
)

func (s Scenario) start() (a fakeapi.Answer) {
	for i := range s.Subagents {
		prompt := fmt.Sprint("part ", i+1)
		a.Tools = append(a.Tools, fakeapi.Tool{Name: "Agent", Input: map[string]any{
			"description": prompt, "prompt": prompt, "subagent_type": "general-purpose", "run_in_background": false}})
	}
	return a
}

// String describes the scenario for a person.
func (s Scenario) String() string {
	who := fmt.Sprintf("%d sessions of %d calls each", s.Sessions, s.Calls)
	if s.Subagents > 0 {
		who = fmt.Sprintf("%d sessions with %d subagents of %d calls each", s.Sessions, s.Subagents, s.Calls)
	}
	if s.Clients > 0 {
		who += fmt.Sprintf(", %d of them programs on the SDK", s.Clients)
	}
	if s.Checks {
		who += ", and a check before each tool"
	}
	limit := ""
	if s.RPM > 0 {
		limit = fmt.Sprintf("%g calls a minute", s.RPM)
	}
	if s.ITPM > 0 {
		if limit != "" {
			limit += " and "
		}
		each := callTokens
		if s.Contexts {
			each = addedTokens
		}
		limit += fmt.Sprintf("%g input tokens a minute (%d a call)", s.ITPM, each)
	}
	if s.Cut {
		limit += ", cut to a third for a while"
	}
	server := "the server"
	if s.Cloud != "" {
		server += ", " + s.Cloud + ","
	}
	return fmt.Sprintf("%s; the limit is %s, %g at once; %s %v", who, limit, s.Burst, server, s.Server)
}
