// Package keeper runs a Claude Code that no module is inside of, and keeps it going over limits: on a terminal it shares what the
// screen says of them, and types a prompt where one ended the turn; with -p it runs the session again.
//
// It decides nothing about turns and reads none of what is typed.
package keeper

import (
	"os"
	"time"

	"afteryou/internal/claude"
	"afteryou/internal/outside/resume"
	"afteryou/internal/ratelimit"
	"afteryou/internal/turn"
	"afteryou/lockfile"
	"afteryou/wrapper"
)

// Keeper runs one session.
type Keeper struct {
	Cmd     wrapper.Command
	Getenv  func(string) string // of its environment
	Version claude.Version
	In      *os.File
	Out     *os.File
	Err     *os.File
	Store   *lockfile.Store // nil: it is run, and nothing else
	Pool    func() (name, secret string)
	Rules   turn.Rules
	Gateway bool // one of ours takes the turns, and knows better what the screen says
	Resume  bool // it is made to go on where a limit stopped it
	MaxWait time.Duration
	Warn    func(message error)
	Failed  func(text string) // is told of a panic
}

// dead returns the session where a limit ended its turn since it began, as its transcript says, and whether that is so.
func (k *Keeper) dead(id, transcript string, began time.Time) (resume.Session, bool) {
	stopped, ok, err := claude.ReadStopped(transcript)
	return resume.Session{Store: k.Store, ID: id, Transcript: transcript, Pool: k.Pool, Rules: k.Rules, Stopped: stopped, Deadline: stopped.At.Add(k.MaxWait)},
		ok && err == nil && !stopped.At.Before(began) && stopped.Limit.Kind != ratelimit.None
}
