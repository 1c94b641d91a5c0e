package tests

import (
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Exit codes of the program.
const (
	exitFailure = 1
	exitWake    = 2
	exitUsage   = 64
	exitLimited = 75
)

// report is what status --json prints, as far as tests ask for it.
type report struct {
	Pools []struct {
		Name     string
		CoolDown *coolDown `json:"cool_down"`
		Usage    *coolDown `json:"usage_limit"`
		Rate     float64   `json:"calls_per_minute"`
		Budget   *struct {
			Calls   float64
			CallsOf float64 `json:"rpm"`
		}
		Windows []struct {
			Name     string
			Used     float64
			ResetsAt time.Time `json:"resets_at"`
		}
		Turns, Waiting, Stopped []caller
		Retrying                []caller `json:"rejected"`
	}
}

type coolDown struct {
	Until   time.Time
	Seconds float64
}

type caller struct {
	Place        int
	Session, Dir string
	Seconds      float64
	Why          string
}

// standing is what limits --json prints, as far as tests ask for it.
type standing struct {
	Model  string
	Limits []struct {
		Name     string
		Limit    float64
		ResetsIn *float64 `json:"resets_in_seconds"`
	}
	Windows []struct {
		Used     float64
		ResetsAt *string `json:"resets_at"`
	}
	Limited *struct {
		Shared  bool
		Until   *string
		Seconds float64
	}
}

// setting is what config --json prints of one.
type setting struct{ Value, From string }

// builtIn are the settings that there are, with their defaults.
var builtIn = sync.OnceValues(func() (all map[string]setting, err error) {
	cmd := exec.Command(afteryou, "config", "--json")
	cmd.Env = []string{"HOME=/nowhere"}
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	return all, err
})

// settingNames are those there are, and the default of each.
func settingNames(t *testing.T) (names []string, defaults map[string]setting) {
	t.Helper()
	all, err := builtIn()
	if err != nil || len(all) < 10 {
		t.Fatalf("config tells of the settings %v, %v", all, err)
	}
	return slices.Sorted(maps.Keys(all)), all
}

// takes says whether a setting takes a value as it stands.
func takes(t *testing.T, name, value string) bool {
	t.Helper()
	cmd := exec.Command(afteryou, "config", "--json")
	cmd.Env = []string{"HOME=" + t.TempDir(), "AFTERYOU_" + strings.ToUpper(name) + "=" + value}
	out, _ := cmd.Output()
	var all map[string]setting
	return json.Unmarshal(out, &all) == nil && all[name].Value == value
}

// told is a command as the program tells of it.
type told struct {
	name, summary, help string
	flags               []string // without their dashes
}

// commands are those that --help lists.
var commands = sync.OnceValue(func() (list []told) {
	out, _ := exec.Command(afteryou, "--help").Output()
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+) +(.*)$`).FindAllStringSubmatch(string(out), -1) {
		c := told{name: m[1], summary: m[2]}
		help, _ := exec.Command(afteryou, c.name, "--help").Output()
		c.help = string(help)
		for _, flag := range regexp.MustCompile(`(?m)^  --([a-z-]+)`).FindAllStringSubmatch(c.help, -1) {
			c.flags = append(c.flags, flag[1])
		}
		list = append(list, c)
	}
	return list
})

func command(name string) (told, bool) {
	i := slices.IndexFunc(commands(), func(c told) bool { return c.name == name })
	if i < 0 {
		return told{}, false
	}
	return commands()[i], true
}

// says is what the program prints, by itself.
func says(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(afteryou, args...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return string(out)
}

// loads says what the program says of a settings file.
func loads(t *testing.T, text string) string {
	t.Helper()
	s := newSomeone(t, "")
	s.write(filepath.Join(".config", "afteryou", "config.toml"), text, 0o600)
	_, errs, _ := s.afteryou("config")
	return errs
}
