// Package turn decides whose turn it is at an API whose rate limit several Claude Code sessions share.
//
// A [Pool] is what shares one limit. Sessions that want to call the model stand in its queue, first come, first
// served; the policy named ceil (see pace.go) says when the first of them may go. Everything here is a function of
// values and of the time it is given: no clock, no files, no processes. Whoever calls keeps the state (package
// lockfile) and looks at the world (packages hook, wrapper).
package turn

import "time"

// Version is the layout of State. A file with a higher number is left alone by an older program.
const Version = 1

// State is all that the sessions of one user share on this machine.
type State struct {
	Version int `json:"version"`
	// Salt keys the hash that names pools, so that a pool's name gives no credential away.
	Salt     string              `json:"salt,omitempty"`
	Pools    map[string]*Pool    `json:"pools,omitempty"`
	Sessions map[string]*Session `json:"sessions,omitempty"`
}

// Key names who calls the model: a session, or one of its subagents.
type Key struct {
	Session string `json:"session"`
	Agent   string `json:"agent,omitempty"`
}

// Process names a process for good: pids are used again, a pid with its start time is not.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start,omitempty"` // in units of the system; 0: unknown
}

// Session is what is known of one Claude Code session.
type Session struct {
	Pool       string    `json:"pool"`
	Process    Process   `json:"process"` // Claude Code itself
	Dir        string    `json:"dir,omitempty"`
	Transcript string    `json:"transcript,omitempty"`
	Since      time.Time `json:"since"`
	Seen       time.Time `json:"seen"`
	// Offsets says up to which byte each transcript of the session was read, its subagents' included.
	Offsets map[string]int64 `json:"offsets,omitempty"`
}

// Rules are the user's wishes about turns.
type Rules struct {
	// Most calls in flight at once; 1 is "strict". 0: as many as the pace allows.
	Most int
	// Gap is the least time between the starts of two calls of one session.
	Gap time.Duration
}
