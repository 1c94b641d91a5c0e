package claude

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Run is a command line whose session is known by name. One with -p can be run again where it stopped.
type Run struct {
	Args    []string // to start it with, which name the session
	Session string
	Format  string // of the output: text, json or stream-json
	rest    []string
}

// NameRun sees to it that the session has a name: where the command line gives it none, it gets the id given. It reports
// false where that can't be, or it could not be resumed by its name: another one is continued or forked, nothing is kept, the prompts come as a
// stream, or we can't read the flags.
func NameRun(args []string, id string) (Run, bool) {
	r := Run{Args: args, Format: "text"}
	named, ok := false, true
	drop := make([]bool, len(args)) // what a second run does not take: words, and the flags that name a session
	certain := walk(args, func(a arg) {
		value := ""
		if a.value >= 0 {
			value = args[a.value][a.start:]
		}
		switch a.flag {
		case "":
			drop[a.at] = true
		case "--session-id", "--resume", "-r":
			named = true
			r.Session = value
			drop[a.at] = true
			if a.value >= 0 {
				drop[a.value] = true
			}
			ok = ok && value != "" && (args[a.at] == a.flag || strings.HasPrefix(args[a.at], "--")) // and not -pr
		case "--continue", "-c", "--fork-session", "--no-session-persistence", "--resume-session-at", "--from-pr", "--worktree", "-w":
			ok = false
		case "--input-format":
			ok = ok && value == "text"
		case "--output-format":
			r.Format = value
		}
	})
	if !certain || !ok {
		return Run{}, false
	}
	for i, a := range args {
		if !drop[i] && a != "--" {
			r.rest = append(r.rest, a)
		}
	}
	if !named {
		r.Session = id
		r.Args = slices.Concat([]string{"--session-id", id}, args)
	}
	return r, true
}

// NewSession returns a name for a session: a random UUID (RFC 9562, version 4).
func NewSession() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Again returns the command line that goes on with the session, with another prompt.
func (r Run) Again(prompt string) []string {
	return slices.Concat([]string{"--resume", r.Session}, r.rest, []string{"--", prompt})
}

// SessionOf returns the interactive session of a process, as Claude Code writes it down (2.1.78 does, without its kind).
func SessionOf(getenv func(string) string, pid int) (session string, ok bool) {
	data, err := os.ReadFile(filepath.Join(ConfigDir(getenv), "sessions", strconv.Itoa(pid)+".json"))
	var s struct {
		PID     int    `json:"pid"`
		Session string `json:"sessionId"`
		Kind    string `json:"kind"`
	}
	if err != nil || json.Unmarshal(data, &s) != nil || s.PID != pid || s.Kind != "" && s.Kind != "interactive" {
		return "", false
	}
	return s.Session, s.Session != ""
}

// ConfigDir returns the directory in which Claude Code keeps what is the user's.
func ConfigDir(getenv func(string) string) string {
	return cmp.Or(getenv("CLAUDE_CONFIG_DIR"), filepath.Join(getenv("HOME"), ".claude"))
}

// FindTranscript returns the path of a session's transcript, in whatever directory it was started.
func FindTranscript(getenv func(string) string, session string) (string, bool) {
	dir := ConfigDir(getenv)
	if session == "" || strings.ContainsAny(session, `/\*?[`) {
		return "", false
	}
	projects, err := os.ReadDir(filepath.Join(dir, "projects"))
	if err != nil {
		return "", false
	}
	for _, p := range projects {
		path := filepath.Join(dir, "projects", p.Name(), session+".jsonl")
		if _, err := os.Stat(path); err == nil {
			return path, true
		}
	}
	return "", false
}
