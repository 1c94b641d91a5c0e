package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/adrg/xdg"

	"afteryou/internal/claude"
	"afteryou/internal/turn"
)

// settings are the user's wishes. The same names stand in config.toml, with AFTERYOU_ before them in the environment
// (upper case), and as flags of run; the later beats the earlier.
type settings struct {
	Claude     string `toml:"claude"`      // path of the real Claude Code; empty: found
	Turns      string `toml:"turns"`       // "auto", "strict" or a number of calls in flight
	Gap        string `toml:"gap"`         // least time between two calls of one session, as Go writes durations
	MaxWait    string `toml:"max_wait"`    // longest time a call is held back
	MaxResumes string `toml:"max_resumes"` // how often a session is made to go on without an answer in between
	// Calls, input tokens (without what comes from the cache) and output tokens a minute, of all sessions; "0": no budget.
	RPM      string `toml:"rpm"`
	ITPM     string `toml:"itpm"`
	OTPM     string `toml:"otpm"`
	Priority string `toml:"priority"` // "none", or "interactive": its calls go before those of -p
	Gateway  string `toml:"gateway"`  // "auto", "on" or "off"
	Resume   string `toml:"resume"`   // "on", or "off": no session goes on by itself
	Quiet    string `toml:"quiet"`    // hours in which no session goes on by itself, such as "23:00-07:00", or "off"
	Probe    string `toml:"probe"`    // "on", or "off": nothing is asked of the API
	Notify   string `toml:"notify"`   // "on", or "off": nobody is told that a session goes on after a long wait
	Off      bool   `toml:"off"`      // be a plain exec

	from map[string]string // where a setting was made: a file or a variable; not in it: built in
}

// names are the settings in the order in which they are documented.
var names = [...]string{"claude", "turns", "gap", "max_wait", "max_resumes", "rpm", "itpm", "otpm", "priority", "gateway", "resume", "quiet", "probe", "notify", "off"}

// configPath is where the settings file stands, if there is one.
func configPath() string { return filepath.Join(xdg.ConfigHome, "afteryou", "config.toml") }

// stateDir is where the sessions meet.
func stateDir() string { return filepath.Join(xdg.StateHome, "afteryou") }

// loadSettings reads file and environment over what is built in. On an error the settings hold what was good.
func loadSettings(path string, getenv func(string) string) (settings, error) {
	s := settings{Turns: "auto", Gap: "0s", MaxWait: "6h", MaxResumes: "5", RPM: "0", ITPM: "0", OTPM: "0", Priority: "none", Gateway: "auto", Resume: "on", Quiet: "off", Probe: "on", Notify: "on"}
	s.from = make(map[string]string)
	wrong := s.readFile(path)
	for _, name := range names {
		key := "AFTERYOU_" + strings.ToUpper(name)
		value := getenv(key)
		if value == "" {
			continue
		}
		if err := s.set(name, value); err != nil {
			wrong = cmp.Or(wrong, fmt.Errorf("%s: %w", key, err))
			continue
		}
		s.from[name] = key
	}
	return s, wrong
}

// mostSettings bounds a file of settings, in bytes.
const mostSettings = 1 << 20

// readFile takes what is good of the file at path, and says what is wrong first. No file is no error.
func (s *settings) readFile(path string) error {
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var data []byte
	switch {
	case err != nil:
	case !fi.Mode().IsRegular() || fi.Size() > mostSettings: // a read might never end, and a hook would wait for it
		err = fmt.Errorf("%s is no file of at most %d bytes", path, mostSettings)
	default:
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return fmt.Errorf("reading settings: %w", err)
	}
	file := make(map[string]any)
	if err := toml.Unmarshal(data, &file); err != nil {
		return fmt.Errorf("reading settings %s: %w", path, err)
	}
	var wrong error
	for _, name := range slices.Sorted(maps.Keys(file)) {
		if err := s.set(name, fmt.Sprint(file[name])); err != nil {
			wrong = cmp.Or(wrong, fmt.Errorf("%s: %w", path, err))
			continue
		}
		s.from[name] = path
	}
	return wrong
}

// set gives one setting a value, or says what is wrong with it and leaves it.
func (s *settings) set(name, value string) error {
	bad := func(want string) error { return fmt.Errorf("%s is %q; it takes %s", name, value, want) }
	switch name {
	case "claude":
		s.Claude = value
	case "turns":
		if _, err := most(value); err != nil {
			return bad(`"auto", "strict" or a number of calls from 1`)
		}
		s.Turns = value
	case "gap":
		if d, err := time.ParseDuration(value); err != nil || d < 0 {
			return bad(`a duration such as "2s"`)
		}
		s.Gap = value
	case "max_wait":
		if d, err := time.ParseDuration(value); err != nil || d <= 0 || d > claude.MaxWait {
			return bad(fmt.Sprintf(`a duration such as "6h", %.0fh at most`, claude.MaxWait.Hours()))
		}
		s.MaxWait = value
	case "rpm", "itpm", "otpm":
		if n, err := strconv.ParseInt(value, 10, 64); err != nil || n < 0 || n > mostBudget {
			return bad(`a number a minute; "0" is no budget`)
		}
		*map[string]*string{"rpm": &s.RPM, "itpm": &s.ITPM, "otpm": &s.OTPM}[name] = value
	case "priority":
		if value != "none" && value != "interactive" {
			return bad(`"none" or "interactive"`)
		}
		s.Priority = value
	case "max_resumes":
		if n, err := strconv.Atoi(value); err != nil || n < 1 {
			return bad("a number from 1")
		}
		s.MaxResumes = value
	case "gateway":
		if value != "auto" && value != "on" && value != "off" {
			return bad(`"auto", "on" or "off"`)
		}
		s.Gateway = value
	case "resume":
		if value != "on" && value != "off" {
			return bad(`"on" or "off"`)
		}
		s.Resume = value
	case "quiet":
		if _, err := turn.ParseQuiet(value); err != nil {
			return bad(`hours such as "23:00-07:00", or "off"`)
		}
		s.Quiet = value
	case "probe":
		if value != "on" && value != "off" {
			return bad(`"on" or "off"`)
		}
		s.Probe = value
	case "notify":
		if value != "on" && value != "off" {
			return bad(`"on" or "off"`)
		}
		s.Notify = value
	case "off":
		off, err := strconv.ParseBool(value)
		if err != nil {
			return bad(`"true" or "false"`)
		}
		s.Off = off
	default:
		if like, ok := nearest(name, names[:]); ok {
			return fmt.Errorf("no setting is called %q\nhint: did you mean %q?", name, like)
		}
		return fmt.Errorf("no setting is called %q; there are %s", name, strings.Join(names[:], ", "))
	}
	return nil
}

// mostBudget bounds a budget, far beyond what is sold.
const mostBudget = 1e12

// most is the number of calls in flight that a value of turns allows; 0 is as many as the pace does.
func most(turns string) (int, error) {
	switch turns {
	case "auto":
		return 0, nil
	case "strict":
		return 1, nil
	}
	n, err := strconv.Atoi(turns)
	if err == nil && n < 1 {
		err = errors.New("less than one call")
	}
	return n, err
}

// rules are the settings in the terms of turns. Every way in has checked them already.
func (s settings) rules() turn.Rules {
	n, _ := most(s.Turns)
	gap, _ := time.ParseDuration(s.Gap)
	quiet, _ := turn.ParseQuiet(s.Quiet)
	resumes, _ := strconv.Atoi(s.MaxResumes)
	number := func(value string) float64 {
		n, _ := strconv.ParseFloat(value, 64)
		return n
	}
	return turn.Rules{Most: n, Gap: gap, Quiet: quiet, Resumes: resumes, Interactive: s.Priority == "interactive",
		Budget: turn.Budget{Calls: number(s.RPM), Input: number(s.ITPM), Output: number(s.OTPM)}}
}

func (s settings) maxWait() time.Duration {
	d, _ := time.ParseDuration(s.MaxWait)
	return d
}
