package claude

import (
	"encoding/json"
	"time"

	"afteryou/ratelimit"
)

// Binary is the real Claude Code.
type Binary struct{ Path string }

// Find looks for the real Claude Code. self is our own executable, which is never returned under any name.
func Find(self string, getenv func(string) string) (Binary, error) { return Binary{}, nil }

// Version is cheap where the path tells it; otherwise the program is asked once and the answer kept in cacheDir.
func (b Binary) Version(cacheDir string) (Version, error) { return Version{}, nil }

// Version is a version of Claude Code. The zero value means unknown.
type Version struct{ Major, Minor, Patch int }

func ParseVersion(s string) (Version, bool) { return Version{}, false }
func (v Version) String() string            { return "" }
func (v Version) Less(w Version) bool       { return false }
func (v Version) AtLeast(w Version) bool    { return !v.Less(w) }
func (v Version) IsZero() bool              { return v == Version{} }

// Sorted is what a command line is.
type Kind int

const (
	Other       Kind = iota // not a chat session, or not known: hand over untouched
	Print                   // one answer on stdout
	Interactive             // a session on a terminal
)

func Sort(args []string) Kind { return Other }

// Hooks are our handlers in the shape of a settings file's "hooks" object, for the events that v knows.
func Hooks(self string, v Version) json.RawMessage { return nil }

// Merged is a command line with our hooks in its --settings value.
type Merged struct {
	Args []string
	// Settings is set when the user's --settings names a file: write it to a private file (it may hold secrets) and
	// put that file's path in place of Args[At] with Place. Otherwise Args are ready.
	Settings []byte
	at       int
}

// WithFile returns the arguments with path as the settings file.
func (m Merged) WithFile(path string) []string { return m.Args }

func MergeSettings(args []string, hooks json.RawMessage, readFile func(string) ([]byte, error)) (Merged, error) {
	return Merged{Args: args}, nil
}

// PoolKey tells who pays, without reading a credential file. visible may be shown; secret is material for a keyed hash.
func PoolKey(getenv func(string) string) (visible, secret string) { return "", "" }

// RowKind says what a transcript row tells.
type RowKind int

const (
	Request RowKind = iota + 1 // a request was sent just now, a retry too (2.1.330)
	Retry                      // a request was rejected and will be tried again
	Answer                     // a block of an answer; the blocks of one answer share MessageID
	Error                      // the turn died
)

type Usage struct{ Input, CacheWrite, CacheRead, Output int }

// Row is one row of a transcript that matters to turns.
type Row struct {
	Kind        RowKind
	At          time.Time
	Limit       ratelimit.Limit // of Retry and Error; Kind None where the failure was no limit
	MessageID   string
	QuerySource string
	Model       string
	Usage       Usage
	Sidechain   bool
}

// ReadRows calls f with the rows of a transcript from offset on that matter, and returns where it stopped: after the
// last whole line, or after about limit bytes (0: all). A file shorter than offset is read from its start.
func ReadRows(path string, offset, limit int64, f func(Row)) (int64, error) { return offset, nil }
