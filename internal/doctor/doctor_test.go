package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"afteryou/internal/claude"
	"afteryou/internal/install"
	"afteryou/internal/turn"
	"afteryou/lockfile"
)

// patient is one with a Claude Code and nothing installed. The faults of a real machine are made in the main package's
// tests; here are those that take another machine.
func patient(t *testing.T) Patient {
	t.Helper()
	home := t.TempDir()
	claude := filepath.Join(home, "claude")
	if err := os.WriteFile(claude, []byte("#!/bin/sh\necho 2.1.330\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"HOME": home, "SHELL": "/bin/bash", "AFTERYOU_CLAUDE": claude}
	return Patient{
		User: install.User{Self: "/opt/afteryou", Getenv: func(name string) string { return env[name] }},
		Dir:  home, State: filepath.Join(home, "state"), Managed: filepath.Join(home, "managed.json"),
		Shell:    func(string, string) (string, error) { return mark + " alias claude='/opt/afteryou run --'", nil },
		Programs: func() ([]Program, error) { return nil, nil },
	}
}

func finds(list []Finding, check string, g Grade, says string) bool {
	for _, f := range list {
		if f.Check == check && f.Grade == g && strings.Contains(f.Says, says) {
			return true
		}
	}
	return false
}

func TestManagedSettings(t *testing.T) {
	p := patient(t)
	const says = "allows no hooks but its own"
	if list := p.Examine(); finds(list, "hooks", Broken, says) {
		t.Errorf("without managed settings: %+v", list)
	}
	if err := os.WriteFile(p.Managed, []byte(`{"allowManagedHooksOnly":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if list := p.Examine(); !finds(list, "hooks", Broken, says) {
		t.Errorf("not found: %+v", list)
	}
	p.Config.Gateway = "on"
	if list := p.Examine(); !finds(list, "hooks", Note, says) {
		t.Errorf("with a gateway: %+v", list)
	}
	p.Config.Gateway = ""
	p.Self = filepath.Join(p.Dir, "afteryou")
	if err := os.WriteFile(p.Self, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	with, err := claude.AddHooks([]byte(`{"allowManagedHooksOnly":true}`), claude.Hooks(p.Self, claude.Version{}))
	if err == nil {
		err = os.WriteFile(p.Managed, with, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if list := p.Examine(); finds(list, "hooks", Broken, "") || !finds(list, "hooks", OK, p.Managed) {
		t.Errorf("with our hooks in it: %+v", list)
	}
}

func TestCommandByTheShellsAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		grade      Grade
		want       string
	}{
		{"an alias by name", mark + " alias claude='afteryou run --'", OK, "goes through"},
		{"an alias in zsh with a quote in the path", "hello\n" + mark + ` alias claude=''\''/it'\'\\\'\''s/afteryou'\'' run --'`, OK, "goes through"},
		{"a function of fish", mark + " # Defined by alias function claude --wraps='afteryou run --'  afteryou run -- $argv end", OK, "goes through"},
		{"another alias", mark + " alias claude='claude -c'", Broken, "claude is alias claude='claude -c'"},
		{"nothing", mark + " ", Broken, "claude is nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := patient(t)
			p.Shell = func(string, string) (string, error) { return tt.says, nil }
			if list := p.Examine(); !finds(list, "command", tt.grade, tt.want) {
				t.Errorf("%+v; want %v, %q", list, tt.grade, tt.want)
			}
		})
	}
	p := patient(t)
	p.Shell = func(string, string) (string, error) { return "", errors.New("it did not start") }
	if list := p.Examine(); !finds(list, "command", Note, "it did not start") {
		t.Errorf("%+v; want a note", list)
	}
}

func TestSessionsByTheirCommandLines(t *testing.T) {
	p := patient(t)
	home := p.Getenv("HOME")
	store, err := lockfile.Open(p.State)
	if err != nil {
		t.Fatal(err)
	}
	v, err := store.Update(t.Context(), func(s *turn.State) error {
		s.Sessions = map[string]*turn.Session{"1": {Process: lockfile.Self()}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	p.Programs = func() ([]Program, error) {
		return []Program{
			{PID: os.Getpid(), Args: []string{"claude"}, Home: home},
			{PID: 10, Args: []string{"claude", "-p", "hi"}, Home: home},
			{PID: 11, Args: []string{"/usr/bin/node", "/x/bin/claude"}},
			{PID: 12, Args: []string{"sh"}, Parent: 10},
			{PID: 13, Args: []string{"claude"}, Parent: 12}, // started by a session
			{PID: 14, Args: []string{"claude", "mcp", "serve"}},
			{PID: 15, Args: []string{"claude"}, Home: "/home/other"},
			{PID: 16, Args: []string{"claude"}, StateHome: "/elsewhere", Home: home},
			{PID: 17, Args: []string{"claude"}, Exe: p.Self}, // a launcher
			{PID: 18, Args: []string{"vim", "claude"}},
		}, nil
	}
	if list := p.Examine(); !finds(list, "sessions", Broken, "2 of 3 running sessions") || !finds(list, "sessions", Broken, "(pid 10, 11)") {
		t.Errorf("%+v; want pid 10 and 11", list)
	}
}

// For each running session the gate is told, and why it is not the module.
func TestGatesOfSessions(t *testing.T) {
	for name, c := range map[string]struct {
		session turn.Session
		args    []string
		env     string
		managed string
		off     bool
		grade   Grade
		want    string
	}{
		"the module":                        {session: turn.Session{Gate: turn.GateModule}, grade: OK, want: "by module"},
		"a gateway":                         {session: turn.Session{Gateway: true}, grade: OK, want: "by gateway"},
		"steps":                             {session: turn.Session{Gate: turn.GateSteps}, grade: Note, want: "by steps: the account's organization hides requests from modules"},
		"steps, by the settings":            {session: turn.Session{Gate: turn.GateSteps}, managed: `{"model":"opus"}`, grade: Note, want: "by steps: your organization's settings hide requests from modules"},
		"hooks, bare":                       {args: []string{"claude", "--bare"}, grade: Note, want: "by hooks: --bare"},
		"hooks, by the environment":         {env: "CLAUDE_CODE_SAFE_MODE", grade: Note, want: "by hooks: CLAUDE_CODE_SAFE_MODE"},
		"hooks, by the organization":        {managed: `{"allowManagedHooksOnly":true}`, grade: Note, want: "by hooks: allowManagedHooksOnly"},
		"hooks, for no module is there":     {grade: Note, want: "by hooks: it finds no module"},
		"hooks, for the module is unwanted": {off: true, grade: Note, want: "by hooks: module is off"},
	} {
		t.Run(name, func(t *testing.T) {
			p := patient(t)
			p.Config.Module = !c.off
			if c.managed != "" {
				if err := os.WriteFile(filepath.Join(p.Dir, "managed-settings.json"), []byte(c.managed), 0o600); err != nil {
					t.Fatal(err)
				}
				p.Managed = filepath.Join(p.Dir, "managed-settings.json")
			}
			store, err := lockfile.Open(p.State)
			if err != nil {
				t.Fatal(err)
			}
			c.session.Process = lockfile.Self()
			v, err := store.Update(t.Context(), func(s *turn.State) error {
				s.Sessions = map[string]*turn.Session{"1": &c.session}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			v.Close()
			getenv := func(name string) string {
				if name == c.env {
					return "1"
				}
				return p.Getenv(name)
			}
			p.Programs = func() ([]Program, error) {
				return []Program{{PID: os.Getpid(), Args: append([]string{"claude"}, c.args...), Home: p.Getenv("HOME"), Getenv: getenv}}, nil
			}
			if list := p.Examine(); !finds(list, "gate", c.grade, fmt.Sprintf("pid %d %s", os.Getpid(), c.want)) {
				t.Errorf("%+v; want %v, %q", list, c.grade, c.want)
			}
		})
	}
}

func TestRunningFindsThisProgram(t *testing.T) {
	all, err := Running()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.PID == os.Getpid() {
			if p.Parent != os.Getppid() || len(p.Args) == 0 || !strings.Contains(p.Args[0], "doctor.test") {
				t.Errorf("this program is %+v", p)
			}
			return
		}
	}
	t.Error("this program is not among those that run")
}
