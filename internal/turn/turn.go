// Package turn decides whose turn it is at an API whose rate limit several Claude Code sessions share.
//
// An [Account] is what one credential pays for. Each [Call] of its sessions is one record, from when it is asked for until
// nothing depends on it any more. Those that wait stand in line, first come, first served; what holds the first of them is
// in hold.go, and how fast they go is what package limit believes. Everything here is a function of values and of the
// time it is given: no clock, no files, no processes. Whoever calls keeps the state and looks at the world.
//
// It learns one number per class of models, calls per second, from rejections; where headers tell of the server's buckets of
// tokens it mirrors those too. It does not keep a session's calls from failing, and does not order anyone but the sessions
// that ask.
//
// Module and gateway tell the calls for one class of models from those for another, for each has a limit of its own ([Limit]);
// hooks do not, and their class is "". All share what holds for all, whoever learns it: cool-downs and budgets. They do not share
// the pace: that of "" is for a mixture of classes, and would be wrong for one of them as often as right. Each meets the
// other's calls as those of a machine it does not see, and adapts.
//
// Times are wall-clock times in whole milliseconds. Every method that is told the time, but for those that look something
// up, first brings its account up to it: tries that Claude Code announced are counted when they fall due, calls that were not
// rejected in time count as accepted, the mirrored token refills. Reports may come late, twice or never.
package turn

import (
	"fmt"
	"maps"
	"strings"
	"time"
)

// Version is the layout of State. A file with a higher number is left alone by an older program.
const Version = 2

// State is all that the sessions of one user share on this machine.
type State struct {
	Version int `json:"version"`
	// Salt keys the hash that names accounts, so that an account's name gives no credential away.
	Salt     string              `json:"salt,omitempty"`
	Accounts map[string]*Account `json:"accounts,omitempty"`
	Sessions map[string]*Session `json:"sessions,omitempty"`
	// Clocks is by how many milliseconds the times in the file go before a machine's clock. See [State.Arrive].
	Clocks map[string]int64 `json:"clocks,omitempty"`

	here  Host          // where this is read
	ahead time.Duration // of here's clock
}

// Process names a process for good: pids are used again, a pid with its start time is not, and both are a host's own.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start,omitempty"` // in units of the system; 0: unknown
	Host  Host   `json:"host,omitempty"`
}

// String tells a process from those of other hosts too.
func (p Process) String() string { return strings.TrimSpace(fmt.Sprintf("pid %d %s", p.PID, p.Host)) }

// Session is what is known of one Claude Code session.
type Session struct {
	Account string `json:"account"`
	// Gateway says that its calls go through a gateway of ours.
	Gateway bool `json:"gateway,omitempty"`
	// Gate is how much of its calls a module inside Claude Code holds: GateModule, GateSteps, or nothing where none does.
	Gate       string    `json:"gate,omitempty"`
	Process    Process   `json:"process"` // Claude Code itself
	Dir        string    `json:"dir,omitempty"`
	Transcript string    `json:"transcript,omitempty"`
	Since      time.Time `json:"since"`
	Seen       time.Time `json:"seen"`
	// Offsets says up to which byte each transcript of the session was read, its subagents' included.
	Offsets map[string]int64 `json:"offsets,omitempty"`
	// Model is the one it last used, and Class that one's, where no gateway tells its calls apart.
	Model string `json:"model,omitempty"`
	Class string `json:"class,omitempty"`
	// Resumes is how often it was made to go on after a limit.
	Resumes Resumes `json:"resumes,omitzero"`
	// Stop is what holds it up now.
	Stop Stop `json:"stop,omitzero"`
	// Warned is when the window resets of which the person was told that little is left.
	Warned time.Time `json:"warned,omitzero"`
}

// What a module holds: each send of each request, or each step of a turn.
const (
	GateModule = "module"
	GateSteps  = "steps"
)

// Exact reports whether a gateway or a module tells of the session's calls, by class: its transcripts are not read then.
func (s *Session) Exact() bool { return s.Gateway || s.Gate != "" }

// What HeldBy tells beside the gates of a module.
const (
	ByGateway = "gateway"
	ByHooks   = "hooks"
)

// HeldBy returns what holds the session's calls until their turn.
func (s *Session) HeldBy() string {
	switch {
	case s.Gate != "":
		return s.Gate
	case s.Gateway:
		return ByGateway
	}
	return ByHooks
}

// Rules are the user's wishes about turns.
type Rules struct {
	// Most calls in flight at once; 1 is "strict". 0: as many as the pace allows.
	Most int `json:"most,omitempty"`
	// Gap is the least time between the starts of two calls of one session.
	Gap time.Duration `json:"gap,omitempty"`
	// Quiet are the hours in which no session is made to go on by itself.
	Quiet Quiet `json:"-"`
	// Interactive prefers the calls of interactive sessions to those of -p.
	Interactive bool `json:"interactive,omitempty"`
	// Budget is for the calls of the sessions whose rules these are, and counts those of all.
	Budget Budget `json:"budget,omitzero"`
	// Reserve is how much of a window of a subscription is kept for people, of 1: calls of -p get no turn then.
	Reserve float64 `json:"reserve,omitempty"`
	// Resumes is how often a session is resumed without an answer in between; 0: 5 times.
	Resumes int `json:"-"`
	// Shared says that other machines are asked before a call goes.
	Shared bool `json:"shared,omitempty"`
}

// NewState is the state of a machine on which nothing has happened yet.
func NewState() *State {
	return &State{Version: Version}
}

// Forget drops the sessions whose process is gone, or can't be looked at and was not heard of for long, with everything
// they had in any account, and accounts and classes of which there is nothing to remember.
func (s *State) Forget(now time.Time, alive func(Process) bool) {
	for id, one := range s.Sessions {
		if !lives(one.Process, alive) || one.Process.Host != "" && one.Process.Host != s.here && now.Sub(one.Seen).Abs() > away {
			s.Leave(now, id)
		}
	}
	for _, a := range s.Accounts {
		a.Sweep(now, alive, true)
	}
	s.forgetOldest(now)
	maps.DeleteFunc(s.Accounts, func(_ string, a *Account) bool { return a.tidy() })
}

// Leave drops the session with everything it had in any account: it ended.
func (s *State) Leave(now time.Time, session string) {
	delete(s.Sessions, session)
	for _, a := range s.Accounts {
		a.leave(a.advance(now), session)
	}
}

// lives asks alive about a process. One that nobody named, or can look at, is taken to live: its lease ends it.
func lives(of Process, alive func(Process) bool) bool {
	return of.PID == 0 || alive(of)
}
